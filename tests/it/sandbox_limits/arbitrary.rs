//! Requests that no merchant would send, but somebody might.

use std::fmt;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

use super::samples::{Door, doors};
use super::wire;

/// One well-formed request with anything in it.
#[derive(Clone)]
pub(super) struct Message {
    method: String,
    template: String,
    fills: Vec<Fill>,
    query: String,
    signed_in: bool,
    headers: Vec<(&'static str, Vec<u8>)>,
    body: Vec<u8>,
}

/// What stands where a path has a parameter.
#[derive(Clone, Debug)]
enum Fill {
    /// The name of something that exists.
    Known(usize),
    Junk(String),
}

impl Message {
    /// As it goes out, from a merchant who has this token and these things.
    pub(super) fn bytes(&self, credentials: &str, known: &[String]) -> Vec<u8> {
        let mut head = if self.signed_in { credentials.as_bytes().to_vec() } else { Vec::new() };
        for (name, value) in &self.headers {
            head.extend_from_slice(format!("{name}: ").as_bytes());
            head.extend_from_slice(value);
            head.extend_from_slice(b"\r\n");
        }
        // Header values need not be text, so the message is put together around them.
        let mark = "x-mark: x\r\n";
        let whole = wire::request(&self.method, &self.target(known), mark, &self.body);
        let at = whole.windows(mark.len()).position(|window| window == mark.as_bytes()).unwrap();
        [&whole[..at], &head, &whole[at + mark.len()..]].concat()
    }

    /// Whether it may have scripted a failure.
    pub(super) fn may_script(&self) -> bool {
        self.template.contains("faults")
    }

    fn target(&self, known: &[String]) -> String {
        let mut fills = self.fills.iter();
        let mut target = String::new();
        let mut rest = self.template.as_str();
        while let Some((before, parameter)) = rest.split_once('{') {
            target += before;
            match fills.next() {
                Some(Fill::Known(at)) => target += &known[at % known.len()],
                Some(Fill::Junk(junk)) => target += junk,
                None => target += "none",
            }
            rest = parameter.split_once('}').map_or("", |(_, after)| after);
        }
        target + rest + &self.query
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body: String = String::from_utf8_lossy(&self.body).chars().take(600).collect();
        write!(f, "\n  {} {}{} {:?}", self.method, self.template, self.query, self.fills)?;
        write!(f, " signed in: {}", self.signed_in)?;
        for (name, value) in &self.headers {
            write!(f, ", {name}: {:?}", String::from_utf8_lossy(value))?;
        }
        write!(f, "\n    {body:?}")
    }
}

pub(super) fn message() -> impl Strategy<Value = Message> {
    let parts = (
        select(doors()),
        proptest::option::weighted(0.1, method()),
        vec(fill(), 5),
        query(),
        proptest::bool::weighted(0.9),
        vec(header(), 0..4),
        content(),
    );
    parts.prop_map(|(door, method, fills, query, signed_in, headers, content)| Message {
        body: content.of(&door),
        method: method.unwrap_or(door.method),
        template: door.template,
        fills,
        query,
        signed_in,
        headers,
    })
}

/// Bytes that are no request, or no longer.
pub(super) fn garbage() -> impl Strategy<Value = Vec<u8>> {
    let sound = wire::request("POST", "/epayment/v1/payments", "accept: */*\r\n", br#"{"reference":"acme-order-1"}"#);
    let (whole, cut) = (sound.clone(), sound);
    prop_oneof![
        vec(any::<u8>(), 1..1500),
        vec((any::<Index>(), any::<u8>()), 1..6).prop_map(move |changes| {
            let mut bytes = whole.clone();
            for (at, byte) in changes {
                *at.get_mut(&mut bytes) = byte;
            }
            bytes
        }),
        any::<Index>().prop_map(move |at| cut[..at.index(cut.len())].to_vec()),
    ]
}

fn method() -> impl Strategy<Value = String> {
    let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PURGE", "get", "G"];
    prop_oneof![4 => select(known.map(str::to_owned).to_vec()), 1 => "[A-Z!#$%&'*+.^_`|~-]{1,40}"]
}

fn fill() -> impl Strategy<Value = Fill> {
    let junk = [
        "",
        ".",
        "..",
        "%2e%2e",
        "%2F..%2f",
        "%00",
        "%zz",
        "%ff%fe",
        "%F0%9F%92%B8",
        "epayment",
        "recurring",
        "checkout",
        "psp",
        "webhooks",
        "v1",
        "v3",
        "payments",
        "agreements",
        "charges",
        "session",
        "__sandbox",
        "clock",
        "acme-nobody-1",
        "agr_x",
        "*",
        "a;b=c",
        "a?b",
        "a#b",
        "<script>",
        "9223372036854775808",
    ];
    prop_oneof![
        5 => (0..16_usize).prop_map(Fill::Known),
        3 => select(junk.map(str::to_owned).to_vec()).prop_map(Fill::Junk),
        1 => "[!-~]{1,24}".prop_map(Fill::Junk),
        1 => (100..2000_usize).prop_map(|length| Fill::Junk("a".repeat(length))),
    ]
}

fn query() -> impl Strategy<Value = String> {
    let odd = [
        "?status=STOPPED",
        "?status=%ff",
        "?pageNumber=99999999999999999999&pageSize=-1",
        "?pageNumber=2147483647&pageSize=2000",
        "?createdAfter=9223372036854775807",
        "?msn=%00",
        "?token=",
        "?&&=&",
    ];
    prop_oneof![6 => Just(String::new()), 2 => select(odd.map(str::to_owned).to_vec()), 1 => "\\?[!-~]{0,40}"]
}

/// Anything but what decides where a message ends.
fn header() -> impl Strategy<Value = (&'static str, Vec<u8>)> {
    let names = vec![
        "authorization",
        "ocp-apim-subscription-key",
        "merchant-serial-number",
        "idempotency-key",
        "request-id",
        "psp-id",
        "client_id",
        "client_secret",
        "content-type",
        "continuation-token",
        "vipps-system-name",
        "accept",
        "cookie",
        "x-anything",
    ];
    let byte = prop_oneof![8 => 0x20..=0x7e_u8, 1 => 0x80..=0xff_u8];
    let values = vec![b"".to_vec(), b"123456".to_vec(), b"Bearer".to_vec(), b"k".repeat(51), b"9".repeat(300)];
    (select(names), prop_oneof![2 => vec(byte, 0..60), 1 => select(values)])
}

/// What a body is made of.
#[derive(Clone, Debug)]
enum Content {
    Nothing,
    /// What the door takes: the least or everything, then spoilt in places.
    Spoilt {
        full: bool,
        places: Vec<(Index, Value)>,
    },
    Json(Value),
    Bytes(Vec<u8>),
}

fn content() -> impl Strategy<Value = Content> {
    let places = vec((any::<Index>(), select(poisons())), 0..4);
    prop_oneof![
        1 => Just(Content::Nothing),
        7 => (any::<bool>(), places).prop_map(|(full, places)| Content::Spoilt { full, places }),
        2 => json_value().prop_map(Content::Json),
        1 => vec(any::<u8>(), 0..300).prop_map(Content::Bytes),
    ]
}

impl Content {
    fn of(self, door: &Door) -> Vec<u8> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Json(value) => value.to_string().into_bytes(),
            Self::Bytes(bytes) => bytes,
            Self::Spoilt { full, places } => {
                let mut body = if full { door.full.clone() } else { door.least.clone() };
                for (at, poison) in places {
                    let pointers = pointers(&body, "");
                    if let Some(value) = body.pointer_mut(at.get(pointers.as_slice()).as_str()) {
                        *value = poison;
                    }
                }
                raw(if body.is_null() { String::new() } else { body.to_string() }).into_bytes()
            }
        }
    }
}

