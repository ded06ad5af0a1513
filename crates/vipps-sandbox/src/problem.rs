//! Every error body: the shape that each API gives its refusals.

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use crate::answer::{Answer, PROBLEM};
use crate::refusal::{Refusal, code, known_title};

const RECURRING_PROBLEMS: &str = "https://developer.vippsmobilepay.com/docs/APIs/recurring-api/recurring-api-problems#";

/// What a refusal needs to know of its request.
pub(crate) struct Context<'a> {
    pub(crate) api: &'a str,
    pub(crate) operation: &'a str,
    /// The path as it came in.
    pub(crate) path: &'a str,
    /// What support asks for, in the two forms that APIs use.
    pub(crate) trace_id: String,
    pub(crate) context_id: String,
    /// Recurring problems have the type `about:blank`.
    pub(crate) blank_type: bool,
}

/// The answer that tells a refusal in the words of its API.
pub(crate) fn answer(refusal: &Refusal, context: &Context<'_>) -> Answer {
    match context.api {
        "recurring" => recurring(refusal, context),
        "recurring-v2" => recurring_v2(refusal, context),
        "checkout" => checkout(refusal, context),
        "psp" => psp(refusal, context),
        "userinfo" => userinfo(refusal, context),
        _ => epayment(refusal, context),
    }
}

/// A body for a status that no rule of the domain gives: faults, rate limits.
pub(crate) fn bare(status: u16, detail: &str, code: Option<&str>, context: &Context<'_>) -> Answer {
    let title = reason(status);
    match context.api {
        // It has no errors of its own.
        "access-token" => Answer::gateway(status, detail),
        "userinfo" => {
            let body = json!({
                "type": "about:blank", "title": title, "status": status, "detail": detail,
                "instance": context.context_id,
            });
            Answer::json(status, &body)
        }
        "checkout" => checkout_body(status, code.unwrap_or("Technical-00001"), title, &context.context_id, Map::new()),
        "psp" | "recurring-v2" => refusal_array(status, detail, code, context),
        "recurring" => {
            let kind = code.map_or("about:blank".to_owned(), |code| format!("{RECURRING_PROBLEMS}{code}"));
            let body = json!({
                "type": kind, "title": title, "status": status, "detail": detail,
                "instance": instance(context), "contextId": context.context_id,
            });
            Answer::json(status, &body).with_media(PROBLEM)
        }
        _ => {
            let known = code.and_then(|code| known_title(code.parse().ok()?));
            let (title, detail) = known.map_or((title, detail), |known| (known, known));
            let mut body = json!({
                "type": format!("https://httpstatuses.io/{status}"), "title": title, "status": status,
                "detail": detail, "instance": instance(context), "traceId": context.trace_id,
            });
            if let Some(code) = code {
                body["extraDetails"] = json!([{ "name": "ErrorCode", "reason": code }]);
            }
            Answer::json(status, &body).with_media(PROBLEM)
        }
    }
}

fn refusal_array(status: u16, detail: &str, code: Option<&str>, context: &Context<'_>) -> Answer {
    let code = code.map_or_else(|| status.to_string(), str::to_owned);
    let line = match context.api {
        "psp" => json!({ "errorCode": code, "errorMessage": detail, "contextId": context.context_id }),
        _ => json!({ "message": detail, "code": code, "contextId": context.context_id }),
    };
    Answer::json(status, &json!([line]))
}

pub(crate) fn reason(status: u16) -> &'static str {
    StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Fault")
}

/// The path as the inner service names it.
fn instance(context: &Context<'_>) -> String {
    match context.path.strip_prefix("/recurring") {
        Some(rest) => format!("/vipps-recurring-merchant-api{rest}"),
        None => context.path.trim_start_matches("/epayment").trim_start_matches("/webhooks").to_owned(),
    }
}

/// ePayment and Webhooks: problem details with a trace id.
fn epayment(refusal: &Refusal, context: &Context<'_>) -> Answer {
    let from_code = |number: u16| {
        let (status, title) = code(number);
        (status, title, vec![json!({ "name": "ErrorCode", "reason": number.to_string() })])
    };
    let (status, title, extra) = match refusal {
        Refusal::Code(number) => from_code(*number),
        Refusal::Busy => from_code(6160),
        Refusal::KeyReused => match context.operation {
            "createPayment" => from_code(4020),
            "capturePayment" => from_code(4010),
            // One code for two things.
            _ => {
                let (status, _, extra) = from_code(4150);
                (status, "Idempotency conflict", extra)
            }
        },
        Refusal::Unknown => (404, "Not Found", Vec::new()),
        Refusal::Forbidden(_) => (403, "Forbidden", Vec::new()),
        Refusal::Fields(fields) => (400, "Bad Request", details(fields)),
        Refusal::Problem { status, .. } | Refusal::Session { status, .. } => (*status, reason(*status), Vec::new()),
        Refusal::Psp { .. } => (400, "Bad Request", Vec::new()),
    };
    let body = json!({
        "type": format!("https://httpstatuses.io/{status}"),
        "title": title,
        "detail": title,
        "status": status,
        "instance": instance(context),
        "traceId": context.trace_id,
        "extraDetails": extra,
    });
    Answer::json(status, &body).with_media(PROBLEM)
}

