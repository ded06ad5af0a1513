//! Over sockets: by axum, and by a plain hyper service, which shows that no framework is needed.

use std::convert::Infallible;

use axum::Router;
use axum::extract::FromRef;
use axum::routing::post;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use vipps_callbacks::axum::{Called, MAX_BODY, Rejection};
use vipps_callbacks::{
    CardAnswer, CardCall, Delivery, MakePayment, MakePaymentAnswer, PaymentFailure, ShippingAnswer, TokenAuth, Verifier,
};

use crate::{CAPTURED, registration, signed, verifier};

type Fields = Vec<(String, String)>;

/// Sends one request; gives status and body.
async fn send(address: &str, path: &str, fields: Fields, body: Vec<u8>) -> (u16, String) {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut request = Request::post(path);
    for (name, value) in fields {
        request = request.header(name, value);
    }
    let answer = sender.send_request(request.body(Full::new(Bytes::from(body))).unwrap()).await.unwrap();
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    drop(sender);
    let _ = connection.await;
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

fn delivery(body: &[u8]) -> Fields {
    signed(registration(), 0, body)
}

#[derive(Clone, FromRef)]
struct State {
    verifier: Verifier,
    auth: TokenAuth,
}

fn state() -> State {
    State { verifier: verifier(), auth: TokenAuth::new("token").unwrap() }
}

async fn told(delivery: Result<Delivery, Rejection>) -> String {
    delivery.map_or_else(|rejection| rejection.to_string(), |delivery| delivery.key().to_string())
}

#[tokio::test]
async fn axum_takes_what_is_signed_and_tells_others_a_status_alone() {
    let router = Router::new()
        .route("/hooks", post(async |delivery: Delivery| delivery.key().to_string()))
        .route("/told", post(told))
        .with_state(state());
    let address = serve(router).await;
    let key = "payment:123456:acme-42:CAPTURED:4410027731";
    let taken = send(&address, "/hooks?any=path", delivery(CAPTURED.as_bytes()), CAPTURED.into()).await;
    assert_eq!(taken, (200, key.to_owned()));
    let changed = CAPTURED.replace("8000", "8001");
    assert_eq!(send(&address, "/hooks", delivery(CAPTURED.as_bytes()), changed.into()).await, (401, String::new()));
    assert_eq!(send(&address, "/hooks", Vec::new(), CAPTURED.into()).await, (401, String::new()));
    let spaced = CAPTURED.replace(',', ", ");
    let (_, shown) = send(&address, "/told", delivery(CAPTURED.as_bytes()), spaced.into()).await;
    assert_eq!(shown, "the body is not the one that was signed");
    for (length, status) in [(MAX_BODY, 200), (MAX_BODY + 1, 413)] {
        let large = vec![b' '; length];
        assert_eq!(send(&address, "/hooks", delivery(&large), large).await.0, status, "{length}");
    }
}

async fn pay(Called(call): Called<MakePayment>) -> MakePaymentAnswer {
    match call {
        MakePayment::Accepted(payment) => payment.fail(PaymentFailure::expired_card()),
        MakePayment::Cancelled(call) | MakePayment::TimedOut(call) | MakePayment::Unknown(call) => call.acknowledge(),
    }
}

async fn card(call: CardCall) -> CardAnswer {
    call.reserve("n-1").unwrap()
}

#[tokio::test]
async fn axum_answers_the_calls_that_ask_something() {
    let router = Router::new()
        .route("/pay", post(pay))
        .route("/card", post(card))
        .route("/ship", post(async || ShippingAnswer::cannot_ship()))
        .with_state(state());
    let address = serve(router).await;
    let body = br#"{"pspTransactionId":"p","paymentState":"ACCEPTED"}"#.to_vec();
    let token = |token: &str| vec![("authorization".to_owned(), token.to_owned())];
    let (status, answer) = send(&address, "/pay", token("token"), body.clone()).await;
    assert!(status == 200 && answer.contains("Expired card"), "{answer}");
    assert_eq!(send(&address, "/pay", token("wrong"), body).await, (401, String::new()));
    assert_eq!(send(&address, "/pay", token("token"), b"{}".to_vec()).await, (400, String::new()));
    let call = br#"{"authorizationAttemptId":"a"}"#.to_vec();
    let (status, answer) = send(&address, "/card", delivery(&call), call).await;
    assert!(status == 200 && answer.contains(r#""status":"RESERVE""#), "{answer}");
    assert_eq!(send(&address, "/ship", Vec::new(), Vec::new()).await, (400, String::new()));
}

#[tokio::test]
async fn a_verifier_without_a_registration_asks_for_the_delivery_again() {
    let verifier = Verifier::builder().build();
    let router = Router::new().route("/", post(async |_: Delivery| "")).with_state(verifier);
    let address = serve(router).await;
    assert_eq!(send(&address, "/", delivery(b"{}"), b"{}".to_vec()).await.0, 503);
}

/// A receiver by hyper alone.
async fn receive(verifier: Verifier, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let status = match Limited::new(body, 1024 * 1024).collect().await {
        Err(_) => StatusCode::BAD_REQUEST,
        Ok(body) => match verifier.verify(&head.headers, &body.to_bytes()) {
            Ok(_) => StatusCode::OK,
            Err(_) => StatusCode::UNAUTHORIZED,
        },
    };
    Ok(Response::builder().status(status).body(Full::default()).expect("a status alone"))
}

#[tokio::test]
async fn no_framework_is_needed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service_fn(|request| receive(verifier(), request));
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        }
    });
    let fields = || delivery(CAPTURED.as_bytes());
    assert_eq!(send(&address, "/", fields(), CAPTURED.into()).await.0, 200);
    assert_eq!(send(&address, "/", fields(), b"{}".to_vec()).await.0, 401);
}
