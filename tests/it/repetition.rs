use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use vipps::{
    AgreementRef, Amount, ChargeId, Client, Currency, Effect, Error, IdempotencyKey, NewAgreement, NewCharge,
    NewPayment, NextStep, RetryPolicy,
};
use vipps_sandbox::Fault;
use vipps_tests::{CheckedSandbox, Reply, ScriptedServer, SkippingClock, client_for, credentials};

/// The writes of the matrix.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Write {
    /// By key.
    Capture,
    /// By nature, without a key.
    InitiatePsp,
    /// Once.
    Register,
    Create,
    Refund,
    Cancel,
    CreateCharge,
    CaptureCharge,
    RefundCharge,
    CancelCharge,
    StopAgreement,
    UpdateAgreement,
    CreateSession,
    ExpireSession,
    ForceApprove,
    DeleteWebhook,
    CancelOfVersion2,
}

/// Who repeats a call.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Who {
    /// A clone of the same call.
    SameCall,
    /// The same process with the key of the error.
    SameKey,
    /// Another worker, or the process after it was restarted: all that it has is how to derive
    /// the key.
    OtherProcess,
}

type Call = Box<dyn Fn() -> BoxFuture<'static, Result<(), Error>> + Send + Sync>;

/// Where the writes happen: one thing for each case.
struct Place {
    sandbox: CheckedSandbox,
    /// Two processes of one merchant, each with a token.
    clients: [Client; 2],
    agreement: AgreementRef,
    things: AtomicUsize,
}

fn once<T>(done: Result<T, Error>) -> Result<(), Error> {
    done.map(drop)
}

impl Place {
    async fn new(blank_types: bool) -> Self {
        let sandbox = CheckedSandbox::start().await;
        let settings = json!({ "problemTypeAboutBlank": blank_types, "chargesPerMinute": 100_000 });
        sandbox.change_settings(&settings).unwrap();
        let clients = [client(&sandbox).await, client(&sandbox).await];
        let agreement = agree(&sandbox, &clients[0], "tea-0").await;
        Self { sandbox, clients, agreement, things: AtomicUsize::new(1) }
    }

    /// Brings a new thing where the write is legal; gives its name.
    async fn prepare(&self, write: Write) -> String {
        let number = self.things.fetch_add(1, Ordering::SeqCst);
        let name = format!("acme-thing-{number}");
        let client = &self.clients[0];
        match write {
            Write::Capture | Write::Refund | Write::Cancel => {
                let order = NewPayment::web_redirect(&*name, Amount::nok_minor(1000), "https://acme.example/t");
                client.payments().create(order).await.unwrap();
                self.sandbox.customer().approves(&name).await.unwrap();
                if write == Write::Refund {
                    client.payments().capture(&*name, Amount::nok_minor(600)).await.unwrap();
                }
            }
            Write::ForceApprove => {
                let order = NewPayment::web_redirect(&*name, Amount::nok_minor(1000), "https://acme.example/t");
                client.payments().create(order).await.unwrap();
            }
            Write::ExpireSession => drop(client.sessions().create(session(&name)).await.unwrap()),
            Write::DeleteWebhook => {
                let registered = client.webhooks().register(hook(&name), ["epayments.payment.captured.v1"]).await;
                return registered.unwrap().id().to_owned();
            }
            Write::CaptureCharge | Write::RefundCharge | Write::CancelCharge | Write::CancelOfVersion2 => {
                let charge = NewCharge::unscheduled(Amount::nok_minor(1000), "Tea").reserve().order_id(&*name);
                client.charges().create(&self.agreement, charge).await.unwrap();
                if write == Write::RefundCharge {
                    let captured =
                        client.charges().capture(&self.agreement, ChargeId::new(&*name), Amount::nok_minor(1000));
                    captured.await.unwrap();
                }
            }
            Write::StopAgreement | Write::UpdateAgreement => {
                return agree(&self.sandbox, client, &name).await.id().to_owned();
            }
            _ => {}
        }
        name
    }

