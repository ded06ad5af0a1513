//! Lists registered webhooks with this API crate and `vipps-core` alone.

use vipps_core::types::{Credentials, Environment};
use vipps_core::{Call, Transport};
use vipps_webhooks::operations;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let transport = Transport::builder(Environment::Test, Credentials::from_env()?).build()?;
    let webhooks = vipps_webhooks::Client::with_transport(&transport);
    let call = Call::new(&operations::LIST_WEBHOOKS);
    let registered = transport.run(call, || webhooks.list_webhooks().send()).await?;
    assert_eq!(registered.http_status(), 200);
    Ok(())
}
