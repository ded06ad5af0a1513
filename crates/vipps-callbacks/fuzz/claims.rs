//! What holds for any bytes: fuzz targets and tests call these alike.
#![allow(dead_code, unreachable_pub, reason = "each target calls one")]

use std::time::{Duration, SystemTime};

use vipps_callbacks::{
    Event, Freshness, LogisticsRequest, MakePayment, Refusal, Registration, SessionCompleted, ShippingRequest, Signer,
    TokenAuth, Verifier,
};

const URL: &str = "https://shop.example/hooks/vipps?tenant=7";
const SECRET: &str = "c2FuZGJveC13ZWJob29rLXNlY3JldC0wMDAx";

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_785_578_400)
}

fn registration() -> Registration {
    Registration::new(URL, SECRET).expect("a good one").id("r-1")
}

fn verifier() -> Verifier {
    let builder = Verifier::builder().registration(registration()).clock(now).diagnose();
    builder.freshness(Freshness::WithInbox).build()
}

/// Lines of `name:value`, a blank line, then a body: nothing is taken, and nothing panics.
pub fn headers(data: &[u8]) {
    let end = data.windows(2).position(|two| two == b"\n\n");
    let (head, body) = end.map_or((data, &b""[..]), |end| (&data[..end], &data[end + 2..]));
    let fields = head.split(|byte| *byte == b'\n').filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        Some((String::from_utf8_lossy(&line[..colon]).into_owned(), &line[colon + 1..]))
    });
    let refusal = verifier().verify(fields, body).expect_err("nobody signed it");
    assert!(!matches!(refusal, Refusal::Stale { .. } | Refusal::Early { .. }), "{refusal}");
    assert!(!format!("{refusal} {refusal:?}").contains(SECRET));
}

/// Any body is an event with a key that can be stored; and the other calls never panic.
pub fn events(data: &[u8]) {
    let event = Event::read(data);
    let key = event.key().as_str();
    assert!(key.len() <= 400 && key.bytes().all(|byte| byte.is_ascii_graphic()), "{key}");
    assert_eq!(event, Event::read(data));
    let _ = (format!("{event:?}"), event.subject().map(|subject| subject.to_string()), event.event_type());
    let auth = TokenAuth::anyone();
    let none: [(&str, &str); 0] = [];
    let _ = auth.receive::<MakePayment, _, _>(none, data).map(|call| format!("{call:?}"));
    let _ = auth.receive::<SessionCompleted, _, _>(none, data).map(|call| format!("{call:?}"));
    let _ = auth.receive::<ShippingRequest, _, _>(none, data).map(|call| format!("{call:?}"));
    let _ = auth.receive::<LogisticsRequest, _, _>(none, data).map(|call| format!("{call:?}"));
}

/// Signed, it is taken; with a bit turned that the first bytes choose, it is not.
pub fn verify(data: &[u8]) {
    let Some((choice, body)) = data.split_first_chunk::<4>() else { return };
    let (verifier, mut body) = (verifier(), body.to_vec());
    let mut fields: Vec<(&str, Vec<u8>)> =
        Signer::new(registration()).sign(now(), &body).into_iter().map(|(name, value)| (name, value.into())).collect();
    let delivery = verifier.verify(fields.clone(), &body).expect("it is signed");
    assert_eq!(delivery.body(), body);
    let signed = [2, 3, 4];
    let total: usize = body.len() + signed.iter().map(|index| fields[*index].1.len()).sum::<usize>();
    let at = u32::from_le_bytes(*choice) as usize % (total * 8);
    let (mut place, bit) = (at / 8, at % 8);
    let parts = signed.map(|index| fields[index].1.len());
    let part = parts.iter().position(|length| {
        let is_here = place < *length;
        place -= if is_here { 0 } else { *length };
        is_here
    });
    let bytes = part.map_or(&mut body, |part| &mut fields[signed[part]].1);
    bytes[place] ^= 1 << bit;
    assert!(verifier.verify(fields, &body).is_err(), "bit {bit} of byte {place} of part {part:?}");
}
