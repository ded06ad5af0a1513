//! Tests across crates, in one binary.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

/// Every body of the documents, full and odd in every place, made from the documents.
mod bodies;
/// What answers may look like and still be read.
mod decoding;
/// What becomes of documents with every kind of trouble.
mod nasty;
/// The bytes of the operations of the other APIs, and their rules before sending.
mod other_shapes;
/// A payment from creation to its closing figures, against the sandbox.
mod payments;
/// Records requests as text.
mod recorder;
/// The bytes of every operation of ePayment, as snapshots and as a raw witness.
mod request_shapes;
/// Faults before and after the effect, and what the errors claim.
mod retries;
/// The published tables of transitions and codes, over HTTP.
mod sandbox_rules;
/// Nothing secret or personal is ever printed.
mod secrecy;
/// Access tokens: one request however many wait, one refresh after a 401.
mod tokens;
