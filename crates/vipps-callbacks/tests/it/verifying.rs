use vipps_callbacks::{Freshness, Refusal, Registration, RegistrationError, Verifier};

use crate::{CAPTURED, SECRET, URL, now, registration, signed, verifier, with_inbox};

const BODY: &[u8] = CAPTURED.as_bytes();
const MINUTE: u64 = 60;
const DAY: u64 = 24 * 60 * MINUTE;

fn without(name: &str) -> Vec<(String, String)> {
    signed(registration(), 0, BODY).into_iter().filter(|(own, _)| own != name).collect()
}

fn with(name: &str, value: &str) -> Vec<(String, String)> {
    let mut fields = without(name);
    fields.push((name.to_owned(), value.to_owned()));
    fields
}

#[test]
fn each_cause_has_a_refusal_of_its_own() {
    let malformed = |name, why| Refusal::MalformedHeader { name, why };
    let authorization = "HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature=";
    for name in ["x-ms-date", "x-ms-content-sha256", "authorization"] {
        assert_eq!(verifier().verify(without(name), BODY), Err(Refusal::MissingHeader { name }));
        let mut twice = signed(registration(), 0, BODY);
        let again = twice.iter().find(|(own, _)| own == name).unwrap().clone();
        twice.push((name.to_ascii_uppercase(), again.1));
        assert_eq!(verifier().verify(twice, BODY), Err(Refusal::RepeatedHeader { name }));
    }
    let cases = [
        ("x-ms-date", "yesterday", "it is no HTTP date"),
        ("x-ms-date", "lør, 01 Aug 2026 10:00:00 GMT", "it has characters beyond printable ASCII"),
        ("authorization", "Bearer x", "its scheme is not HMAC-SHA256"),
        ("authorization", &authorization.replace("HMAC", "hmac"), "its scheme is not HMAC-SHA256"),
        ("authorization", authorization, "its Signature is not 32 bytes in base64"),
        ("authorization", &format!("{authorization}AAAA"), "its Signature is not 32 bytes in base64"),
        ("authorization", "HMAC-SHA256 Signature=", "its SignedHeaders are not x-ms-date;host;x-ms-content-sha256"),
        (
            "authorization",
            &authorization.replace("x-ms-date;host", "host;x-ms-date"),
            "its SignedHeaders are not x-ms-date;host;x-ms-content-sha256",
        ),
        ("authorization", &format!("{authorization}a&Signature=b"), "a part of it is repeated"),
        ("authorization", &format!("{authorization}a&Extra=b"), "it has parts beside SignedHeaders and Signature"),
    ];
    for (name, value, why) in cases {
        let name = if name == "x-ms-date" { "x-ms-date" } else { "authorization" };
        assert_eq!(verifier().verify(with(name, value), BODY), Err(malformed(name, why)), "{value}");
    }
    let other_hash = with("x-ms-content-sha256", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    assert_eq!(verifier().verify(other_hash, BODY), Err(Refusal::BodyChanged { mistakes: Vec::new() }));
    let other_secret = signed(Registration::new(URL, "another").unwrap(), 0, BODY);
    assert_eq!(verifier().verify(other_secret, BODY), Err(Refusal::Signature { mistakes: Vec::new() }));
    let nobody = Verifier::builder().build();
    assert_eq!(nobody.verify(signed(registration(), 0, BODY), BODY), Err(Refusal::NoRegistration));
}

#[test]
fn stale_and_early_are_said_only_of_what_is_signed_right() {
    let forged = |age| signed(Registration::new(URL, "another").unwrap(), age, BODY);
    for age in [6 * MINUTE, 400 * DAY] {
        let stale = verifier().verify(signed(registration(), age, BODY), BODY);
        assert!(matches!(stale, Err(Refusal::Stale { .. })), "{stale:?}");
        assert!(matches!(verifier().verify(forged(age), BODY), Err(Refusal::Signature { .. })));
        let changed = verifier().verify(signed(registration(), age, BODY), b"{}");
        assert!(matches!(changed, Err(Refusal::BodyChanged { .. })));
    }
    let fast = Verifier::builder().registration(registration()).clock(|| now() - std::time::Duration::from_secs(301));
    let early = fast.build().verify(signed(registration(), 0, BODY), BODY);
    assert!(matches!(early, Err(Refusal::Early { .. })), "{early:?}");
}

#[test]
fn a_retry_of_days_ago_is_taken_as_late_by_a_receiver_with_an_inbox_alone() {
    for (age, late) in [(0, Some(false)), (6 * MINUTE, Some(true)), (6 * DAY, Some(true)), (8 * DAY, None)] {
        let found = with_inbox().verify(signed(registration(), age, BODY), BODY);
        assert_eq!(found.ok().map(|delivery| delivery.is_late()), late, "{age} s");
    }
    let settable = Verifier::builder().registration(registration()).clock(now);
    let settable = settable.freshness(Freshness::Window(std::time::Duration::from_secs(3600))).build();
    let found = settable.verify(signed(registration(), 50 * MINUTE, BODY), BODY).unwrap();
    assert!(!found.is_late(), "nothing that a window lets through is late");
}

#[test]
fn fields_are_found_in_any_order_and_case_and_of_any_type() {
    let mut fields = signed(registration(), 0, BODY);
    fields.reverse();
    let shouted = fields.iter().map(|(name, value)| (name.to_ascii_uppercase(), format!(" {value}\t").into_bytes()));
    assert!(verifier().verify(shouted, BODY).is_ok());
    let borrowed = fields.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    assert!(verifier().verify(borrowed, BODY).is_ok());
}

#[test]
fn a_proxy_may_rewrite_host_and_path_and_take_authorization_for_itself() {
    let behind = with("host", "10.0.0.7:3000");
    assert!(verifier().verify(behind, BODY).is_ok());
    let mut moved = without("authorization");
    let authorization = signed(registration(), 0, BODY).into_iter().find(|(name, _)| name == "authorization").unwrap();
    moved.push(("X-Vipps-Authorization".to_owned(), authorization.1));
    moved.push(("Authorization".to_owned(), "Basic of-the-proxy".to_owned()));
    let verifier = Verifier::builder().registration(registration()).clock(now);
    let verifier = verifier.authorization_header("x-vipps-authorization").build();
    assert!(verifier.verify(moved, BODY).is_ok());
}

#[test]
fn several_addresses_and_secrets_are_known_at_once_and_the_delivery_says_which() {
    let other_url = "https://other.example/hooks";
    let one = |id: &str, url: &str, secret: &str| Registration::new(url, secret).unwrap().id(id);
    let all = [one("old", URL, "secret-1"), one("new", URL, "secret-2"), one("other", other_url, "secret-3")];
    let verifier = Verifier::builder().clock(now).build();
    verifier.replace(all.clone());
    for (registration, id, url) in [(&all[0], "old", URL), (&all[1], "new", URL), (&all[2], "other", other_url)] {
        // The header that names the registration is not signed: no use of it changes the verdict.
        for named in ["old", "new", "NEW", "unheard-of", ""] {
            let mut fields = signed(registration.clone(), 0, BODY);
            fields.retain(|(name, _)| name != "webhook-id");
            fields.push(("Webhook-Id".to_owned(), named.to_owned()));
            let delivery = verifier.verify(fields, BODY).unwrap();
            assert_eq!((delivery.registration_id(), delivery.url()), (Some(id), url));
        }
    }
    let swapped = signed(Registration::new(other_url, "secret-1").unwrap(), 0, BODY);
    assert!(verifier.verify(swapped, BODY).is_err(), "a secret counts for its own address");
}

#[test]
fn the_set_changes_while_serving() {
    let verifier = Verifier::builder().clock(now).build();
    let (one, another) = (registration().id("a"), Registration::new(URL, "another").unwrap().id("b"));
    let is_taken = |one: &Registration| verifier.verify(signed(one.clone(), 0, BODY), BODY).is_ok();
    let clone = verifier.clone();
    clone.add(one.clone());
    clone.add(another.clone());
    assert!(is_taken(&one) && is_taken(&another));
    assert!(clone.remove("a") && !clone.remove("a"));
    assert!(!is_taken(&one) && is_taken(&another));
    let renewed = Registration::new(URL, "renewed").unwrap().id("b");
    clone.add(renewed.clone());
    assert!(is_taken(&renewed) && !is_taken(&another), "one id has one secret");
}

#[test]
fn a_secret_that_anyone_has_is_refused() {
    for (secret, expected) in [
        ("", RegistrationError::EmptySecret),
        ("secret\n", RegistrationError::PaddedSecret),
        (" secret", RegistrationError::PaddedSecret),
    ] {
        assert_eq!(Registration::new(URL, secret).unwrap_err(), expected);
    }
    assert!(matches!(Registration::new("shop.example", SECRET), Err(RegistrationError::Url(_))));
}