    /// The write as a call: under this key, or one derived, or its own.
    fn call(&self, write: Write, client: &Client, name: &str, key: Option<IdempotencyKey>, derived: bool) -> Call {
        let agreement = self.agreement.clone();
        let charge = ChargeId::new(name);
        let money = Amount::nok_minor(300);
        macro_rules! keyed {
            ($call:expr) => {{
                let call = $call;
                let call = match (key, derived) {
                    (Some(key), _) => call.idempotency_key(key),
                    (None, true) => call.derived_key(1),
                    (None, false) => call,
                };
                Box::new(move || call.clone().send().map(once).boxed())
            }};
        }
        match write {
            Write::Capture => keyed!(client.payments().capture(name, money)),
            Write::Refund => keyed!(client.payments().refund(name, money)),
            Write::Cancel => keyed!(client.payments().cancel(name)),
            Write::Create => {
                let order = NewPayment::web_redirect(name, Amount::nok_minor(1000), "https://acme.example/t");
                keyed!(client.payments().create(order))
            }
            Write::CreateCharge => {
                let new = NewCharge::unscheduled(money, "Tea").order_id(name);
                keyed!(client.charges().create(&agreement, new))
            }
            Write::CaptureCharge => keyed!(client.charges().capture(&agreement, charge, money)),
            Write::RefundCharge => keyed!(client.charges().refund(&agreement, charge, money, "Sorry")),
            Write::CancelCharge => keyed!(client.charges().cancel(&agreement, charge)),
            Write::StopAgreement => keyed!(client.agreements().stop(name)),
            Write::UpdateAgreement => {
                let change = serde_json::from_value(json!({ "productName": "Coffee" })).unwrap();
                keyed!(client.agreements().update(name, change))
            }
            Write::CreateSession => keyed!(client.sessions().create(session(name))),
            Write::ExpireSession => keyed!(client.sessions().expire(name)),
            Write::ForceApprove => {
                let call = client.payments().force_approve(name).phone_number("4712345678");
                Box::new(move || call.clone().send().map(once).boxed())
            }
            Write::DeleteWebhook => {
                let call = client.webhooks().delete(name);
                Box::new(move || call.clone().send().map(once).boxed())
            }
            Write::CancelOfVersion2 => {
                let (client, agreement, name) = (client.clone(), agreement.id().to_owned(), name.to_owned());
                Box::new(move || cancel_of_version_2(client.clone(), agreement.clone(), name.clone()).boxed())
            }
            Write::InitiatePsp => {
                let call = client.psp().initiate(psp(name));
                Box::new(move || call.clone().send().map(once).boxed())
            }
            Write::Register => {
                let call = client.webhooks().register(hook(name), ["epayments.payment.captured.v1"]);
                Box::new(move || call.clone().send().map(once).boxed())
            }
        }
    }

    /// How often the write has taken effect.
    async fn effects(&self, write: Write, name: &str) -> usize {
        let ledger = self.sandbox.ledger();
        let of = |list: &str, id: &str| ledger[list].as_array().unwrap().iter().find(|one| one[id] == name).cloned();
        let moved = |one: Option<Value>, kind: &str| {
            let effects = one.map(|one| one["effects"].as_array().unwrap().clone()).unwrap_or_default();
            effects.iter().filter(|effect| effect["kind"] == kind).count()
        };
        let payment = || of("payments", "reference");
        let charge = || of("charges", "chargeId");
        match write {
            Write::Capture => moved(payment(), "capture"),
            Write::Refund => moved(payment(), "refund"),
            Write::Cancel => moved(payment(), "cancel"),
            Write::Create => usize::from(payment().is_some()),
            Write::CreateCharge => usize::from(charge().is_some()),
            Write::CaptureCharge => moved(charge(), "capture"),
            Write::RefundCharge => moved(charge(), "refund"),
            Write::CancelCharge | Write::CancelOfVersion2 => moved(charge(), "cancel"),
            Write::ForceApprove => moved(payment(), "authorize"),
            Write::UpdateAgreement => {
                let agreement = self.clients[0].agreements().get(name).await.unwrap();
                usize::from(agreement.raw().product_name.as_deref() == Some("Coffee"))
            }
            Write::CreateSession => usize::from(self.clients[0].sessions().get(name).await.is_ok()),
            Write::ExpireSession => {
                let session = self.clients[0].sessions().get(name).await;
                usize::from(session.is_ok_and(|session| session.is_finished()) || self.is_gone(name).await)
            }
            Write::DeleteWebhook => {
                let hooks = self.clients[0].webhooks().list().await.unwrap();
                usize::from(!hooks.iter().any(|one| one.id() == Some(name)))
            }
            Write::InitiatePsp => usize::from(of("pspPayments", "pspTransactionId").is_some()),
            Write::StopAgreement => {
                let agreement = self.clients[0].agreements().get(name).await.unwrap();
                usize::from(agreement.status() == Some(&vipps::recurring::enums::AgreementStatus::Stopped))
            }
            Write::Register => {
                let hooks = self.clients[0].webhooks().list().await.unwrap();
                hooks.iter().filter(|one| one.url() == Some(hook(name).as_str())).count()
            }
        }
    }

