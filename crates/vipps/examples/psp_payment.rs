//! Takes one card payment as a payment service provider: Vipps hands over the customer's card
//! token, the provider's acquirer takes the money.
//!
//! Without `VIPPS_*` variables it starts a Vipps of its own on localhost and plays the
//! customer. With `VIPPS_CLIENT_ID`, `VIPPS_CLIENT_SECRET`, `VIPPS_SUBSCRIPTION_KEY`,
//! `VIPPS_MERCHANT_SERIAL_NUMBER` and `VIPPS_PSP_ID` (and `VIPPS_ENVIRONMENT`) it runs against
//! that environment and waits for the real customer. Vipps must then reach it: set
//! `MAKE_PAYMENT_URL` to an https address that is forwarded to `127.0.0.1:4610`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its reader")]

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use vipps::psp::enums::{MakePaymentRequestPaymentState as PaymentState, TransactionInfoStatus};
use vipps::psp::types::{InitiatePaymentRequest, MakePaymentRequest, PaymentStatus, TransactionInfo};
use vipps::{Amount, Client, Credentials, Environment, IdempotencyKey, Secret, System};
use vipps_sandbox::Sandbox;

#[tokio::main]
async fn main() -> ExitCode {
    match take_card_payment().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("failed to take the card payment: {error}");
            let mut source = error.source();
            while let Some(cause) = source {
                eprintln!("  because {cause}");
                source = cause.source();
            }
            ExitCode::FAILURE
        }
    }
}

async fn take_card_payment() -> Result<(), Box<dyn Error>> {
    let (vipps, environment, sandbox) = connect().await?;
    let psp = vipps.psp();
    let number = IdempotencyKey::random().as_str()[..8].to_owned();
    let id = format!("acmepsp{number}");
    let price = Amount::nok_minor(49_900);

    // Vipps proves by this token that the call comes from Vipps.
    let token = IdempotencyKey::random().to_string();
    let (url, listener) = listen(&environment).await?;
    println!("   makePayment is answered at {url}");
    let (tell, mut told) = mpsc::channel(1);
    tokio::spawn(answer_calls(listener, token.clone(), tell));

    let payment = InitiatePaymentRequest::builder()
        .psp_transaction_id(id.as_str())
        .merchant_order_id(format!("acme-order-{number}"))
        .amount(price.minor_units())
        .currency(price.currency().as_str())
        .payment_text("Hoodie".to_owned())
        .psp_redirect_url("https://example.com/redirect")
        .make_payment_url(url)
        .make_payment_token(Secret::new(token));
    let initiated = psp.initiate(InitiatePaymentRequest::try_from(payment)?).await?;
    println!("1. initiated payment {id} of {price}");
    println!("   the customer goes to {}", initiated.redirect_url().unwrap_or("the app"));

    match &sandbox {
        Some(sandbox) => {
            sandbox.customer().approves_psp(&id).await?;
            println!("2. the customer confirms in the app");
        }
        None => println!("2. waiting for the customer ..."),
    }
    // Vipps calls within ten minutes, also when the customer did nothing.
    let limit = Duration::from_secs(11 * 60);
    let state = tokio::select! {
        state = told.recv() => state,
        () = vipps.transport().clock().sleep(limit) => return Err("Vipps did not call: is it reachable?".into()),
    };
    match state {
        Some(PaymentState::Accepted) => println!("3. Vipps handed over a card token: {price} is reserved"),
        Some(PaymentState::UserCancel) => return Err("the customer cancelled the payment".into()),
        Some(PaymentState::Timeout) => return Err("the customer did not confirm in time".into()),
        state => return Err(format!("the payment is {}", state.map_or("?".into(), |state| state.to_string())).into()),
    }

    let captured = TransactionInfo::builder()
        .psp_transaction_id(id.as_str())
        .status(TransactionInfoStatus::Captured)
        .amount(price.minor_units())
        .currency(price.currency().to_string());
    let report = PaymentStatus::builder().transactions(vec![TransactionInfo::try_from(captured)?]);
    let receipt = psp.update_status(PaymentStatus::try_from(report)?).await?;
    println!("4. reported {price} as CAPTURED: {}", receipt.message().unwrap_or("?"));

    // Vipps itself processes reports at night, and in its test environment never.
    let details = psp.details(&id).await?;
    println!("5. what happened:");
    for entry in details.log() {
        let operation = entry.operation().map_or("?", |operation| operation.as_str());
        println!("   {operation:<10} {:>12}  {}", shown(entry.amount()), entry.timestamp().unwrap_or(""));
    }
    println!(
        "6. closing: captured {}, left to capture {}, refunded {}",
        shown(details.captured()),
        shown(details.capturable()),
        shown(details.refunded())
    );
    Ok(())
}

