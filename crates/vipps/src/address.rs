//! The addresses that are handed to Vipps: which schemes each may have.
#![cfg_attr(
    not(all(
        feature = "epayment",
        feature = "recurring",
        feature = "checkout",
        feature = "psp",
        feature = "webhooks"
    )),
    allow(dead_code, reason = "each API hands over some")
)]

use vipps_core::types::{BaseUrl, Place, Violation};

/// What an address may be.
#[derive(Clone, Copy)]
pub(crate) struct AddressRule {
    app_scheme: bool,
    http: bool,
}

impl AddressRule {
    /// One that Vipps calls or shows: https, and http on this machine.
    pub(crate) const HTTPS: Self = Self { app_scheme: false, http: false };

    /// One that people are sent back to: as above, or the scheme of an app.
    pub(crate) const APP_OR_HTTPS: Self = Self { app_scheme: true, http: false };

    /// The same, and http on any machine where the client was told so.
    pub(crate) fn or_http(self, is_allowed: bool) -> Self {
        Self { http: is_allowed, ..self }
    }

    /// # Errors
    ///
    /// What the address must be.
    pub(crate) fn check(self, url: &str, at: &Place<'_>) -> Result<(), Violation> {
        let (scheme, rest) = url.split_once(':').unwrap_or(("", url));
        let is_named = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
        let is_whole = is_named && !rest.trim_start_matches('/').is_empty() && !url.contains(char::is_whitespace);
        let is_allowed = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => {
                let host = url.split(['?', '#']).next().unwrap_or_default();
                let base = host.parse::<BaseUrl>();
                base.is_ok_and(|base| self.http || base.is_loopback())
            }
            "javascript" | "data" | "file" => false,
            _ => self.app_scheme,
        };
        if is_whole && is_allowed {
            return Ok(());
        }
        let wanted = match (self.app_scheme, scheme.eq_ignore_ascii_case("http")) {
            (true, false) => "an https address, or one with the scheme of an app",
            (false, false) => "an https address",
            (true, true) => {
                "an https address, or one with the scheme of an app (for http in a test network: ClientBuilder::allow_http_addresses)"
            }
            (false, true) => "an https address (for http in a test network: ClientBuilder::allow_http_addresses)",
        };
        Err(at.broken(format!("must be {wanted}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_on_another_machine_needs_the_opt_in() {
        let rules = [AddressRule::HTTPS, AddressRule::APP_OR_HTTPS];
        let with_http = rules.map(|rule| rule.or_http(true));
        // Address; whether each rule takes it, without and with the opt-in.
        let cases = [
            ("https://shop.example/hooks", [true, true], [true, true]),
            ("http://localhost:3000/hooks", [true, true], [true, true]),
            ("http://shop:3000/hooks?a=b", [false, false], [true, true]),
            ("acme-app://thanks", [false, true], [false, true]),
            ("http://", [false, false], [false, false]),
            ("http:// shop", [false, false], [false, false]),
            ("javascript:alert(1)", [false, false], [false, false]),
            ("shop.example/hooks", [false, false], [false, false]),
        ];
        for (url, without, with) in cases {
            let taken = |rules: [AddressRule; 2]| rules.map(|rule| rule.check(url, &Place::ROOT.field("url")).is_ok());
            assert_eq!((taken(rules), taken(with_http)), (without, with), "{url}");
        }
        let refused = AddressRule::HTTPS.check("http://shop/hooks", &Place::ROOT.field("url")).unwrap_err();
        assert!(refused.to_string().contains("allow_http_addresses"), "{refused}");
    }
}
