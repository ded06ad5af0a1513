//! The macro behind every enumeration that travels.

/// Declares an enum over wire texts that also keeps texts it does not know.
///
/// A value that Vipps adds tomorrow decodes as `Unknown` and encodes to the same text
/// again, so a new state never breaks the reading of a payment.
///
/// ```
/// vipps_types::open_enum! {
///     /// How far it went.
///     pub enum State {
///         /// Not yet decided.
///         Created = "CREATED",
///         /// Approved.
///         Authorized = "AUTHORIZED",
///     }
/// }
///
/// let state: State = serde_json::from_str(r#""FROZEN""#).unwrap();
/// assert_eq!(state, State::Unknown("FROZEN".into()));
/// assert_eq!(serde_json::to_string(&state).unwrap(), r#""FROZEN""#);
/// assert_eq!(State::from("CREATED"), State::Created);
/// ```
#[macro_export]
macro_rules! open_enum {
    (
        $(#[$meta:meta])*
        $vis:vis enum $name:ident {
            $( $(#[$variant_meta:meta])* $variant:ident = $text:literal ),* $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        $vis enum $name {
            $( $(#[$variant_meta])* $variant, )*
            /// A text that this version of the library does not know, kept as it came.
            Unknown(::std::string::String),
        }

        impl $name {
            /// Every known wire text, in the order of the document.
            pub const KNOWN: &'static [&'static str] = &[$( $text ),*];

            /// The text on the wire.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $( Self::$variant => $text, )*
                    Self::Unknown(text) => text,
                }
            }
        }

        impl ::std::convert::From<&str> for $name {
            fn from(text: &str) -> Self {
                match text {
                    $( $text => Self::$variant, )*
                    other => Self::Unknown(other.to_owned()),
                }
            }
        }

        impl ::std::convert::From<::std::string::String> for $name {
            fn from(text: ::std::string::String) -> Self {
                match text.as_str() {
                    $( $text => Self::$variant, )*
                    _ => Self::Unknown(text),
                }
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = ::std::convert::Infallible;

            fn from_str(text: &str) -> ::std::result::Result<Self, ::std::convert::Infallible> {
                ::std::result::Result::Ok(Self::from(text))
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl $crate::__private::serde::Serialize for $name {
            fn serialize<S>(&self, serializer: S) -> ::std::result::Result<S::Ok, S::Error>
            where
                S: $crate::__private::serde::Serializer,
            {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> $crate::__private::serde::Deserialize<'de> for $name {
            fn deserialize<D>(deserializer: D) -> ::std::result::Result<Self, D::Error>
            where
                D: $crate::__private::serde::Deserializer<'de>,
            {
                let text = <::std::borrow::Cow<'de, str> as $crate::__private::serde::Deserialize>::deserialize(deserializer)?;
                ::std::result::Result::Ok(Self::from(&*text))
            }
        }

        $crate::__open_enum_schema! { $name $( $text )* }
    };
}

/// The schema of an open enum is any text; the known ones are listed as examples.
#[doc(hidden)]
#[macro_export]
#[cfg(feature = "schemars")]
macro_rules! __open_enum_schema {
    ($name:ident $( $text:literal )*) => {
        impl $crate::__private::schemars::JsonSchema for $name {
            fn schema_name() -> ::std::borrow::Cow<'static, str> {
                ::std::borrow::Cow::Borrowed(stringify!($name))
            }

            fn json_schema(
                _: &mut $crate::__private::schemars::SchemaGenerator,
            ) -> $crate::__private::schemars::Schema {
                $crate::__private::schemars::json_schema!({ "type": "string", "examples": [$( $text ),*] })
            }
        }
    };
}

/// Without the feature there is no schema to write.
#[doc(hidden)]
#[macro_export]
#[cfg(not(feature = "schemars"))]
macro_rules! __open_enum_schema {
    ($($any:tt)*) => {};
}
