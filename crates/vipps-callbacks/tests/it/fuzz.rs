//! The claims of the fuzz targets, on stable and with an end.

use fastrand::Rng;

use crate::CAPTURED;

#[path = "../../fuzz/claims.rs"]
mod claims;

const HEAD: &str = "x-ms-date:Sat, 01 Aug 2026 10:00:00 GMT\nx-ms-content-sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\nauthorization:HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature=RHOA/Rh5jPjLawGprwAhnyutro5mC6ic+BtAxJWRHw4=\nhost:shop.example\nwebhook-id:r-1\n\n";

/// Changes a seed here and there: bytes turned, cut out, doubled, or made new.
fn mutated(rng: &mut Rng, seed: &[u8]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..rng.usize(..6) {
        let at = rng.usize(..=bytes.len());
        let until = (at + rng.usize(..20)).min(bytes.len());
        match rng.u8(..5) {
            0 => bytes.insert(at, rng.u8(..)),
            1 => drop(bytes.drain(at..until)),
            2 => {
                let again = bytes[at..until].to_vec();
                bytes.splice(at..at, again);
            }
            3 => bytes.truncate(at),
            _ if at < bytes.len() => bytes[at] ^= 1 << rng.u8(..8),
            _ => {}
        }
    }
    bytes
}

fn each(seeds: &[&str], claim: fn(&[u8])) {
    let mut rng = Rng::with_seed(11);
    for seed in seeds {
        claim(seed.as_bytes());
        for _ in 0..4_000 {
            claim(&mutated(&mut rng, seed.as_bytes()));
        }
    }
}

#[test]
fn headers_of_any_bytes_are_refused() {
    let (twice, with_body) = (HEAD.repeat(2), format!("{HEAD}{CAPTURED}"));
    each(&["", HEAD, &twice, &with_body], claims::headers);
}

#[test]
fn bodies_of_any_bytes_are_events() {
    let seeds = [
        "",
        "{}",
        CAPTURED,
        r#"{"eventType":"recurring.charge-failed.v1","chargeId":"c","amount":1,"currency":"NOK"}"#,
        r#"{"pspTransactionId":"a","paymentState":"ACCEPTED","operations":[{"url":"x","operation":"y"}]}"#,
        r#"{"reference":"a","sessionState":"x","customerToken":{"a":[null,1e400,"å\ud83d"]}}"#,
    ];
    each(&seeds, claims::events);
    let deep = "[".repeat(100_000);
    claims::events(deep.as_bytes());
    claims::events(format!("{{\"a\":{deep}").as_bytes());
}

#[test]
fn signed_bodies_are_taken_until_a_bit_is_turned() {
    each(&["0000", "1234{}", &format!("abcd{CAPTURED}"), "zzzz\u{feff}å\n"], claims::verify);
}
