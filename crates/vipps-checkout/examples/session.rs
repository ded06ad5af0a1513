//! Polls a session with this API crate and `vipps-core` alone.

use vipps_checkout::operations;
use vipps_core::types::{Credentials, Environment};
use vipps_core::{Call, Transport};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let transport = Transport::builder(Environment::Test, Credentials::from_env()?).build()?;
    let checkout = vipps_checkout::Client::with_transport(&transport);
    let call = Call::new(&operations::GET_SESSION);
    let session = transport.run(call, || checkout.get_session().reference("acme-session-1").send()).await?;
    assert_eq!(session.http_status(), 200);
    Ok(())
}
