//! The writes of the matrix: how each is made, and how often it has taken effect.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use vipps::recurring::v2;
use vipps::{
    AgreementRef, Amount, BatchOutcome, ChargeId, Client, Currency, Effect, Error, IdempotencyKey, NewAgreement,
    NewCharge, NewPayment, RetryPolicy,
};
use vipps_sandbox::Fault;
use vipps_tests::{CheckedSandbox, SkippingClock, client_for};

/// The writes of the matrix.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Write {
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
    DraftAgreement,
    ForceAccept,
    CreateMany,
    UpdateSession,
    DraftOfVersion2,
    UpdateOfVersion2,
    AcceptOfVersion2,
    ReportPsp,
    ForceApprovePsp,
}

type Call = Box<dyn Fn() -> BoxFuture<'static, Result<(), Error>> + Send + Sync>;

/// Where the writes happen: one thing for each case.
pub(super) struct Place {
    sandbox: CheckedSandbox,
    /// Two processes of one merchant, each with a token.
    pub(super) clients: [Client; 2],
    agreement: AgreementRef,
    things: AtomicUsize,
    /// Where customers are led to: the page of a session shows what they are to pay, that of a
    /// PSP payment has its token.
    pages: Mutex<HashMap<String, String>>,
    http: reqwest::Client,
}

pub(super) fn once<T>(done: Result<T, Error>) -> Result<(), Error> {
    done.map(drop)
}

impl Place {
    pub(super) async fn new(blank_types: bool) -> Self {
        let sandbox = CheckedSandbox::start().await;
        let settings =
            json!({ "problemTypeAboutBlank": blank_types, "chargesPerMinute": 100_000, "pspReserveAtApproval": true });
        sandbox.change_settings(&settings).unwrap();
        let clients = [client(&sandbox).await, client(&sandbox).await];
        let agreement = agree(&sandbox, &clients[0], "tea-0").await;
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { sandbox, clients, agreement, things: AtomicUsize::new(1), pages: Mutex::default(), http }
    }

