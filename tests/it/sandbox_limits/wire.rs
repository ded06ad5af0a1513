//! Bytes to the sandbox and bytes back, with nothing between that would mend them.
#![expect(clippy::disallowed_methods, reason = "a sandbox that says nothing must not hang a test")]

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Real time within which everything must be answered.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Closed,
    Reset,
    /// Neither said nor closed.
    Silence,
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) media: String,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

/// Whether the client says that it sends nothing more.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    Listen,
    HangUp,
}

/// Sends bytes on a connection of their own; gives everything that comes back.
pub(super) async fn exchange(address: SocketAddr, bytes: &[u8], after: After) -> (Vec<u8>, End) {
    let (mut reader, mut writer) = TcpStream::connect(address).await.unwrap().into_split();
    let mut heard = Vec::new();
    // Both at once: a refusal may come before everything is sent.
    let writing = async move {
        let sent = writer.write_all(bytes).await;
        if sent.is_ok() && after == After::HangUp {
            let _ = writer.shutdown().await;
        }
        writer
    };
    let reading = async {
        loop {
            match reader.read_buf(&mut heard).await {
                Ok(0) => return End::Closed,
                Ok(_) => {}
                Err(_) => return End::Reset,
            }
        }
    };
    let both = async { tokio::join!(writing, reading).1 };
    let end = tokio::time::timeout(PATIENCE, both).await.unwrap_or(End::Silence);
    (heard, end)
}

/// One well-formed request that asks to close: exactly one answer, then an orderly end.
pub(super) async fn ask(address: SocketAddr, request: &[u8]) -> Result<Answer, String> {
    let (bytes, end) = exchange(address, request, After::Listen).await;
    let mut answers = answers(&bytes, request.starts_with(b"HEAD "))?;
    match (answers.len(), end) {
        (1, End::Closed) => Ok(answers.remove(0)),
        _ => Err(format!("{answers:?}, then {end:?}")),
    }
}

/// A refusal that may come before everything is read: what follows it does not matter.
pub(super) async fn refusal(address: SocketAddr, request: &[u8]) -> Result<u16, String> {
    let (bytes, end) = exchange(address, request, After::Listen).await;
    let answers = answers(&bytes, false)?;
    answers.first().map(|answer| answer.status).ok_or_else(|| format!("no answer, then {end:?}"))
}

/// A request that asks to close, as bytes; `headers` are whole lines. Its key is its own:
/// another body has another.
pub(super) fn request(method: &str, target: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut key = DefaultHasher::new();
    (target, body).hash(&mut key);
    let (key, length) = (key.finish(), body.len());
    let head = format!(
        "{method} {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n\
         {headers}idempotency-key: {key:x}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// The answers that bytes consist of, or what is wrong with them.
pub(super) fn answers(mut bytes: &[u8], to_head: bool) -> Result<Vec<Answer>, String> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let (answer, rest) = answer(bytes, to_head)?;
        found.push(answer);
        bytes = rest;
    }
    Ok(found)
}

fn answer(bytes: &[u8], to_head: bool) -> Result<(Answer, &[u8]), String> {
    let wrong = |what: &str| format!("{what} in {:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(400)]));
    let end = find(bytes, b"\r\n\r\n").ok_or_else(|| wrong("no end of the head"))?;
    let head = std::str::from_utf8(&bytes[..end]).map_err(|_| wrong("a head that is no text"))?;
    let rest = &bytes[end + 4..];
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok());
    let status: u16 = status.filter(|status| (100..600).contains(status)).ok_or_else(|| wrong("no status line"))?;
    let headers: Option<Vec<(&str, &str)>> = lines.map(|line| line.split_once(':')).collect();
    let headers = headers.ok_or_else(|| wrong("a header without a colon"))?;
    let header =
        |name: &str| headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim());
    let media = header("content-type").unwrap_or_default().to_owned();
    let (body, rest) = if to_head || status < 200 || matches!(status, 204 | 304) {
        (Vec::new(), rest)
    } else if header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        chunks(rest).ok_or_else(|| wrong("broken chunks"))?
    } else {
        let length = header("content-length").and_then(|length| length.parse::<usize>().ok());
        let length = length.ok_or_else(|| wrong("no length of the body"))?;
        let body = rest.get(..length).ok_or_else(|| wrong("a body that breaks off"))?;
        (body.to_vec(), &rest[length..])
    };
    Ok((Answer { status, media, body }, rest))
}

fn chunks(mut rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut body = Vec::new();
    loop {
        let line = find(rest, b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).ok()?, 16).ok()?;
        rest = &rest[line + 2..];
        body.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size..)?.strip_prefix(b"\r\n")?;
        if size == 0 {
            return Some((body, rest));
        }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
