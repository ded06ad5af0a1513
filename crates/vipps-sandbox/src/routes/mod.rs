//! From HTTP to the domain and back: one file per API.

pub(crate) mod access_token;
pub(crate) mod api;
pub(crate) mod control;
pub(crate) mod epayment;
