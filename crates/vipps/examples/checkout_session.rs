//! Lets a customer pay on the hosted Checkout page, and captures what they paid.
//!
//! Without `VIPPS_*` variables it starts a Vipps of its own on localhost and plays the
//! customer. With `VIPPS_CLIENT_ID`, `VIPPS_CLIENT_SECRET`, `VIPPS_SUBSCRIPTION_KEY` and
//! `VIPPS_MERCHANT_SERIAL_NUMBER` (and `VIPPS_ENVIRONMENT`) it runs against that environment
//! and waits for the real customer.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its reader")]

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use vipps::checkout::enums::ExternalSessionState;
use vipps::checkout::types::{MerchantInfo, PaymentSession, PaymentTransaction};
use vipps::{Amount, Client, Credentials, Environment, IdempotencyKey, Secret, System};
use vipps_sandbox::Sandbox;

#[tokio::main]
async fn main() -> ExitCode {
    match check_out().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("failed to run the checkout: {error}");
            let mut source = error.source();
            while let Some(cause) = source {
                eprintln!("  because {cause}");
                source = cause.source();
            }
            ExitCode::FAILURE
        }
    }
}

async fn check_out() -> Result<(), Box<dyn Error>> {
    let (vipps, environment, sandbox) = connect().await?;
    let (sessions, payments) = (vipps.sessions(), vipps.payments());
    let reference = format!("acme-session-{}", &IdempotencyKey::random().as_str()[..8]);
    let price = Amount::nok_minor(49_900);

    // Vipps calls this address when the customer is done. Looking finds out as well, so it does
    // no harm that nobody listens there.
    let callback_url =
        if environment.is_loopback() { "http://127.0.0.1:9/checkout" } else { "https://example.com/checkout" };
    let merchant = MerchantInfo::builder()
        .callback_url(callback_url)
        .callback_authorization_token(Secret::new(IdempotencyKey::random().to_string()))
        .return_url("https://example.com/redirect");
    let transaction = PaymentTransaction::builder().amount(price.clone()).payment_description("Hoodie");
    let session =
        PaymentSession::builder().reference(reference.clone()).merchant_info(merchant).transaction(transaction);
    let created = sessions.create(PaymentSession::try_from(session)?).derived_key(1).await?;
    println!("1. created session {reference} for {price}");
    let page = created.checkout_frontend_url().ok_or("Vipps gave no page to show")?;
    println!("   the customer goes to {page}?token={}", created.token().unwrap_or_default());

    // A session lives an hour.
    let mut wait = sessions.wait_until_finished(&reference).deadline(Duration::from_secs(60 * 60));
    match &sandbox {
        Some(sandbox) => {
            sandbox.customer().completes_session(&reference).await?;
            println!("2. the customer pays on the page");
            wait = wait.look_now();
        }
        None => println!("2. waiting for the customer ..."),
    }
    let session = wait.await?;
    match session.state() {
        Some(ExternalSessionState::PaymentSuccessful) => {}
        Some(ExternalSessionState::PaymentTerminated) => {
            return Err("the customer gave up, or the payment failed".into());
        }
        Some(ExternalSessionState::SessionExpired) => return Err("the session expired before anybody paid".into()),
        state => {
            let state = state.map_or("in no state", ExternalSessionState::as_str);
            return Err(format!("the session is still {state}: look again later").into());
        }
    }
    let method = session.raw().payment_method.as_ref().map_or("?", |method| method.as_str());
    println!("3. the customer paid by {method}");

    // Behind the session is an ordinary payment with the same reference; shipping is in it.
    let payment = payments.get(&reference).await?;
    println!("4. authorized {}", payment.aggregate().authorized());
    let captured = payments.capture(&reference, payment.capturable()?).derived_key(1).await?;
    println!("5. captured {}", captured.aggregate().captured());

    let closing = payments.get(&reference).await?;
    let money = closing.aggregate();
    println!(
        "6. closing: authorized {}, captured {}, refunded {}, cancelled {}",
        money.authorized(),
        money.captured(),
        money.refunded(),
        money.cancelled()
    );
    Ok(())
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
