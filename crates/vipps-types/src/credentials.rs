//! The keys of a sales unit.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

/// What authenticates a client: client id, client secret, subscription key, the Merchant
/// Serial Number (MSN) of the sales unit, and for payment service providers the PSP id.
///
/// All are opaque texts from the merchant portal. Debug shows the MSN alone. The memory of a
/// `Credentials` and its clones is wiped when they go; what a client makes of them to send
/// (header values, access tokens, the buffers of TLS) is not.
///
/// ```
/// use vipps_types::Credentials;
///
/// let credentials = Credentials::new("test-client-id", "test-client-secret", "test-subscription-key", "123456")?;
/// assert_eq!(credentials.merchant_serial_number().as_str(), "123456");
/// assert!(!format!("{credentials:?}").contains("secret"));
/// # Ok::<(), vipps_types::CredentialsError>(())
/// ```
#[derive(Clone)]
pub struct Credentials {
    client_id: SecretString,
    client_secret: SecretString,
    subscription_key: SecretString,
    merchant_serial_number: MerchantSerialNumber,
    psp_id: Option<SecretString>,
}

impl Credentials {
    /// Credentials from texts.
    ///
    /// # Errors
    ///
    /// [`CredentialsError`] naming every part that is empty, cannot be a header value, or,
    /// for the MSN, is not 4 to 10 digits.
    pub fn new(
        client_id: impl Into<String>,
        client_secret: impl Into<String>,
        subscription_key: impl Into<String>,
        merchant_serial_number: impl Into<String>,
    ) -> Result<Self, CredentialsError> {
        let parts = [client_id.into(), client_secret.into(), subscription_key.into(), merchant_serial_number.into()];
        Self::from_parts(parts.map(Some), None)
    }

    /// The same credentials with the PSP id that payment service providers send.
    ///
    /// # Errors
    ///
    /// [`CredentialsError`] when it is empty or cannot be a header value.
    pub fn with_psp_id(mut self, psp_id: impl Into<String>) -> Result<Self, CredentialsError> {
        let mut faults = Vec::new();
        self.psp_id = check(PSP_ID, Some(psp_id.into()), &mut faults).map(SecretString::from);
        if faults.is_empty() { Ok(self) } else { Err(CredentialsError { faults }) }
    }

    /// The same credentials for another sales unit.
    #[must_use]
    pub fn with_merchant_serial_number(mut self, msn: MerchantSerialNumber) -> Self {
        self.merchant_serial_number = msn;
        self
    }

    /// `VIPPS_CLIENT_ID`, `VIPPS_CLIENT_SECRET`, `VIPPS_SUBSCRIPTION_KEY`,
    /// `VIPPS_MERCHANT_SERIAL_NUMBER`, and `VIPPS_PSP_ID` where it is set.
    ///
    /// # Errors
    ///
    /// [`CredentialsError`] listing every variable that is missing or malformed at once.
    pub fn from_env() -> Result<Self, CredentialsError> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    /// As [`Credentials::from_env`], but `None` when not one `VIPPS_*` variable that names
    /// credentials or an environment is set: the caller may then choose a default.
    ///
    /// # Errors
    ///
    /// [`CredentialsError`] when some but not all are set.
    pub fn from_env_if_any() -> Result<Option<Self>, CredentialsError> {
        let named = REQUIRED.iter().map(|part| part.variable).chain([PSP_ID.variable, "VIPPS_ENVIRONMENT"]);
        let mut set = named.filter(|name| std::env::var_os(name).is_some_and(|text| !text.is_empty()));
        if set.next().is_none() { Ok(None) } else { Self::from_env().map(Some) }
    }

