//! From HTTP to the domain and back: a file for each API, and for what is much to say.

pub(crate) mod access_token;
pub(crate) mod agreement_draft;
pub(crate) mod api;
pub(crate) mod body;
mod charge_batch;
pub(crate) mod checkout;
pub(crate) mod control;
pub(crate) mod epayment;
mod guard;
mod new_payment;
pub(crate) mod psp;
pub(crate) mod recurring;
pub(crate) mod recurring_json;
mod recurring_v2;
mod userinfo;
mod webhooks;
