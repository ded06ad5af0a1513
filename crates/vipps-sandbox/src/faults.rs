//! Scripted failures: what the next matching requests get instead of, or after, an answer.

use std::time::Duration;

use serde_json::{Value, json};

/// A scripted failure.
///
/// ```
/// use std::time::Duration;
/// use vipps_sandbox::Fault;
///
/// let lost_answer = Fault::reset_after_effect();
/// let busy = Fault::status(503).retry_after("2");
/// let slow = Fault::stall(Duration::from_secs(3));
/// # let _ = (lost_answer, busy, slow);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub(crate) kind: Kind,
    /// The operation takes effect first; the answer is lost or replaced.
    pub(crate) after: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Status { status: u16, body: BodyKind, retry_after: Option<String>, code: Option<String> },
    Reset,
    Stall(Duration),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyKind {
    Problem,
    Gateway,
    Html,
    Empty,
    Truncated,
}

impl Fault {
    /// This status with a problem body, before the operation takes effect.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self { kind: Kind::Status { status, body: BodyKind::Problem, retry_after: None, code: None }, after: false }
    }

    /// A TCP reset before the operation takes effect.
    #[must_use]
    pub fn reset() -> Self {
        Self { kind: Kind::Reset, after: false }
    }

    /// A TCP reset after the operation took effect: its answer is lost.
    #[must_use]
    pub fn reset_after_effect() -> Self {
        Self::reset().after_effect()
    }

    /// Silence of this length, in real time, before the operation takes effect.
    #[must_use]
    pub fn stall(duration: Duration) -> Self {
        Self { kind: Kind::Stall(duration), after: false }
    }

    /// An answer that breaks off in the middle of its body, before any effect.
    #[must_use]
    pub fn truncated(status: u16) -> Self {
        Self { kind: Kind::Status { status, body: BodyKind::Truncated, retry_after: None, code: None }, after: false }
    }

    /// The same fault after the operation took effect.
    #[must_use]
    pub fn after_effect(mut self) -> Self {
        self.after = true;
        self
    }

    /// The same status with a `Retry-After` header, seconds or a date.
    #[must_use]
    pub fn retry_after(mut self, value: &str) -> Self {
        if let Kind::Status { retry_after, .. } = &mut self.kind {
            *retry_after = Some(value.to_owned());
        }
        self
    }

    /// The same status with an error code of ePayment: `6280` says to come back.
    #[must_use]
    pub fn code(mut self, value: &str) -> Self {
        if let Kind::Status { code, .. } = &mut self.kind {
            *code = Some(value.to_owned());
        }
        self
    }

    /// The same status with an HTML body, as proxies send it.
    #[must_use]
    pub fn html(mut self) -> Self {
        if let Kind::Status { body, .. } = &mut self.kind {
            *body = BodyKind::Html;
        }
        self
    }

    /// The same status without a body.
    #[must_use]
    pub fn empty(mut self) -> Self {
        if let Kind::Status { body, .. } = &mut self.kind {
            *body = BodyKind::Empty;
        }
        self
    }

    /// Reads the JSON of the control API.
    pub(crate) fn from_json(fault: &Value) -> Result<Self, String> {
        let after = match fault["when"].as_str() {
            None | Some("before") => false,
            Some("after") => true,
            Some(other) => return Err(format!("unknown `when` `{other}` (known: before, after)")),
        };
        let kind = match fault["kind"].as_str().unwrap_or_default() {
            "status" => {
                let status = fault["status"].as_u64().and_then(|status| u16::try_from(status).ok());
                let status =
                    status.filter(|status| (200..=599).contains(status)).ok_or("`status` must be 200 to 599")?;
                let body = match fault["body"].as_str() {
                    None | Some("problem") => BodyKind::Problem,
                    Some("gateway") => BodyKind::Gateway,
                    Some("html") => BodyKind::Html,
                    Some("empty") => BodyKind::Empty,
                    Some("truncated") => BodyKind::Truncated,
                    Some(other) => {
                        return Err(format!(
                            "unknown body `{other}` (known: problem, gateway, html, empty, truncated)"
                        ));
                    }
                };
                let retry_after = match &fault["retryAfter"] {
                    Value::String(text) => Some(text.clone()),
                    Value::Number(seconds) => Some(seconds.to_string()),
                    _ => None,
                };
                let code = match &fault["code"] {
                    Value::String(text) => Some(text.clone()),
                    Value::Number(number) => Some(number.to_string()),
                    _ => None,
                };
                Kind::Status { status, body, retry_after, code }
            }
            "reset" => Kind::Reset,
            "stall" => {
                let seconds = fault["seconds"].as_f64().filter(|seconds| (0.0..=3600.0).contains(seconds));
                Kind::Stall(Duration::from_secs_f64(seconds.ok_or("`seconds` must be 0 to 3600")?))
            }
            other => return Err(format!("unknown fault `{other}` (known faults: reset, stall, status)")),
        };
        Ok(Self { kind, after })
    }

    fn to_json(&self) -> Value {
        let when = if self.after { "after" } else { "before" };
        match &self.kind {
            Kind::Reset => json!({ "kind": "reset", "when": when }),
            Kind::Stall(duration) => json!({ "kind": "stall", "seconds": duration.as_secs_f64(), "when": when }),
            Kind::Status { status, body, retry_after, code } => {
                let body = match body {
                    BodyKind::Problem => "problem",
                    BodyKind::Gateway => "gateway",
                    BodyKind::Html => "html",
                    BodyKind::Empty => "empty",
                    BodyKind::Truncated => "truncated",
                };
                json!({ "kind": "status", "status": status, "body": body, "retryAfter": retry_after, "code": code, "when": when })
            }
        }
    }
}

