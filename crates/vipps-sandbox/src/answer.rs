//! What the sandbox answers, before it becomes HTTP.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::refusal::Refusal;

/// A status, a body and its media type.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
    pub(crate) media: &'static str,
    pub(crate) retry_after: Option<String>,
}

pub(crate) const JSON: &str = "application/json";
pub(crate) const PROBLEM: &str = "application/problem+json";
pub(crate) const HTML: &str = "text/html; charset=utf-8";

impl Answer {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self { status, body: body.to_string().into(), media: JSON, retry_after: None }
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self { status, body: Bytes::new(), media: JSON, retry_after: None }
    }

    /// What the gateway in front of the APIs says.
    pub(crate) fn gateway(status: u16, message: &str) -> Self {
        Self::json(status, &json!({ "statusCode": status, "message": message }))
    }

    /// Problem details of ePayment. `path` is the route without the name of the API.
    pub(crate) fn problem(refusal: &Refusal, path: &str, trace_id: &str) -> Self {
        let status = refusal.status();
        let extra: Vec<Value> = match refusal {
            Refusal::Code(code) => vec![json!({ "name": "ErrorCode", "reason": code.to_string() })],
            Refusal::Fields(fields) => {
                fields.iter().map(|(name, rule)| json!({ "name": name, "reason": rule })).collect()
            }
        };
        let body = json!({
            "type": format!("https://httpstatuses.io/{status}"),
            "title": refusal.title(),
            "detail": refusal.title(),
            "status": status,
            "instance": path,
            "traceId": trace_id,
            "extraDetails": extra,
        });
        Self { media: PROBLEM, ..Self::json(status, &body) }
    }
}
