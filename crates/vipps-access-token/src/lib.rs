//! Vipps MobilePay Access Token API, as a raw operation.
//!
//! Every client of this workspace fetches, keeps and renews its access tokens by itself;
//! this crate is for whoever wants the token's own answer.
//!
//! ```no_run
//! use vipps_access_token::operations;
//! use vipps_core::types::{Credentials, Environment};
//! use vipps_core::{Call, Transport};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let transport = Transport::builder(Environment::Test, Credentials::from_env()?).build()?;
//! let api = vipps_access_token::Client::with_transport(&transport);
//! let call = Call::new(&operations::FETCH_AUTHORIZATION_TOKEN);
//! let token = transport.run(call, || api.fetch_authorization_token().send()).await?;
//! println!("expires in {:?} s", token.expires_in);
//! # Ok(()) }
//! ```

#[allow(clippy::all, clippy::pedantic, clippy::unwrap_used, missing_docs, unreachable_pub, unused_imports, rustdoc::all, reason = "written by the generator")]
#[rustfmt::skip]
mod generated;

pub mod enums;
pub mod limits;
pub mod operations;

pub use generated::{Client, builder, types};

vipps_core::connect!(crate);
