//! A merchant's server: keeps what Vipps sends and answers by script.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::read_request;

/// One request that Vipps sent.
#[derive(Clone, Debug)]
pub struct Received {
    /// `POST`.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// The body, byte for byte.
    pub body: Vec<u8>,
    headers: Vec<(String, String)>,
}

impl Received {
    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let name = name.to_ascii_lowercase();
        self.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
    }

    /// Every header field, its name in lower case.
    #[must_use]
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// The body as JSON; null where it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    fn parse(text: &str) -> Option<Self> {
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.lines();
        let mut first = lines.next()?.split(' ');
        let header = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        };
        Some(Self {
            method: first.next()?.to_owned(),
            target: first.next()?.to_owned(),
            body: body.as_bytes().to_vec(),
            headers: lines.filter_map(header).collect(),
        })
    }
}

/// A merchant's server on a free port.
pub struct Receiver {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Receiver {
    /// Answers everything with 200 and `{}`.
    pub async fn start() -> Self {
        Self::answering(vec![(200, Value::Object(serde_json::Map::new()))]).await
    }

    /// Answers in this order; the last is repeated. Null is an empty body.
    pub async fn answering(replies: Vec<(u16, Value)>) -> Self {
        Self::serve(Some(replies)).await
    }

    /// Takes everything in and never answers.
    pub async fn silent() -> Self {
        Self::serve(None).await
    }

    async fn serve(replies: Option<Vec<(u16, Value)>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let received = Arc::new(Mutex::new(Vec::new()));
        let (seen, replies) = (received.clone(), Arc::new(replies));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, seen.clone(), replies.clone()));
            }
        });
        Self { address, received }
    }

    /// The address of a proxy in front of it, which rewrites host and path.
    ///
    /// # Panics
    ///
    /// When no port can be had.
    pub async fn behind_proxy(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let (address, upstream) = (listener.local_addr().expect("a bound address"), self.address);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(rewrite(stream, upstream));
            }
        });
        address
    }

    /// Its address with this path and query.
    #[must_use]
    pub fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.address)
    }

    /// What came in so far, in order.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Forwards one request under another host and path.
async fn rewrite(mut stream: TcpStream, upstream: SocketAddr) -> Option<()> {
    let request = read_request(&mut stream).await?;
    let (head, body) = request.split_once("\r\n\r\n")?;
    let mut lines: Vec<String> = head.lines().map(str::to_owned).collect();
    *lines.first_mut()? = "POST /internal/7 HTTP/1.1".to_owned();
    for line in &mut lines {
        if line.to_ascii_lowercase().starts_with("host:") {
            *line = "Host: internal.example:8080".to_owned();
        }
    }
    let mut forward = TcpStream::connect(upstream).await.ok()?;
    forward.write_all(format!("{}\r\n\r\n{body}", lines.join("\r\n")).as_bytes()).await.ok()?;
    tokio::io::copy(&mut forward, &mut stream).await.ok()?;
    stream.shutdown().await.ok()
}

async fn answer(mut stream: TcpStream, seen: Arc<Mutex<Vec<Received>>>, replies: Arc<Option<Vec<(u16, Value)>>>) {
    let Some(request) = read_request(&mut stream).await else { return };
    let index = {
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.extend(Received::parse(&request));
        seen.len().saturating_sub(1)
    };
    let Some(replies) = replies.as_ref() else {
        let mut nothing = [0; 1];
        let _ = stream.read(&mut nothing).await;
        return;
    };
    let (status, body) = &replies[index.min(replies.len() - 1)];
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let head = format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n", body.len());
    let _ = stream.write_all(format!("{head}connection: close\r\n\r\n{body}").as_bytes()).await;
    let _ = stream.shutdown().await;
}
