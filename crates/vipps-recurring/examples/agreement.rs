//! Reads an agreement with this API crate and `vipps-core` alone.

use vipps_core::types::{Credentials, Environment};
use vipps_core::{Call, Transport};
use vipps_recurring::operations;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let transport = Transport::builder(Environment::Test, Credentials::from_env()?).build()?;
    let recurring = vipps_recurring::Client::with_transport(&transport);
    let call = Call::new(&operations::FETCH_AGREEMENT_V3);
    let agreement = transport.run(call, || recurring.fetch_agreement_v3().agreement_id("agr_5kSeqz").send()).await?;
    assert_eq!(agreement.http_status(), 200);
    Ok(())
}
