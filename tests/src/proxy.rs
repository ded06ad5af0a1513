//! A proxy that misbehaves, in front of a sandbox.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use vipps::Environment;

use crate::read_request;

/// What the proxy does with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mischief {
    /// Forwards it and its answer.
    None,
    /// Forwards it twice, one after the other; the second answer counts.
    Twice,
    /// Forwards it twice at once; the answer that comes last counts.
    TwiceAtOnce,
    /// Forwards it once more when its answer has gone back.
    OnceMoreLater,
    /// Forwards it late.
    Late,
    /// Never forwards it, and resets the connection.
    Lost,
    /// Forwards it and resets the connection.
    AnswerLost,
    /// Forwards it, gives up on the answer, and forwards it again: what a gateway with a limit of
    /// its own does.
    Retried,
    /// Forwards it; half of the answer comes back.
    Half,
    /// Never forwards it; a page says that all is well.
    Page,
    /// Forwards it; a page says that something is wrong, with this status.
    PageAfter(u16),
    /// Never forwards it; a refusal in the style of a gateway.
    Gate(u16),
}

const PAGE: &str = "<html><body>Please stand by</body></html>";

/// A proxy in front of an address, whose mischief is drawn from a seed.
pub struct Proxy {
    address: SocketAddr,
    forwarding: Arc<AtomicUsize>,
}

impl Proxy {
    /// Starts. Of a thousand requests so many meet mischief.
    ///
    /// # Panics
    ///
    /// When no port can be had.
    pub async fn start(upstream: SocketAddr, seed: u64, per_mille: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let forwarding = Arc::new(AtomicUsize::new(0));
        let (requests, under_way) = (Arc::new(AtomicU64::new(seed)), forwarding.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (requests, under_way) = (requests.clone(), under_way.clone());
                tokio::spawn(async move {
                    under_way.fetch_add(1, Ordering::SeqCst);
                    serve(stream, upstream, &requests, per_mille).await;
                    under_way.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, forwarding }
    }

    /// The environment of its clients.
    ///
    /// # Panics
    ///
    /// Never: a socket's address is a base address.
    #[must_use]
    pub fn environment(&self) -> Environment {
        format!("http://{}", self.address).parse().expect("a base address")
    }

    /// Ends when nothing is under way any more.
    pub async fn settles(&self) {
        while self.forwarding.load(Ordering::SeqCst) > 0 {
            tokio::task::yield_now().await;
        }
    }
}

/// A number that looks like chance: `SplitMix64`.
fn mixed(seed: u64) -> u64 {
    let mut z = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn drawn(number: u64, per_mille: u64) -> Mischief {
    let chance = mixed(number);
    if chance % 1000 >= per_mille {
        return Mischief::None;
    }
    let kinds = [
        Mischief::Twice,
        Mischief::TwiceAtOnce,
        Mischief::OnceMoreLater,
        Mischief::Late,
        Mischief::Lost,
        Mischief::AnswerLost,
        Mischief::Retried,
        Mischief::Half,
        Mischief::Page,
        Mischief::PageAfter(200),
        Mischief::PageAfter(404),
        Mischief::PageAfter(413),
        Mischief::PageAfter(502),
        Mischief::Gate(429),
        Mischief::Gate(403),
        Mischief::Gate(503),
    ];
    kinds[usize::try_from(chance / 1000 % kinds.len() as u64).unwrap_or_default()]
}

#[expect(clippy::disallowed_methods, reason = "what it delays is real")]
async fn serve(mut stream: TcpStream, upstream: SocketAddr, requests: &AtomicU64, per_mille: u64) {
    let Some(request) = read_request(&mut stream).await else { return };
    // Whoever has no token gets nowhere, so that is left alone.
    let is_token = request.to_ascii_lowercase().starts_with("post /accesstoken/");
    let mischief = match is_token {
        true => Mischief::None,
        false => drawn(requests.fetch_add(1, Ordering::SeqCst), per_mille),
    };
    let forward = || forward(upstream, &request);
    let answer = match mischief {
        Mischief::None | Mischief::OnceMoreLater => forward().await,
        Mischief::Twice => {
            forward().await;
            forward().await
        }
        Mischief::TwiceAtOnce => tokio::join!(forward(), forward()).1,
        Mischief::Late => {
            tokio::time::sleep(Duration::from_millis(3)).await;
            forward().await
        }
        Mischief::Retried => {
            let _ = tokio::time::timeout(Duration::from_micros(300), forward()).await;
            forward().await
        }
        Mischief::Lost => Vec::new(),
        Mischief::AnswerLost => {
            forward().await;
            Vec::new()
        }
        Mischief::Half => {
            let mut answer = forward().await;
            answer.truncate(answer.len() - answer.len() / 4);
            answer
        }
        Mischief::Page => page(200),
        Mischief::PageAfter(status) => {
            forward().await;
            page(status)
        }
        Mischief::Gate(status) => gate(status),
    };
    if answer.is_empty() {
        // Closing without lingering sends a reset.
        let _ = stream.set_zero_linger();
        return;
    }
    let _ = stream.write_all(&answer).await;
    let _ = stream.shutdown().await;
    if mischief == Mischief::OnceMoreLater {
        tokio::time::sleep(Duration::from_millis(2)).await;
        forward().await;
    }
}

fn page(status: u16) -> Vec<u8> {
    let length = PAGE.len();
    let head = format!("HTTP/1.1 {status} X\r\ncontent-type: text/html\r\ncontent-length: {length}");
    format!("{head}\r\nconnection: close\r\n\r\n{PAGE}").into_bytes()
}

fn gate(status: u16) -> Vec<u8> {
    let body = format!(r#"{{"statusCode":{status},"message":"not now"}}"#);
    let head = format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}", body.len());
    format!("{head}\r\nconnection: close\r\n\r\n{body}").into_bytes()
}

/// The whole answer to one request, byte for byte; nothing where there is none.
async fn forward(upstream: SocketAddr, request: &str) -> Vec<u8> {
    let Ok(mut stream) = TcpStream::connect(upstream).await else { return Vec::new() };
    let request = request.replacen("\r\n", "\r\nconnection: close\r\n", 1);
    if stream.write_all(request.as_bytes()).await.is_err() {
        return Vec::new();
    }
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer).await {
        Ok(_) => answer,
        Err(_) => Vec::new(),
    }
}
