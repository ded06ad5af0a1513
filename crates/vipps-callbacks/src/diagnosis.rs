//! Which usual mistake would explain a signature that does not fit.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::Registration;
use crate::signature::{Signed, content_hash};

/// So often at most.
const PAUSE: Duration = Duration::from_secs(1);

/// A usual mistake in verifying, found by trying it with the same secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mistake {
    /// It is signed for the host that the request names, and another one was given as registered.
    OtherHost,
    /// It is signed for the host without its port, or with the scheme's own port.
    Port,
    /// It is signed for the path without the query that was given.
    WithoutQuery,
    /// It is signed for the path with or without a slash at its end.
    SlashAtEnd,
    /// It is signed with what the secret is in base64, instead of with its text.
    SecretDecoded,
    /// It is signed for the same JSON written otherwise: a JSON library read the body and wrote
    /// it again before it was verified.
    BodyRewritten,
    /// Its signature is right for the hash that was sent: whatever changed the body stands
    /// between Vipps and the verifier. It may be a JSON library that sorts members.
    BodyChangedOnTheWay,
}

/// As the end of "it fits if …".
impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OtherHost => "the host of the request is taken instead of that of the registered address",
            Self::Port => "the port of the registered address is left out or written out",
            Self::WithoutQuery => "the query of the registered address is left out",
            Self::SlashAtEnd => "the path of the registered address ends with a slash, or does not",
            Self::SecretDecoded => "the secret is decoded from base64, which Vipps does not do",
            Self::BodyRewritten => "the body is written as it was before a JSON library wrote it again",
            Self::BodyChangedOnTheWay => "the body is another one: something changed it on its way, or a JSON library wrote it again in another order",
        })
    }
}

/// What a request says: its host, date, content hash and signature.
type Request<'a> = (Option<&'a str>, &'a str, &'a str, &'a [u8; 32]);

/// Tries mistakes, now and then.
#[derive(Default)]
pub(crate) struct Diagnosis {
    last: Mutex<Option<SystemTime>>,
}

impl Diagnosis {
    /// Whether the pause since the last time is over; then this is the last time.
    pub(crate) fn may_run(&self, now: SystemTime) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back does not end diagnosis.
        let is_over = last.is_none_or(|last| now.duration_since(last).is_ok_and(|gap| gap >= PAUSE) || now < last);
        if is_over {
            *last = Some(now);
        }
        is_over
    }

    /// The fewest mistakes under which the signature fits; none when none do.
    #[expect(clippy::unused_self, reason = "only who may run diagnosis has one")]
    pub(crate) fn of_the_signature(&self, known: &[Registration], request: Request<'_>) -> Vec<Mistake> {
        let fits = known.iter().filter_map(|registration| mistakes_of(registration, request));
        fits.min_by_key(Vec::len).unwrap_or_default()
    }

    /// What happened to a body whose hash is another one than was sent.
    pub(crate) fn of_the_body(&self, known: &[Registration], request: Request<'_>, body: &[u8]) -> Vec<Mistake> {
        let (_, _, sent, _) = request;
        let is_rewritten = other_spellings(body).iter().any(|other| content_hash(other) == sent);
        let fits =
            known.iter().any(|registration| mistakes_of(registration, request).is_some_and(|all| all.is_empty()));
        let mut found = if fits { Vec::new() } else { self.of_the_signature(known, request) };
        let is_signed = fits || !found.is_empty();
        match (is_rewritten, is_signed) {
            (true, _) => found.insert(0, Mistake::BodyRewritten),
            (false, true) => found.insert(0, Mistake::BodyChangedOnTheWay),
            (false, false) => {}
        }
        found
    }
}

/// The fewest mistakes that explain the signature by this registration; empty when it is right.
fn mistakes_of(
    registration: &Registration,
    (own_host, date, content_hash, signature): Request<'_>,
) -> Option<Vec<Mistake>> {
    let url = registration.url();
    let own_host = own_host.map(str::to_ascii_lowercase);
    let decoded = STANDARD.decode(registration.secret()).ok();
    let secrets = [(None, Some(registration.secret().as_bytes())), (Some(Mistake::SecretDecoded), decoded.as_deref())];
    let mut tried = Vec::new();
    for (host_mistakes, host) in hosts(url.host(), own_host.as_deref()) {
        for (path_mistakes, path_and_query) in paths(url.path_and_query()) {
            for (secret_mistake, secret) in secrets {
                let Some(secret) = secret else { continue };
                let signed = Signed { host: &host, path_and_query: &path_and_query, date, content_hash };
                if signed.is_signed_by(secret, signature) {
                    tried.push([&host_mistakes[..], &path_mistakes, secret_mistake.as_slice()].concat());
                }
            }
        }
    }
    tried.into_iter().min_by_key(Vec::len)
}

/// Hosts that it may be signed for.
fn hosts<'a>(registered: &'a str, own: Option<&'a str>) -> Vec<(Vec<Mistake>, Cow<'a, str>)> {
    let mut all = Vec::new();
    for (mistake, host) in [(None, Some(registered)), (Some(Mistake::OtherHost), own)] {
        let Some(host) = host.filter(|host| mistake.is_none() || *host != registered) else { continue };
        all.push((Vec::from_iter(mistake), host.into()));
        let has_port = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
        let with_other_ports: Vec<Cow<'_, str>> = match has_port {
            Some((name, _)) => vec![name.into()],
            None => [":443", ":80"].iter().map(|port| format!("{host}{port}").into()).collect(),
        };
        let mistakes: Vec<Mistake> = mistake.into_iter().chain([Mistake::Port]).collect();
        all.extend(with_other_ports.into_iter().map(|host| (mistakes.clone(), host)));
    }
    all
}

