//! Captures a payment with this API crate and `vipps-core` alone.

use vipps_core::types::{Amount, Credentials, Environment, IdempotencyKey};
use vipps_core::{Call, Transport};
use vipps_epayment::{operations, types};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let transport = Transport::builder(Environment::Test, Credentials::from_env()?).build()?;
    let epayment = vipps_epayment::Client::with_transport(&transport);

    let key = IdempotencyKey::random();
    let body = types::CaptureModificationRequest::builder().modification_amount(Amount::nok_minor(500));
    let request = epayment.capture_payment().reference("acme-order-42").body(body);
    let call = Call::new(&operations::CAPTURE_PAYMENT).key(&key);
    let payment = transport.run(call, || request.clone().send()).await?;
    assert!(payment.aggregate.captured_amount.minor_units() >= 500);
    Ok(())
}
