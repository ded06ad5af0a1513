//! Every answer is read here, once: up to a cap, without a byte order mark, and with a look at
//! whether it is the API's, and about what was asked.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::ops::ControlFlow;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use memchr::memmem;
use percent_encoding::percent_decode_str;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use reqwest::{Request, Response, ResponseBuilderExt as _, Url};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::operation::{Asked, Echo, Operation};

/// The most that is read of a success: 8 MiB. The largest published list has 2000 agreements.
pub(crate) const MOST_BODY: usize = 8 * 1024 * 1024;
/// The most that is read of an error answer: 64 KiB.
pub(crate) const MOST_ERROR: usize = 64 * 1024;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// An answer that is not simply a success, as it was read.
#[derive(Debug)]
pub(crate) struct Seen {
    /// The path of the request, below the base address.
    pub(crate) path: String,
    pub(crate) status: u16,
    pub(crate) body: Bytes,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) as_what: SeenAs,
}

#[derive(Debug)]
pub(crate) enum SeenAs {
    /// An answer other than a 2xx; `broke_off` where its body did.
    Refusal { broke_off: bool },
    /// A 2xx that is not what the document says: why.
    NotTheApi(&'static str),
    /// A success that begins as the API's does, and whose body breaks off.
    BrokeOff,
    /// A success that begins as the API's does, and is larger than what is read.
    TooLarge,
    /// A success of the API about something else: the member that says so.
    Mismatched(String),
}

/// How the body of an answer ended.
#[derive(Debug)]
pub(crate) enum End {
    Whole,
    TooLarge,
    Broken(reqwest::Error),
}

/// Reads a body up to a cap; `began` is told of its first bytes.
pub(crate) async fn body(response: &mut Response, most: usize, began: impl FnOnce(&[u8])) -> (Bytes, End) {
    let first = match response.chunk().await {
        Ok(Some(chunk)) => chunk,
        Ok(None) => return (Bytes::new(), End::Whole),
        Err(error) => return (Bytes::new(), End::Broken(error)),
    };
    began(&first);
    let mut all: Option<BytesMut> = None;
    loop {
        let length = all.as_ref().map_or(first.len(), BytesMut::len);
        let end = match response.chunk().await {
            _ if length > most => End::TooLarge,
            Ok(Some(chunk)) => {
                all.get_or_insert_with(|| BytesMut::from(&first[..])).extend_from_slice(&chunk);
                continue;
            }
            Ok(None) => End::Whole,
            Err(error) => End::Broken(error),
        };
        // Most answers are one chunk, which is not copied.
        let mut all = all.map_or(first, BytesMut::freeze);
        all.truncate(most);
        return (without_mark(all), end);
    }
}

/// A body without the byte order mark that some servers send.
pub(crate) fn without_mark(body: Bytes) -> Bytes {
    if body.starts_with(BYTE_ORDER_MARK) { body.slice(BYTE_ORDER_MARK.len()..) } else { body }
}

/// Whether bytes begin as a JSON object or array do.
pub(crate) fn begins_as_json(body: &[u8]) -> bool {
    let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
    matches!(body.iter().find(|byte| !byte.is_ascii_whitespace()), Some(b'{' | b'['))
}

/// Whether a success is as the document has it and about what was asked; if so, whether it
/// says what it is about.
pub(crate) fn check(
    operation: &Operation,
    status: u16,
    headers: &HeaderMap,
    body: &[u8],
    asked: Option<&str>,
) -> Result<bool, SeenAs> {
    if !operation.succeeds_with(status) {
        return Err(SeenAs::NotTheApi("the status is not one that the document has"));
    }
    let is_empty = body.iter().all(u8::is_ascii_whitespace);
    match (is_empty, operation.answers()) {
        (true, true) => return Err(SeenAs::NotTheApi("the answer is empty where a body is promised")),
        (true, false) => return Ok(false),
        (false, _) if !is_json(headers, body) => return Err(SeenAs::NotTheApi("the answer is no JSON")),
        (false, false) => return Ok(false),
        (false, true) => {}
    }
    let (Some(asked), Some(echo)) = (asked, operation.echo()) else { return Ok(false) };
    match compare(body, &echo, asked) {
        Likeness::Other => Err(SeenAs::Mismatched(echo.answered.join("."))),
        Likeness::Same => Ok(true),
        Likeness::Missing => Ok(false),
    }
}

/// What a success is whose body did not end: a yes of the API only where it began as one.
pub(crate) fn unfinished(operation: &Operation, status: u16, body: &[u8], end: &End) -> SeenAs {
    match end {
        _ if !operation.succeeds_with(status) || !begins_as_json(body) => {
            SeenAs::NotTheApi("the answer broke off and does not begin as the API's")
        }
        End::TooLarge => SeenAs::TooLarge,
        End::Whole | End::Broken(_) => SeenAs::BrokeOff,
    }
}

/// JSON by its media type and its first byte; a media type that is missing or unknown says
/// nothing.
fn is_json(headers: &HeaderMap, body: &[u8]) -> bool {
    let media = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = media.trim_start().as_bytes();
    let is = |kind: &[u8]| media.get(..kind.len()).is_some_and(|start| start.eq_ignore_ascii_case(kind));
    let is_another = || is(b"text/html") || is(b"application/xhtml") || is(b"text/xml") || is(b"application/xml");
    begins_as_json(body) && (is(b"application/json") || !is_another())
}

/// What a request is about by its body, where its operation's answers repeat that.
pub(crate) fn asked_in_body(operation: &Operation, request: &Request) -> Option<String> {
    match operation.echo()?.asked {
        Asked::Path(_) => None,
        Asked::Body(way) => text_at(request.body()?.as_bytes()?, way),
    }
}

/// What a request is about by its path, where its operation's answers repeat that.
pub(crate) fn asked_in_path<'a>(operation: &Operation, path: &'a str) -> Option<Cow<'a, str>> {
    match operation.echo()?.asked {
        Asked::Path(name) => Some(match operation.parameter(path, name)? {
            plain if !plain.bytes().any(|byte| byte == b'%') => plain.into(),
            encoded => percent_decode_str(encoded).decode_utf8_lossy(),
        }),
        Asked::Body(_) => None,
    }
}