    /// Credentials from any source of named texts; the names are those of
    /// [`Credentials::from_env`].
    ///
    /// # Errors
    ///
    /// [`CredentialsError`] listing every name that is missing or malformed.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, CredentialsError> {
        let find = |part: Part| lookup(part.variable).filter(|text| !text.trim().is_empty());
        Self::from_parts(REQUIRED.map(find), find(PSP_ID))
    }

    fn from_parts(parts: [Option<String>; 4], psp_id: Option<String>) -> Result<Self, CredentialsError> {
        let mut faults = Vec::new();
        let mut texts = REQUIRED.into_iter().zip(parts).map(|(part, text)| check(part, text, &mut faults));
        let mut next = || texts.next().flatten().unwrap_or_default();
        let (client_id, client_secret, subscription_key, msn) = (next(), next(), next(), next());
        drop(texts);
        let psp_id = psp_id.and_then(|text| check(PSP_ID, Some(text), &mut faults));
        let msn = match MerchantSerialNumber::new(msn) {
            Ok(msn) => msn,
            Err(mut error) => {
                if !faults.iter().any(|fault| fault.contains(MSN.variable)) {
                    faults.append(&mut error.faults);
                }
                return Err(CredentialsError { faults });
            }
        };
        if !faults.is_empty() {
            return Err(CredentialsError { faults });
        }
        Ok(Self {
            client_id: client_id.into(),
            client_secret: client_secret.into(),
            subscription_key: subscription_key.into(),
            merchant_serial_number: msn,
            psp_id: psp_id.map(SecretString::from),
        })
    }

    /// The client id; opaque, whatever it looks like.
    #[must_use]
    pub fn client_id(&self) -> &str {
        self.client_id.expose_secret()
    }

    /// The client secret.
    #[must_use]
    pub fn client_secret(&self) -> &str {
        self.client_secret.expose_secret()
    }

    /// The subscription key, `Ocp-Apim-Subscription-Key`.
    #[must_use]
    pub fn subscription_key(&self) -> &str {
        self.subscription_key.expose_secret()
    }

    /// The sales unit that calls are made for.
    #[must_use]
    pub fn merchant_serial_number(&self) -> &MerchantSerialNumber {
        &self.merchant_serial_number
    }

    /// The PSP id, where there is one.
    #[must_use]
    pub fn psp_id(&self) -> Option<&str> {
        self.psp_id.as_ref().map(ExposeSecret::expose_secret)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("merchant_serial_number", &self.merchant_serial_number)
            .finish_non_exhaustive()
    }
}

/// Merchant Serial Number (MSN): names a sales unit, 4 to 10 digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MerchantSerialNumber(String);

impl MerchantSerialNumber {
    /// An MSN from its digits.
    ///
    /// # Errors
    ///
    /// [`CredentialsError`] when it is not 4 to 10 digits.
    pub fn new(digits: impl Into<String>) -> Result<Self, CredentialsError> {
        let digits = digits.into();
        if (4..=10).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            Ok(Self(digits))
        } else {
            Err(CredentialsError { faults: vec![format!("{} must be 4 to 10 digits", MSN.variable)] })
        }
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MerchantSerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Credentials that are incomplete or malformed; says which, never what they hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unusable credentials: {}", faults.join("; "))]
pub struct CredentialsError {
    faults: Vec<String>,
}

#[derive(Clone, Copy)]
struct Part {
    variable: &'static str,
    argument: &'static str,
}

const MSN: Part = Part { variable: "VIPPS_MERCHANT_SERIAL_NUMBER", argument: "merchant_serial_number" };
const PSP_ID: Part = Part { variable: "VIPPS_PSP_ID", argument: "psp_id" };
const REQUIRED: [Part; 4] = [
    Part { variable: "VIPPS_CLIENT_ID", argument: "client_id" },
    Part { variable: "VIPPS_CLIENT_SECRET", argument: "client_secret" },
    Part { variable: "VIPPS_SUBSCRIPTION_KEY", argument: "subscription_key" },
    MSN,
];

fn check(part: Part, text: Option<String>, faults: &mut Vec<String>) -> Option<String> {
    let text = text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    match text {
        None => faults.push(format!("missing credential: set {} or pass {}", part.variable, part.argument)),
        Some(text) if text.bytes().all(|byte| byte.is_ascii_graphic()) => return Some(text),
        Some(_) => faults.push(format!("{} has characters that cannot stand in a header", part.variable)),
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_missing_is_listed_at_once() {
        let half = |name: &str| match name {
            "VIPPS_CLIENT_ID" => Some("id".to_owned()),
            "VIPPS_SUBSCRIPTION_KEY" => Some("key\nwith a break".to_owned()),
            _ => None,
        };
        let error = Credentials::from_lookup(half).unwrap_err().to_string();
        assert_eq!(
            error,
            "unusable credentials: missing credential: set VIPPS_CLIENT_SECRET or pass client_secret; \
             VIPPS_SUBSCRIPTION_KEY has characters that cannot stand in a header; \
             missing credential: set VIPPS_MERCHANT_SERIAL_NUMBER or pass merchant_serial_number"
        );
    }

    #[test]
    fn a_merchant_serial_number_is_four_to_ten_digits() {
        for (digits, fine) in
            [("123", false), ("1234", true), ("1234567890", true), ("12345678901", false), ("12a4", false), ("", false)]
        {
            assert_eq!(MerchantSerialNumber::new(digits).is_ok(), fine, "{digits}");
        }
    }

    #[test]
    fn debug_shows_no_key() {
        let credentials =
            Credentials::new("the-id", "the-word", "the-key", "123456").unwrap().with_psp_id("the-psp").unwrap();
        let shown = format!("{credentials:?}");
        assert_eq!(shown, r#"Credentials { merchant_serial_number: MerchantSerialNumber("123456"), .. }"#);
    }
}
