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

use axum::Router;
use axum::extract::{FromRef, State};
use axum::routing::post;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use vipps::psp::enums::TransactionInfoStatus;
use vipps::psp::types::{InitiatePaymentRequest, PaymentStatus, TransactionInfo};
use vipps::{Amount, Client, Credentials, Environment, IdempotencyKey, Secret, System};
use vipps_callbacks::axum::Called;
use vipps_callbacks::{MakePayment, MakePaymentAnswer, TokenAuth};
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

/// What the provider's endpoint needs.
#[derive(Clone, FromRef)]
struct Psp {
    auth: TokenAuth,
    tell: mpsc::Sender<MakePayment>,
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
    let psp_server = Psp { auth: TokenAuth::new(token.as_str())?, tell };
    let router = Router::new().route("/make-payment", post(make_payment)).with_state(psp_server);
    tokio::spawn(async move { axum::serve(listener, router).await });

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
    let call = tokio::select! {
        call = told.recv() => call,
        () = vipps.transport().clock().sleep(limit) => return Err("Vipps did not call: is it reachable?".into()),
    };
    match call {
        Some(MakePayment::Accepted(_)) => println!("3. Vipps handed over a card token: {price} is reserved"),
        Some(MakePayment::Cancelled(_)) => return Err("the customer cancelled the payment".into()),
        Some(MakePayment::TimedOut(_)) => return Err("the customer did not confirm in time".into()),
        other => return Err(format!("the customer did not pay: {other:?}").into()),
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

/// What the provider answers to a call, whose token was right. Tells the first of what the
/// customer did.
async fn make_payment(State(psp): State<Psp>, Called(call): Called<MakePayment>) -> MakePaymentAnswer {
    let answer = match &call {
        // Here the acquirer is asked, with the network token of the call. This one says yes to all.
        MakePayment::Accepted(payment) => payment.ok(),
        MakePayment::Cancelled(call) | MakePayment::TimedOut(call) | MakePayment::Unknown(call) => call.acknowledge(),
    };
    let _ = psp.tell.try_send(call);
    answer
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
