//! Wrappers for what must not be printed.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! unprintable {
    ($(#[$meta:meta])* $name:ident, $shown:literal) => {
        $(#[$meta])*
        #[derive(Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
        #[serde(transparent)]
        pub struct $name<T>(T);

        impl<T> $name<T> {
            /// Wraps a value so that it is not printed by accident.
            pub fn new(value: T) -> Self {
                Self(value)
            }

            /// The value itself; whoever calls this decides where it goes.
            pub fn reveal(&self) -> &T {
                &self.0
            }

            /// Unwraps the value.
            pub fn into_inner(self) -> T {
                self.0
            }
        }

        impl<T> fmt::Debug for $name<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($shown)
            }
        }

        impl<T> From<T> for $name<T> {
            fn from(value: T) -> Self {
                Self(value)
            }
        }

        impl From<&str> for $name<String> {
            fn from(value: &str) -> Self {
                Self(value.to_owned())
            }
        }
    };
}

unprintable! {
    /// Personal data: a name, a phone number, an address, a birth date, a national id.
    ///
    /// Debug says nothing about it and there is no Display; the JSON is that of the value.
    ///
    /// ```
    /// use vipps_types::Personal;
    ///
    /// let phone: Personal<String> = "4712345678".into();
    /// assert_eq!(format!("{phone:?}"), "Personal(..)");
    /// assert_eq!(phone.reveal(), "4712345678");
    /// ```
    Personal, "Personal(..)"
}

unprintable! {
    /// A text that lets its holder act: a token, a signing secret, a landing page address.
    ///
    /// Debug says nothing about it and there is no Display; the JSON is that of the value.
    Secret, "Secret(..)"
}
