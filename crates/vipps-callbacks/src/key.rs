//! What makes an event one event, and what it is about.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A part longer than this stands in a key as its hash.
const LONGEST: usize = 64;

/// Names one event, whatever number of times and by whatever registration it is delivered.
///
/// At most 400 ASCII characters without white space, stable across versions: make it the
/// unique column of a table. It holds ids and no personal data; a customer token is in it as a
/// hash.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventKey(String);

impl EventKey {
    /// The text to store.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One that was stored.
impl From<String> for EventKey {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl AsRef<str> for EventKey {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// Puts a key together; parts cannot run into each other.
pub(crate) struct KeyParts<'a> {
    key: String,
    body: &'a [u8],
}

impl<'a> KeyParts<'a> {
    /// For an event of this family, with this body.
    pub(crate) fn of(family: &str, body: &'a [u8]) -> Self {
        Self { key: family.to_owned(), body }
    }

    /// A member of the body; a missing one is replaced by the hash of the body.
    pub(crate) fn part(mut self, part: Option<&str>) -> Self {
        self.key.push(':');
        match part {
            Some(part) => escape(part, &mut self.key),
            None => {
                self.key.push_str("body=");
                self.key.push_str(&hash(self.body));
            }
        }
        self
    }

    /// A member that lets its holder act: its hash.
    pub(crate) fn secret(mut self, part: Option<&str>) -> Self {
        let Some(part) = part else { return self.part(None) };
        self.key.push_str(":sha256=");
        self.key.push_str(&hash(part.as_bytes()));
        self
    }

    pub(crate) fn key(self) -> EventKey {
        EventKey(self.key)
    }
}

/// Percent-encodes what is no letter, digit, dot, dash or underscore; hashes what is long.
fn escape(part: &str, out: &mut String) {
    let start = out.len();
    for byte in part.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
        if out.len() - start > LONGEST {
            out.truncate(start);
            out.push_str("sha256=");
            out.push_str(&hash(part.as_bytes()));
            return;
        }
    }
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What an event is about. Events of one subject are handled in the order they came in.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Subject {
    kind: SubjectKind,
    id: String,
    sales_unit: Option<String>,
}

/// What kind of thing a [`Subject`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SubjectKind {
    /// A payment, by the merchant's reference. A Checkout session has that of its payment.
    Payment,
    /// An agreement, by its id.
    Agreement,
    /// A charge, by its id.
    Charge,
}

impl Subject {
    /// A payment, or a Checkout session, by its reference.
    pub fn payment(reference: impl Into<String>) -> Self {
        Self::new(SubjectKind::Payment, reference)
    }

    /// An agreement by its id.
    pub fn agreement(id: impl Into<String>) -> Self {
        Self::new(SubjectKind::Agreement, id)
    }

    /// A charge by its id.
    pub fn charge(id: impl Into<String>) -> Self {
        Self::new(SubjectKind::Charge, id)
    }

    fn new(kind: SubjectKind, id: impl Into<String>) -> Self {
        Self { kind, id: id.into(), sales_unit: None }
    }

    /// The same, of this sales unit.
    #[must_use]
    pub fn of_sales_unit(mut self, msn: impl Into<String>) -> Self {
        self.sales_unit = Some(msn.into());
        self
    }

    pub(crate) fn of(mut self, msn: Option<&str>) -> Self {
        self.sales_unit = msn.map(str::to_owned);
        self
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> SubjectKind {
        self.kind
    }

    /// Its reference or id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The sales unit (MSN), where the event named it.
    #[must_use]
    pub fn sales_unit(&self) -> Option<&str> {
        self.sales_unit.as_deref()
    }

    /// Whether both are the same thing, as far as both say of which sales unit.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        let units = self.sales_unit.as_deref().zip(other.sales_unit.as_deref());
        self.kind == other.kind && self.id == other.id && units.is_none_or(|(one, another)| one == another)
    }
}

/// A text to store and to order by: kind, sales unit and id, such as `payment:123456:acme-42`.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            SubjectKind::Payment => "payment",
            SubjectKind::Agreement => "agreement",
            SubjectKind::Charge => "charge",
        };
        let mut text = format!("{kind}:");
        escape(self.sales_unit.as_deref().unwrap_or_default(), &mut text);
        text.push(':');
        escape(&self.id, &mut text);
        f.write_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(parts: [Option<&str>; 2], body: &[u8]) -> String {
        let start = KeyParts::of("payment", body);
        parts.into_iter().fold(start, KeyParts::part).key().to_string()
    }

    #[test]
    fn parts_of_a_key_cannot_run_into_each_other() {
        let pairs = [
            ([Some("a:b"), Some("c")], [Some("a"), Some("b:c")]),
            ([Some("a%3Ab"), Some("")], [Some("a:b"), Some("")]),
            ([None, Some("x")], [Some("body=2d711642"), Some("x")]),
            ([Some("sha256=x"), None], [Some("sha256"), None]),
        ];
        for (one, another) in pairs {
            assert_ne!(key(one, b"x"), key(another, b"x"));
        }
        assert_ne!(key([None, None], b"x"), key([None, None], b"y"));
        let long = "å".repeat(400);
        let longer = "å".repeat(401);
        assert_ne!(key([Some(&long), None], b""), key([Some(&longer), None], b""));
        assert!(key([Some(&long), Some(&longer)], b"").len() < 200);
    }

    #[test]
    fn a_subject_is_the_same_when_one_side_does_not_name_the_sales_unit() {
        let payment = Subject::payment("acme-42");
        let one = payment.clone().of_sales_unit("123456");
        assert!(payment.is(&one) && !one.is(&payment.clone().of_sales_unit("654321")));
        assert!(!payment.is(&Subject::charge("acme-42")));
        assert_eq!(one.to_string(), "payment:123456:acme-42");
    }
}