    /// Brings a new thing where the write is legal; gives its name.
    pub(super) async fn prepare(&self, write: Write) -> String {
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
            Write::StopAgreement | Write::UpdateAgreement | Write::UpdateOfVersion2 => {
                return agree(&self.sandbox, client, &name).await.id().to_owned();
            }
            Write::ForceAccept | Write::AcceptOfVersion2 => {
                return client.agreements().draft(club(&name)).await.unwrap().id().to_owned();
            }
            Write::UpdateSession => {
                let created = client.sessions().create(session(&name)).await.unwrap();
                let page = created.checkout_frontend_url().unwrap().to_owned();
                self.pages.lock().unwrap().insert(name.clone(), page);
            }
            Write::ReportPsp => {
                self.initiate(&name).await;
                client.psp().force_approve(&*name, self.approval(&name)).await.unwrap();
            }
            Write::ForceApprovePsp => self.initiate(&name).await,
            Write::Create
            | Write::CreateCharge
            | Write::CreateMany
            | Write::CreateSession
            | Write::DraftAgreement
            | Write::DraftOfVersion2
            | Write::InitiatePsp
            | Write::Register => {}
        }
        name
    }

    /// The write as a call: under this key, or one derived, or its own.
    pub(super) fn call(
        &self,
        write: Write,
        client: &Client,
        name: &str,
        key: Option<IdempotencyKey>,
        derived: bool,
    ) -> Call {
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
            Write::DraftAgreement => keyed!(client.agreements().draft(club(name))),
            Write::ForceAccept => keyed!(client.agreements().force_accept(name, "4798765432")),
            Write::CreateMany => {
                let charge = NewCharge::recurring(money, "Tea", "2027-06-01", 0).order_id(name);
                let call = client.charges().create_many(vec![(agreement, charge)]);
                let call = match (key, derived) {
                    (Some(key), _) => call.idempotency_key(key),
                    (None, true) => call.derived_key(1),
                    (None, false) => call,
                };
                Box::new(move || call.clone().send().map(as_one).boxed())
            }
            Write::UpdateSession => {
                let amount = json!({ "currency": "NOK", "value": 7700 });
                let change = typed(json!({ "transaction": { "amount": amount, "paymentDescription": "Tea" } }));
                keyed!(client.sessions().update(name, change))
            }
            Write::DraftOfVersion2 | Write::UpdateOfVersion2 | Write::AcceptOfVersion2 => {
                let (client, name) = (client.clone(), name.to_owned());
                Box::new(move || of_version_2(write, client.clone(), name.clone()).boxed())
            }
            Write::ReportPsp => {
                let report =
                    json!({ "pspTransactionId": name, "status": "CAPTURED", "amount": 100, "currency": "NOK" });
                let call = client.psp().update_status(typed(json!({ "transactions": [report] })));
                Box::new(move || call.clone().send().map(once).boxed())
            }
            Write::ForceApprovePsp => {
                let call = client.psp().force_approve(name, self.approval(name));
                Box::new(move || call.clone().send().map(once).boxed())
            }
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
    pub(super) async fn effects(&self, write: Write, name: &str) -> usize {
        if write == Write::CreateMany {
            // A batch is looked at after it was accepted.
            self.sandbox.clock().advance(Duration::from_millis(1)).await;
        }
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
            Write::CreateCharge | Write::CreateMany => usize::from(charge().is_some()),
            Write::DraftAgreement => self.agreements(|one| one["externalId"] == name).await,
            Write::DraftOfVersion2 => self.agreements(|one| one["productName"] == name).await,
            Write::UpdateOfVersion2 => self.agreements(|one| one["id"] == name && one["productName"] == "Coffee").await,
            Write::ForceAccept | Write::AcceptOfVersion2 => {
                self.agreements(|one| one["id"] == name && one["status"] == "ACTIVE").await
            }
            Write::UpdateSession => {
                let page = self.pages.lock().unwrap()[name].clone();
                usize::from(self.read(&page).await.contains("77.00"))
            }
            Write::ReportPsp => {
                let payment = of("pspPayments", "pspTransactionId").unwrap();
                usize::try_from(payment["captured"].as_u64().unwrap() / 100).unwrap()
            }
            Write::ForceApprovePsp => {
                let payment = of("pspPayments", "pspTransactionId").unwrap();
                usize::from(payment["authorized"].as_i64().unwrap() > 0)
            }
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

    /// How many agreements are so, as the sandbox has them.
    async fn agreements(&self, are: impl Fn(&Value) -> bool) -> usize {
        let all: Value =
            serde_json::from_str(&self.read(&format!("{}/__sandbox/agreements", self.sandbox.base_url())).await)
                .unwrap();
        all["agreements"].as_array().unwrap().iter().filter(|one| are(&one["agreement"])).count()
    }

    async fn initiate(&self, name: &str) {
        let initiated = self.clients[0].psp().initiate(psp(name)).await.unwrap();
        let page = initiated.redirect_url().unwrap().to_owned();
        self.pages.lock().unwrap().insert(name.to_owned(), page);
    }

    fn approval(&self, name: &str) -> vipps::psp::types::ForceApproveRequest {
        let page = self.pages.lock().unwrap()[name].clone();
        let (_, token) = page.split_once("token=").unwrap();
        typed(json!({ "customerPhoneNumber": "98765432", "token": token }))
    }

    async fn read(&self, url: &str) -> String {
        self.http.get(url).send().await.unwrap().text().await.unwrap()
    }

    pub(super) fn script(&self, operation: &str, fault: Option<Fault>) {
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

fn club(name: &str) -> NewAgreement {
    let club = NewAgreement::legacy("Tea", Amount::nok_minor(1_000_000), "https://acme.example/r").monthly();
    club.agreement_url("https://acme.example/tea").external_id(name)
}

async fn agree(sandbox: &CheckedSandbox, client: &Client, name: &str) -> AgreementRef {
    let drafted = client.agreements().draft(club(name)).await.unwrap();
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

#[expect(deprecated, reason = "Recurring v2 is what is tested")]
async fn of_version_2(write: Write, client: Client, name: String) -> Result<(), Error> {
    match write {
        Write::DraftOfVersion2 => {
            let draft: v2::types::DraftAgreementV2 = typed(json!({
                "currency": "NOK", "price": 9900, "productName": name, "interval": "MONTH", "intervalCount": 1,
                "initialCharge": {
                    "amount": 100, "currency": "NOK", "description": "First", "transactionType": "DIRECT_CAPTURE"
                },
                "merchantAgreementUrl": "https://acme.example/tea", "merchantRedirectUrl": "https://acme.example/r"
            }));
            once(client.v2().draft_agreement(draft).await)
        }
        Write::UpdateOfVersion2 => {
            once(client.v2().patch_agreement(&name, typed(json!({ "productName": "Coffee" }))).await)
        }
        _ => once(client.v2().force_accept(&name, typed(json!({ "customerPhoneNumber": "4798765432" }))).await),
    }
}

/// A batch of one charge, as a call of one: its error is that of its part, and says the same.
fn as_one(done: Result<vipps::BatchResult, Error>) -> Result<(), Error> {
    let result = done?;
    let outcome = &result.charges[0].1;
    match result.errors.into_iter().next() {
        Some(error) => {
            let expected = if error.effect() == Effect::None { BatchOutcome::NotSent } else { BatchOutcome::Unknown };
            assert_eq!(*outcome, expected, "{error}");
            Err(error)
        }
        None => {
            assert_eq!(*outcome, BatchOutcome::Accepted);
            Ok(())
        }
    }
}

fn typed<T: DeserializeOwned>(body: Value) -> T {
    serde_json::from_value(body).unwrap()
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
    pub(super) fn operation(self) -> &'static str {
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
            Self::DraftAgreement => "DraftAgreementV3",
            Self::ForceAccept => "acceptUsingPATCHV3",
            Self::CreateMany => "CreateChargeAsyncV3",
            Self::UpdateSession => "updateSession",
            Self::DraftOfVersion2 => "DraftAgreement",
            Self::UpdateOfVersion2 => "UpdateAgreementPatch",
            Self::AcceptOfVersion2 => "acceptUsingPATCH",
            Self::ReportPsp => "updatestatusUsingPOST",
            Self::ForceApprovePsp => "integrationTestApprovePayment",
            Self::CreateSession => "createSession",
            Self::ExpireSession => "expireSession",
            Self::ForceApprove => "forceApprove",
            Self::DeleteWebhook => "deleteWebhook",
            Self::CancelOfVersion2 => "CancelCharge",
            Self::InitiatePsp => "initiatePaymentV3UsingPOST",
            Self::Register => "registerWebhook",
        }
    }

    pub(super) fn is_of_recurring(self) -> bool {
        matches!(
            self,
            Self::CreateCharge
                | Self::CaptureCharge
                | Self::RefundCharge
                | Self::CancelCharge
                | Self::StopAgreement
                | Self::UpdateAgreement
                | Self::CancelOfVersion2
                | Self::DraftAgreement
                | Self::ForceAccept
                | Self::CreateMany
                | Self::DraftOfVersion2
                | Self::UpdateOfVersion2
                | Self::AcceptOfVersion2
        )
    }

    pub(super) fn is_keyed(self) -> bool {
        !matches!(
            self,
            Self::InitiatePsp
                | Self::Register
                | Self::ForceApprove
                | Self::DeleteWebhook
                | Self::CancelOfVersion2
                | Self::DraftOfVersion2
                | Self::UpdateOfVersion2
                | Self::AcceptOfVersion2
                | Self::ReportPsp
                | Self::ForceApprovePsp
        )
    }

    /// What is sent once doubles where the merchant sends it again, as its errors say.
    pub(super) fn may_double(self) -> bool {
        matches!(self, Self::Register | Self::DraftOfVersion2 | Self::ReportPsp)
    }
}
