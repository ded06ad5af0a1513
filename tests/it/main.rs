//! Tests across crates, in one binary.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

/// What an answer settles: refusals, pages of proxies, odd bodies.
mod answers;
/// Many charges at once: what is said of each.
mod batches;
/// Every body of the documents, full and odd in every place, made from the documents.
mod bodies;
/// Pages as people use them, in a browser (feature `browser`).
mod browser;
/// How often is repeated, and how long it may take.
mod budgets;
/// What Vipps sends, in every oddity that the documents allow.
mod callback_samples;
/// Servers of a merchant and a PSP, called by the sandbox.
mod callback_server;
/// What the closure of a call may do, and what the error claims then.
mod closures;
/// Many copies of one request at once: one effect, one answer.
mod concurrency;
/// Addresses, redirects, proxies: who gets the keys.
mod connections;
/// What answers may look like and still be read.
mod decoding;
/// The same seed and the same requests: the same trace.
mod determinism;
/// Registrations that end with a usable secret, whatever happened before.
mod ensured_webhooks;
/// Keys: who draws them, what was sent under them, and what they are derived from.
mod keys;
/// Lists that come in pages.
mod lists;
/// Thousands of operations through a proxy that duplicates, delays, drops and replaces.
mod mischief;
/// What becomes of documents with every kind of trouble.
mod nasty;
/// What clients that nobody here wrote send to the sandbox.
mod other_clients;
/// The bytes of the operations of the other APIs, and their rules before sending.
mod other_shapes;
/// A payment from creation to its closing figures, against the sandbox.
mod payments;
/// Bounded property tests with a fixed seed.
mod property;
/// Records requests as text.
mod recorder;
/// What a call and its repetition claim, held against what happened; the tables of the docs.
mod repetition;
/// The bytes of every operation of ePayment, as snapshots and as a raw witness.
mod request_shapes;
/// Faults before and after the effect, and what the errors claim.
mod retries;
/// Checkout: sessions of both kinds, their callbacks, logistics and money.
mod sandbox_checkout;
/// Deliveries: signatures, retries, order, misbehaviour.
mod sandbox_deliveries;
/// Where rules of the other APIs end.
mod sandbox_edges;
/// Express, card passthrough and the other callbacks of ePayment.
mod sandbox_express;
/// Large, deep, slow, broken and arbitrary requests hurt nobody.
mod sandbox_limits;
/// Markets: four of them, and several in one sandbox; limits, keys and answers as settings.
mod sandbox_markets;
/// The state machines against small models of their own.
mod sandbox_model;
/// PSP: init, makePayment, updates, details.
mod sandbox_psp;
/// Recurring v3: agreements, charges, batches, lists and keys.
mod sandbox_recurring;
/// Recurring v2: another view of the same store.
mod sandbox_recurring_v2;
/// The published tables of transitions and codes, over HTTP.
mod sandbox_rules;
/// Userinfo: what a customer shares, with whom, and for how long.
mod sandbox_userinfo;
/// Registrations, and the payload of every event type.
mod sandbox_webhooks;
/// Nothing secret or personal is ever printed.
mod secrecy;
/// Requests of a shop, for the tests that need many.
mod shop;
/// Access tokens: one request however many wait, one refresh after a 401.
mod tokens;
/// Waiting: when it looks, what it takes for settled, and when it ends.
mod waits;
