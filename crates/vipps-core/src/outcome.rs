//! What answers, and the attempts of a call together, prove about its effect. Pure.

use std::time::Duration;

use crate::operation::{Means, Operation, Repeat};
use crate::problem::Problem;

/// What one attempt proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Evidence {
    /// Nothing reached Vipps.
    NotSent,
    /// Sent, perhaps, and no answer came: a timeout, a reset, an answer that broke off.
    Lost,
    /// An answer that leaves the effect open: 408, 5xx, a yes that is not the API's.
    Doubtful,
    /// An answer that says no, and proves nothing about another copy of the request: 401,
    /// 423, 429, a gateway's 4xx, a refusal nobody knows, one that an earlier copy can cause.
    Turned,
    /// A refusal that is known to prove that neither this request nor an earlier copy of it
    /// has taken effect.
    Refused,
    /// An earlier request under this key was another one: this one has no effect.
    KeyTaken,
    /// A yes of the API that broke off, or cannot be decoded.
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

/// Which error a failed call ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// No attempt reached Vipps.
    NotSent,
    /// The last answer was no, and no attempt was left open.
    Refused,
    /// No answer settles it: a write may have taken effect.
    Indeterminate,
    /// It has taken effect, and the answer could not be read.
    Unreadable,
}

/// Whether a write has taken effect: over this call, and over earlier ones under its key.
///
/// What a call and its repetition by another process say, as a test finds it:
///
#[doc = include_str!("docs/repetitions.md")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// It has not.
    None,
    /// It may have.
    Possible,
    /// It has.
    Certain,
}

/// What to do about an error.
///
/// For every kind of end the variant of [`Error`](crate::Error), the [`Effect`] under a key that
/// nobody used before, and the step, as a test finds them:
///
#[doc = include_str!("docs/errors.md")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NextStep {
    /// The same call again, with the same key where it has one; at once, or after so long.
    Repeat {
        /// How long Vipps asks to wait.
        after: Option<Duration>,
    },
    /// Read the state back before anything else: nothing here says what it is.
    ReadFirst,
    /// Vipps said no, and nothing happened. Another try needs a new key.
    Final,
    /// An earlier request under this key did something else: take the key that belongs to
    /// this request, or a new one.
    KeyTaken,
    /// The request cannot be valid: fix the code, or what was entered.
    FixRequest,
    /// The keys, the sales unit or its permissions: fix them, then repeat with the same key.
    FixCredentials,
    /// It took effect; only its answer could not be read.
    Done,
}

/// Classifies an error answer by status and code, never by text. `path` is that of the
/// request, below the base address.
pub(crate) fn of_answer(operation: &Operation, path: &str, status: u16, problem: &Problem) -> (Evidence, Prospect) {
    let known = problem.code().and_then(|code| operation.refusal(code));
    match (status, known) {
        (401, _) => (Evidence::Turned, Prospect::NewToken),
        (408 | 500 | 502 | 503 | 504, _) => (Evidence::Doubtful, Prospect::Transient),
        // A switch of protocols or a look elsewhere says that something was done.
        (500.. | ..=199 | 303, _) => (Evidence::Doubtful, Prospect::Final),
        (423 | 429, _) => (Evidence::Turned, Prospect::Transient),
        (400..=499, Some(refusal)) => {
            let prospect = if refusal.is_for_now() { Prospect::Transient } else { Prospect::Final };
            match refusal.means() {
                Means::KeyTaken => (Evidence::KeyTaken, Prospect::Final),
                Means::NoEffect if !refusal.is_for_now() => (Evidence::Refused, prospect),
                Means::NoEffect | Means::Open => (Evidence::Turned, prospect),
            }
        }
        (409, None) if problem.code().is_some_and(|code| code.ends_with("in-progress")) => {
            (Evidence::Doubtful, Prospect::Transient)
        }
        (400..=499, None) if is_about_this_request(operation, path, status, problem) => {
            (Evidence::Refused, Prospect::Final)
        }
        _ => (Evidence::Turned, Prospect::Final),
    }
}

/// Whether a refusal without a code is the API's, about this very request: it names malformed
/// fields, or the route. Only what a request itself can be to blame for is: a thing that is not
/// there, a permission or a conflict may be new since an earlier copy.
fn is_about_this_request(operation: &Operation, path: &str, status: u16, problem: &Problem) -> bool {
    if problem.code().is_some() || !problem.is_of_the_api() || !matches!(status, 400 | 422) {
        return false;
    }
    let by_key = matches!(operation.repeat(), Repeat::ByKey | Repeat::Read);
    problem.has_own_fields() || by_key && problem.instance().is_some_and(|instance| names_route(instance, path))
}