/// A fault waiting for its requests.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    /// The operation, or any.
    pub(crate) operation: Option<String>,
    pub(crate) left: u32,
    pub(crate) fault: Fault,
}

impl Script {
    pub(crate) fn to_json(&self) -> Value {
        json!({ "operation": self.operation, "count": self.left, "fault": self.fault.to_json() })
    }
}

/// Faults in the order in which they were scripted.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    scripts: Vec<Script>,
}

impl Faults {
    pub(crate) fn add(&mut self, script: Script) {
        if script.left > 0 {
            self.scripts.push(script);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.scripts.clear();
    }

    pub(crate) fn list(&self) -> &[Script] {
        &self.scripts
    }

    /// The fault of the next request of this operation: the first script that matches.
    pub(crate) fn take(&mut self, operation: &str) -> Option<Fault> {
        let matches = |script: &Script| script.operation.as_deref().is_none_or(|wanted| wanted == operation);
        let at = self.scripts.iter().position(matches)?;
        let script = &mut self.scripts[at];
        script.left -= 1;
        let fault = script.fault.clone();
        if script.left == 0 {
            self.scripts.remove(at);
        }
        Some(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_serve_their_operation_and_count_in_order() {
        let mut faults = Faults::default();
        let script = |operation: Option<&str>, left, status| Script {
            operation: operation.map(str::to_owned),
            left,
            fault: Fault::status(status),
        };
        faults.add(script(Some("capturePayment"), 2, 503));
        faults.add(script(None, 1, 429));
        let mut next = |operation: &str| faults.take(operation).map(|fault| fault.kind);
        let kind = |status| Some(Fault::status(status).kind);
        assert_eq!(next("getPayment"), kind(429));
        assert_eq!(next("capturePayment"), kind(503));
        assert_eq!(next("capturePayment"), kind(503));
        assert_eq!(next("capturePayment"), None);
    }

    #[test]
    fn a_wrong_fault_is_refused_with_what_is_known() {
        let refused = |fault: Value| Fault::from_json(&fault).unwrap_err();
        assert_eq!(refused(json!({ "kind": "slow" })), "unknown fault `slow` (known faults: reset, stall, status)");
        assert_eq!(refused(json!({ "kind": "status", "status": 700 })), "`status` must be 200 to 599");
        assert_eq!(
            refused(json!({ "kind": "reset", "when": "never" })),
            "unknown `when` `never` (known: before, after)"
        );
    }
}
