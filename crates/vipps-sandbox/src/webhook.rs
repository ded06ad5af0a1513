//! Webhook registrations: who wants to know what, and how a delivery is signed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::clock::{DAY, Millis};

/// An endpoint that fails for so long loses its registration.
const DEAD_AFTER: Millis = 14 * DAY;

/// Every event type there is.
pub(crate) const EVENT_TYPES: [&str; 24] = [
    "epayments.payment.created.v1",
    "epayments.payment.authorized.v1",
    "epayments.payment.aborted.v1",
    "epayments.payment.expired.v1",
    "epayments.payment.terminated.v1",
    "epayments.payment.captured.v1",
    "epayments.payment.refunded.v1",
    "epayments.payment.cancelled.v1",
    "recurring.agreement-activated.v1",
    "recurring.agreement-rejected.v1",
    "recurring.agreement-stopped.v1",
    "recurring.agreement-expired.v1",
    "recurring.charge-reserved.v1",
    "recurring.charge-captured.v1",
    "recurring.charge-canceled.v1",
    "recurring.charge-refunded.v1",
    "recurring.charge-failed.v1",
    "recurring.charge-creation-failed.v1",
    CHECKED_IN,
    "login.merchant-initiated.ping.v1",
    "donations.agreement.started.v1",
    "donations.agreement.stopped.v1",
    "donations.agreement.withdrawal-day-changed.v1",
    "donations.agreement.amount-changed.v1",
];
const CHECKED_IN: &str = "user.checked-in.v1";

/// Something that happened, as it is told to whoever registered for it.
#[derive(Clone, Debug)]
pub(crate) struct Notice {
    pub(crate) event_type: &'static str,
    pub(crate) sales_unit: String,
    /// The payment, agreement or charge: its events arrive in order.
    pub(crate) subject: String,
    pub(crate) at: Millis,
    pub(crate) body: Value,
}

/// An endpoint of a merchant.
#[derive(Clone, Debug)]
pub(crate) struct Registration {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) url: String,
    pub(crate) events: Vec<String>,
    /// The sales unit it is for, or all of them.
    pub(crate) sales_unit: Option<String>,
    failing_since: Option<Millis>,
}

#[derive(Debug, Default)]
pub(crate) struct Registrations {
    list: Vec<Registration>,
}

impl Registrations {
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Registration> {
        self.list.iter()
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Registration> {
        self.list.iter().find(|registration| registration.id == id)
    }

    pub(crate) fn interested_in<'a>(&'a self, notice: &'a Notice) -> impl Iterator<Item = &'a Registration> {
        self.list.iter().filter(|registration| {
            registration.sales_unit.as_ref().is_none_or(|unit| *unit == notice.sales_unit)
                && registration.events.iter().any(|event| event == notice.event_type)
        })
    }

    /// The event types of which this sales unit (or all of them) has as many registrations
    /// as it may.
    pub(crate) fn full<'a>(&self, sales_unit: Option<&str>, events: &'a [String], most: usize) -> Vec<&'a String> {
        let count = |event: &str| {
            let mine = self.list.iter().filter(|registration| registration.sales_unit.as_deref() == sales_unit);
            mine.filter(|registration| registration.events.iter().any(|own| own == event)).count()
        };
        events.iter().filter(|event| count(event) >= if *event == CHECKED_IN { 1 } else { most }).collect()
    }

    pub(crate) fn add(
        &mut self,
        id: String,
        key: &[u8],
        url: String,
        events: Vec<String>,
        sales_unit: Option<String>,
    ) -> &Registration {
        let secret = STANDARD.encode(key);
        self.list.push(Registration { id, secret, url, events, sales_unit, failing_since: None });
        &self.list[self.list.len() - 1]
    }

    pub(crate) fn remove(&mut self, id: &str) -> bool {
        let before = self.list.len();
        self.list.retain(|registration| registration.id != id);
        self.list.len() < before
    }

    /// Notes how an attempt went; gives the time of death of an endpoint that began to fail.
    pub(crate) fn note(&mut self, id: &str, succeeded: bool, at: Millis) -> Option<Millis> {
        let registration = self.list.iter_mut().find(|registration| registration.id == id)?;
        if succeeded {
            registration.failing_since = None;
            return None;
        }
        let first = registration.failing_since.is_none();
        let since = *registration.failing_since.get_or_insert(at);
        first.then_some(since + DEAD_AFTER)
    }

    pub(crate) fn is_dead(&self, id: &str, at: Millis) -> bool {
        self.get(id).and_then(|registration| registration.failing_since).is_some_and(|since| at >= since + DEAD_AFTER)
    }
}

