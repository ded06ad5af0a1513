//! One effect and one answer for each key: stored answers, and who is at work under a key.

use std::collections::HashMap;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::answer::Answer;
use crate::clock::Millis;

/// API and sales unit, operation, key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Scope {
    pub(crate) sales_unit: String,
    pub(crate) operation: &'static str,
    pub(crate) key: String,
}

/// What is known of a key.
#[derive(Debug)]
pub(crate) enum Known {
    /// Never seen, or only with answers that are not kept.
    Nothing,
    /// The same request: its answer again.
    Replay(Answer),
    /// Another request under the same key.
    Conflict,
}

#[derive(Debug, Default)]
pub(crate) struct Store {
    answers: HashMap<Scope, Kept>,
}

/// An answer under a key, the request it was for, and when it was kept.
#[derive(Debug)]
struct Kept {
    fingerprint: [u8; 32],
    answer: Answer,
    at: Millis,
}

impl Store {
    /// What is known of a key; what was kept before `since` is forgotten.
    pub(crate) fn find(&mut self, scope: &Scope, fingerprint: &[u8; 32], since: Option<Millis>) -> Known {
        match self.answers.get(scope) {
            None => Known::Nothing,
            Some(kept) if since.is_some_and(|since| kept.at <= since) => {
                self.answers.remove(scope);
                Known::Nothing
            }
            Some(kept) if kept.fingerprint == *fingerprint => Known::Replay(kept.answer.clone()),
            Some(_) => Known::Conflict,
        }
    }

    pub(crate) fn keep(&mut self, scope: Scope, fingerprint: [u8; 32], answer: Answer, at: Millis) {
        self.answers.insert(scope, Kept { fingerprint, answer, at });
    }
}

/// What makes two requests the same: method, path, and the body without regard to the order
/// of its members or its white space. `json` is the body, where it is JSON.
pub(crate) fn fingerprint(method: &str, path: &str, body: &[u8], json: Option<&Value>) -> [u8; 32] {
    let mut hash = Sha256::new();
    part(&mut hash, b'm', method.as_bytes());
    part(&mut hash, b'p', path.as_bytes());
    match json {
        Some(value) => canonical(&mut hash, value),
        None => part(&mut hash, b'b', body),
    }
    hash.finalize().into()
}

/// A kind, a length and the bytes: no two lists of parts hash the same text.
fn part(hash: &mut Sha256, kind: u8, bytes: &[u8]) {
    hash.update([kind]);
    hash.update((bytes.len() as u64).to_be_bytes());
    hash.update(bytes);
}

/// JSON with sorted members, whatever order the map keeps them in.
fn canonical(hash: &mut Sha256, value: &Value) {
    match value {
        Value::Object(members) => {
            let mut sorted: Vec<(&String, &Value)> = members.iter().collect();
            sorted.sort_unstable_by_key(|(name, _)| name.as_str());
            part(hash, b'{', &(sorted.len() as u64).to_be_bytes());
            for (name, value) in sorted {
                part(hash, b'n', name.as_bytes());
                canonical(hash, value);
            }
        }
        Value::Array(items) => {
            part(hash, b'[', &(items.len() as u64).to_be_bytes());
            items.iter().for_each(|item| canonical(hash, item));
        }
        Value::String(text) => part(hash, b's', text.as_bytes()),
        scalar => part(hash, b'v', scalar.to_string().as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_body_says_counts() {
        let of = |body: &str| {
            let json = serde_json::from_str::<Value>(body).ok();
            fingerprint("POST", "/a", body.as_bytes(), json.as_ref())
        };
        assert_eq!(of(r#"{"a":1,"b":[{"d":2,"c":3}]}"#), of("{ \"b\": [ {\"c\":3, \"d\":2} ],\n \"a\": 1 }"));
        assert_ne!(of(r#"{"a":1}"#), of(r#"{"a":2}"#));
        assert_ne!(of(r#"[1,2]"#), of(r#"[2,1]"#));
        assert_ne!(of(r#"{"a":"1"}"#), of(r#"{"a":1}"#));
        assert_ne!(of(r#"{"a":[],"b":1}"#), of(r#"{"a":["b",1]}"#));
        assert_ne!(fingerprint("POST", "/a", b"", None), fingerprint("POST", "/b", b"", None));
    }
}
