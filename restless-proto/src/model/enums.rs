//! Enums that know their values, and keep values that they do not know.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An enum of texts on the wire; any other text is kept as `Other`.
macro_rules! wire_enum {
    (
        $(#[$doc:meta])*
        $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
            /// A value that this version does not know, as it is spelt.
            Other(String),
        }

        impl $name {
            /// Returns the value as it is spelt on the wire.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Other(text) => text,
                }
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                match text {
                    $($text => Self::$variant,)*
                    _ => Self::Other(text.to_owned()),
                }
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self::from(text.as_str())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer).map(Self::from)
            }
        }
    };
}

wire_enum! {
    /// Whether a stream polls its REST API.
    StreamStatus {
        /// The stream polls.
        Active = "ACTIVE",
        /// The stream is stopped.
        Inactive = "INACTIVE",
    }
}

wire_enum! {
    /// How the service asks the REST API.
    HttpMethod {
        /// GET
        Get = "GET",
        /// POST
        Post = "POST",
        /// PUT
        Put = "PUT",
        /// PATCH
        Patch = "PATCH",
        /// DELETE
        Delete = "DELETE",
        /// OPTIONS
        Options = "OPTIONS",
    }
}

wire_enum! {
    /// What an update's data is.
    PayloadMode {
        /// All data, each time.
        FullData = "FULL_DATA",
        /// What has changed, as a JSON Patch (RFC 6902).
        JsonPatch = "JSON_PATCH",
    }
}
