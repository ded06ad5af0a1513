//! Fetches an access token with this API crate and `vipps-core` alone.

use vipps_access_token::operations;
use vipps_core::types::{Credentials, Environment};
use vipps_core::{Call, Transport};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let transport = Transport::builder(Environment::Test, Credentials::from_env()?).build()?;
    let api = vipps_access_token::Client::with_transport(&transport);
    let call = Call::new(&operations::FETCH_AUTHORIZATION_TOKEN);
    let token = transport.run(call, || api.fetch_authorization_token().send()).await?;
    assert!(token.expires_in.is_some());
    Ok(())
}
