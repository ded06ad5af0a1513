//! The members of a body, each read when it is asked for: an odd one is not there, and spoils
//! nothing else.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;
use vipps_types::{Amount, Currency, OpaqueJson, Personal, Timestamp};

/// A JSON object as it came.
#[derive(Clone, PartialEq)]
pub(crate) struct Members(OpaqueJson);

/// An object without the members that no value can hold: half of a character, a number beyond all
/// bounds, a hundred nested lists.
fn without_odd_members(body: &[u8]) -> Option<Value> {
    let members: BTreeMap<String, &RawValue> = serde_json::from_slice(body).ok()?;
    let readable = members.into_iter().filter_map(|(name, raw)| Some((name, serde_json::from_str(raw.get()).ok()?)));
    Some(Value::Object(readable.collect()))
}

impl Members {
    /// The object that a body is; `None` when it is none.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        let value = serde_json::from_slice(body).ok().or_else(|| without_odd_members(body))?;
        value.is_object().then(|| Self(value.into()))
    }

    pub(crate) fn raw(&self) -> &OpaqueJson {
        &self.0
    }

    /// A member of this name; null is as good as absent.
    fn member(&self, name: &str) -> Option<&Value> {
        self.0.as_value().get(name).filter(|value| !value.is_null())
    }

    /// The object that a member is.
    pub(crate) fn object(&self, name: &str) -> Option<Self> {
        Some(Self(self.member(name).filter(|value| value.is_object())?.clone().into()))
    }

    /// The objects of a list; what else is in it is left out.
    pub(crate) fn objects(&self, name: &str) -> Vec<Self> {
        let items = self.member(name).and_then(Value::as_array).into_iter().flatten();
        items.filter(|item| item.is_object()).map(|item| Self(item.clone().into())).collect()
    }

    /// A text that is not empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.member(name)?.as_str().filter(|text| !text.is_empty())
    }

    /// A text, or a number that came in its place.
    pub(crate) fn loose_text(&self, name: &str) -> Option<Cow<'_, str>> {
        match self.member(name)? {
            Value::String(text) => Some(text.as_str()).filter(|text| !text.is_empty()).map(Cow::from),
            Value::Number(number) => Some(number.to_string().into()),
            _ => None,
        }
    }

    pub(crate) fn personal(&self, name: &str) -> Option<Personal<String>> {
        Some(self.loose_text(name)?.into_owned().into())
    }

    /// A whole number; one with decimals is none.
    pub(crate) fn integer(&self, name: &str) -> Option<i64> {
        self.member(name)?.as_i64()
    }

    pub(crate) fn truth(&self, name: &str) -> Option<bool> {
        self.member(name)?.as_bool()
    }

    pub(crate) fn time(&self, name: &str) -> Option<Timestamp> {
        self.text(name).map(Timestamp::from)
    }

    /// An object of `value` and `currency`.
    pub(crate) fn amount(&self, name: &str) -> Option<Amount> {
        let amount = self.object(name)?;
        amount.minor_units("value", "currency")
    }

    /// Minor units in one member, their currency in another.
    pub(crate) fn minor_units(&self, value: &str, currency: &str) -> Option<Amount> {
        Some(Amount::new(self.integer(value)?, Currency::from(self.text(currency)?)))
    }

    /// The first of these names that is there.
    pub(crate) fn text_of<const N: usize>(&self, names: [&str; N]) -> Option<Cow<'_, str>> {
        names.into_iter().find_map(|name| self.loose_text(name))
    }
}
