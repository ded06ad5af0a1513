//! The address of a receiver: what its deliveries are signed for.

use std::fmt;

/// An address that Vipps calls, as it was registered, taken apart as far as a signature needs.
///
/// No library of addresses reads it: that would write the path anew, and the path is signed as it
/// was registered.
///
/// ```
/// use vipps_types::CallbackUrl;
///
/// let url = CallbackUrl::parse("https://Shop.example:443/hooks?tenant=7")?;
/// assert_eq!((url.host(), url.path_and_query()), ("shop.example", "/hooks?tenant=7"));
/// # Ok::<(), vipps_types::CallbackUrlError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct CallbackUrl {
    url: String,
    is_https: bool,
    host: String,
    path_and_query: String,
}

impl CallbackUrl {
    /// Takes an address apart.
    ///
    /// # Errors
    ///
    /// [`CallbackUrlError`] when it is none that can have been registered: not http or https, no
    /// host, a fragment, a user name, or characters beyond printable ASCII.
    pub fn parse(url: &str) -> Result<Self, CallbackUrlError> {
        let refused = |why| Err(CallbackUrlError { why });
        let Some((scheme, rest)) = url.split_once("://") else {
            return refused("it is not of the form https://host/path");
        };
        let (is_https, own_port) = match scheme.to_ascii_lowercase().as_str() {
            "https" => (true, ":443"),
            "http" => (false, ":80"),
            _ => return refused("its scheme is neither https nor http"),
        };
        if !url.bytes().all(|byte| byte.is_ascii_graphic()) {
            return refused("it has characters beyond printable ASCII: write it as it was registered, percent-encoded");
        }
        if rest.contains('#') {
            return refused("it has a fragment, which is never sent");
        }
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return refused("it has a user name or password");
        }
        let host = authority.to_ascii_lowercase();
        let host = host.strip_suffix(own_port).unwrap_or(&host);
        if !has_a_name(host) {
            return refused("it has no host, or its port is no number");
        }
        let path_and_query = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { url: url.to_owned(), is_https, host: host.to_owned(), path_and_query })
    }

    /// The address as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.url
    }

    /// The host in lower case, with the port unless it is the scheme's own.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Path and query, as registered.
    #[must_use]
    pub fn path_and_query(&self) -> &str {
        &self.path_and_query
    }

    /// Whether both lead to the same place, however host and port are written.
    #[must_use]
    pub fn leads_to(&self, other: &Self) -> bool {
        let place = |url: &Self| (url.is_https, url.host.clone(), url.path_and_query.clone());
        place(self) == place(other)
    }
}

/// Shows the address without its query, where some keep a token.
impl fmt::Debug for CallbackUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.url.split_once('?').map_or(self.url.as_str(), |(url, _)| url);
        f.debug_tuple("CallbackUrl").field(&url).finish()
    }
}

/// An address that Vipps cannot have been given; the text itself is not repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unusable address of a receiver: {why}")]
pub struct CallbackUrlError {
    why: &'static str,
}

/// Whether there is a name or a number before the port.
fn has_a_name(host: &str) -> bool {
    let (name, port) = match (host.strip_prefix('['), host.rsplit_once(':')) {
        (Some(rest), _) => match rest.split_once(']') {
            Some((name, port)) => (name, port.strip_prefix(':')),
            None => return false,
        },
        (None, Some((name, port))) => (name, Some(port)),
        (None, None) => (host, None),
    };
    !name.is_empty() && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_path_are_those_of_the_registration() {
        let cases = [
            ("https://shop.example/hooks/vipps?tenant=7", "shop.example", "/hooks/vipps?tenant=7"),
            ("https://localhost:8443/hooks", "localhost:8443", "/hooks"),
            ("https://Shop.Example:443/Hooks/%C3%A5", "shop.example", "/Hooks/%C3%A5"),
            ("http://shop.example:80", "shop.example", "/"),
            ("http://shop.example:443?a=b", "shop.example:443", "/?a=b"),
            ("https://[::1]:8443/x", "[::1]:8443", "/x"),
            ("https://shop.example/a//b/?", "shop.example", "/a//b/?"),
            ("HTTPS://shop.example/a?u=http://x/", "shop.example", "/a?u=http://x/"),
        ];
        for (url, host, path) in cases {
            let address = CallbackUrl::parse(url).unwrap_or_else(|why| panic!("{url}: {why}"));
            assert_eq!((address.host(), address.path_and_query()), (host, path), "{url}");
        }
    }

    #[test]
    fn what_nobody_can_have_registered_is_refused() {
        for url in [
            "",
            "shop.example/hooks",
            "ftp://shop.example/",
            "https:///hooks",
            "https://:443/",
            "https://a:b/",
            "https://shop.example/blåbær",
            "https://shop.example/a b",
            "https://u:p@shop.example/",
            "https://a/#b",
            "https://[::1/x",
            "https://a:99999/",
        ] {
            assert!(CallbackUrl::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn two_spellings_of_one_place_are_told_from_two_places() {
        let place = |url: &str| CallbackUrl::parse(url).unwrap();
        let one = place("https://shop.example/hooks");
        for (other, is_same) in [
            ("HTTPS://Shop.Example:443/hooks", true),
            ("https://shop.example/hooks/", false),
            ("https://shop.example/Hooks", false),
            ("http://shop.example/hooks", false),
            ("https://shop.example/hooks?a=b", false),
        ] {
            assert_eq!(one.leads_to(&place(other)), is_same, "{other}");
        }
        assert!(!format!("{:?}", place("https://shop.example/?key=5ecret")).contains("5ecret"));
    }
}
