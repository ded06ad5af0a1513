//! The key that makes a write safe to send twice.

use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

/// The value of an `Idempotency-Key` header: one per logical operation, kept before the
/// first attempt and sent with each.
///
/// Random by default, given by the caller, or derived from what the operation is about, so
/// that another process, or the same one after a crash, arrives at the same key.
///
/// ```
/// use vipps_types::IdempotencyKey;
///
/// let first = IdempotencyKey::derived("123456", "capturePayment", "acme-order-42", 1);
/// let again = IdempotencyKey::derived("123456", "capturePayment", "acme-order-42", 1);
/// let second_capture = IdempotencyKey::derived("123456", "capturePayment", "acme-order-42", 2);
/// assert_eq!(first, again);
/// assert_ne!(first, second_capture);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(Arc<str>);

/// Namespace of derived keys; a constant of this library, never to be changed.
const NAMESPACE: Uuid = Uuid::from_u128(0x8f0a_53cb_6a2e_4c9b_b7d1_5d0e_94c2_7a31);

impl IdempotencyKey {
    /// A random UUID (version 4, 36 characters): legal in every API.
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4().to_string().into())
    }

    /// A key of the caller's own.
    ///
    /// Limits of the API it is used with (ePayment 1 to 50 characters, Recurring 1 to 40
    /// without `#`, `?`, `/`, `\`) are checked by the call.
    ///
    /// # Errors
    ///
    /// [`IdempotencyKeyError`] when it is empty or cannot stand in a header.
    pub fn new(text: impl Into<String>) -> Result<Self, IdempotencyKeyError> {
        let text = text.into();
        if text.is_empty() {
            return Err(IdempotencyKeyError { why: "it is empty" });
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(IdempotencyKeyError { why: "it has characters other than visible ASCII" });
        }
        Ok(Self(text.into()))
    }

    /// A key that is a pure function of what the operation is about: the sales unit, the
    /// operation id, the merchant's reference, and a sequence number that the caller counts
    /// up for each further operation of the same kind (a second partial capture).
    ///
    /// A UUID of version 5 (RFC 9562), legal in every API; stable across processes, hosts
    /// and versions of this library.
    #[must_use]
    pub fn derived(sales_unit: &str, operation: &str, reference: &str, sequence: u64) -> Self {
        // Each part is preceded by its length, so that no two lists of parts run together.
        let mut name = Vec::new();
        for part in [sales_unit, operation, reference] {
            name.extend((part.len() as u64).to_be_bytes());
            name.extend(part.as_bytes());
        }
        name.extend(sequence.to_be_bytes());
        Self(Uuid::new_v5(&NAMESPACE, &name).to_string().into())
    }

    /// The header value.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that cannot be an idempotency key anywhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unusable idempotency key: {why}")]
pub struct IdempotencyKeyError {
    why: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_keys_stay_what_they_are_for_ever() {
        // Worked once with Python's uuid.uuid5 over the same bytes; a change here would
        // make a restarted process charge twice.
        let key = IdempotencyKey::derived("123456", "capturePayment", "acme-order-42", 1);
        assert_eq!(key.as_str(), "35b2f2fb-0ddc-56ac-8d27-4313a5413bd1");
    }

    #[test]
    fn parts_do_not_run_together() {
        let keys = [
            IdempotencyKey::derived("12", "3capture", "order", 1),
            IdempotencyKey::derived("123", "capture", "order", 1),
            IdempotencyKey::derived("123", "captureo", "rder", 1),
            IdempotencyKey::derived("123", "refund", "order", 1),
            IdempotencyKey::derived("123", "capture", "order", 2),
        ];
        for (index, key) in keys.iter().enumerate() {
            assert!(!keys[..index].contains(key));
            assert!(key.as_str().len() == 36 && !key.as_str().contains(['#', '?', '/', '\\']));
        }
    }

    #[test]
    fn a_given_key_must_be_able_to_stand_in_a_header() {
        for (text, fine) in [("", false), ("a", true), ("order 1", false), ("ordre-ø", false), ("a\nb", false)] {
            assert_eq!(IdempotencyKey::new(text).is_ok(), fine, "{text:?}");
        }
    }
}
