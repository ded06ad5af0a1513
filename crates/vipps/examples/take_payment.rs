//! Takes one online payment, from the order to the books.
//!
//! Without `VIPPS_*` variables it starts a Vipps of its own on localhost and plays the
//! customer. With `VIPPS_CLIENT_ID`, `VIPPS_CLIENT_SECRET`, `VIPPS_SUBSCRIPTION_KEY` and
//! `VIPPS_MERCHANT_SERIAL_NUMBER` (and `VIPPS_ENVIRONMENT`) it runs against that
//! environment and waits for the real customer.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its reader")]

use std::error::Error;
use std::process::ExitCode;

use vipps::{
    Amount, Client, Credentials, Currency, Decision, Environment, IdempotencyKey, NewPayment, OrderLine, Receipt,
    System,
};
use vipps_sandbox::Sandbox;

#[tokio::main]
async fn main() -> ExitCode {
    match take_payment().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("failed to take the payment: {error}");
            let mut source = error.source();
            while let Some(cause) = source {
                eprintln!("  because {cause}");
                source = cause.source();
            }
            ExitCode::FAILURE
        }
    }
}

async fn take_payment() -> Result<(), Box<dyn Error>> {
    let (vipps, sandbox) = connect().await?;
    let payments = vipps.payments();
    let reference = format!("acme-order-{}", &IdempotencyKey::random().as_str()[..8]);
    let price = Amount::nok_minor(49_900);

    let hoodie = OrderLine::with_amounts("hoodie1234", "Hoodie", 49_900, 37_425, 12_475, 2_550);
    let receipt = Receipt::new(Currency::Nok).line(hoodie).pos_id("pos_122").receipt_number("789267");
    let order = NewPayment::web_redirect(&reference, price.clone(), "https://example.com/redirect")
        .description("Hoodie")
        .receipt(receipt);
    let created = payments.create(order).await?;
    println!("1. created payment {reference} of {price}");
    println!("   the customer goes to {}", created.redirect_url().unwrap_or("the app"));

    let mut wait = payments.wait_for_decision(&reference);
    match &sandbox {
        Some(sandbox) => {
            sandbox.customer().approves(&reference).await?;
            println!("2. the customer approves in the app");
            wait = wait.look_now();
        }
        None => println!("2. waiting for the customer ..."),
    }
    let authorized = match wait.await? {
        Decision::Authorized(payment) => payment,
        Decision::Captured(payment) | Decision::Closed(payment) => {
            return Err(format!("the payment of {} was settled elsewhere", payment.amount()).into());
        }
        Decision::Aborted => return Err("the customer aborted the payment".into()),
        Decision::Expired => return Err("the payment expired before the customer decided".into()),
        Decision::Terminated => return Err("the payment was cancelled by the merchant".into()),
        Decision::Undecided(payment) => {
            return Err(format!("the payment is still {}: look again later", payment.state()).into());
        }
    };
    println!("3. authorized {}", authorized.aggregate().authorized());

    let first = payments.capture(&reference, Amount::nok_minor(20_000)).derived_key(1).await?;
    println!("4. captured {} when the first parcel left", first.aggregate().captured());
    let rest = first.capturable()?;
    let second = payments.capture(&reference, rest.clone()).derived_key(2).await?;
    println!("5. captured the rest, {rest}: {} in all", second.aggregate().captured());
    let refunded = payments.refund(&reference, Amount::nok_minor(5_000)).derived_key(1).await?;
    println!("6. refunded {}", refunded.aggregate().refunded());

    println!("7. what happened:");
    for event in payments.events(&reference).await?.iter() {
        let name = event.name().map_or("?", |name| name.as_str());
        println!(
            "   {name:<10} {:>12}  {}",
            event.amount().to_string(),
            event.timestamp().map_or("", |at| at.as_str())
        );
    }
    let closing = payments.get(&reference).await?;
    let money = closing.aggregate();
    println!(
        "8. closing: authorized {}, captured {}, refunded {}, cancelled {}",
        money.authorized(),
        money.captured(),
        money.refunded(),
        money.cancelled()
    );
    Ok(())
}

/// A client of the environment that the variables name, or of a sandbox of our own.
async fn connect() -> Result<(Client, Option<Sandbox>), Box<dyn Error>> {
    let system = System::new("acme", "3.1.2").plugin("acme-webshop", "4.5.6");
    if let Some(credentials) = Credentials::from_env_if_any()? {
        let environment = Environment::from_env()?;
        println!("0. using {environment}");
        return Ok((Client::builder(environment, credentials).system(system).build()?, None));
    }
    let sandbox = Sandbox::start().await?;
    println!("0. no VIPPS_* variables are set: using a sandbox at {}", sandbox.base_url());
    let client = Client::builder(sandbox.environment(), sandbox.credentials()).system(system).build()?;
    Ok((client, Some(sandbox)))
}
