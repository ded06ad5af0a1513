//! The macro behind every "one of" that travels.

/// Declares an enum over several object shapes that also keeps shapes it does not know.
///
/// Two forms, after what tells the branches apart on the wire:
///
/// - `by "type"`: a tag member; the macro reads and writes it, the branch has no such
///   field. An unknown tag, or a branch whose members cannot be read, is kept whole.
/// - `by keys`: the branch whose own members are there, if that is one branch.
///
/// ```
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
/// pub struct Fixed { amount: i64 }
///
/// vipps_types::open_union! {
///     /// What it costs.
///     pub enum Pricing by "type" {
///         /// The same every time.
///         Fixed(Fixed) = ["FIXED"],
///     }
/// }
///
/// let known: Pricing = serde_json::from_str(r#"{"type":"FIXED","amount":5}"#).unwrap();
/// assert_eq!(known, Fixed { amount: 5 }.into());
/// assert_eq!(known.tag(), Some("FIXED"));
/// let new: Pricing = serde_json::from_str(r#"{"type":"AUCTION"}"#).unwrap();
/// assert_eq!(new.tag(), Some("AUCTION"));
/// assert_eq!(serde_json::to_string(&new).unwrap(), r#"{"type":"AUCTION"}"#);
/// ```
#[macro_export]
macro_rules! open_union {
    (
        $(#[$meta:meta])*
        $vis:vis enum $name:ident by $how:tt {
            $( $(#[$variant_meta:meta])* $variant:ident($inner:ty) = [$($mark:literal),+] ),* $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        $vis enum $name {
            $( $(#[$variant_meta])* $variant(::std::boxed::Box<$inner>), )*
            /// A shape that this version of the library does not know, kept as it came.
            Unknown($crate::OpaqueJson),
        }

        $(
            impl ::std::convert::From<$inner> for $name {
                fn from(inner: $inner) -> Self {
                    Self::$variant(::std::boxed::Box::new(inner))
                }
            }

            impl ::std::convert::From<$inner> for ::std::option::Option<$name> {
                fn from(inner: $inner) -> Self {
                    ::std::option::Option::Some(inner.into())
                }
            }
        )*

        $crate::__open_union_serde! { $how $name [$( $variant($inner) = [$($mark),+] ),*] }
        $crate::__open_union_schema! { $name [$( $inner ),*] }
    };
}

/// Reading and writing of the two forms.
#[doc(hidden)]
#[macro_export]
macro_rules! __open_union_serde {
    (keys $name:ident [$( $variant:ident($inner:ty) = [$($mark:literal),+] ),*]) => {
        impl $crate::__private::serde::Serialize for $name {
            fn serialize<S>(&self, serializer: S) -> ::std::result::Result<S::Ok, S::Error>
            where
                S: $crate::__private::serde::Serializer,
            {
                match self {
                    $( Self::$variant(inner) => $crate::__private::serde::Serialize::serialize(inner, serializer), )*
                    Self::Unknown(value) => $crate::__private::serde::Serialize::serialize(value, serializer),
                }
            }
        }

        impl<'de> $crate::__private::serde::Deserialize<'de> for $name {
            fn deserialize<D>(deserializer: D) -> ::std::result::Result<Self, D::Error>
            where
                D: $crate::__private::serde::Deserializer<'de>,
            {
                let value = <$crate::__private::serde_json::Value as $crate::__private::serde::Deserialize>::deserialize(deserializer)?;
                let has = |keys: &[&str]| keys.iter().any(|key| value.get(*key).is_some_and(|member| !member.is_null()));
                // Members of two branches belong to neither: kept whole, nothing is lost.
                if [$( has(&[$($mark),+]) ),*].iter().filter(|has| **has).count() == 1 {
                    $(
                        if has(&[$($mark),+]) {
                            if let ::std::result::Result::Ok(inner) = <$inner as $crate::__private::serde::Deserialize>::deserialize(&value) {
                                return ::std::result::Result::Ok(Self::$variant(::std::boxed::Box::new(inner)));
                            }
                        }
                    )*
                }
                ::std::result::Result::Ok(Self::Unknown(value.into()))
            }
        }
    };
    ($tag:literal $name:ident [$( $variant:ident($inner:ty) = [$($mark:literal),+] ),*]) => {
        impl $name {
            /// The text of the tag member, where there is one.
            #[must_use]
            pub fn tag(&self) -> ::std::option::Option<&str> {
                match self {
                    $( Self::$variant(_) => ::std::option::Option::Some([$($mark),+][0]), )*
                    Self::Unknown(value) => value.as_value().get($tag)?.as_str(),
                }
            }
        }

        impl $crate::__private::serde::Serialize for $name {
            fn serialize<S>(&self, serializer: S) -> ::std::result::Result<S::Ok, S::Error>
            where
                S: $crate::__private::serde::Serializer,
            {
                use $crate::__private::serde::ser::Error as _;
                let (mut value, tag) = match self {
                    $( Self::$variant(inner) => (
                        $crate::__private::serde_json::to_value(inner).map_err(S::Error::custom)?,
                        [$($mark),+][0],
                    ), )*
                    Self::Unknown(value) => {
                        return $crate::__private::serde::Serialize::serialize(value, serializer);
                    }
                };
                if let ::std::option::Option::Some(members) = value.as_object_mut() {
                    // A branch with several tags holds its own.
                    members.entry($tag).or_insert_with(|| tag.into());
                }
                $crate::__private::serde::Serialize::serialize(&value, serializer)
            }
        }

        impl<'de> $crate::__private::serde::Deserialize<'de> for $name {
            fn deserialize<D>(deserializer: D) -> ::std::result::Result<Self, D::Error>
            where
                D: $crate::__private::serde::Deserializer<'de>,
            {
                let value = <$crate::__private::serde_json::Value as $crate::__private::serde::Deserialize>::deserialize(deserializer)?;
                match value.get($tag).and_then($crate::__private::serde_json::Value::as_str) {
                    $(
                        ::std::option::Option::Some($($mark)|+) => {
                            if let ::std::result::Result::Ok(inner) = <$inner as $crate::__private::serde::Deserialize>::deserialize(&value) {
                                return ::std::result::Result::Ok(Self::$variant(::std::boxed::Box::new(inner)));
                            }
                        }
                    )*
                    _ => {}
                }
                ::std::result::Result::Ok(Self::Unknown(value.into()))
            }
        }
    };
}

/// The schema of an open union is any of its branches, or any JSON.
#[doc(hidden)]
#[macro_export]
#[cfg(feature = "schemars")]
macro_rules! __open_union_schema {
    ($name:ident [$( $inner:ty ),*]) => {
        impl $crate::__private::schemars::JsonSchema for $name {
            fn schema_name() -> ::std::borrow::Cow<'static, str> {
                ::std::borrow::Cow::Borrowed(stringify!($name))
            }

            fn json_schema(
                generator: &mut $crate::__private::schemars::SchemaGenerator,
            ) -> $crate::__private::schemars::Schema {
                let branches = [$( generator.subschema_for::<$inner>(), )* $crate::__private::schemars::Schema::from(true)];
                $crate::__private::schemars::json_schema!({ "anyOf": branches })
            }
        }
    };
}

/// Without the feature there is no schema to write.
#[doc(hidden)]
#[macro_export]
#[cfg(not(feature = "schemars"))]
macro_rules! __open_union_schema {
    ($($any:tt)*) => {};
}
