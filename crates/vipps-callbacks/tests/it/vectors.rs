//! The published vector and those of the fact sheets: witnesses that share nothing with the code.

use std::time::{Duration, SystemTime};

use vipps_callbacks::{Refusal, Registration, Signer, Verifier};

use crate::{SECRET, now};

const B1: &str = r#"{"msn":"123456","reference":"order-acme-0001","pspReference":"7686f7788898767977","name":"AUTHORIZED","amount":{"currency":"NOK","value":49900},"timestamp":"2026-08-01T10:00:00.000Z","idempotencyKey":null,"success":true}"#;
const B2: &str = r#"{"agreementId":"agr_5kSeqz","chargeId":"acme-2026-08","chargeType":"RECURRING","eventType":"recurring.charge-captured.v1","amount":49900,"amountCaptured":49900,"currency":"NOK","occurred":"2026-08-01T10:00:00Z","msn":"123456","note":"blåbærsyltetøy"}"#;
const DATE: &str = "Sat, 01 Aug 2026 10:00:00 GMT";
const H1: &str = "vw2T85oKZDLajpDgzcK10GMMTDVbEfTTOBNYrufQKUI=";

fn fields<'a>(date: &'a str, hash: &'a str, signature: &str) -> [(&'static str, String); 3] {
    let authorization = format!("HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature={signature}");
    [("x-ms-date", date.to_owned()), ("x-ms-content-sha256", hash.to_owned()), ("Authorization", authorization)]
}

fn at(url: &str) -> Verifier {
    Verifier::builder().registration(Registration::new(url, SECRET).unwrap()).clock(now).build()
}

#[test]
fn the_vendors_own_vector_is_taken_and_signed_alike() {
    let secret = "A0+AeKBRG2KRGvnNwJpQlb6IJFk48CKXCIcrLoHncVJKDILsQSxS6NWCccwWm6r6FhGKhiHTBsG2wo/xU6FY/A==";
    let url = "https://webhook.site/e2cee29b-012e-4f1d-8ef4-e95fd74a7a63";
    let date = "Thu, 30 Mar 2023 08:38:32 GMT";
    let body = br#"{"some-unique-content":"ee6e441b-cc4a-46f8-895d-a5af79bcc233/hello-world"}"#;
    let hash = "lNlsp1XA03N34HrQsVzPgJKtC+r7l/RBF4V3JQUWMj4=";
    let fields = fields(date, hash, "agAiSyogQbDHpeucoNwYz+yAr5nJ+v+zasdkSbqzv+U=");
    let registration = Registration::new(url, secret).unwrap();
    let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_680_165_512);
    let verifier = Verifier::builder().registration(registration.clone()).clock(move || then).build();
    assert_eq!(verifier.verify(fields.clone(), body).unwrap().signed_at(), then);
    let ours = Signer::new(registration).sign(then, body);
    for (name, value) in fields {
        let (_, own) = ours.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).unwrap();
        assert_eq!(*own, value, "{name}");
    }
}

#[test]
fn every_valid_vector_is_taken() {
    let with_query = "https://shop.example/hooks/vipps?tenant=7";
    let h2 = "hm6PjS6Lp+w2M7l97PajMzEZnjG2Cm8HK0ctzZ46LJY=";
    let vectors = [
        ("V1", with_query, B1, H1, "bPPoCKf+2WDNszfC6bh58o6SFLfMTPECshGpASjki9Q="),
        ("V2", "https://localhost:8443/hooks/vipps?tenant=7", B1, H1, "g/b4JpDygsAKz0cBZvdGAUle30bXyod3YHTypIwupAM="),
        ("V3", "https://shop.example/hooks/vipps", B2, h2, "qYLohXHgUTG5f3W4rIkkhyTpVXmz4k3cz605GPdR1rM="),
        (
            "V4",
            "https://shop.example/",
            "",
            "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
            "RHOA/Rh5jPjLawGprwAhnyutro5mC6ic+BtAxJWRHw4=",
        ),
    ];
    for (name, url, body, hash, signature) in vectors {
        let found = at(url).verify(fields(DATE, hash, signature), body.as_bytes());
        assert!(found.is_ok(), "{name}: {found:?}");
    }
}

#[test]
fn every_wrong_vector_is_refused_with_its_cause() {
    let url = "https://shop.example/hooks/vipps?tenant=7";
    let v1 = "bPPoCKf+2WDNszfC6bh58o6SFLfMTPECshGpASjki9Q=";
    let changed = B1.replace("49900", "49901");
    let signature = Refusal::Signature { mistakes: Vec::new() };
    let vectors = [
        ("N1: body changed", changed.as_str(), v1, Refusal::BodyChanged { mistakes: Vec::new() }),
        ("N2: key decoded", B1, "t84bmZsbJls4LP6i5gcPrxSVA+coviNKHnHygShx4Lg=", signature.clone()),
        ("N3: query dropped", B1, "Ss2UtpK1f/1u99TJTD2XX3gAcYdIWyAohz97YZ+wYSA=", signature.clone()),
        ("N4: CRLF", B1, "2GMDuKTPEhQu05UERcgQuKa0LrjU1BmF7nUhK3pWtK8=", signature),
    ];
    for (name, body, signature, expected) in vectors {
        let found = at(url).verify(fields(DATE, H1, signature), body.as_bytes());
        assert_eq!(found.unwrap_err(), expected, "{name}");
    }
}
