use fastrand::Rng;
use vipps_callbacks::{Registration, Verifier};

use crate::{CAPTURED, SECRET, URL, now, registration, signed};

/// What is done to a delivery, and whether it must still be taken.
fn mutate(rng: &mut Rng, fields: &mut Vec<(String, Vec<u8>)>, body: &mut Vec<u8>) -> (String, bool) {
    let flip = |rng: &mut Rng, bytes: &mut Vec<u8>| {
        let (at, bit) = (rng.usize(..bytes.len()), rng.u8(..8));
        bytes[at] ^= 1 << bit;
        format!("bit {bit} of byte {at}")
    };
    let of = |fields: &[(String, Vec<u8>)], name: &str| fields.iter().position(|(own, _)| own == name).unwrap();
    match rng.u8(..12) {
        0 => (format!("body, {}", flip(rng, body)), false),
        1 => {
            let cut = rng.usize(..body.len());
            body.truncate(cut);
            (format!("body cut to {cut}"), false)
        }
        2 => {
            body.insert(rng.usize(..=body.len()), rng.u8(..));
            ("a byte more in the body".to_owned(), false)
        }
        choice @ 3..=5 => {
            let name = ["x-ms-date", "x-ms-content-sha256", "authorization"][usize::from(choice - 3)];
            let at = of(fields, name);
            (format!("{name}, {}", flip(rng, &mut fields[at].1)), false)
        }
        6 => {
            let at =
                rng.choice(["x-ms-date", "x-ms-content-sha256", "authorization"]).map(|name| of(fields, name)).unwrap();
            let gone = fields.remove(at);
            if rng.bool() {
                return (format!("{} is gone", gone.0), false);
            }
            fields.extend([gone.clone(), gone.clone()]);
            (format!("{} is repeated", gone.0), false)
        }
        7 => {
            let other = Registration::new(URL, format!("{SECRET}{}", rng.alphanumeric())).unwrap();
            *fields = signed(other, 0, body).into_iter().map(|(name, value)| (name, value.into())).collect();
            ("another secret".to_owned(), false)
        }
        8 => {
            let at = of(fields, "host");
            (format!("the host of the request, {}", flip(rng, &mut fields[at].1)), true)
        }
        9 => {
            rng.shuffle(fields);
            ("another order".to_owned(), true)
        }
        10 => {
            for (name, _) in fields.iter_mut() {
                *name = name.chars().map(|c| if rng.bool() { c.to_ascii_uppercase() } else { c }).collect();
            }
            ("another case".to_owned(), true)
        }
        _ => {
            fields.push((format!("x-{}", rng.u32(..)), vec![rng.u8(..), b'x', rng.u8(..)]));
            fields.push(("webhook-id".to_owned(), vec![rng.u8(..); 9]));
            ("more fields".to_owned(), true)
        }
    }
}

#[test]
fn of_100_000_changed_deliveries_none_is_taken_and_none_is_refused_by_mistake() {
    let verifier = Verifier::builder().registration(registration().id("r-1")).clock(now).build();
    let original = signed(registration().id("r-1"), 0, CAPTURED.as_bytes());
    let original: Vec<(String, Vec<u8>)> = original.into_iter().map(|(name, value)| (name, value.into())).collect();
    let mut rng = Rng::with_seed(7);
    let mut taken = 0;
    for _ in 0..100_000 {
        let (mut fields, mut body) = (original.clone(), CAPTURED.as_bytes().to_vec());
        let (change, is_harmless) = mutate(&mut rng, &mut fields, &mut body);
        let found = verifier.verify(fields, &body);
        assert_eq!(found.is_ok(), is_harmless, "{change}: {found:?}");
        taken += usize::from(is_harmless);
    }
    assert!((20_000..50_000).contains(&taken), "{taken} harmless changes");
}
