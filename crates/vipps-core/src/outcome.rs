//! What the attempts of a call together prove about its effect. Pure.

use crate::problem::Problem;

/// What one attempt proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Evidence {
    /// Nothing reached Vipps.
    NotSent,
    /// Sent, perhaps, and no answer came: a timeout, a reset, an answer cut off.
    Lost,
    /// An answer that leaves the effect open: 408, 5xx, or the first request is still running.
    Doubtful,
    /// An answer that says no without being about the operation under this key: 401, 403,
    /// 409, 423, 429, a gateway's 4xx, come back later.
    Turned,
    /// The API itself said no to this operation under this key.
    Refused,
    /// A 2xx that could not be read.
    Unreadable,
}

/// Whether the same attempt could end differently a little later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prospect {
    /// Yes, with the same key.
    Transient,
    /// Yes, with a new access token.
    NewToken,
    /// No.
    Final,
}

/// What a failed call can claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// No attempt reached Vipps.
    NotSent,
    /// The last answer was no, and no attempt can have taken effect.
    Refused,
    /// No answer settles it: a write may have taken effect.
    Indeterminate,
    /// It has taken effect, and the answer could not be read.
    Unreadable,
}

/// ePayment codes that say to come back with the same key: another operation holds the
/// payment, the customer is paying right now, the capture failed for the moment.
const COME_BACK: [&str; 3] = ["6160", "6250", "6280"];

/// Classifies an error answer by status and code, never by text.
pub(crate) fn of_answer(status: u16, problem: &Problem) -> (Evidence, Prospect) {
    let code = problem.code().unwrap_or_default();
    let running = status == 409 && code.ends_with("in-progress");
    match status {
        401 => (Evidence::Turned, Prospect::NewToken),
        408 | 500 | 502 | 503 | 504 => (Evidence::Doubtful, Prospect::Transient),
        423 | 429 => (Evidence::Turned, Prospect::Transient),
        _ if status >= 500 => (Evidence::Doubtful, Prospect::Final),
        _ if running => (Evidence::Doubtful, Prospect::Transient),
        _ if status >= 400 && COME_BACK.contains(&code) => (Evidence::Turned, Prospect::Transient),
        // Permission, or a conflict with what may be our own lost attempt: the answer says
        // nothing about an attempt before it.
        403 | 409 => (Evidence::Turned, Prospect::Final),
        400..=499 if problem.is_of_the_api() => (Evidence::Refused, Prospect::Final),
        // A gateway, a proxy, a redirect: the operation was not reached.
        _ => (Evidence::Turned, Prospect::Final),
    }
}

/// Joins the evidence of all attempts of a failed call, in order.
///
/// Once one attempt of a write may have reached Vipps, only the API's own answer under the
/// same key settles what became of it.
pub(crate) fn verdict(attempts: &[Evidence], is_read: bool) -> Verdict {
    if is_read {
        // It changes nothing: the last attempt that reached Vipps says how it is.
        return match attempts.iter().rev().find(|evidence| **evidence != Evidence::NotSent) {
            None => Verdict::NotSent,
            Some(Evidence::Lost) => Verdict::Indeterminate,
            Some(Evidence::Unreadable) => Verdict::Unreadable,
            Some(_) => Verdict::Refused,
        };
    }
    if attempts.contains(&Evidence::Unreadable) {
        return Verdict::Unreadable;
    }
    let mut open = false;
    let mut answered = false;
    for evidence in attempts {
        match evidence {
            Evidence::Lost | Evidence::Doubtful => open = true,
            Evidence::Refused => (open, answered) = (false, true),
            Evidence::Turned => answered = true,
            Evidence::NotSent | Evidence::Unreadable => {}
        }
    }
    match (open, answered) {
        (true, _) => Verdict::Indeterminate,
        (false, true) => Verdict::Refused,
        (false, false) => Verdict::NotSent,
    }
}

#[cfg(test)]
mod tests {
    use super::Evidence::{Doubtful, Lost, NotSent, Refused, Turned, Unreadable};
    use super::*;
    use bytes::Bytes;

    fn answer(status: u16, body: &'static str) -> (Evidence, Prospect) {
        of_answer(status, &Problem::read(Bytes::from_static(body.as_bytes())))
    }