    async fn is_gone(&self, session: &str) -> bool {
        let read = self.clients[0].sessions().get(session).await;
        read.is_err_and(|error| error.code() == Some("Session-00100"))
    }

    fn script(&self, operation: &str, fault: Option<Fault>) {
        self.sandbox.faults().clear();
        if let Some(fault) = fault {
            self.sandbox.faults().times(operation, 9, fault);
        }
    }
}

/// A client that has a token, and enough retries for a whole test.
async fn client(sandbox: &CheckedSandbox) -> Client {
    let credentials = sandbox.credentials().with_psp_id("C948DFD1546347568874C4DDC93A2E3C").unwrap();
    let retry = RetryPolicy { budget: 1_000_000, ..RetryPolicy::default() };
    let client = client_for(sandbox.environment(), credentials).clock(SkippingClock::new()).retry(retry);
    let client = client.build().unwrap();
    client.payments().get("acme-order-0").max_attempts(1).await.unwrap_err();
    client
}

async fn agree(sandbox: &CheckedSandbox, client: &Client, name: &str) -> AgreementRef {
    let club = NewAgreement::legacy("Tea", Amount::nok_minor(1_000_000), "https://acme.example/r").monthly();
    let club = club.agreement_url("https://acme.example/tea").external_id(name);
    let drafted = client.agreements().draft(club).await.unwrap();
    sandbox.customer().accepts_agreement(drafted.id()).await.unwrap();
    AgreementRef::new(drafted.id(), Currency::Nok)
}

fn session(name: &str) -> vipps::checkout::types::PaymentSession {
    serde_json::from_value(json!({
        "type": "PAYMENT", "reference": name,
        "merchantInfo": { "callbackUrl": "https://a.example/c", "returnUrl": "https://a.example/r", "callbackAuthorizationToken": "t0ken" },
        "transaction": { "amount": { "currency": "NOK", "value": 1000 }, "paymentDescription": "Tea" }
    }))
    .unwrap()
}

#[expect(deprecated, reason = "Recurring v2 is what is tested")]
async fn cancel_of_version_2(client: Client, agreement: String, charge: String) -> Result<(), Error> {
    client.v2().cancel_charge(&agreement, &charge).await.map(drop)
}

fn hook(name: &str) -> String {
    format!("https://acme.example/hooks/{name}")
}

fn psp(name: &str) -> vipps::psp::types::InitiatePaymentRequest {
    serde_json::from_value(json!({
        "pspTransactionId": name, "merchantOrderId": name, "customerMobileNumber": "98765432", "amount": 49900,
        "currency": "NOK", "paymentText": "Hoodie", "isApp": false, "makePaymentToken": "t0ken",
        "makePaymentUrl": "https://acme.example/makePayment", "pspRedirectUrl": "https://acme.example/thanks"
    }))
    .unwrap()
}

impl Write {
    /// As the documents have it, for faults.
    fn operation(self) -> &'static str {
        match self {
            Self::Capture => "capturePayment",
            Self::Refund => "refundPayment",
            Self::Cancel => "cancelPayment",
            Self::Create => "createPayment",
            Self::CreateCharge => "CreateChargeV3",
            Self::CaptureCharge => "CaptureChargeV3",
            Self::RefundCharge => "RefundChargeV3",
            Self::CancelCharge => "CancelChargeV3",
            Self::StopAgreement | Self::UpdateAgreement => "UpdateAgreementPatchV3",
            Self::CreateSession => "createSession",
            Self::ExpireSession => "expireSession",
            Self::ForceApprove => "forceApprove",
            Self::DeleteWebhook => "deleteWebhook",
            Self::CancelOfVersion2 => "CancelCharge",
            Self::InitiatePsp => "initiatePaymentV3UsingPOST",
            Self::Register => "registerWebhook",
        }
    }

    fn is_of_recurring(self) -> bool {
        matches!(
            self,
            Self::CreateCharge
                | Self::CaptureCharge
                | Self::RefundCharge
                | Self::CancelCharge
                | Self::StopAgreement
                | Self::UpdateAgreement
                | Self::CancelOfVersion2
        )
    }

    fn is_keyed(self) -> bool {
        !matches!(
            self,
            Self::InitiatePsp | Self::Register | Self::ForceApprove | Self::DeleteWebhook | Self::CancelOfVersion2
        )
    }
}

