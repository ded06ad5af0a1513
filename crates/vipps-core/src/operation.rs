//! What is known of an operation before it is called: its route, and what it means.

use std::fmt;

use vipps_types::Violation;

/// One operation of an API, as its document describes it and as its meaning is known.
///
/// Generated into each API crate's `operations` module, so that nobody can call a capture
/// a read.
#[derive(Clone, Copy)]
pub struct Operation {
    id: &'static str,
    word: &'static str,
    method: &'static str,
    path: &'static str,
    pub(crate) key: KeyRule,
    pub(crate) auth: Auth,
    repeat: Repeat,
    /// The statuses of success; empty where any 2xx is one.
    success: &'static [u16],
    /// A success has a body.
    answers: bool,
    echo: Option<Echo>,
    /// Where the first parameter of the path begins, or its end.
    first_parameter: usize,
    /// Those of the operation, then those of its whole API.
    refusals: [&'static [Refusal]; 2],
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
    /// It may have one.
    Optional(KeyCheck),
    /// The document names none.
    Unknown,
}

/// How an operation may be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Repeat {
    /// It changes nothing.
    Read,
    /// Its idempotency key is honoured: under the same key it takes effect once.
    ByKey,
    /// A second copy cannot do more than the first, whatever becomes of a key: a cancel, a
    /// delete, the start of a payment whose id is unique.
    ByNature,
    /// A second copy may do it twice: it is never sent again once it may have been sent.
    Once,
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

/// A refusal that is known of an operation: an error code, or the identifier of a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub(crate) code: &'static str,
    pub(crate) means: Means,
    pub(crate) for_now: bool,
}

/// What a refusal proves about the request and every earlier copy of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Means {
    /// None of them has taken effect.
    NoEffect,
    /// Nothing: it may be the consequence of an earlier copy that has taken effect.
    Open,
    /// An earlier request under this key was another one.
    KeyTaken,
}

/// Where an answer repeats what was asked, so that an answer about something else is found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Echo {
    pub(crate) asked: Asked,
    pub(crate) answered: &'static [&'static str],
    pub(crate) of_each: bool,
}

/// Where a request says what it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Asked {
    /// A parameter of the path, by its name in the template.
    Path(&'static str),
    /// A member of the body.
    Body(&'static [&'static str]),
}

impl Refusal {
    /// A refusal by its code.
    #[must_use]
    pub const fn new(code: &'static str, means: Means) -> Self {
        Self { code, means, for_now: false }
    }

    /// The same refusal, after which the same request may be answered otherwise a little later.
    #[must_use]
    pub const fn for_now(mut self) -> Self {
        self.for_now = true;
        self
    }

    /// The code or identifier: `6080`, `charge-due-too-soon`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// What it proves.
    #[must_use]
    pub const fn means(&self) -> Means {
        self.means
    }

    /// True when the same request may be answered otherwise a little later.
    #[must_use]
    pub const fn is_for_now(&self) -> bool {
        self.for_now
    }
}

impl Echo {
    /// An echo: `answered` is the way to the member of the answer.
    #[must_use]
    pub const fn new(asked: Asked, answered: &'static [&'static str]) -> Self {
        Self { asked, answered, of_each: false }
    }

    /// The same echo in every element of an answer that is a list.
    #[must_use]
    pub const fn of_each(mut self) -> Self {
        self.of_each = true;
        self
    }
}

/// What tells it apart.
impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation")
            .field("word", &self.word)
            .field("id", &self.id)
            .field("repeat", &self.repeat)
            .finish_non_exhaustive()
    }
}

impl Operation {
    /// An operation from its facts: id and path template as in the document. Where nothing
    /// more is known, GET and HEAD are reads, a key is honoured where one is taken, and
    /// everything else is sent once.
    #[must_use]
    pub const fn new(id: &'static str, method: &'static str, path: &'static str, key: KeyRule, auth: Auth) -> Self {
        let repeat = match (method.as_bytes(), key) {
            (b"GET" | b"HEAD", _) => Repeat::Read,
            (_, KeyRule::Unknown) => Repeat::Once,
            _ => Repeat::ByKey,
        };
        let (bytes, mut first_parameter) = (path.as_bytes(), 0);
        while first_parameter < bytes.len() && bytes[first_parameter] != b'{' {
            first_parameter += 1;
        }
        Self {
            id,
            word: id,
            method,
            path,
            key,
            auth,
            repeat,
            success: &[],
            answers: true,
            echo: None,
            first_parameter,
            refusals: [&[], &[]],
            personal_path: false,
            optional_body: false,
            psp_id: false,
        }
    }

    /// The same operation with the word that keys, errors, logs and metrics have for it.
    #[must_use]
    pub const fn with_word(mut self, word: &'static str) -> Self {
        self.word = word;
        self
    }

    /// The same operation, repeated in this way.
    #[must_use]
    pub const fn with_repeat(mut self, repeat: Repeat) -> Self {
        self.repeat = repeat;
        self
    }

    /// The same operation with its statuses of success (none: any 2xx), and whether a success
    /// has a body.
    #[must_use]
    pub const fn with_success(mut self, statuses: &'static [u16], has_body: bool) -> Self {
        (self.success, self.answers) = (statuses, has_body);
        self
    }