fn details(fields: &[(String, String)]) -> Vec<Value> {
    fields.iter().map(|(name, rule)| json!({ "name": name, "reason": rule })).collect()
}

/// Identifier, status, text and malformed fields of a Recurring refusal.
fn recurring_parts(refusal: &Refusal) -> (&'static str, u16, String, &[(String, String)]) {
    match refusal {
        Refusal::Problem { identifier, status, detail } => (identifier, *status, detail.to_string(), &[]),
        Refusal::Fields(fields) => {
            let (identifier, detail) = match fields.first().map(|(name, rule)| (name.as_str(), rule.as_str())) {
                Some(("body", rule)) if rule.starts_with("is not") => ("invalid-json", "The body is not valid JSON."),
                Some(("Idempotency-Key", "is required")) => {
                    ("missing-request-header", "The header Idempotency-Key is missing.")
                }
                Some(("Idempotency-Key", _)) => ("idempotency-key-header", "The header Idempotency-Key is malformed."),
                _ => ("validation-error", "The request is not valid."),
            };
            (identifier, 400, detail.to_owned(), fields)
        }
        Refusal::Busy => ("conflict", 409, "The first request is still being processed.".into(), &[]),
        Refusal::KeyReused => {
            ("idempotency-conflict", 409, "The idempotency key was used for another request.".into(), &[])
        }
        Refusal::Unknown => ("resource-not-found", 404, "Not found.".into(), &[]),
        Refusal::Forbidden(why) => ("invalid-sale-unit", 403, (*why).to_owned(), &[]),
        Refusal::Code(number) => ("operation-failed", code(*number).0, code(*number).1.to_owned(), &[]),
        Refusal::Session { status, title, .. } => ("operation-failed", *status, (*title).to_owned(), &[]),
        Refusal::Psp { message, .. } => ("operation-failed", 400, message.to_string(), &[]),
    }
}

/// Recurring v3: problem details with a context id and a type from its list.
fn recurring(refusal: &Refusal, context: &Context<'_>) -> Answer {
    let (identifier, status, detail, fields) = recurring_parts(refusal);
    let kind = if context.blank_type { "about:blank".to_owned() } else { format!("{RECURRING_PROBLEMS}{identifier}") };
    let mut body = json!({
        "type": kind,
        "title": reason(status),
        "status": status,
        "detail": detail,
        "instance": instance(context),
        "contextId": context.context_id,
    });
    if !fields.is_empty() {
        body["extraDetails"] = details(fields).into();
    }
    Answer::json(status, &body).with_media(PROBLEM)
}

/// Recurring v2: an array, a line for each malformed field.
fn recurring_v2(refusal: &Refusal, context: &Context<'_>) -> Answer {
    let (identifier, status, detail, fields) = recurring_parts(refusal);
    let code = match identifier {
        "charge-creation-failed" => "recurring.core.charges.create.invalid_agreement",
        "idempotency-conflict" => "idempotentkey.hash.mismatch",
        "invalid-sale-unit" => "merchant.not.allowed.for.recurring.operation",
        other => other,
    };
    let line = |field: Option<&str>, message: &str| {
        let code =
            if field == Some("merchantAgreementUrl") { "merchantagreementurl.apacheurlvalidation" } else { code };
        let mut line = json!({ "message": message, "code": code, "contextId": context.context_id });
        if let Some(field) = field {
            line["field"] = field.into();
        }
        line
    };
    let lines: Vec<Value> = match fields {
        [] => vec![line(None, &detail)],
        fields => fields.iter().map(|(name, rule)| line(Some(name), rule)).collect(),
    };
    Answer::json(status, &lines.into())
}

/// Checkout: an error code, and the messages of each malformed field.
fn checkout(refusal: &Refusal, context: &Context<'_>) -> Answer {
    let (status, code, title) = match refusal {
        Refusal::Session { status, code, title } => (*status, *code, *title),
        Refusal::Fields(_) => (400, "Validation-00001", "One or more validation errors occurred."),
        Refusal::Unknown => (404, "Session-00100", "Session expired or not known."),
        Refusal::KeyReused => (409, "Session-00409", "The idempotency key was used for another request."),
        Refusal::Busy => (409, "Session-00409", "The first request is still being processed."),
        _ => (400, "Session-00400", "The session does not allow this."),
    };
    let mut errors = Map::new();
    if let Refusal::Fields(fields) = refusal {
        for (name, rule) in fields {
            let path = pascal_path(name);
            let message = match rule.as_str() {
                "is required" => format!("The {} field is required.", path.rsplit('.').next().unwrap_or(&path)),
                rule => format!("The field {} {rule}.", path.rsplit('.').next().unwrap_or(&path)),
            };
            match errors.entry(path).or_insert_with(|| json!([])) {
                Value::Array(messages) => messages.push(message.into()),
                other => *other = json!([message]),
            }
        }
    }
    checkout_body(status, code, title, &context.context_id, errors)
}

