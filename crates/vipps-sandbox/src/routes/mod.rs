//! From HTTP to the domain and back: one file per API.

pub(crate) mod access_token;
pub(crate) mod api;
pub(crate) mod body;
pub(crate) mod checkout;
pub(crate) mod control;
pub(crate) mod epayment;
mod guard;
pub(crate) mod psp;
pub(crate) mod recurring;
pub(crate) mod recurring_json;
mod recurring_v2;
mod webhooks;
