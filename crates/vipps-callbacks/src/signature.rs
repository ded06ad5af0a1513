//! How a delivery is signed: HMAC-SHA256 over method, path, date, host and the body's hash.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use vipps_types::CallbackUrl;

/// The fields that are signed, as the header names them.
const SIGNED_HEADERS: &str = "x-ms-date;host;x-ms-content-sha256";

/// What is signed, but for the secret.
#[derive(Clone, Copy)]
pub(crate) struct Signed<'a> {
    pub(crate) host: &'a str,
    pub(crate) path_and_query: &'a str,
    /// `x-ms-date`, as it came.
    pub(crate) date: &'a str,
    /// `x-ms-content-sha256`.
    pub(crate) content_hash: &'a str,
}

impl<'a> Signed<'a> {
    /// A delivery to this address.
    pub(crate) fn at(url: &'a CallbackUrl, date: &'a str, content_hash: &'a str) -> Self {
        Self { host: url.host(), path_and_query: url.path_and_query(), date, content_hash }
    }

    /// The secret is the text itself, although it looks like base64.
    fn mac(&self, secret: &[u8]) -> Hmac<Sha256> {
        let Self { host, path_and_query, date, content_hash } = self;
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("a key of any length will do");
        mac.update(format!("POST\n{path_and_query}\n{date};{host};{content_hash}").as_bytes());
        mac
    }

    /// Whether this is its signature; takes the same time for a right and a wrong one.
    pub(crate) fn is_signed_by(&self, secret: &[u8], signature: &[u8; 32]) -> bool {
        self.mac(secret).verify_slice(signature).is_ok()
    }

    /// The value of `Authorization`.
    #[cfg(any(feature = "signer", test))]
    pub(crate) fn authorization(&self, secret: &[u8]) -> String {
        let signature = STANDARD.encode(self.mac(secret).finalize().into_bytes());
        format!("HMAC-SHA256 SignedHeaders={SIGNED_HEADERS}&Signature={signature}")
    }
}

/// The hash of a body, as `x-ms-content-sha256` carries it.
pub(crate) fn content_hash(body: &[u8]) -> String {
    STANDARD.encode(Sha256::digest(body))
}

/// The signature in a value of `Authorization`, or what is wrong with the value.
pub(crate) fn signature_of(authorization: &str) -> Result<[u8; 32], &'static str> {
    let parameters = authorization.strip_prefix("HMAC-SHA256 ").ok_or("its scheme is not HMAC-SHA256")?;
    let (mut signed, mut signature) = (None, None);
    for parameter in parameters.split('&') {
        let place = match parameter.split_once('=') {
            Some(("SignedHeaders", value)) => signed.replace(value),
            Some(("Signature", value)) => signature.replace(value),
            _ => return Err("it has parts beside SignedHeaders and Signature"),
        };
        if place.is_some() {
            return Err("a part of it is repeated");
        }
    }
    // Signed in another order, the text would be another one.
    if signed != Some(SIGNED_HEADERS) {
        return Err("its SignedHeaders are not x-ms-date;host;x-ms-content-sha256");
    }
    let signature = STANDARD.decode(signature.ok_or("it has no Signature")?).ok();
    signature.and_then(|bytes| bytes.try_into().ok()).ok_or("its Signature is not 32 bytes in base64")
}

/// Whether a token is the expected one; takes the same time for a right and a wrong one of any
/// length.
pub(crate) fn is_token(expected: &[u8], given: &[u8]) -> bool {
    let mac = |text: &[u8]| {
        let mut mac = Hmac::<Sha256>::new_from_slice(b"token").expect("a key of any length will do");
        mac.update(text);
        mac
    };
    mac(given).verify_slice(&mac(expected).finalize().into_bytes()).is_ok()
}
