//! Reads a PSP payment with this API crate and `vipps-core` alone.

use vipps_core::types::{Credentials, Environment};
use vipps_core::{Call, Transport};
use vipps_psp::operations;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let transport = Transport::builder(Environment::Test, Credentials::from_env()?).build()?;
    let psp = vipps_psp::Client::with_transport(&transport);
    let call = Call::new(&operations::GET_PSP_PAYMENT_DETAILS);
    let details = transport.run(call, || psp.get_psp_payment_details().psp_transaction_id("acme-1").send()).await?;
    assert_eq!(details.http_status(), 200);
    Ok(())
}