/// Paths that it may be signed for.
fn paths(registered: &str) -> Vec<(Vec<Mistake>, Cow<'_, str>)> {
    let (path, query) = registered.split_once('?').map_or((registered, ""), |(path, query)| (path, query));
    let other: Cow<'_, str> = match path.strip_suffix('/') {
        Some(shorter) => shorter.into(),
        None => format!("{path}/").into(),
    };
    let mut all = vec![(Vec::new(), registered.into())];
    if query.is_empty() {
        all.push((vec![Mistake::SlashAtEnd], other));
    } else {
        all.push((vec![Mistake::WithoutQuery], path.into()));
        all.push((vec![Mistake::SlashAtEnd], format!("{other}?{query}").into()));
        all.push((vec![Mistake::WithoutQuery, Mistake::SlashAtEnd], other));
    }
    all
}

/// The same JSON without white space, as letters or as escapes, and with a line break less or
/// more: what it may have been before it was written again. Members keep their order.
fn other_spellings(body: &[u8]) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    if let Ok(text) = std::str::from_utf8(body)
        && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
    {
        let compact = without_space(text);
        let letters = with_letters(&compact);
        all.extend([with_escapes(&letters), compact, letters].map(String::into_bytes));
    }
    all.push(body.trim_ascii().to_vec());
    all.push([body, b"\n"].concat());
    all
}

/// JSON without the white space between its parts.
fn without_space(json: &str) -> String {
    let (mut in_text, mut is_escaped) = (false, false);
    json.chars()
        .filter(|&letter| {
            let keep = in_text || !letter.is_ascii_whitespace();
            if letter == '"' && !is_escaped {
                in_text = !in_text;
            }
            is_escaped = in_text && letter == '\\' && !is_escaped;
            keep
        })
        .collect()
}

/// JSON with letters where it has escapes of letters beyond ASCII, and with plain slashes.
fn with_letters(json: &str) -> String {
    let (mut out, mut rest) = (String::new(), json);
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let escape = after.strip_prefix('u').and_then(letter);
        match (escape, after.strip_prefix('/')) {
            (Some((letter, left)), _) => {
                out.push(letter);
                rest = left;
            }
            (None, Some(left)) => {
                out.push('/');
                rest = left;
            }
            (None, None) => {
                // An escape of another kind stays, with the letter that it escapes.
                let length = after.chars().next().map_or(0, char::len_utf8);
                out.push('\\');
                out.push_str(&after[..length]);
                rest = &after[length..];
            }
        }
    }
    out + rest
}

/// The letter beyond ASCII of an escape, without its `\u`, and what follows it.
fn letter(escape: &str) -> Option<(char, &str)> {
    let unit = |text: &str| u16::from_str_radix(text.get(..4)?, 16).ok();
    let first = unit(escape)?;
    let after = &escape[4..];
    let second = after.strip_prefix("\\u").and_then(unit);
    let one = char::from_u32(first.into()).filter(|letter| !letter.is_ascii());
    match (one, second) {
        (Some(letter), _) => Some((letter, after)),
        (None, Some(second)) => {
            char::decode_utf16([first, second]).next()?.ok().filter(|l| !l.is_ascii()).map(|l| (l, &after[6..]))
        }
        (None, None) => None,
    }
}

/// JSON with escapes where it has letters beyond ASCII.
fn with_escapes(json: &str) -> String {
    let mut out = String::new();
    for letter in json.chars() {
        if letter.is_ascii() {
            out.push(letter);
        } else {
            let mut units = [0; 2];
            out.extend(letter.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_original_is_found_behind_what_json_libraries_write() {
        let original = r#"{"note":"blåbær \"x\" \\ 😀","n":[1,2]}"#;
        let rewritten = [
            "{\n  \"note\": \"blåbær \\\"x\\\" \\\\ 😀\",\n  \"n\": [\n    1,\n    2\n  ]\n}",
            r#"{"note": "bl\u00e5b\u00e6r \"x\" \\ \ud83d\ude00", "n": [1, 2]}"#,
            "{\"note\":\"blåbær \\\"x\\\" \\\\ 😀\",\"n\":[1,2]}\n",
        ];
        for text in rewritten {
            let found = other_spellings(text.as_bytes());
            assert!(found.iter().any(|other| other == original.as_bytes()), "{text}");
        }
        let escaped = r#"{"note":"bl\u00e5b\u00e6r"}"#;
        assert!(other_spellings("{\"note\": \"blåbær\"}".as_bytes()).iter().any(|other| other == escaped.as_bytes()));
    }

    #[test]
    fn odd_escapes_are_left_as_they_are() {
        for text in
            ["\"\\", "\"\\u", "\"\\u12\"", "\"\\ud83d\"", "\"\\ud83d\\u0041\"", "\"\\uå\"", "\"\\å\"", "\"\\u0041\""]
        {
            assert_eq!(with_letters(text), text);
        }
    }

    #[test]
    fn diagnosis_runs_once_a_second() {
        let diagnosis = Diagnosis::default();
        let start = SystemTime::UNIX_EPOCH + PAUSE * 100;
        let runs =
            [0, 400, 999, 1000, 1900, 2000].map(|millis| diagnosis.may_run(start + Duration::from_millis(millis)));
        assert_eq!(runs, [true, false, false, true, false, true]);
        assert!(diagnosis.may_run(start), "a clock that was set back");
    }
}