fn checkout_body(status: u16, code: &str, title: &str, context_id: &str, errors: Map<String, Value>) -> Answer {
    let body = json!({
        "errorCode": code, "title": title, "status": status,
        "instance": format!("urn:uuid:{context_id}"), "errors": errors,
    });
    Answer::json(status, &body)
}

/// Userinfo: its own few members.
fn userinfo(refusal: &Refusal, context: &Context<'_>) -> Answer {
    let (status, detail) = match refusal {
        Refusal::Unknown => (404, "No customer is known by this sub.".to_owned()),
        Refusal::Forbidden(why) => (403, (*why).to_owned()),
        Refusal::Fields(fields) => {
            let told: Vec<String> = fields.iter().map(|(name, rule)| format!("{name} {rule}")).collect();
            (400, told.join("; "))
        }
        other => (recurring_parts(other).1, recurring_parts(other).2),
    };
    let body = json!({
        "type": "about:blank", "title": reason(status), "status": status, "detail": detail,
        "instance": context.context_id,
    });
    Answer::json(status, &body)
}

/// `transaction.orderSummary` as `Transaction.OrderSummary`.
fn pascal_path(name: &str) -> String {
    let capital = |segment: &str| {
        let mut chars = segment.chars();
        chars.next().map(|first| first.to_uppercase().chain(chars).collect::<String>()).unwrap_or_default()
    };
    name.split('.').map(capital).collect::<Vec<_>>().join(".")
}

/// PSP: an array of code and message; unknown payments and test approvals have no body.
fn psp(refusal: &Refusal, context: &Context<'_>) -> Answer {
    let lines: Vec<(String, String)> = match refusal {
        Refusal::Psp { code, message } => vec![((*code).to_owned(), message.to_string())],
        Refusal::Fields(fields) => {
            let mut told = fields.clone();
            told.dedup_by(|next, first| next.0 == first.0);
            told.iter().map(|(name, rule)| ("51".into(), format!("Invalid request: {name} {rule}"))).collect()
        }
        Refusal::Unknown => return Answer::empty(404),
        Refusal::KeyReused => vec![("51".into(), "Invalid request: the idempotency key was used before".into())],
        Refusal::Busy => vec![("51".into(), "Invalid request: the first request is still being processed".into())],
        other => vec![("51".into(), format!("Invalid request: {}", recurring_parts(other).2))],
    };
    // 409 is none of its statuses.
    let status = 400;
    if context.operation == "integrationTestApprovePayment" {
        return Answer::empty(status);
    }
    let line = |(code, message): (String, String)| json!({ "errorCode": code, "errorMessage": message, "contextId": context.context_id });
    Answer::json(status, &lines.into_iter().map(line).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context<'a>(api: &'a str, operation: &'a str, path: &'a str) -> Context<'a> {
        let (trace_id, context_id) = ("00-1-2-01".into(), "c".into());
        Context { api, operation, path, trace_id, context_id, blank_type: false }
    }

    fn body(refusal: &Refusal, api: &str) -> (u16, Value) {
        let answer = answer(refusal, &context(api, "any", "/recurring/v3/agreements/agr_x"));
        (answer.status, serde_json::from_slice(&answer.body).unwrap())
    }

    #[test]
    fn every_api_tells_a_missing_field_in_its_own_shape() {
        let refusal = Refusal::field("transaction.reference", "is required");
        let (status, problem) = body(&refusal, "epayment");
        assert_eq!(
            (status, &problem["extraDetails"][0]),
            (400, &json!({ "name": "transaction.reference", "reason": "is required" }))
        );
        let (_, problem) = body(&refusal, "recurring");
        assert_eq!(problem["type"], format!("{RECURRING_PROBLEMS}validation-error"));
        assert_eq!(problem["instance"], "/vipps-recurring-merchant-api/v3/agreements/agr_x");
        let (_, array) = body(&refusal, "recurring-v2");
        assert_eq!(array[0]["field"], "transaction.reference");
        let (_, problem) = body(&refusal, "checkout");
        assert_eq!(problem["errorCode"], "Validation-00001");
        assert_eq!(problem["errors"]["Transaction.Reference"], json!(["The Reference field is required."]));
        let (_, array) = body(&refusal, "psp");
        assert_eq!(array[0]["errorCode"], "51");
    }

    #[test]
    fn a_key_of_another_request_has_the_code_of_its_operation() {
        for (operation, code) in [("createPayment", "4020"), ("capturePayment", "4010"), ("refundPayment", "4150")] {
            let answer = answer(&Refusal::KeyReused, &context("epayment", operation, "/"));
            let body: Value = serde_json::from_slice(&answer.body).unwrap();
            assert_eq!((answer.status, &body["extraDetails"][0]["reason"]), (409, &code.into()), "{operation}");
        }
        assert_eq!(body(&Refusal::KeyReused, "recurring-v2").1[0]["code"], "idempotentkey.hash.mismatch");
    }
}
