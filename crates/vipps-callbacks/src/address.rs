//! The address of a receiver, as it was registered: what its deliveries are signed for.

/// Host and path of a registered address, as they stand in the text that is signed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Address {
    url: String,
    /// In lower case, with the port unless it is the scheme's own.
    pub(crate) host: String,
    /// As registered.
    pub(crate) path_and_query: String,
}

impl Address {
    /// Takes an address apart.
    ///
    /// No library of addresses here: it would write the path anew, and the path is signed as
    /// it was registered.
    pub(crate) fn parse(url: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = url.split_once("://").ok_or("it is not of the form https://host/path")?;
        let own_port = match scheme.to_ascii_lowercase().as_str() {
            "https" => ":443",
            "http" => ":80",
            _ => return Err("its scheme is neither https nor http"),
        };
        if !url.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("it has characters beyond printable ASCII: write it as it was registered, percent-encoded");
        }
        if rest.contains('#') {
            return Err("it has a fragment, which is never sent");
        }
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err("it has a user name or password");
        }
        let host = authority.to_ascii_lowercase();
        let host = host.strip_suffix(own_port).unwrap_or(&host);
        if !has_a_name(host) {
            return Err("it has no host, or its port is no number");
        }
        let path_and_query = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { url: url.to_owned(), host: host.to_owned(), path_and_query })
    }

    /// The address as it was given.
    pub(crate) fn as_str(&self) -> &str {
        &self.url
    }
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
            let address = Address::parse(url).unwrap_or_else(|why| panic!("{url}: {why}"));
            assert_eq!((address.host.as_str(), address.path_and_query.as_str()), (host, path), "{url}");
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
            assert!(Address::parse(url).is_err(), "{url}");
        }
    }
}
