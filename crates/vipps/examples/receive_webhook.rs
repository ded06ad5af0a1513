//! Receives webhooks: registers, takes a payment, and prints its events as they come.
//!
//! Without `VIPPS_*` variables it starts a Vipps of its own on localhost and plays the
//! customer. With `VIPPS_CLIENT_ID`, `VIPPS_CLIENT_SECRET`, `VIPPS_SUBSCRIPTION_KEY` and
//! `VIPPS_MERCHANT_SERIAL_NUMBER` (and `VIPPS_ENVIRONMENT`) it runs against that
//! environment and waits for the real customer. Vipps must then reach it: set `WEBHOOK_URL` to
//! an https address that is forwarded to `127.0.0.1:4611`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its reader")]

use std::collections::HashSet;
use std::error::Error;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use axum::routing::post;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use vipps::{Amount, Client, Credentials, Decision, Environment, EventType, IdempotencyKey, NewPayment, System};
use vipps_callbacks::{
    Delivery, Event, EventKey, Freshness, HintHub, PaymentEvent, PaymentEventName, Registration, Subject, Verifier,
};
use vipps_sandbox::Sandbox;

#[tokio::main]
async fn main() -> ExitCode {
    match take_payment_and_listen().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("failed to receive webhooks: {error}");
            let mut source = error.source();
            while let Some(cause) = source {
                eprintln!("  because {cause}");
                source = cause.source();
            }
            ExitCode::FAILURE
        }
    }
}

/// What the handler of the events needs.
#[derive(Clone, FromRef)]
struct Shop {
    verifier: Verifier,
    hub: HintHub,
    /// A shop has a table with a unique column instead.
    seen: Arc<Mutex<HashSet<EventKey>>>,
    told: mpsc::UnboundedSender<PaymentEvent>,
}

/// Only a delivery whose signature is right comes here; 200 ends its retries.
async fn receive(State(shop): State<Shop>, delivery: Delivery) -> StatusCode {
    let is_new = shop.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(delivery.key().clone());
    if is_new {
        shop.hub.tell(delivery.event());
        if let Event::Payment(event) = delivery.into_event() {
            // Nobody listens any more when the program ends.
            let _ = shop.told.send(event);
        }
    }
    StatusCode::OK
}

async fn take_payment_and_listen() -> Result<(), Box<dyn Error>> {
    let (vipps, environment, sandbox) = connect().await?;
    let (url, listener) = listen(&environment).await?;

    let (tell, mut told) = mpsc::unbounded_channel();
    // It records keys, so it can take retries however late they come.
    let verifier = Verifier::builder().freshness(Freshness::WithInbox).build();
    let shop = Shop { verifier, hub: HintHub::default(), seen: Arc::default(), told: tell };
    let router = Router::new().route("/hooks/vipps", post(receive)).with_state(shop.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });

    // A shop stores id and secret, and says here which ids it has.
    let stored: [String; 0] = [];
    let events = ["created", "authorized", "captured", "refunded"];
    let events = events.map(|name| EventType::from(format!("epayments.payment.{name}.v1")));
    let webhook = vipps.webhooks().ensure(&url, events, stored).await?;
    let secret = webhook.secret().ok_or("a registration that is not new has no secret to tell")?;
    shop.verifier.add(Registration::new(&url, secret.clone())?.id(webhook.id()));
    println!("1. events come to {url}");

    let payments = vipps.payments();
    let reference = format!("acme-hook-{}", &IdempotencyKey::random().as_str()[..8]);
    let price = Amount::nok_minor(49_900);
    let order = NewPayment::web_redirect(&reference, price.clone(), "https://example.com/redirect");
    let created = payments.create(order.description("Hoodie")).await?;
    println!("2. created payment {reference} of {price}");
    println!("   the customer goes to {}", created.redirect_url().unwrap_or("the app"));

    // The event of the approval ends the wait, sooner than the next poll would.
    let wait = payments.wait_for_decision(&reference).hints(shop.hub.hints(Subject::payment(&reference)));
    if let Some(sandbox) = &sandbox {
        sandbox.customer().approves(&reference).await?;
    }
    match wait.await? {
        Decision::Authorized(_) => println!("3. the customer approved in the app"),
        Decision::Aborted => return Err("the customer aborted the payment".into()),
        other => return Err(format!("the payment cannot be captured: {other:?}").into()),
    }
    let first = payments.capture(&reference, Amount::nok_minor(20_000)).derived_key(1).await?;
    payments.capture(&reference, first.capturable()?).derived_key(2).await?;
    payments.refund(&reference, Amount::nok_minor(5_000)).derived_key(1).await?;
    println!("4. captured in two parts and refunded a part; the events:");

    let limit = vipps.transport().clock().sleep(Duration::from_secs(60));
    tokio::select! {
        () = print_until_refunded(&mut told) => {}
        () = limit => return Err("not all events came: does Vipps reach the address?".into()),
    }
    vipps.webhooks().retire([webhook.id()]).await?;
    println!("5. the registration is deleted");
    Ok(())
}

/// Prints the events as they come, which is the order in which they happened.
async fn print_until_refunded(told: &mut mpsc::UnboundedReceiver<PaymentEvent>) {
    while let Some(event) = told.recv().await {
        let amount = event.amount().map_or_else(|| "?".into(), |amount| amount.to_string());
        let at = event.timestamp().map_or_else(String::new, |at| at.to_string());
        println!("   {:<10} {amount:>12}  {at}", event.name().as_str());
        if *event.name() == PaymentEventName::Refunded {
            break;
        }
    }
}

/// The address to register, and the socket that its deliveries come to.
async fn listen(environment: &Environment) -> Result<(String, TcpListener), Box<dyn Error>> {
    if environment.is_loopback() {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        return Ok((format!("http://{}/hooks/vipps", listener.local_addr()?), listener));
    }
    let url = std::env::var("WEBHOOK_URL")
        .map_err(|_| "set WEBHOOK_URL to an https address that is forwarded to 127.0.0.1:4611/hooks/vipps")?;
    Ok((url, TcpListener::bind("127.0.0.1:4611").await?))
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
    let environment = sandbox.environment();
    let client = Client::builder(environment.clone(), sandbox.credentials()).system(system).build()?;
    Ok((client, environment, Some(sandbox)))
}