/// An answer as the generated client is to see it: with a body that was read.
pub(crate) fn rebuilt(url: Url, status: reqwest::StatusCode, mut headers: HeaderMap, body: Bytes) -> Response {
    // It may have been cut to less than it said.
    if status.is_server_error() || status.is_client_error() {
        headers.remove(CONTENT_LENGTH);
    }
    let mut answer = http::Response::builder()
        // Without an address reqwest parses one of its own.
        .url(url)
        .body(reqwest::Body::from(body))
        .unwrap_or_default();
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    Response::from(answer)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Likeness {
    Missing,
    Same,
    Other,
}

fn compare(body: &[u8], echo: &Echo, asked: &str) -> Likeness {
    if says_once(body, echo, asked) {
        return Likeness::Same;
    }
    let found = Cell::new(Likeness::Missing);
    let note = |text: &str| {
        let same = text == asked;
        found.set(if same { Likeness::Same } else { Likeness::Other });
        // Of a list every element is looked at, up to the first that is another.
        if echo.of_each && same { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    scan(body, Find { way: echo.answered, of_each: echo.of_each, note: &note });
    found.get()
}

/// Whether a body has the member once, and with this text: nothing is decoded where the answer is
/// that plain, as nearly all are.
fn says_once(body: &[u8], echo: &Echo, asked: &str) -> bool {
    let [name] = echo.answered else { return false };
    if echo.of_each || asked.bytes().any(|byte| !byte.is_ascii_graphic() || matches!(byte, b'"' | b'\\')) {
        return false;
    }
    with_finder(name, |finder| {
        let Some(at) = finder.find(body) else { return false };
        let value = &body[at + finder.needle().len()..];
        let is_it = value.strip_prefix(b"\"").and_then(|text| text.strip_prefix(asked.as_bytes()));
        is_it.is_some_and(|rest| rest.starts_with(b"\"")) && finder.find(value).is_none()
    })
}

thread_local! {
    /// Making a search costs as much as searching an answer; there are as many as members that
    /// answers echo, some ten.
    static FINDERS: RefCell<Vec<(&'static str, memmem::Finder<'static>)>> = const { RefCell::new(Vec::new()) };
}

/// Searches for a member, by its quoted name and the colon.
fn with_finder(name: &'static str, search: impl FnOnce(&memmem::Finder<'static>) -> bool) -> bool {
    FINDERS.with_borrow_mut(|finders| {
        let at = finders.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
            finders.push((name, memmem::Finder::new(&format!("\"{name}\":")).into_owned()));
            finders.len() - 1
        });
        search(&finders[at].1)
    })
}