/// The hash of a body, as `x-ms-content-sha256` carries it.
pub(crate) fn content_hash(body: &[u8]) -> String {
    STANDARD.encode(Sha256::digest(body))
}

/// The value of the `Authorization` header of a signed call.
///
/// The secret is the text itself, although it looks like base64.
pub(crate) fn authorization(secret: &str, path_and_query: &str, date: &str, host: &str, hash: &str) -> String {
    let text = format!("POST\n{path_and_query}\n{date};{host};{hash}");
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key of any length will do");
    mac.update(text.as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    format!("HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature={signature}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "c2FuZGJveC13ZWJob29rLXNlY3JldC0wMDAx";
    const OWN_DATE: &str = "Sat, 01 Aug 2026 10:00:00 GMT";
    const PAYMENT: &str = r#"{"msn":"123456","reference":"order-acme-0001","pspReference":"7686f7788898767977","name":"AUTHORIZED","amount":{"currency":"NOK","value":49900},"timestamp":"2026-08-01T10:00:00.000Z","idempotencyKey":null,"success":true}"#;
    const CHARGE: &str = r#"{"agreementId":"agr_5kSeqz","chargeId":"acme-2026-08","chargeType":"RECURRING","eventType":"recurring.charge-captured.v1","amount":49900,"amountCaptured":49900,"currency":"NOK","occurred":"2026-08-01T10:00:00Z","msn":"123456","note":"blåbærsyltetøy"}"#;

    #[test]
    fn published_vectors_are_signed_as_published() {
        let published = "A0+AeKBRG2KRGvnNwJpQlb6IJFk48CKXCIcrLoHncVJKDILsQSxS6NWCccwWm6r6FhGKhiHTBsG2wo/xU6FY/A==";
        let hello = r#"{"some-unique-content":"ee6e441b-cc4a-46f8-895d-a5af79bcc233/hello-world"}"#;
        let published_date = "Thu, 30 Mar 2023 08:38:32 GMT";
        // Secret, host, path and query, date, body, hash of the body, signature.
        let vectors = [
            (
                published,
                "webhook.site",
                "/e2cee29b-012e-4f1d-8ef4-e95fd74a7a63",
                published_date,
                hello,
                "lNlsp1XA03N34HrQsVzPgJKtC+r7l/RBF4V3JQUWMj4=",
                "agAiSyogQbDHpeucoNwYz+yAr5nJ+v+zasdkSbqzv+U=",
            ),
            (
                OWN,
                "shop.example",
                "/hooks/vipps?tenant=7",
                OWN_DATE,
                PAYMENT,
                "vw2T85oKZDLajpDgzcK10GMMTDVbEfTTOBNYrufQKUI=",
                "bPPoCKf+2WDNszfC6bh58o6SFLfMTPECshGpASjki9Q=",
            ),
            (
                OWN,
                "localhost:8443",
                "/hooks/vipps?tenant=7",
                OWN_DATE,
                PAYMENT,
                "vw2T85oKZDLajpDgzcK10GMMTDVbEfTTOBNYrufQKUI=",
                "g/b4JpDygsAKz0cBZvdGAUle30bXyod3YHTypIwupAM=",
            ),
            (
                OWN,
                "shop.example",
                "/hooks/vipps",
                OWN_DATE,
                CHARGE,
                "hm6PjS6Lp+w2M7l97PajMzEZnjG2Cm8HK0ctzZ46LJY=",
                "qYLohXHgUTG5f3W4rIkkhyTpVXmz4k3cz605GPdR1rM=",
            ),
            (
                OWN,
                "shop.example",
                "/",
                OWN_DATE,
                "",
                "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
                "RHOA/Rh5jPjLawGprwAhnyutro5mC6ic+BtAxJWRHw4=",
            ),
        ];
        for (secret, host, path, date, body, hash, signature) in vectors {
            assert_eq!(content_hash(body.as_bytes()), hash);
            let header = authorization(secret, path, date, host, hash);
            let wanted = format!("HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature={signature}");
            assert_eq!(header, wanted, "{host}{path}");
        }
    }

    #[test]
    fn an_endpoint_is_dead_after_two_weeks_of_failures_and_no_success() {
        let mut registrations = Registrations::default();
        registrations.add("a".into(), b"key", "http://localhost/".into(), Vec::new(), None);
        assert_eq!(registrations.note("a", false, 5), Some(5 + DEAD_AFTER));
        assert_eq!(registrations.note("a", false, 6), None);
        assert!(!registrations.is_dead("a", 4 + DEAD_AFTER) && registrations.is_dead("a", 5 + DEAD_AFTER));
        registrations.note("a", true, 7);
        assert!(!registrations.is_dead("a", 5 + DEAD_AFTER));
    }
}
