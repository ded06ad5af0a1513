//! JSON that is kept and passed on, but not printed.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// JSON of a shape that this library does not know, kept as it came.
///
/// Debug says nothing about it: what nobody has read may hold personal data.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct OpaqueJson(Value);

impl OpaqueJson {
    /// The JSON itself.
    #[must_use]
    pub fn as_value(&self) -> &Value {
        &self.0
    }

    /// Unwraps the JSON.
    #[must_use]
    pub fn into_value(self) -> Value {
        self.0
    }
}

impl fmt::Debug for OpaqueJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpaqueJson(..)")
    }
}

impl From<Value> for OpaqueJson {
    fn from(value: Value) -> Self {
        Self(value)
    }
}