/// The text, or number as text, at a member of a JSON object.
fn text_at(body: &[u8], way: &[&str]) -> Option<String> {
    let found = Cell::new(None);
    let note = |text: &str| {
        found.set(Some(text.to_owned()));
        ControlFlow::Break(())
    };
    scan(body, Find { way, of_each: false, note: &note });
    found.into_inner()
}

/// Reads no further than to what it looks for, so that it ends in an error as a rule.
fn scan(body: &[u8], find: Find<'_>) {
    let _ = find.deserialize(&mut serde_json::Deserializer::from_slice(body));
}

/// Looks for the scalar at a member, and gives it away as text.
#[derive(Clone, Copy)]
struct Find<'a> {
    way: &'a [&'a str],
    of_each: bool,
    note: &'a dyn Fn(&str) -> ControlFlow<()>,
}

impl Find<'_> {
    /// A scalar at the end of the way.
    fn scalar<E: serde::de::Error>(&self, text: &str) -> Result<(), E> {
        if self.way.is_empty() && (self.note)(text).is_break() {
            return Err(E::custom("found"));
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Find<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Find<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((name, rest)) = self.way.split_first() else {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(());
        };
        while let Some(is_it) = map.next_key_seed(KeyIs(name))? {
            if is_it {
                map.next_value_seed(Find { way: rest, ..self })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        if self.of_each {
            while seq.next_element_seed(Find { of_each: false, ..self })?.is_some() {}
        } else {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
        }
        Ok(())
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        self.scalar(text)
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<(), E> {
        self.scalar(&number.to_string())
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<(), E> {
        self.scalar(&number.to_string())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// Whether a key is this one; nothing is allocated for it.
struct KeyIs<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for KeyIs<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeyIs<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<bool, E> {
        Ok(key == self.0)
    }
}

/// A value that could not be decoded, without what it holds.
#[derive(Clone, Debug)]
pub(crate) struct Undecodable {
    place: String,
    expected: Cow<'static, str>,
}

impl fmt::Display for Undecodable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place.as_str() {
            "." | "" => f.write_str(&self.expected),
            place => write!(f, "at `{place}`: {}", self.expected),
        }
    }
}

impl std::error::Error for Undecodable {}

/// A member that was left out of an answer so that the rest could be read.
#[derive(Clone, PartialEq, Eq)]
pub struct OddMember {
    pub(crate) place: String,
    pub(crate) json: String,
}

impl OddMember {
    fn at(original: &serde_json::Value, way: &[String]) -> Self {
        let value = way.iter().try_fold(original, |holder, segment| match index_of(segment) {
            Some(index) => holder.get(index),
            None => holder.get(segment.as_str()),
        });
        Self { place: way.join(".").replace(".[", "["), json: value.map(ToString::to_string).unwrap_or_default() }
    }

    /// Where it stood: `paymentMethod.cardBin`.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The value as it came, as JSON.
    #[must_use]
    pub fn json(&self) -> &str {
        &self.json
    }
}

/// The value is left out: it may be personal.
impl fmt::Debug for OddMember {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OddMember").field("place", &self.place).finish_non_exhaustive()
    }
}

/// How many odd members one answer may have.
const MOST_ODD: usize = 32;

/// Decodes an answer that has odd members in places that may be empty: they are left out and
/// kept as they came. Where one cannot be left out, says which and why.
pub(crate) fn decode_without_odd<T: serde::de::DeserializeOwned>(
    body: &[u8],
) -> Result<(T, Vec<OddMember>), Undecodable> {
    let mut odd: Vec<(Vec<String>, Undecodable)> = Vec::new();
    let original: serde_json::Value = serde_json::from_slice(body).map_err(|error| Undecodable::of_text(&error))?;
    let mut json = original.clone();
    for _ in 0..=MOST_ODD {
        let error = match serde_path_to_error::deserialize::<_, T>(&json) {
            Ok(value) => {
                let kept = odd.iter().map(|(way, _)| OddMember::at(&original, way)).collect();
                return Ok((value, kept));
            }
            Err(error) => error,
        };
        let segments: Vec<String> = error.path().iter().map(ToString::to_string).collect();
        let why = Undecodable::of(error.path().to_string(), error.inner());
        // What is missing now was taken because it was odd.
        let was_taken = |(way, _): &&(Vec<String>, Undecodable)| {
            way.split_last()
                .is_some_and(|(name, before)| *before == segments && why.expected == format!("missing field `{name}`"))
        };
        let why = odd.iter().rfind(was_taken).map_or_else(|| why.clone(), |(_, cause)| cause.clone());
        let Some(way) = take_member(&mut json, &segments) else { return Err(why) };
        // What holds an odd member takes it along.
        odd.retain(|(known, _)| !known.starts_with(&way));
        odd.push((way, why));
    }
    Err(Undecodable { place: String::new(), expected: "is odd in too many places".into() })
}

impl Undecodable {
    fn of(place: String, error: &serde_json::Error) -> Self {
        Self { place, expected: expected(&error.to_string()) }
    }

    /// A text of the parser about JSON that is none.
    pub(crate) fn of_text(error: &serde_json::Error) -> Self {
        Self::of(String::new(), error)
    }
}

/// What a parser's message says without what it found: that may be personal.
fn expected(message: &str) -> Cow<'static, str> {
    let message = message.split(" at line ").next().unwrap_or_default();
    if let Some((_, wanted)) = message.rsplit_once(", expected ") {
        return format!("expected {wanted}").into();
    }
    // The names are those of our own types.
    if message.starts_with("missing field ") || message.starts_with("EOF while parsing") {
        return message.to_owned().into();
    }
    "is no JSON that can be read".into()
}

/// Takes the member at the end of a way out of its object, or the one that holds it where it
/// is an element of a list, or missing. Gives the way to what was taken.
fn take_member(json: &mut serde_json::Value, way: &[String]) -> Option<Vec<String>> {
    let (name, before) = way.split_last()?;
    let holder = before.iter().try_fold(&mut *json, |holder, segment| match index_of(segment) {
        Some(index) => holder.get_mut(index),
        None => holder.get_mut(segment.as_str()),
    });
    match holder.and_then(serde_json::Value::as_object_mut).and_then(|members| members.remove(name)) {
        Some(_) => Some(way.to_vec()),
        None => take_member(json, before),
    }
}

/// The index that a segment such as `[3]` stands for.
fn index_of(segment: &str) -> Option<usize> {
    segment.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::{Auth, KeyRule};

    const GET: Operation = Operation::new("g", "GET", "/a/{id}", KeyRule::Unknown, Auth::Bearer)
        .with_success(&[200], true)
        .with_echo(Echo::new(Asked::Path("id"), &["thing", "id"]));
    const PLAIN: Operation = GET.with_echo(Echo::new(Asked::Path("id"), &["id"]));
    const LIST: Operation = GET.with_echo(Echo::new(Asked::Path("id"), &["id"]).of_each());
    const DELETE: Operation =
        Operation::new("d", "DELETE", "/a/{id}", KeyRule::Unknown, Auth::Bearer).with_success(&[202, 204], false);

    fn seen(operation: &Operation, status: u16, media: &'static str, body: &str) -> String {
        let mut headers = HeaderMap::new();
        if !media.is_empty() {
            headers.insert(CONTENT_TYPE, media.parse().unwrap());
        }
        match check(operation, status, &headers, body.as_bytes(), Some("acme-1")) {
            Ok(true) => "fine, and says so".into(),
            Ok(false) => "fine".into(),
            Err(SeenAs::NotTheApi(why)) => why.into(),
            Err(SeenAs::Mismatched(member)) => format!("{member} is another"),
            Err(other) => format!("{other:?}"),
        }
    }

    #[test]
    fn a_success_is_what_the_document_says() {
        let (json, html) = ("application/json", "text/html; charset=utf-8");
        let same = r#"{"x":[1,{"id":2}],"thing":{"id":"acme-1"},"y":null}"#;
        let cases = [
            (&GET, 200, json, same, "fine, and says so"),
            (&GET, 200, "application/problem+json", same, "fine, and says so"),
            (&GET, 200, "", same, "fine, and says so"),
            (&GET, 200, json, r#"{"thing":{"id":null}}"#, "fine"),
            (&GET, 200, json, r#"{"thing":{}}"#, "fine"),
            (&GET, 200, json, r#"{"thing":{"id":"acme-2"}}"#, "thing.id is another"),
            (&GET, 200, json, r#"{"thing":{"id":7}}"#, "thing.id is another"),
            (&PLAIN, 200, json, r#"{"id":"acme-1","x":2}"#, "fine, and says so"),
            (&PLAIN, 200, json, r#"{"x":{"id":"acme-1"},"id":"acme-2"}"#, "id is another"),
            (&PLAIN, 200, json, r#"{"id":"acme-12"}"#, "id is another"),
            (&PLAIN, 200, json, r#"{ "id" : "acme-1" }"#, "fine, and says so"),
            (&GET, 201, json, same, "the status is not one that the document has"),
            (&GET, 200, html, same, "the answer is no JSON"),
            (&GET, 200, json, "<html>", "the answer is no JSON"),
            (&GET, 200, json, " \n", "the answer is empty where a body is promised"),
            (&DELETE, 204, "", "", "fine"),
            (&DELETE, 202, json, "{}", "fine"),
            (&DELETE, 202, html, "<html>", "the answer is no JSON"),
            (&DELETE, 200, json, "{}", "the status is not one that the document has"),
            (&LIST, 200, json, r#"[{"id":"acme-1"},{"id":"acme-1"},{}]"#, "fine, and says so"),
            (&LIST, 200, json, r#"[{"id":"acme-1"},{"id":"b"},{"id":"acme-1"}]"#, "id is another"),
            (&LIST, 200, json, "[]", "fine"),
        ];
        for (operation, status, media, body, wanted) in cases {
            assert_eq!(seen(operation, status, media, body), wanted, "{status} {media} {body}");
        }
    }

    #[test]
    fn what_was_asked_is_found_in_a_body_too() {
        let body = br#"{"a":{"reference":"no"},"b":{"c":"yes"},"n":7,"reference":"acme-1"}"#;
        assert_eq!(text_at(body, &["reference"]).as_deref(), Some("acme-1"));
        assert_eq!(text_at(body, &["b", "c"]).as_deref(), Some("yes"));
        assert_eq!(text_at(body, &["n"]).as_deref(), Some("7"));
        assert_eq!((text_at(body, &["x"]), text_at(b"[", &["x"]), text_at(b"", &["x"])), (None, None, None));
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Inner {
        a: u8,
        b: Option<u8>,
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Outer {
        id: String,
        inner: Option<Inner>,
        list: Option<Vec<Inner>>,
    }

    #[test]
    fn an_odd_member_in_an_optional_place_is_kept_as_it_came() {
        let read = |body: &str| {
            decode_without_odd::<Outer>(body.as_bytes()).map(|(value, odd)| {
                let odd: Vec<_> = odd.iter().map(|one| format!("{}={}", one.place(), one.json())).collect();
                (value, odd.join(" "))
            })
        };
        let (value, odd) = read(r#"{"id":"x","inner":{"a":1,"b":"two"},"list":[{"a":1}]}"#).unwrap();
        assert_eq!((value.inner, odd.as_str()), (Some(Inner { a: 1, b: None }), r#"inner.b="two""#));
        let (value, odd) = read(r#"{"id":"x","inner":"odd","list":[{"a":1},{"a":"one"}]}"#).unwrap();
        assert_eq!((value.inner, value.list), (None, None), "a list is kept whole or not at all");
        assert_eq!(odd, r#"inner="odd" list=[{"a":1},{"a":"one"}]"#);
        let told = |body: &str| read(body).unwrap_err().to_string();
        assert_eq!(told(r#"{"id":5,"inner":null}"#), "at `id`: expected a string");
        assert_eq!(told(r#"{"inner":{"b":"secret"}}"#), "missing field `id`");
        assert_eq!(told("[1]"), "at `[0]`: expected a string");
        assert!(!format!("{:?}", OddMember { place: "a".into(), json: "\"Kari\"".into() }).contains("Kari"));
    }

    #[test]
    fn a_parsers_message_tells_no_value() {
        let error = serde_json::from_str::<u8>(r#""Kari Nordmann""#).unwrap_err();
        assert_eq!(Undecodable::of_text(&error).to_string(), "expected u8");
        let cut = serde_json::from_str::<Outer>("{\"id\":\"Kari").unwrap_err();
        assert_eq!(Undecodable::of_text(&cut).to_string(), "EOF while parsing a string");
    }
}