/// Whether an `instance` is the route of a request. Services name their own prefix:
/// `/v1/payments/acme-1/capture` for `/epayment/v1/payments/acme-1/capture`.
fn names_route(instance: &str, path: &str) -> bool {
    let instance = instance.split(['?', '#']).next().unwrap_or_default();
    let below_prefix = path.trim_start_matches('/').split_once('/').map_or("", |(_, rest)| rest);
    let own = instance.strip_suffix(below_prefix).filter(|_| !below_prefix.is_empty());
    own.is_some_and(|prefix| prefix.ends_with('/'))
}

/// Joins the evidence of all attempts of a failed call, in order.
///
/// Once one attempt of a write may have reached Vipps, only a refusal that is known to prove
/// it settles what became of it.
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
            Evidence::Refused | Evidence::KeyTaken => (open, answered) = (false, true),
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

/// The effect of a failed write, by its attempts and by whether its key may have been used
/// before.
pub(crate) fn effect(attempts: &[Evidence], used_before: bool) -> Effect {
    if attempts.contains(&Evidence::Unreadable) {
        return Effect::Certain;
    }
    // What comes after a settling answer counts anew.
    let settled = attempts.iter().rposition(|evidence| *evidence == Evidence::Refused);
    let since = settled.map_or(attempts, |at| &attempts[at + 1..]);
    let open = since.iter().any(|evidence| *evidence != Evidence::NotSent);
    match (open, settled, used_before) {
        (true, ..) | (false, None, true) => Effect::Possible,
        (false, Some(_), _) | (false, None, false) => Effect::None,
    }
}

/// What is known of how a call ended.
pub(crate) struct Ending {
    pub(crate) verdict: Verdict,
    pub(crate) repeat: Repeat,
    /// The last attempt.
    pub(crate) evidence: Evidence,
    pub(crate) prospect: Prospect,
    pub(crate) status: Option<u16>,
    /// The last answer names malformed fields.
    pub(crate) has_fields: bool,
    /// The last answer was about something else than was asked.
    pub(crate) is_mismatched: bool,
    /// It ended for want of an access token.
    pub(crate) lacks_token: bool,
    pub(crate) retry_after: Option<Duration>,
}

pub(crate) fn next_step(ending: &Ending) -> NextStep {
    let again = NextStep::Repeat { after: ending.retry_after };
    let credentials = matches!(ending.status, Some(401 | 403)) && ending.evidence == Evidence::Turned;
    let repeatable = !matches!(ending.repeat, Repeat::Once);
    if ending.lacks_token && ending.prospect == Prospect::Final {
        return NextStep::FixCredentials;
    }
    if ending.repeat == Repeat::Read {
        return match ending.verdict {
            Verdict::Refused if credentials => NextStep::FixCredentials,
            Verdict::Refused if ending.prospect == Prospect::Final && !ending.is_mismatched => NextStep::FixRequest,
            _ => again,
        };
    }
    match (ending.verdict, ending.evidence) {
        (Verdict::NotSent, _) => again,
        (Verdict::Unreadable, _) => NextStep::Done,
        (_, Evidence::KeyTaken) => NextStep::KeyTaken,
        (Verdict::Refused, Evidence::Refused) if ending.has_fields => NextStep::FixRequest,
        (Verdict::Refused, Evidence::Refused) => NextStep::Final,
        (Verdict::Refused, _) if credentials => NextStep::FixCredentials,
        (Verdict::Indeterminate, _) if credentials && repeatable => NextStep::FixCredentials,
        _ if ending.is_mismatched || !repeatable => NextStep::ReadFirst,
        // What nobody knows is read first, never repeated.
        (_, Evidence::Turned) if ending.prospect == Prospect::Final => NextStep::ReadFirst,
        (_, Evidence::Unreadable) => NextStep::ReadFirst,
        (_, Evidence::Doubtful) if ending.prospect == Prospect::Final => NextStep::ReadFirst,
        _ => again,
    }
}

#[cfg(test)]
mod tests {
    use super::Evidence::{Doubtful, KeyTaken, Lost, NotSent, Refused, Turned, Unreadable};
    use super::*;
    use crate::operation::{Auth, KeyRule, Refusal};
    use bytes::Bytes;

    const KNOWN: &[Refusal] = &[
        Refusal::new("6080", Means::NoEffect),
        Refusal::new("6050", Means::Open),
        Refusal::new("6280", Means::Open).for_now(),
        Refusal::new("4010", Means::KeyTaken),
    ];
    const CAPTURE: Operation =
        Operation::new("c", "POST", "/epayment/v1/payments/{reference}/capture", KeyRule::Unknown, Auth::Bearer)
            .with_repeat(Repeat::ByKey)
            .with_refusals(KNOWN, &[]);
    const PATH: &str = "/epayment/v1/payments/acme-1/capture";

