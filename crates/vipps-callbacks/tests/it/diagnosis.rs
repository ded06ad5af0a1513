use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use vipps_callbacks::Mistake::{
    self, BodyChangedOnTheWay, BodyRewritten, OtherHost, Port, SecretDecoded, SlashAtEnd, WithoutQuery,
};
use vipps_callbacks::{Refusal, Registration, Verifier};

use crate::{CAPTURED, SECRET, URL, now, registration, signed};

fn diagnosing(url: &str, secret: &str) -> Verifier {
    Verifier::builder().registration(Registration::new(url, secret).unwrap()).clock(now).diagnose().build()
}

fn mistakes(refusal: Refusal) -> Vec<Mistake> {
    match refusal {
        Refusal::Signature { mistakes } | Refusal::BodyChanged { mistakes } => mistakes,
        other => panic!("{other}"),
    }
}

#[test]
fn each_usual_mistake_is_named_and_nothing_is_taken_because_of_it() {
    let shop = "https://shop.example";
    // What the verifier was given, what was registered in truth, the mistake.
    let cases: [(String, String, &[Mistake]); 10] = [
        (URL.into(), format!("{shop}/hooks/vipps"), &[WithoutQuery]),
        (URL.into(), format!("{shop}/hooks/vipps/?tenant=7"), &[SlashAtEnd]),
        (format!("{shop}/hooks/"), format!("{shop}/hooks"), &[SlashAtEnd]),
        (format!("{shop}/hooks"), format!("{shop}/hooks/"), &[SlashAtEnd]),
        (format!("{shop}/hooks"), "http://shop.example:443/hooks".into(), &[Port]),
        (format!("{shop}:8443/hooks"), format!("{shop}/hooks"), &[Port]),
        (format!("{shop}/hooks"), "https://hooks.example/hooks".into(), &[OtherHost]),
        (format!("{shop}/hooks"), "https://hooks.example/hooks/".into(), &[OtherHost, SlashAtEnd]),
        (URL.into(), "https://hooks.example/hooks/vipps/".into(), &[OtherHost, WithoutQuery, SlashAtEnd]),
        (format!("{shop}/hooks"), "https://unheard.example/path".into(), &[]),
    ];
    for (given, registered, expected) in cases {
        let mut fields = signed(Registration::new(&registered, SECRET).unwrap(), 0, CAPTURED.as_bytes());
        if registered.contains("unheard") {
            fields.retain(|(name, _)| name != "host");
        }
        let refusal = diagnosing(&given, SECRET).verify(fields, CAPTURED.as_bytes()).unwrap_err();
        assert_eq!(mistakes(refusal), expected, "given {given}, registered {registered}");
    }
}

#[test]
fn a_secret_that_was_decoded_from_base64_is_named() {
    // Its bytes are a text too, so that a signer that decodes can be played.
    let decoded = Registration::new(URL, "sandbox-webhook-secret-0001").unwrap();
    let fields = signed(decoded, 0, CAPTURED.as_bytes());
    let refusal = diagnosing(URL, SECRET).verify(fields, CAPTURED.as_bytes()).unwrap_err();
    assert_eq!(mistakes(refusal.clone()), [SecretDecoded]);
    assert!(refusal.to_string().contains("decoded from base64") && !refusal.to_string().contains("sandbox-webhook"));
}

#[test]
fn a_body_that_a_json_library_wrote_again_is_told_from_one_that_was_changed() {
    let fields = || signed(registration(), 0, CAPTURED.as_bytes());
    let spaced = CAPTURED.replace(':', ": ").replace(',', ", ");
    let broken_lines = CAPTURED.replace(',', ",\n  ");
    let line_break = format!("{CAPTURED}\n");
    let changed = CAPTURED.replace("8000", "8001");
    // Colons in times stay: the first text is another JSON.
    let spaced = spaced.replace("12: 04: 51", "12:04:51");
    for (body, expected) in [
        (spaced, BodyRewritten),
        (broken_lines, BodyRewritten),
        (line_break, BodyRewritten),
        (changed, BodyChangedOnTheWay),
    ] {
        let refusal = diagnosing(URL, SECRET).verify(fields(), body.as_bytes()).unwrap_err();
        assert_eq!(mistakes(refusal), [expected], "{body}");
    }
    let forged = signed(Registration::new(URL, "another").unwrap(), 0, b"{}");
    let refusal = diagnosing(URL, SECRET).verify(forged, CAPTURED.as_bytes()).unwrap_err();
    assert_eq!(mistakes(refusal), [], "nobody knows");
}

#[test]
fn diagnosis_is_off_by_default_and_runs_once_a_second() {
    let wrong = || signed(Registration::new("https://shop.example/hooks/vipps", SECRET).unwrap(), 0, b"{}");
    let quiet = Verifier::builder().registration(registration()).clock(now).build();
    assert_eq!(mistakes(quiet.verify(wrong(), b"{}").unwrap_err()), []);
    let millis = Arc::new(AtomicU64::new(0));
    let clock = millis.clone();
    let clock = move || now() + Duration::from_millis(clock.load(Ordering::Relaxed));
    let verifier = Verifier::builder().registration(registration()).clock(clock).diagnose().build();
    let found = || verifier.verify(wrong(), b"{}").map_err(mistakes).unwrap_err();
    assert_eq!((found(), found()), (vec![WithoutQuery], vec![]));
    millis.store(999, Ordering::Relaxed);
    assert_eq!(found(), []);
    millis.store(1000, Ordering::Relaxed);
    assert_eq!((found(), found()), (vec![WithoutQuery], vec![]));
}