    #[test]
    fn status_and_code_decide_together() {
        let coded = |code: &str| -> &'static str {
            Box::leak(
                format!(r#"{{"title":"t","extraDetails":[{{"name":"ErrorCode","reason":"{code}"}}]}}"#)
                    .into_boxed_str(),
            )
        };
        let problem = r#"{"title":"t","traceId":"x"}"#;
        let gateway = r#"{"statusCode":403,"message":"m"}"#;
        let running = r##"{"title":"t","type":"https://x.example#idempotency-in-progress"}"##;
        let cases = [
            (400, problem, (Refused, Prospect::Final)),
            (400, coded("6280"), (Turned, Prospect::Transient)),
            (400, coded("6080"), (Refused, Prospect::Final)),
            (400, "<html>", (Turned, Prospect::Final)),
            (401, problem, (Turned, Prospect::NewToken)),
            (403, problem, (Turned, Prospect::Final)),
            (403, gateway, (Turned, Prospect::Final)),
            (404, "", (Turned, Prospect::Final)),
            (408, "", (Doubtful, Prospect::Transient)),
            (409, coded("4150"), (Turned, Prospect::Final)),
            (409, coded("6250"), (Turned, Prospect::Transient)),
            (409, running, (Doubtful, Prospect::Transient)),
            (423, coded("6160"), (Turned, Prospect::Transient)),
            (429, "", (Turned, Prospect::Transient)),
            (500, problem, (Doubtful, Prospect::Transient)),
            (501, "", (Doubtful, Prospect::Final)),
            (503, "<html>", (Doubtful, Prospect::Transient)),
            (307, "", (Turned, Prospect::Final)),
        ];
        for (status, body, wanted) in cases {
            assert_eq!(answer(status, body), wanted, "{status} {body}");
        }
    }

    #[test]
    fn the_verdict_of_every_single_attempt() {
        let cases = [
            (NotSent, Verdict::NotSent),
            (Lost, Verdict::Indeterminate),
            (Doubtful, Verdict::Indeterminate),
            (Turned, Verdict::Refused),
            (Refused, Verdict::Refused),
            (Unreadable, Verdict::Unreadable),
        ];
        for (evidence, wanted) in cases {
            assert_eq!(verdict(&[evidence], false), wanted, "{evidence:?}");
        }
    }

    /// The kinds of evidence in the order of the rows and columns of the tables below.
    const KINDS: [Evidence; 6] = [NotSent, Lost, Doubtful, Turned, Refused, Unreadable];

    fn letter(verdict: Verdict) -> char {
        match verdict {
            Verdict::NotSent => 'N',
            Verdict::Indeterminate => 'I',
            Verdict::Refused => 'R',
            Verdict::Unreadable => 'U',
        }
    }

    #[test]
    fn the_verdict_of_every_two_attempts() {
        // Row: first attempt; column: second. N not sent, I indeterminate, R refused, U unreadable.
        let table = ["NIIRRU", "IIIIRU", "IIIIRU", "RIIRRU", "RIIRRU", "UUUUUU"];
        for (first, row) in KINDS.into_iter().zip(table) {
            let found: String = KINDS.iter().map(|second| letter(verdict(&[first, *second], false))).collect();
            assert_eq!(found, row, "{first:?} and then each");
        }
    }

    #[test]
    fn the_verdict_of_every_three_attempts() {
        // Row: first attempt; group: second; letter: third.
        let table = [
            "NIIRRU IIIIRU IIIIRU RIIRRU RIIRRU UUUUUU",
            "IIIIRU IIIIRU IIIIRU IIIIRU RIIRRU UUUUUU",
            "IIIIRU IIIIRU IIIIRU IIIIRU RIIRRU UUUUUU",
            "RIIRRU IIIIRU IIIIRU RIIRRU RIIRRU UUUUUU",
            "RIIRRU IIIIRU IIIIRU RIIRRU RIIRRU UUUUUU",
            "UUUUUU UUUUUU UUUUUU UUUUUU UUUUUU UUUUUU",
        ];
        for (first, row) in KINDS.into_iter().zip(table) {
            let group = |second: Evidence| -> String {
                KINDS.iter().map(|third| letter(verdict(&[first, second, *third], false))).collect()
            };
            let found: Vec<String> = KINDS.into_iter().map(group).collect();
            assert_eq!(found.join(" "), row, "{first:?} and then each two");
        }
    }

    #[test]
    fn a_read_is_settled_by_its_last_answer() {
        // Row: first attempt; column: second.
        let table = ["NIRRRU", "IIRRRU", "RIRRRU", "RIRRRU", "RIRRRU", "UIRRRU"];
        for (first, row) in KINDS.into_iter().zip(table) {
            let found: String = KINDS.iter().map(|second| letter(verdict(&[first, *second], true))).collect();
            assert_eq!(found, row, "{first:?} and then each");
        }
    }
}