    fn answer_to(operation: &Operation, status: u16, body: &str) -> (Evidence, Prospect) {
        of_answer(operation, PATH, status, &Problem::read(Bytes::copy_from_slice(body.as_bytes())))
    }

    fn coded(code: &str) -> String {
        format!(r#"{{"title":"t","traceId":"x","extraDetails":[{{"name":"ErrorCode","reason":"{code}"}}]}}"#)
    }

    #[test]
    fn only_a_refusal_that_is_known_of_the_operation_settles() {
        let bare = r#"{"title":"Not Found","traceId":"t"}"#;
        let framework = r#"{"type":"https://tools.ietf.org/html/rfc9110#section-15.5.5","title":"Not Found","status":404,"traceId":"00-1-2-00"}"#;
        let fields = r#"{"title":"Bad Request","traceId":"t","extraDetails":[{"name":"amount","reason":"low"}]}"#;
        let blank = |instance: &str| format!(r#"{{"type":"about:blank","title":"x","instance":"{instance}"}}"#);
        let own = blank("/v1/payments/acme-1/capture");
        let merchant_api = blank("/vipps-epayment/v1/payments/acme-1/capture");
        let foreign = blank("/v1/payments/acme-2/capture");
        let running = r##"{"title":"t","type":"https://developer.vippsmobilepay.com/p#idempotency-in-progress"}"##;
        let (last, soon) = (Prospect::Final, Prospect::Transient);
        let cases = [
            (400, coded("6080"), (Refused, last)),
            (422, coded("6080"), (Refused, last)),
            (404, coded("6080"), (Refused, last)),
            (400, coded("6050"), (Turned, last)),
            (400, coded("6280"), (Turned, soon)),
            (409, coded("4010"), (KeyTaken, last)),
            (400, coded("9999"), (Turned, last)),
            (400, fields.into(), (Refused, last)),
            (404, bare.into(), (Turned, last)),
            (404, framework.into(), (Turned, last)),
            (404, r#"{"errorCode":"ROUTE"}"#.into(), (Turned, last)),
            (413, String::new(), (Turned, last)),
            (415, String::new(), (Turned, last)),
            (405, String::new(), (Turned, last)),
            (421, "<html>".into(), (Turned, last)),
            (400, own.clone(), (Refused, last)),
            (422, merchant_api, (Refused, last)),
            (404, own.clone(), (Turned, last)),
            (400, foreign, (Turned, last)),
            (409, own.clone(), (Turned, last)),
            (403, own, (Turned, last)),
            (401, coded("6080"), (Turned, Prospect::NewToken)),
            (403, r#"{"statusCode":403,"message":"m"}"#.into(), (Turned, last)),
            (408, String::new(), (Doubtful, soon)),
            (409, running.into(), (Doubtful, soon)),
            (423, coded("6160"), (Turned, soon)),
            (429, String::new(), (Turned, soon)),
            (500, bare.into(), (Doubtful, soon)),
            (501, String::new(), (Doubtful, last)),
            (503, "<html>".into(), (Doubtful, soon)),
            (303, String::new(), (Doubtful, last)),
            (103, String::new(), (Doubtful, last)),
            (307, String::new(), (Turned, last)),
        ];
        for (status, body, wanted) in cases {
            assert_eq!(answer_to(&CAPTURE, status, &body), wanted, "{status} {body}");
        }
    }

    #[test]
    fn a_route_without_a_code_settles_nothing_that_an_earlier_copy_can_cause() {
        let cancel = CAPTURE.with_repeat(Repeat::ByNature);
        let body = r#"{"type":"about:blank","title":"x","instance":"/v1/payments/acme-1/capture"}"#;
        assert_eq!(answer_to(&cancel, 400, body), (Turned, Prospect::Final));
    }

    #[test]
    fn an_instance_is_the_route_only_from_a_slash_on() {
        for (instance, names) in [
            ("/v1/payments/acme-1/capture", true),
            ("/inner/v1/payments/acme-1/capture?x=1", true),
            ("/xv1/payments/acme-1/capture", false),
            ("/payments/acme-1/capture", false),
            ("", false),
            ("urn:uuid:1", false),
        ] {
            assert_eq!(names_route(instance, PATH), names, "{instance}");
        }
        assert!(!names_route("/", "/") && !names_route("", ""));
    }

    /// The kinds of evidence in the order of the rows and columns of the tables below.
    const KINDS: [Evidence; 7] = [NotSent, Lost, Doubtful, Turned, Refused, KeyTaken, Unreadable];

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
        let table = ["NIIRRRU", "IIIIRRU", "IIIIRRU", "RIIRRRU", "RIIRRRU", "RIIRRRU", "UUUUUUU"];
        for (first, row) in KINDS.into_iter().zip(table) {
            let found: String = KINDS.iter().map(|second| letter(verdict(&[first, *second], false))).collect();
            assert_eq!(found, row, "{first:?} and then each");
        }
        for (evidence, wanted) in KINDS.into_iter().zip("NIIRRRU".chars()) {
            assert_eq!(letter(verdict(&[evidence], false)), wanted, "{evidence:?} alone");
        }
    }

    #[test]
    fn the_verdict_of_every_three_attempts_is_that_of_the_first_two_and_the_third() {
        // A lost attempt stays open until something settles it, however many come between.
        for first in KINDS {
            for second in KINDS {
                for third in KINDS {
                    let all = verdict(&[first, second, third], false);
                    let settled = matches!(third, Refused | KeyTaken);
                    let open = matches!(third, Lost | Doubtful);
                    let before = verdict(&[first, second], false);
                    let wanted = match (before, third) {
                        (Verdict::Unreadable, _) | (_, Unreadable) => Verdict::Unreadable,
                        _ if open => Verdict::Indeterminate,
                        _ if settled => Verdict::Refused,
                        (Verdict::NotSent, Turned) => Verdict::Refused,
                        (before, _) => before,
                    };
                    assert_eq!(all, wanted, "{first:?}, {second:?}, {third:?}");
                }
            }
        }
    }

    #[test]
    fn a_read_is_settled_by_its_last_answer() {
        // Row: first attempt; column: second.
        let table = ["NIRRRRU", "IIRRRRU", "RIRRRRU", "RIRRRRU", "RIRRRRU", "RIRRRRU", "UIRRRRU"];
        for (first, row) in KINDS.into_iter().zip(table) {
            let found: String = KINDS.iter().map(|second| letter(verdict(&[first, *second], true))).collect();
            assert_eq!(found, row, "{first:?} and then each");
        }
    }

    #[test]
    fn the_effect_knows_of_earlier_calls_under_the_key() {
        use Effect::{Certain, None, Possible};
        // Attempts; the effect under a key that nobody used; under one that was used before.
        let cases = [
            (&[][..], None, Possible),
            (&[NotSent], None, Possible),
            (&[Lost], Possible, Possible),
            (&[Turned], Possible, Possible),
            (&[Doubtful, NotSent], Possible, Possible),
            (&[Refused], None, None),
            (&[Lost, Refused], None, None),
            (&[Lost, Turned], Possible, Possible),
            (&[Lost, Refused, NotSent], None, None),
            (&[Refused, Lost], Possible, Possible),
            (&[KeyTaken], Possible, Possible),
            (&[Unreadable], Certain, Certain),
            (&[Unreadable, Refused], Certain, Certain),
        ];
        for (attempts, new, used) in cases {
            assert_eq!((effect(attempts, false), effect(attempts, true)), (new, used), "{attempts:?}");
        }
    }

    #[test]
    fn the_next_step_of_every_ending() {
        use NextStep::{Done, Final, FixCredentials, FixRequest, ReadFirst, Repeat as Again};
        let again = Again { after: None };
        let of = |evidence: Evidence, prospect: Prospect, status: Option<u16>| {
            [Repeat::ByKey, Repeat::Once, Repeat::Read].map(|repeat| {
                next_step(&Ending {
                    verdict: verdict(&[evidence], repeat == Repeat::Read),
                    repeat,
                    evidence,
                    prospect,
                    status,
                    has_fields: false,
                    is_mismatched: false,
                    lacks_token: false,
                    retry_after: None,
                })
            })
        };
        let (last, soon) = (Prospect::Final, Prospect::Transient);
        // Evidence, prospect, status; the step of a keyed write, of one that is sent once, of a read.
        let cases = [
            (NotSent, soon, None, [again, again, again]),
            (Lost, soon, None, [again, ReadFirst, again]),
            (Doubtful, soon, Some(503), [again, ReadFirst, again]),
            (Doubtful, last, Some(303), [ReadFirst, ReadFirst, FixRequest]),
            (Turned, soon, Some(429), [again, ReadFirst, again]),
            (Turned, last, Some(404), [ReadFirst, ReadFirst, FixRequest]),
            (Turned, last, Some(403), [FixCredentials, FixCredentials, FixCredentials]),
            (Turned, Prospect::NewToken, Some(401), [FixCredentials, FixCredentials, FixCredentials]),
            (Refused, last, Some(400), [Final, Final, FixRequest]),
            (KeyTaken, last, Some(409), [NextStep::KeyTaken, NextStep::KeyTaken, FixRequest]),
            (Unreadable, last, Some(200), [Done, Done, again]),
        ];
        for (evidence, prospect, status, wanted) in cases {
            assert_eq!(of(evidence, prospect, status), wanted, "{evidence:?} {prospect:?} {status:?}");
        }
    }
}
