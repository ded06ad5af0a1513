//! Which Vipps a client talks to.

use std::fmt;
use std::str::FromStr;

use url::Url;

/// The host that calls go to.
///
/// ```
/// use vipps_types::Environment;
///
/// assert_eq!(Environment::Test.base_url(), "https://apitest.vipps.no");
/// let local: Environment = "http://127.0.0.1:4600".parse()?;
/// assert_eq!(local.base_url(), "http://127.0.0.1:4600");
/// # Ok::<(), vipps_types::EnvironmentError>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Environment {
    /// `https://api.vipps.no`: real money, for Vipps and MobilePay in every market.
    Production,
    /// `https://apitest.vipps.no`: separate keys, users and sales units; the default.
    #[default]
    Test,
    /// Any other base address, such as a sandbox on localhost.
    Custom(BaseUrl),
}

/// A base address: http or https, a host, and perhaps a port and a path.
///
/// It is read from text, so that none carries a password, a query or a fragment.
#[derive(Clone, PartialEq, Eq)]
pub struct BaseUrl(Url);

impl BaseUrl {
    /// The address, without a slash at its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str().trim_end_matches('/')
    }

    /// True when the host is this machine, however it is spelled: `LOCALHOST.`, `127.1`,
    /// `[::ffff:127.0.0.1]`.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self.0.host() {
            Some(url::Host::Domain(name)) => {
                let name = name.strip_suffix('.').unwrap_or(name);
                name == "localhost" || name.ends_with(".localhost")
            }
            Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
            Some(url::Host::Ipv6(ip)) => ip.is_loopback() || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_loopback()),
            None => false,
        }
    }
}

impl FromStr for BaseUrl {
    type Err = EnvironmentError;

    fn from_str(text: &str) -> Result<Self, EnvironmentError> {
        let refused = |why| EnvironmentError { why };
        let url = Url::parse(text.trim()).map_err(|_| refused("it is not an address"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refused("its scheme is neither http nor https"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused("it carries a user name or password"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refused("it carries a query or a fragment"));
        }
        Ok(Self(url))
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BaseUrl({self})")
    }
}

impl Environment {
    /// The address that paths are appended to, without a slash at its end.
    #[must_use]
    pub fn base_url(&self) -> &str {
        match self {
            Self::Production => "https://api.vipps.no",
            Self::Test => "https://apitest.vipps.no",
            Self::Custom(address) => address.as_str(),
        }
    }

    /// True when the host is this machine, so that no proxy may stand in between.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Custom(address) => address.is_loopback(),
            Self::Production | Self::Test => false,
        }
    }

    /// `VIPPS_ENVIRONMENT`: `test` (also when unset), `production`, or a base address.
    ///
    /// # Errors
    ///
    /// [`EnvironmentError`] when it is none of these.
    pub fn from_env() -> Result<Self, EnvironmentError> {
        match std::env::var("VIPPS_ENVIRONMENT") {
            Ok(text) if !text.trim().is_empty() => text.parse(),
            _ => Ok(Self::Test),
        }
    }
}

/// The base address.
impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.base_url())
    }
}

/// As Display.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Environment({self})")
    }
}

impl FromStr for Environment {
    type Err = EnvironmentError;

    fn from_str(text: &str) -> Result<Self, EnvironmentError> {
        match text.trim() {
            "test" => Ok(Self::Test),
            "production" => Ok(Self::Production),
            address => address.parse::<BaseUrl>().map(Self::Custom),
        }
    }
}

/// An environment that cannot be used; the text itself is not repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unusable VIPPS_ENVIRONMENT: {why} (use `test`, `production` or a base address such as http://127.0.0.1:4600)")]
pub struct EnvironmentError {
    why: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_http_addresses_without_secrets_are_environments() {
        let cases = [
            ("test", Some("https://apitest.vipps.no")),
            ("production", Some("https://api.vipps.no")),
            ("http://localhost:4600/", Some("http://localhost:4600")),
            ("https://proxy.example/vipps/", Some("https://proxy.example/vipps")),
            ("prod", None),
            ("ftp://example.com", None),
            ("https://user:word@example.com", None),
            ("https://example.com?x=1", None),
        ];
        for (text, base) in cases {
            let parsed = text.parse::<Environment>().ok();
            assert_eq!(parsed.as_ref().map(Environment::base_url), base, "{text}");
        }
    }

    #[test]
    fn an_address_that_may_hold_a_secret_is_refused_and_not_repeated() {
        for text in ["https://user:5ecret@a.example", "https://a.example/x?key=5ecret", "https://a.example#5ecret"] {
            let error = text.parse::<Environment>().unwrap_err();
            assert!(!format!("{error} {error:?}").contains("5ecret"), "{error}");
        }
        let proxy: Environment = "https://proxy.example/vipps/".parse().unwrap();
        assert_eq!(proxy.to_string(), "https://proxy.example/vipps");
    }

    #[test]
    fn loopback_is_known_by_name_and_by_number() {
        let cases = [
            ("http://localhost:1", true),
            ("http://127.0.0.1:1", true),
            ("http://[::1]:1", true),
            ("http://example.com", false),
            ("test", false),
        ];
        for (text, loopback) in cases {
            assert_eq!(text.parse::<Environment>().unwrap().is_loopback(), loopback, "{text}");
        }
    }
}
