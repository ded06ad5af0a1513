//! A text that some answers send as a number.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// A text in the documents that real answers also send as a number or a boolean, such as
/// `expires_in`; kept as text.
///
/// ```
/// use vipps_types::LooseText;
///
/// let as_number: LooseText = serde_json::from_str("3600").unwrap();
/// let as_text: LooseText = serde_json::from_str(r#""3600""#).unwrap();
/// assert_eq!(as_number, as_text);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct LooseText(String);

impl LooseText {
    /// The text, or the number as it is written in JSON.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LooseText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for LooseText {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for LooseText {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl<'de> Deserialize<'de> for LooseText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyScalar;

        impl Visitor<'_> for AnyScalar {
            type Value = LooseText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a number or a boolean")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<LooseText, E> {
                Ok(text.into())
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<LooseText, E> {
                Ok(number.to_string().into())
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<LooseText, E> {
                Ok(number.to_string().into())
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<LooseText, E> {
                Ok(number.to_string().into())
            }

            fn visit_bool<E: Error>(self, truth: bool) -> Result<LooseText, E> {
                Ok(truth.to_string().into())
            }
        }

        deserializer.deserialize_any(AnyScalar)
    }
}