    /// The same operation, whose answers repeat what was asked.
    #[must_use]
    pub const fn with_echo(mut self, echo: Echo) -> Self {
        self.echo = Some(echo);
        self
    }

    /// The same operation with the refusals that are known of it, and of its whole API.
    #[must_use]
    pub const fn with_refusals(mut self, own: &'static [Refusal], of_the_api: &'static [Refusal]) -> Self {
        self.refusals = [own, of_the_api];
        self
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

    /// What keys, errors, logs and metrics call it: `payments.capture`. It never changes;
    /// without one, the id.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        self.word
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

    /// How it may be repeated.
    #[must_use]
    pub const fn repeat(&self) -> Repeat {
        self.repeat
    }

    /// Where its answers repeat what was asked.
    #[must_use]
    pub const fn echo(&self) -> Option<Echo> {
        self.echo
    }

    /// The refusals that are known of it; those of its whole API come last.
    pub fn refusals(&self) -> impl Iterator<Item = &'static Refusal> + use<> {
        let [own, common] = self.refusals;
        own.iter().chain(common)
    }

    /// What is known of a refusal with this code.
    #[must_use]
    pub fn refusal(&self, code: &str) -> Option<&'static Refusal> {
        self.refusals().find(|refusal| refusal.code == code)
    }

    /// True when its path carries personal data.
    #[must_use]
    pub const fn has_personal_path(&self) -> bool {
        self.personal_path
    }

    /// True when it changes nothing, so that it may always be repeated.
    #[must_use]
    pub const fn is_read(&self) -> bool {
        matches!(self.repeat, Repeat::Read)
    }

    /// Whether a 2xx status is one of those that the document names.
    pub(crate) fn succeeds_with(&self, status: u16) -> bool {
        (200..300).contains(&status) && (self.success.is_empty() || self.success.contains(&status))
    }

    /// Whether a success has a body.
    pub(crate) fn answers(&self) -> bool {
        self.answers
    }

    /// What stands in a request path for a parameter of the template; still percent-encoded.
    pub(crate) fn parameter<'a>(&self, path: &'a str, name: &str) -> Option<&'a str> {
        // What is before the first parameter is the same in both, or the path was refused.
        let (mut template, mut actual) = (self.path.get(self.first_parameter..)?, path.get(self.first_parameter..)?);
        loop {
            let (literal, rest) = template.split_at(until(template, b'{'));
            let below = actual.get(literal.len()..)?;
            let segment = &below[..until(below, b'/')];
            let (found, after) = rest.split_at(until(rest, b'}'));
            if found.strip_prefix('{')? == name {
                return Some(segment);
            }
            (template, actual) = (after.strip_prefix('}')?, &below[segment.len()..]);
        }
    }

    /// Whether a request path, below the base path, is one that the template allows: the
    /// same literal segments, and something other than dots in each parameter.
    pub(crate) fn allows(&self, path: &str) -> bool {
        let (mut template, mut actual) = (self.path, path);
        let mut literal = self.first_parameter;
        loop {
            let (before, rest) = template.split_at(literal);
            if rest.is_empty() {
                return template == actual;
            }
            let Some(below) = actual.strip_prefix(before) else { return false };
            let (segment, after) = below.split_at(until(below, b'/'));
            if segment.bytes().all(|byte| byte == b'.') {
                return false;
            }
            template = rest.get(until(rest, b'}') + 1..).unwrap_or_default();
            (actual, literal) = (after, until(template, b'{'));
        }
    }
}

/// Where an ASCII character first stands, or the end. For texts as short as paths the plain
/// loop is faster than a search.
fn until(text: &str, byte: u8) -> usize {
    text.bytes().position(|other| other == byte).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPTURE: Operation =
        Operation::new("c", "POST", "/v1/payments/{reference}/capture", KeyRule::Unknown, Auth::Bearer);

    #[test]
    fn a_path_that_left_its_template_is_not_allowed() {
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
            assert_eq!(CAPTURE.allows(path), allowed, "{path}");
        }
    }

    #[test]
    fn a_parameter_is_found_by_its_place_in_the_template() {
        assert_eq!(CAPTURE.parameter("/v1/payments/acme-1/capture", "reference"), Some("acme-1"));
        assert_eq!(CAPTURE.parameter("/v1/payments/acme-1/capture", "id"), None);
        assert_eq!(CAPTURE.parameter("/v1", "reference"), None);
        let charge = Operation::new("c", "GET", "/v3/{agreement}/charges/{charge}", KeyRule::Unknown, Auth::Bearer);
        assert_eq!(charge.parameter("/v3/agr_1/charges/chr-1", "charge"), Some("chr-1"));
        assert_eq!(charge.parameter("/v3/agr_1/charges/chr-1", "agreement"), Some("agr_1"));
    }

    #[test]
    fn without_a_meaning_only_reads_and_keyed_writes_are_repeated() {
        fn fine(_: &str) -> Result<(), Violation> {
            Ok(())
        }
        for (method, key, repeat) in [
            ("GET", KeyRule::Unknown, Repeat::Read),
            ("POST", KeyRule::Required(fine), Repeat::ByKey),
            ("DELETE", KeyRule::Optional(fine), Repeat::ByKey),
            ("DELETE", KeyRule::Unknown, Repeat::Once),
        ] {
            assert_eq!(Operation::new("x", method, "/x", key, Auth::Bearer).repeat(), repeat, "{method}");
        }
    }
}
