//! One effect and one answer for each key: stored answers, and who is at work under a key.

use std::collections::HashMap;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::answer::Answer;

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
    answers: HashMap<Scope, ([u8; 32], Answer)>,
}

impl Store {
    pub(crate) fn find(&self, scope: &Scope, fingerprint: &[u8; 32]) -> Known {
        match self.answers.get(scope) {
            None => Known::Nothing,
            Some((known, answer)) if known == fingerprint => Known::Replay(answer.clone()),
            Some(_) => Known::Conflict,
        }
    }

    pub(crate) fn keep(&mut self, scope: Scope, fingerprint: [u8; 32], answer: Answer) {
        self.answers.insert(scope, (fingerprint, answer));
    }
}

/// What makes two requests the same: method, path, and the body without regard to the order
/// of its members or its white space.
pub(crate) fn fingerprint(method: &str, path: &str, body: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in [method.as_bytes(), path.as_bytes()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    match serde_json::from_slice::<Value>(body) {
        Ok(value) => hash.update(canonical(&value)),
        Err(_) => hash.update(body),
    }
    hash.finalize().into()
}

/// JSON with sorted members, whatever order the map keeps them in.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let mut sorted: Vec<(&String, &Value)> = members.iter().collect();
            sorted.sort_by_key(|(name, _)| name.as_str());
            let members: Vec<String> = sorted
                .iter()
                .map(|(name, value)| format!("{}:{}", Value::from(name.as_str()), canonical(value)))
                .collect();
            format!("{{{}}}", members.join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        scalar => scalar.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_body_says_counts() {
        let of = |body: &str| fingerprint("POST", "/a", body.as_bytes());
        assert_eq!(of(r#"{"a":1,"b":[{"d":2,"c":3}]}"#), of("{ \"b\": [ {\"c\":3, \"d\":2} ],\n \"a\": 1 }"));
        assert_ne!(of(r#"{"a":1}"#), of(r#"{"a":2}"#));
        assert_ne!(of(r#"[1,2]"#), of(r#"[2,1]"#));
        assert_ne!(fingerprint("POST", "/a", b""), fingerprint("POST", "/b", b""));
    }
}
