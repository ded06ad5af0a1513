//! What came in: kept as it came, shown without secrets and personal data.

use std::collections::VecDeque;

use axum::http::HeaderMap;
use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::clock::{Millis, rfc3339};
use crate::redact::redact;

/// How many requests are remembered.
const KEPT: usize = 1000;
/// Larger bodies are not remembered.
const MOST_BODY: usize = 64 * 1024;
/// Headers whose values are shown.
const SHOWN: [&str; 14] = [
    "content-type",
    "content-length",
    "continuation-token",
    "accept",
    "accept-encoding",
    "user-agent",
    "idempotency-key",
    "merchant-serial-number",
    "psp-id",
    "vipps-system-name",
    "vipps-system-version",
    "vipps-system-plugin-name",
    "vipps-system-plugin-version",
    "host",
];

/// One request.
struct Entry {
    at: Millis,
    operation: Option<&'static str>,
    method: String,
    path: String,
    headers: HeaderMap,
    body: Result<Bytes, usize>,
    /// What was answered; nothing where the connection was reset, or is not answered yet.
    status: Option<u16>,
    /// The body of a refusal.
    refusal: Option<Bytes>,
}

/// The last requests to the APIs.
#[derive(Default)]
pub(crate) struct Journal {
    entries: VecDeque<Entry>,
    /// How many there were before the first that is kept.
    forgotten: usize,
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal").field("entries", &self.entries.len()).finish()
    }
}

impl Journal {
    /// Remembers a request; what it says is looked at when somebody asks. Gives its number.
    pub(crate) fn add(
        &mut self,
        at: Millis,
        operation: Option<&'static str>,
        method: &str,
        path: &str,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> usize {
        if self.entries.len() == KEPT {
            self.entries.pop_front();
            self.forgotten += 1;
        }
        let body = if body.len() <= MOST_BODY { Ok(body.clone()) } else { Err(body.len()) };
        let (method, path) = (method.to_owned(), path.to_owned());
        self.entries.push_back(Entry {
            at,
            operation,
            method,
            path,
            headers: headers.clone(),
            body,
            status: None,
            refusal: None,
        });
        self.forgotten + self.entries.len() - 1
    }

    /// Notes how a request was answered.
    pub(crate) fn answered(&mut self, number: usize, status: u16, body: &Bytes) {
        if let Some(entry) = number.checked_sub(self.forgotten).and_then(|index| self.entries.get_mut(index)) {
            entry.status = Some(status);
            entry.refusal = (400..500).contains(&status).then(|| body.clone());
        }
    }

    pub(crate) fn to_json(&self) -> Vec<Value> {
        self.entries.iter().map(Entry::to_json).collect()
    }
}

impl Entry {
    fn to_json(&self) -> Value {
        let shown = |(name, value): (&axum::http::HeaderName, &axum::http::HeaderValue)| {
            let known = SHOWN.contains(&name.as_str()).then(|| value.to_str().ok()).flatten();
            (name.as_str().to_owned(), Value::from(known.unwrap_or("[redacted]")))
        };
        let headers: Map<String, Value> = self.headers.iter().map(shown).collect();
        let body = match &self.body {
            Err(length) => json!(format!("[{length} bytes]")),
            Ok(body) if body.is_empty() => Value::Null,
            Ok(body) => match serde_json::from_slice::<Value>(body) {
                Ok(mut body) => {
                    redact(&mut body);
                    body
                }
                Err(_) => json!(format!("[{} bytes that are no JSON]", body.len())),
            },
        };
        let refusal = self.refusal.as_ref().and_then(|body| serde_json::from_slice::<Value>(body).ok());
        let refusal = refusal.map(|mut body| {
            redact(&mut body);
            body
        });
        json!({
            "at": rfc3339(self.at), "operation": self.operation, "method": self.method, "path": self.path,
            "headers": headers, "body": body, "status": self.status, "refusal": refusal,
        })
    }
}
