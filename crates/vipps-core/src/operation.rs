//! What is known of an operation before it is called.

use vipps_types::Violation;

/// One operation of an API, as its document describes it.
///
/// Generated into each API crate's `operations` module, so that nobody can call a capture
/// a read.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    pub(crate) id: &'static str,
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) key: KeyRule,
    pub(crate) auth: Auth,
    personal_path: bool,
    pub(crate) optional_body: bool,
    pub(crate) psp_id: bool,
}

/// The check of an idempotency key by the limits of its API.
pub type KeyCheck = fn(&str) -> Result<(), Violation>;

/// Whether an operation takes an `Idempotency-Key`.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum KeyRule {
    /// It must have one.
    Required(KeyCheck),
    /// It may have one, and is repeatable when it does.
    Optional(KeyCheck),
    /// The document names none: a write is then sent once.
    Unknown,
}

/// How an operation authenticates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Auth {
    /// `Authorization: Bearer` with an access token.
    Bearer,
    /// `client_id` and `client_secret` headers, and no token.
    KeyHeaders,
}

impl Operation {
    /// An operation from its facts: id and path template as in the document.
    #[must_use]
    pub const fn new(id: &'static str, method: &'static str, path: &'static str, key: KeyRule, auth: Auth) -> Self {
        Self { id, method, path, key, auth, personal_path: false, optional_body: false, psp_id: false }
    }

    /// The same operation, whose path carries personal data that no log may show.
    #[must_use]
    pub const fn with_personal_path(mut self) -> Self {
        self.personal_path = true;
        self
    }

    /// The same operation, whose empty body is left out instead of being sent as `{}`.
    #[must_use]
    pub const fn with_optional_body(mut self) -> Self {
        self.optional_body = true;
        self
    }

    /// The same operation, which only payment service providers may call.
    #[must_use]
    pub const fn with_required_psp_id(mut self) -> Self {
        self.psp_id = true;
        self
    }

    /// The id of the document: `capturePayment`.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        self.id
    }

    /// The HTTP method, in capitals.
    #[must_use]
    pub const fn method(&self) -> &'static str {
        self.method
    }

    /// The path template: `/epayment/v1/payments/{reference}/capture`.
    #[must_use]
    pub const fn path(&self) -> &'static str {
        self.path
    }

    /// Whether it takes an idempotency key.
    #[must_use]
    pub const fn key_rule(&self) -> KeyRule {
        self.key
    }

    /// How it authenticates.
    #[must_use]
    pub const fn auth(&self) -> Auth {
        self.auth
    }

    /// True when its path carries personal data.
    #[must_use]
    pub const fn has_personal_path(&self) -> bool {
        self.personal_path
    }

    /// True when it changes nothing, so that it may always be repeated.
    #[must_use]
    pub fn is_read(&self) -> bool {
        matches!(self.method, "GET" | "HEAD")
    }

    /// Whether a request path, below the base path, is one that the template allows: the
    /// same literal segments, and something other than dots in each parameter.
    pub(crate) fn allows(&self, path: &str) -> bool {
        let (mut template, mut actual) = (self.path, path);
        while let Some((literal, rest)) = template.split_once('{') {
            let Some(below) = actual.strip_prefix(literal) else { return false };
            let (segment, after) = below.split_at(below.find('/').unwrap_or(below.len()));
            if segment.bytes().all(|byte| byte == b'.') {
                return false;
            }
            template = rest.split_once('}').map_or("", |(_, rest)| rest);
            actual = after;
        }
        template == actual
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_left_its_template_is_not_allowed() {
        let capture = Operation::new("c", "POST", "/v1/payments/{reference}/capture", KeyRule::Unknown, Auth::Bearer);
        let cases = [
            ("/v1/payments/acme-1/capture", true),
            ("/v1/payments/a%2Fb/capture", true),
            ("/v1/payments//capture", false),
            ("/v1/payments/../capture", false),
            ("/v1/capture", false),
            ("/v1/payments/acme-1/refund", false),
            ("/v1/payments/acme-1/capture/x", false),
        ];
        for (path, allowed) in cases {
            assert_eq!(capture.allows(path), allowed, "{path}");
        }
    }
}
