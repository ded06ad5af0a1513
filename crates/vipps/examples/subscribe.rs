//! Runs one subscription, from the customer's yes to the last charge.
//!
//! Without `VIPPS_*` variables it starts a Vipps of its own on localhost, plays the customer
//! and lets the days pass. With `VIPPS_CLIENT_ID`, `VIPPS_CLIENT_SECRET`,
//! `VIPPS_SUBSCRIPTION_KEY` and `VIPPS_MERCHANT_SERIAL_NUMBER` (and `VIPPS_ENVIRONMENT`) it
//! runs against that environment, waits for the real customer, and ends where a charge waits
//! for its day.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its reader")]

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use vipps::recurring::enums::{AgreementStatus, ChargeStatus};
use vipps::{
    AgreementDecision, Amount, ChargeId, Client, Credentials, Environment, IdempotencyKey, InitialCharge, NewAgreement,
    NewCharge, System, Timestamp,
};
use vipps_sandbox::Sandbox;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::main]
async fn main() -> ExitCode {
    match subscribe().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("failed to run the subscription: {error}");
            let mut source = error.source();
            while let Some(cause) = source {
                eprintln!("  because {cause}");
                source = cause.source();
            }
            ExitCode::FAILURE
        }
    }
}

async fn subscribe() -> Result<(), Box<dyn Error>> {
    let (vipps, sandbox) = connect().await?;
    let (agreements, charges) = (vipps.agreements(), vipps.charges());
    let customer_number = IdempotencyKey::random().as_str()[..8].to_owned();
    let price = Amount::nok_minor(9_900);

    let pot = InitialCharge::new(Amount::nok_minor(4_900), "A pot to begin with")
        .order_id(format!("tea-pot-{customer_number}"));
    let tea = NewAgreement::legacy("Tea club", price.clone(), "https://example.com/redirect")
        .monthly()
        .agreement_url("https://example.com/tea-club")
        .external_id(format!("tea-club-{customer_number}"))
        .initial_charge(pot);
    let drafted = agreements.draft(tea).await?;
    // What a shop keeps with its subscription.
    let agreement = &drafted.agreement_ref();
    println!("1. drafted agreement {}: {price} a month", agreement.id());
    println!("   the customer goes to {}", drafted.confirmation_url().unwrap_or("the app"));

    let mut wait = agreements.wait_until_active(agreement);
    match &sandbox {
        Some(sandbox) => {
            sandbox.customer().accepts_agreement(agreement.id()).await?;
            println!("2. the customer accepts in the app");
            wait = wait.look_now();
        }
        None => println!("2. waiting for the customer ..."),
    }
    match wait.await? {
        AgreementDecision::Active(_) => {}
        AgreementDecision::NotActive(ended) if ended.status() == Some(&AgreementStatus::Stopped) => {
            return Err("the customer rejected the agreement".into());
        }
        AgreementDecision::NotActive(_) => {
            return Err("the agreement expired: the customer did not accept in time, or could not pay".into());
        }
        AgreementDecision::Undecided(agreement) => {
            return Err(format!("the agreement is still {}: look again later", shown(agreement.status())).into());
        }
    }
    let first = charges.get(agreement, drafted.charge_id().ok_or("there is no initial charge")?).await?;
    println!("3. the agreement is ACTIVE, and the first charge of {} is {}", first.amount(), first.status());

    // In production a charge must be known at least two days before its day.
    let due = Timestamp::from_system_time(vipps.transport().clock().wall() + 2 * DAY).as_str()[..10].to_owned();
    let january = format!("tea-january-{customer_number}");
    let charge = NewCharge::recurring(price, "Tea in January", due.as_str(), 5).order_id(january.as_str());
    let created = charges.create(agreement, charge).derived_key(1).await?;
    let january = created.id().unwrap_or_else(|| ChargeId::new(january));
    println!("4. created charge {january}, due on {due}");

    let Some(sandbox) = &sandbox else {
        println!("5. Vipps processes it on that day: read it then, or wait for the webhook");
        return Ok(());
    };
    sandbox.clock().advance(2 * DAY).await;
    println!("5. two days pass");
    let charged =
        charges.wait_until_processed(agreement, &january).look_now().poll_every(Duration::from_secs(1)).await?;
    match charged.status() {
        ChargeStatus::Charged => println!("6. the charge is CHARGED: {}", charged.amount()),
        other => return Err(format!("the charge is {other}: {}", shown(charged.raw().failure_reason.as_ref())).into()),
    }

    let cup = Amount::nok_minor(2_000);
    charges.refund(agreement, &january, cup.clone(), "A cup was broken").derived_key(1).await?;
    println!("7. refunded {cup} for a broken cup");
    agreements.stop(agreement).await?;
    println!("8. stopped the agreement, for good");

    let charge = charges.get(agreement, &january).await?.into_inner();
    let agreement = agreements.get(agreement).await?.into_inner();
    println!(
        "9. closing: agreement {}, charge {}, captured {}, refunded {}",
        shown(agreement.status()),
        charge.status(),
        shown(charge.captured()),
        shown(charge.refunded())
    );
    Ok(())
}

/// What an answer says, or a question mark where it says nothing.
fn shown(what: Option<impl std::fmt::Display>) -> String {
    what.map_or_else(|| "?".into(), |what| what.to_string())
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
