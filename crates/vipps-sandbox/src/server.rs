//! Sockets: accepts connections, feeds the router, and can end a connection with a reset.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tower_service::Service;

use crate::answer::Answer;
use crate::clock;
use crate::routes::api::{End, handle};
use crate::routes::control;
use crate::sandbox::Shared;
use crate::visitors;

/// The largest body that is read: 1 MiB.
const MOST_BODY: usize = 1024 * 1024;
/// All headers of a request together.
const MOST_HEADERS: usize = 16 * 1024;
/// How long nothing is accepted after an error.
const AFTER_AN_ERROR: Duration = Duration::from_millis(100);
/// How long a client may take to send its headers.
const HEADERS_WITHIN: Duration = Duration::from_secs(30);
/// How long a client may take to send its body.
const BODY_WITHIN: Duration = Duration::from_secs(30);

/// Everything the sandbox serves.
pub(crate) fn router(shared: Shared) -> Router {
    // The control API and the pages refuse large bodies as the APIs do.
    let people = Router::new().nest("/__sandbox", control::router()).merge(crate::pages::router());
    let people = people.layer(from_fn_with_state(shared.clone(), visitors::guard));
    people.layer(DefaultBodyLimit::max(MOST_BODY)).fallback(api).with_state(shared)
}

/// Marks an answer that is a TCP reset instead.
#[derive(Clone, Copy)]
struct ResetInstead;

async fn api(State(shared): State<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = match clock::within(BODY_WITHIN, Limited::new(body, MOST_BODY).collect()).await {
        Some(Ok(body)) => body.to_bytes(),
        Some(Err(error)) if error.is::<LengthLimitError>() => {
            return respond(Answer::gateway(413, "The body is larger than 1 MiB"));
        }
        Some(Err(_)) => return respond(Answer::gateway(400, "The body broke off")),
        None => return respond(Answer::gateway(408, "The body did not come in time")),
    };
    match handle(&shared, parts.method.as_str(), &parts.uri, &parts.headers, &body).await {
        End::Answer(answer) => respond(answer),
        End::Truncated(answer) => truncated(answer),
        End::Reset => {
            let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
            response.extensions_mut().insert(ResetInstead);
            response
        }
    }
}

fn respond(answer: Answer) -> Response {
    let mut response = Response::new(Body::from(answer.body.clone()));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if !answer.body.is_empty() {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(answer.media));
    }
    for (name, value) in &answer.headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(*name, value);
        }
    }
    response
}

/// Announces the whole body and sends half of it.
fn truncated(answer: Answer) -> Response {
    let whole = answer.body.clone();
    let mut response = respond(answer);
    let half = whole.slice(..whole.len() / 2);
    let broken = std::io::Error::other("scripted truncation");
    // Between the two the connection gets its turn to send what it has.
    let breaking = async {
        tokio::task::yield_now().await;
        Err(broken)
    };
    let frames = stream::once(async { Ok(half) }).chain(stream::once(breaking));
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(whole.len().max(1)));
    *response.body_mut() = Body::from_stream(frames);
    response
}

/// Serves until told to stop; connections under way may finish their request.
pub(crate) async fn serve(listener: TcpListener, shared: Shared, mut stopped: watch::Receiver<bool>) {
    let router = router(shared);
    let mut is_told = false;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.wait_for(|stopped| *stopped) => return,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tell_once(&mut is_told, &error);
                clock::sleep(AFTER_AN_ERROR).await;
                continue;
            }
        };
        tokio::spawn(connection(stream, router.clone(), stopped.clone()));
    }
}

/// An error of accepting is one client's, or there are too many open files: the next may do better,
/// and so often it need not be said.
#[expect(clippy::print_stderr, reason = "nobody else hears of it, and clients wait without a word")]
fn tell_once(is_told: &mut bool, error: &std::io::Error) {
    if !std::mem::replace(is_told, true) {
        eprintln!("warning: cannot accept a connection: {error} (are there too many open files? see `ulimit -n`)");
    }
}

async fn connection(stream: TcpStream, router: Router, mut stopped: watch::Receiver<bool>) {
    let _ = stream.set_nodelay(true);
    let reset = Arc::new(Notify::new());
    let wants_reset = reset.clone();
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let (mut router, reset) = (router.clone(), reset.clone());
        async move {
            let response = router.call(request).await?;
            if response.extensions().get::<ResetInstead>().is_some() {
                reset.notify_one();
                std::future::pending::<()>().await;
            }
            Ok::<_, Infallible>(response)
        }
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEADERS_WITHIN).max_buf_size(MOST_HEADERS).half_close(true);
    let mut serving = server.serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        _ = &mut serving => {}
        () = wants_reset.notified() => {
            // Closing without lingering sends a reset instead of an orderly end.
            let stream = serving.into_parts().io.into_inner();
            let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        }
        _ = stopped.wait_for(|stopped| *stopped) => Pin::new(&mut serving).graceful_shutdown(),
    }
}
