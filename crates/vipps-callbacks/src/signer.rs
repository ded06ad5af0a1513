//! Signs as Vipps does: for a user's own tests, and for programs that forward events.

use std::time::{Duration, SystemTime};

use crate::Registration;
use crate::signature::{Signed, content_hash};

/// The last moment that an HTTP date can name: the end of 9999.
fn last_date() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(253_402_300_799)
}

/// Makes the header fields of deliveries to one registration. Behind the feature `signer`.
///
/// ```
/// use std::time::SystemTime;
/// use vipps_callbacks::{Event, Registration, Signer, Verifier};
///
/// let registration = Registration::new("https://shop.example/hooks/vipps", "a-secret-of-the-test")?;
/// let verifier = Verifier::builder().registration(registration.clone()).build();
///
/// let body = br#"{"msn":"123456","reference":"acme-42","name":"CAPTURED"}"#;
/// let headers = Signer::new(registration).sign(SystemTime::now(), body);
/// let delivery = verifier.verify(headers, body)?;
/// assert!(matches!(delivery.event(), Event::Payment(_)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Signer {
    registration: Registration,
}

impl Signer {
    /// Signs for this address with this secret.
    #[must_use]
    pub fn new(registration: Registration) -> Self {
        Self { registration }
    }

    /// The fields of a delivery of this body, signed at this time. `Host` is the registered
    /// one, whatever host the request goes to. A time outside of 1970 to 9999, for which there is no
    /// HTTP date, is taken as the nearest one inside.
    #[must_use]
    pub fn sign(&self, at: SystemTime, body: &[u8]) -> Vec<(&'static str, String)> {
        let url = self.registration.url();
        let (date, hash) = (httpdate::fmt_http_date(at.clamp(SystemTime::UNIX_EPOCH, last_date())), content_hash(body));
        let authorization = Signed::at(url, &date, &hash).authorization(self.registration.secret().as_bytes());
        let mut fields = vec![
            ("content-type", "application/json".to_owned()),
            ("host", url.host().to_owned()),
            ("x-ms-date", date),
            ("x-ms-content-sha256", hash),
            ("authorization", authorization),
        ];
        fields.extend(self.registration.known_id().map(|id| ("webhook-id", id.to_owned())));
        fields
    }
}