/// Where Vipps is to call, and the socket that its calls come to.
async fn listen(environment: &Environment) -> Result<(String, TcpListener), Box<dyn Error>> {
    if environment.is_loopback() {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        return Ok((format!("http://{}/make-payment", listener.local_addr()?), listener));
    }
    let url = std::env::var("MAKE_PAYMENT_URL")
        .map_err(|_| "set MAKE_PAYMENT_URL to an https address that is forwarded to 127.0.0.1:4610")?;
    Ok((url, TcpListener::bind("127.0.0.1:4610").await?))
}

/// Answers the calls of Vipps, one after the other, and tells what each says of the customer.
async fn answer_calls(listener: TcpListener, token: String, tell: mpsc::Sender<PaymentState>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let Some((head, body)) = read_request(&mut stream).await else { continue };
        let (status, answer, state) = decide(&head, &body, &token);
        let answer = answer.to_string();
        let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}", answer.len());
        let reply = format!("{head}\r\nconnection: close\r\n\r\n{answer}");
        let sent = stream.write_all(reply.as_bytes()).await.and(stream.shutdown().await);
        if let (Ok(()), Some(state)) = (sent, state) {
            // Only the first call is waited for.
            let _ = tell.try_send(state);
        }
    }
}

/// What the provider answers to a call: HTTP status and body; and what the call said, where it
/// was one of Vipps'.
fn decide(head: &str, body: &[u8], token: &str) -> (&'static str, Value, Option<PaymentState>) {
    if header(head, "authorization") != Some(token) {
        return ("401 Unauthorized", json!({}), None);
    }
    let Ok(call) = serde_json::from_slice::<MakePaymentRequest>(body) else {
        return ("400 Bad Request", json!({}), None);
    };
    let id = call.psp_transaction_id;
    let answer = match &call.payment_state {
        // Here the acquirer is asked, with the network token of the call. This one says yes to all.
        Some(PaymentState::Accepted) => json!({ "paymentInfo": { "pspTransactionId": id, "status": "OK" } }),
        _ => json!({
            "paymentInfo": { "pspTransactionId": id, "status": "FAIL" },
            "errorMessage": { "errorId": 93, "errorText": "Status from Vipps: NO" },
        }),
    };
    ("200 OK", answer, call.payment_state)
}

/// Head and body of a request, where a whole one of reasonable size comes.
async fn read_request(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes: Vec<u8> = Vec::new();
    while bytes.len() < 64 * 1024 && stream.read_buf(&mut bytes).await.ok()? > 0 {
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let body = &bytes[end + 4..];
        let length = header(&head, "content-length").map_or(Ok(0), str::parse::<usize>).ok()?;
        if body.len() >= length {
            return Some((head, body[..length].to_vec()));
        }
    }
    None
}

/// A header by its name, in whatever case it came.
fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// An amount, or a question mark where the answer has none.
fn shown(amount: Option<Amount>) -> String {
    amount.map_or_else(|| "?".into(), |amount| amount.to_string())
}

/// A client of the environment that the variables name, or of a sandbox of our own.
async fn connect() -> Result<(Client, Environment, Option<Sandbox>), Box<dyn Error>> {
    let system = System::new("acme", "3.1.2").plugin("acme-webshop", "4.5.6");
    if let Some(credentials) = Credentials::from_env_if_any()? {
        let environment = Environment::from_env()?;
        println!("0. using {environment}");
        let client = Client::builder(environment.clone(), credentials).system(system).build()?;
        return Ok((client, environment, None));
    }
    let sandbox = Sandbox::start().await?;
    println!("0. no VIPPS_* variables are set: using a sandbox at {}", sandbox.base_url());
    // The PSP id that the sandbox knows from the start.
    let credentials = sandbox.credentials().with_psp_id("C948DFD1546347568874C4DDC93A2E3C")?;
    let environment = sandbox.environment();
    let client = Client::builder(environment.clone(), credentials).system(system).build()?;
    Ok((client, environment, Some(sandbox)))
}