/// The place of every value inside another, itself included.
fn pointers(value: &Value, at: &str) -> Vec<String> {
    let inside: Vec<String> = match value {
        Value::Object(members) => {
            members.iter().flat_map(|(name, member)| pointers(member, &format!("{at}/{name}"))).collect()
        }
        Value::Array(items) => {
            items.iter().enumerate().flat_map(|(index, item)| pointers(item, &format!("{at}/{index}"))).collect()
        }
        _ => Vec::new(),
    };
    [vec![at.to_owned()], inside].concat()
}

/// Texts that become JSON which no `Value` can hold.
const RAW: [(&str, &str); 4] = [
    ("raw-huge", "1e999"),
    ("raw-tiny", "-1E-999"),
    ("raw-long", "100000000000000000000000000000000000000000"),
    ("raw-zero", "-0"),
];

fn poisons() -> Vec<Value> {
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    let mut poisons = vec![
        Value::Null,
        json!(true),
        json!(""),
        json!("\u{0}\u{202e}"),
        json!("1000"),
        json!("x".repeat(5000)),
        json!([]),
        json!({}),
        json!([null, 1, "a"]),
        json!({ "": { "": null }, "value": -1 }),
        json!(0),
        json!(-1),
        json!(0.1),
        json!(1e308),
        json!(i64::MIN),
        json!(i64::MAX),
        json!(u64::MAX),
        json!(i32::MAX),
        json!(i64::from(i32::MAX) + 1),
        json!("9999-12-31T23:59:59.999999999Z"),
        json!("2026-13-45"),
        json!("javascript:alert(1)"),
        json!("deep"),
        deep,
    ];
    poisons.extend(RAW.iter().map(|(mark, _)| json!(mark)));
    poisons
}

/// Puts in what the marks stand for.
fn raw(mut text: String) -> String {
    for (mark, what) in RAW {
        text = text.replace(&format!("\"{mark}\""), what);
    }
    text.replace("\"deep\"", &("[".repeat(3000) + &"]".repeat(3000)))
}

fn json_value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    let names =
        ["amount", "value", "currency", "reference", "pricing", "transactions", "events", "seconds", "fault", ""];
    let name = select(names.map(str::to_owned).to_vec());
    scalar.prop_recursive(4, 40, 6, move |inner| {
        let members = vec((name.clone(), inner.clone()), 0..6);
        prop_oneof![
            vec(inner, 0..6).prop_map(Value::from),
            members.prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}
