//! Which system is calling: the four `Vipps-System-*` headers.

use crate::config_error::ConfigError;

/// Names and versions that Vipps sees of the calling system; partners and platform plugins
/// must set them. Each is at most 30 characters.
///
/// What is not set carries the name and version of this library.
///
/// ```
/// use vipps_core::System;
///
/// let system = System::new("acme", "3.1.2").plugin("acme-webshop", "4.5.6");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct System {
    name: String,
    version: String,
    plugin_name: String,
    plugin_version: String,
}

impl System {
    /// The e-commerce solution: one word in lower case, and its version.
    #[must_use]
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self { name: name.into(), version: version.into(), ..Self::default() }
    }

    /// The plugin in that solution, and its version.
    #[must_use]
    pub fn plugin(mut self, name: impl Into<String>, version: impl Into<String>) -> Self {
        self.plugin_name = name.into();
        self.plugin_version = version.into();
        self
    }

    /// Header names and values.
    pub(crate) fn headers(&self) -> [(&'static str, &str); 4] {
        [
            ("vipps-system-name", &self.name),
            ("vipps-system-version", &self.version),
            ("vipps-system-plugin-name", &self.plugin_name),
            ("vipps-system-plugin-version", &self.plugin_version),
        ]
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        for (header, value) in self.headers() {
            let fits =
                (1..=30).contains(&value.chars().count()) && value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
            if !fits {
                return Err(ConfigError::System { header });
            }
        }
        Ok(())
    }
}

impl Default for System {
    fn default() -> Self {
        let (name, version) = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        Self { name: name.into(), version: version.into(), plugin_name: name.into(), plugin_version: version.into() }
    }
}