/// What a request may meet; `None` is an answer of Vipps as it should be.
fn meetings() -> Vec<(&'static str, Option<Fault>)> {
    vec![
        ("its answer", None),
        ("lost on the way", Some(Fault::reset())),
        ("answer lost", Some(Fault::reset_after_effect())),
        ("503", Some(Fault::status(503))),
        ("503 after the effect", Some(Fault::status(503).after_effect())),
        ("429", Some(Fault::status(429))),
        ("429 after the effect", Some(Fault::status(429).after_effect())),
        ("403", Some(Fault::status(403))),
        ("403 after the effect", Some(Fault::status(403).after_effect())),
        ("401", Some(Fault::status(401))),
        ("404 of the API", Some(Fault::status(404))),
        ("404 of the API after the effect", Some(Fault::status(404).after_effect())),
        ("413 page", Some(Fault::status(413).html())),
        ("409 after the effect", Some(Fault::status(409).after_effect())),
        ("200 page", Some(Fault::status(200).html())),
        ("200 page after the effect", Some(Fault::status(200).html().after_effect())),
        ("yes that breaks off", Some(Fault::truncated(200).after_effect())),
    ]
}

/// What a call claims, held against what happened; then what it says to do.
fn judged(what: &str, end: &Result<(), Error>, happened: bool) -> String {
    let error = match end {
        Ok(()) => {
            assert!(happened, "{what}: done, and nothing happened");
            return "done".into();
        }
        Err(error) => error,
    };
    match error.effect() {
        Effect::None => assert!(!happened, "{what}: no effect is claimed, and it happened: {error}"),
        Effect::Certain => assert!(happened, "{what}: an effect is claimed, and nothing happened: {error}"),
        Effect::Possible => {}
    }
    assert_eq!(error.may_have_taken_effect(), error.effect() != Effect::None);
    if happened {
        let lies = matches!(error.next_step(), NextStep::Final | NextStep::FixRequest);
        assert!(!lies, "{what}: {:?} although it happened: {error}", error.next_step());
    }
    format!("{:?}, {}", error.effect(), shown(error.next_step()))
}

fn shown(step: NextStep) -> String {
    match step {
        NextStep::Repeat { .. } => "Repeat".into(),
        other => format!("{other:?}"),
    }
}

