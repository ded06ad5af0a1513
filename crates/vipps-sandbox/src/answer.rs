//! What the sandbox answers, before it becomes HTTP.

use bytes::Bytes;
use serde_json::{Value, json};

/// A status, a body with its media type, and the few headers that some answers have.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
    pub(crate) media: &'static str,
    pub(crate) headers: Vec<(&'static str, String)>,
}

pub(crate) const JSON: &str = "application/json";
pub(crate) const PROBLEM: &str = "application/problem+json";
pub(crate) const HTML: &str = "text/html; charset=utf-8";

impl Answer {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self { status, body: body.to_string().into(), media: JSON, headers: Vec::new() }
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self { status, body: Bytes::new(), media: JSON, headers: Vec::new() }
    }

    /// What the gateway in front of the APIs says.
    pub(crate) fn gateway(status: u16, message: &str) -> Self {
        Self::json(status, &json!({ "statusCode": status, "message": message }))
    }

    pub(crate) fn with_media(self, media: &'static str) -> Self {
        Self { media, ..self }
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}
