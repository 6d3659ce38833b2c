//! Macros that declare a contract once: the Rust type, its wire names and its checks side by side.

/// Declares a closed list of texts as an enum with its wire names.
macro_rules! text_enum {
    ($(#[$meta:meta])* pub enum $name:ident { $($variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash,
            serde::Serialize, serde::Deserialize, schemars::JsonSchema,
        )]
        pub enum $name {
            $(
                #[doc = concat!("`", $text, "`.")]
                #[serde(rename = $text)]
                $variant,
            )+
        }

        impl $name {
            /// Every value, in the order of the contract.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// Wire texts, in the order of [`Self::ALL`].
            pub const NAMES: &'static [&'static str] = &[$($text),+];

            /// Wire text.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// Reads a wire text.
            #[must_use]
            pub fn from_text(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str() == text)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

/// Declares a contract: `field as "wire_name": Type => presence(CHECK)`.
///
/// After the name follow `trim` and `rules = function`; the function is `fn(&Type, &mut Report)`.
macro_rules! contract {
    (
        $(#[$meta:meta])*
        pub struct $name:ident $(: $($flag:ident $(= $rules:ident)?),+)? {
            $(
                $(#[$field_meta:meta])*
                $field:ident $(as $wire:literal)? : $ty:ty => $presence:ident ( $check:expr $(, $default:tt)? )
            ),+ $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $(
                $(#[$field_meta])*
                $(#[serde(rename = $wire)])?
                pub $field: $ty,
            )+
        }

        impl $crate::contract::Contract for $name {
            const FIELDS: &'static [$crate::contract::Field] = &[
                $($crate::contract::Field {
                    name: contract!(@wire $field $($wire)?),
                    presence: contract!(@presence $presence $($default)?),
                    check: &$check,
                }),+
            ];
            const OBJECT: &'static $crate::contract::Object =
                &$crate::contract::Object::new(
                    stringify!($name),
                    <Self as $crate::contract::Contract>::FIELDS,
                    || schemars::schema_for!($name),
                )
                $($(. $flag ($(contract!(@rules $rules))?))+)?;
        }
    };
    (@wire $field:ident) => { stringify!($field) };
    (@wire $field:ident $wire:literal) => { $wire };
    (@presence required) => { $crate::contract::Presence::Required };
    (@presence nullable) => { $crate::contract::Presence::Nullable };
    (@presence optional) => { $crate::contract::Presence::Optional };
    (@presence omittable) => { $crate::contract::Presence::Omittable };
    (@presence default $default:tt) => { $crate::contract::Presence::Default(|| serde_json::json!($default)) };
    (@rules $rules:ident) => {
        |value, report| {
            // The fields are sound here, so the conversion cannot fail; if it does, the top level reports it.
            if let Ok(typed) = serde::Deserialize::deserialize(value) {
                $rules(&typed, report);
            }
        }
    };
}

pub(crate) use {contract, text_enum};