/// One cell: what the first request meets, then what the repetition meets.
async fn cell(place: &Place, write: Write, who: Who, first: &Option<Fault>, then: &Option<Fault>) -> [String; 2] {
    let what = format!("{write:?} {who:?} {first:?} {then:?}");
    let ([client, other], name) = (&place.clients, place.prepare(write).await);
    let derived = write.is_keyed() && who == Who::OtherProcess;
    let call = place.call(write, client, &name, None, derived);
    place.script(write.operation(), first.clone());
    let end = call().await;
    let one = judged(&what, &end, place.effects(write, &name).await > 0);
    let key = end.as_ref().err().and_then(|error| error.idempotency_key().cloned());
    let again = match who {
        Who::SameCall => call,
        Who::SameKey => place.call(write, client, &name, key, false),
        Who::OtherProcess => place.call(write, other, &name, None, derived),
    };
    if end.is_ok() && who == Who::SameKey {
        return [one, "-".into()];
    }
    place.script(write.operation(), then.clone());
    let end = again().await;
    let effects = place.effects(write, &name).await;
    let two = judged(&what, &end, effects > 0);
    place.script(write.operation(), None);
    // What is sent once doubles where the merchant sends it again, as its errors say.
    assert!(effects <= 1 || write == Write::Register, "{what}: {effects} effects");
    [one, two]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_claim_is_true_whatever_a_repetition_meets_and_whoever_repeats() {
    let mut table = String::new();
    for (write, kind) in [
        (Write::Capture, "A write that is repeated by its key: `payments.capture`"),
        (Write::InitiatePsp, "A write that cannot double: `psp.initiate`"),
        (Write::Register, "A write that is sent once: `webhooks.register`"),
    ] {
        let whos: &[Who] = match write.is_keyed() {
            true => &[Who::SameCall, Who::SameKey, Who::OtherProcess],
            false => &[Who::SameCall, Who::OtherProcess],
        };
        let _ = writeln!(table, "{kind}, once and again under the same key by another process.\n");
        let _ =
            writeln!(table, "| the call meets | it says | the repetition meets: 429 | a lost answer | its answer |");
        let _ = writeln!(table, "|---|---|---|---|---|");
        for (meets, first) in meetings() {
            let place = Place::new(false).await;
            let mut row = Vec::new();
            for (then_meets, then) in meetings() {
                for who in whos {
                    let [one, two] = cell(&place, write, *who, &first, &then).await;
                    if *who == Who::OtherProcess && ["429", "answer lost", "its answer"].contains(&then_meets) {
                        row.push((then_meets, one, two));
                    }
                }
            }
            let said = |name: &str| row.iter().find(|(then, ..)| *then == name).unwrap();
            let (one, [busy, lost, fine]) =
                (&said("429").1, ["429", "answer lost", "its answer"].map(|name| &said(name).2));
            let _ = writeln!(table, "| {meets} | {one} | {busy} | {lost} | {fine} |");
        }
        table.push('\n');
    }
    in_the_docs("repetitions.md", &table);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_other_write_keeps_to_it_on_the_diagonal_with_codes_and_without() {
    let writes = [
        Write::Create,
        Write::Refund,
        Write::Cancel,
        Write::CreateCharge,
        Write::CaptureCharge,
        Write::RefundCharge,
        Write::CancelCharge,
        Write::StopAgreement,
        Write::UpdateAgreement,
        Write::CreateSession,
        Write::ExpireSession,
        Write::ForceApprove,
        Write::DeleteWebhook,
        Write::CancelOfVersion2,
    ];
    for blank_types in [false, true] {
        // Recurring alone has problems without a type.
        for write in writes.into_iter().filter(|write| !blank_types || write.is_of_recurring()) {
            let place = Place::new(blank_types).await;
            for (_, fault) in meetings() {
                let whos = if write.is_keyed() { &[Who::SameKey, Who::OtherProcess][..] } else { &[Who::SameCall] };
                for who in whos.iter().copied() {
                    cell(&place, write, who, &fault, &fault).await;
                    cell(&place, write, who, &fault, &None).await;
                }
            }
        }
    }
}

/// What a single call says to each kind of end.
async fn end_of(reply: Reply, write: impl AsyncFn(Client) -> Result<(), Error>) -> String {
    let server = ScriptedServer::start(vec![reply]).await;
    let client = client_for(server.environment(), credentials()).clock(SkippingClock::new()).build().unwrap();
    match write(client).await {
        Ok(()) => "done".into(),
        Err(error) => {
            let kind = format!("{error:?}");
            let kind = kind.split('(').next().unwrap_or_default();
            format!("`{kind}`, {:?}, {}", error.effect(), shown(error.next_step()))
        }
    }
}

#[tokio::test]
async fn every_kind_of_error_has_its_effect_and_its_step() {
    let coded = |code: &str| {
        format!(r#"{{"title":"t","traceId":"t","extraDetails":[{{"name":"ErrorCode","reason":"{code}"}}]}}"#)
    };
    let field = r#"{"title":"t","traceId":"t","extraDetails":[{"name":"modificationAmount","reason":"too low"}]}"#;
    let page = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\nconnection: close\r\n\r\n<html>";
    let rows = [
        ("no answer, or a reset", Reply::Reset),
        ("a yes that breaks off", Reply::cut_off(200)),
        ("a page instead of a yes", Reply::Bytes(page.to_vec())),
        ("a yes about something else", Reply::json(200, "", r#"{"reference":"acme-order-9"}"#)),
        ("408, 500, 502, 503 or 504", Reply::json(503, "", "")),
        ("501, 505 or 303", Reply::json(501, "", "")),
        ("423 or 429", Reply::json(429, "", "")),
        ("401, also with a new token", Reply::json(401, "", "")),
        ("403", Reply::json(403, "", "")),
        ("a code that is known to prove it: 6090", Reply::json(400, "", &coded("6090"))),
        ("a code that says to come back: 6280", Reply::json(400, "", &coded("6280"))),
        ("a code that nobody knows", Reply::json(400, "", &coded("9999"))),
        ("a malformed field", Reply::json(400, "", field)),
        ("the key was used for something else: 4010", Reply::json(409, "", &coded("4010"))),
        ("any other 4xx", Reply::json(404, "", "")),
    ];
    let mut table =
        String::from("| the call meets | a write by key | a write that is sent once | a read |\n|---|---|---|---|\n");
    let reference = "acme-order-1042";
    for (meets, reply) in rows {
        let keyed = async |client: Client| once(client.payments().capture(reference, Amount::nok_minor(300)).await);
        let single = async |client: Client| once(client.webhooks().register("https://a.example", ["e"]).await);
        let read = async |client: Client| once(client.payments().get(reference).await);
        let cells =
            [end_of(reply.clone(), keyed).await, end_of(reply.clone(), single).await, end_of(reply, read).await];
        let _ = writeln!(table, "| {meets} | {} | {} | {} |", cells[0], cells[1], cells[2]);
    }
    in_the_docs("errors.md", &table);
}

/// Holds a table against the one in the docs; `UPDATE_DOCS=1` writes it there.
fn in_the_docs(name: &str, table: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/vipps-core/src/docs").join(name);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, table).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(written, table, "docs/{name} is stale: run this test with UPDATE_DOCS=1");
}
