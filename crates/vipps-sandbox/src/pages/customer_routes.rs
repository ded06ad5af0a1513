//! The pages of agreements, Checkout sessions and PSP payments over HTTP.

use std::collections::HashMap;

use axum::Router;
use axum::extract::{Form, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde_json::{Map, Value};
use vipps_types::{Amount, Currency};

use super::landing::{back, unknown};
use super::layout::respond;
use super::{agreement, checkout, psp};
use crate::agreement::{Agreement, Pricing};
use crate::customer::{self, CustomerError};
use crate::payment::Approval;
use crate::psp::State as PspState;
use crate::sandbox::Shared;
use crate::session::{Choice, PayBy, State as SessionState};
use crate::state::{ChargeId, Landing, PaymentId, World};

type Fields = HashMap<String, String>;

pub(super) fn router() -> Router<Shared> {
    Router::new()
        .route("/agreement", get(show_agreement))
        .route("/agreement/{act}", post(act_on_agreement))
        .route("/psp/landing", get(show_psp))
        .route("/psp/landing/{act}", post(act_on_psp))
        .route("/psp/3ds", get(back_from_bank))
        .route("/checkout-page/{token}", get(show_session))
        .route("/checkout-page/{token}/{act}", post(act_on_session))
}

fn field<'a>(fields: &'a Fields, name: &str) -> &'a str {
    fields.get(name).map(|value| value.trim()).unwrap_or_default()
}

/// Where a token leads, once everything due has happened.
fn landing(shared: &Shared, token: &str) -> Option<Landing> {
    let mut world = shared.lock();
    world.settle();
    world.landing(token).cloned()
}

/// What went wrong, as the customer is told.
fn told(error: &CustomerError) -> String {
    match error {
        CustomerError::Refused(why) => format!("You cannot go on: {why}."),
        _ => "This is not waiting for you any more.".to_owned(),
    }
}

fn money(value: i64, currency: &Currency) -> String {
    Amount::new(value, currency.clone()).to_string()
}

async fn show_agreement(State(shared): State<Shared>, Query(fields): Query<Fields>) -> Response {
    let token = field(&fields, "token");
    match landing(&shared, token) {
        Some(Landing::Agreement(id)) => agreement_page(&shared, &id, token, None),
        _ => unknown(),
    }
}

fn agreement_page(shared: &Shared, id: &str, token: &str, message: Option<String>) -> Response {
    let world = shared.lock();
    match world.agreement(id) {
        Some(agreement) => {
            respond(StatusCode::OK, &agreement::page(&agreement_view(&world, agreement, token, message)))
        }
        None => unknown(),
    }
}

fn agreement_view(world: &World, agreement: &Agreement, token: &str, message: Option<String>) -> agreement::View {
    let terms = &agreement.terms;
    let (price, suggested) = match terms.pricing {
        Pricing::Legacy { price } => (money(price, &terms.currency), None),
        Pricing::Variable { suggested, .. } => {
            (format!("up to {}", money(suggested, &terms.currency)), Some(suggested))
        }
        Pricing::Flexible => ("what you use".to_owned(), None),
    };
    let initial = agreement
        .initial_charge
        .as_ref()
        .and_then(|id| world.charge(&ChargeId { sales_unit: terms.sales_unit.clone(), id: id.clone() }));
    agreement::View {
        token: token.to_owned(),
        product: terms.product_name.clone(),
        description: terms.product_description.clone(),
        price,
        interval: terms.interval.map(|interval| interval.text()),
        initial_charge: initial
            .map(|charge| format!("{}: {}", money(charge.terms.amount, &terms.currency), charge.terms.description)),
        max_amount: suggested.map(|suggested| agreement::MaxAmount {
            suggested: money(suggested, &terms.currency).split(' ').next().unwrap_or_default().to_owned(),
            currency: terms.currency.as_str().to_owned(),
        }),
        status: agreement.status,
        message,
    }
}

async fn act_on_agreement(
    State(shared): State<Shared>,
    Path(act): Path<String>,
    Form(fields): Form<Fields>,
) -> Response {
    let token = field(&fields, "token");
    let Some(Landing::Agreement(id)) = landing(&shared, token) else { return unknown() };
    let terms = shared.lock().agreement(&id).map(|one| (one.terms.currency.clone(), one.terms.redirect_url.clone()));
    let Some((currency, redirect_url)) = terms else { return unknown() };
    let done = match (act.as_str(), field(&fields, "maxAmount")) {
        ("approve", "") => customer::accept_agreement(&shared, &id, None),
        ("approve", most) => match format!("{most} {}", currency.as_str()).parse::<Amount>() {
            Ok(most) => customer::accept_agreement(&shared, &id, Some(most.minor_units())),
            Err(_) => Err(CustomerError::Refused("the highest amount must be like 499.00".into())),
        },
        ("reject", _) => customer::reject_agreement(&shared, &id),
        _ => return unknown(),
    };
    match done {
        Ok(()) => back(Some(&redirect_url)),
        Err(error) => agreement_page(&shared, &id, token, Some(told(&error))),
    }
}

async fn show_psp(State(shared): State<Shared>, Query(fields): Query<Fields>) -> Response {
    let token = field(&fields, "token");
    match landing(&shared, token) {
        Some(Landing::Psp(id)) => psp_page(&shared, &id, token, None),
        _ => unknown(),
    }
}

fn psp_page(shared: &Shared, id: &str, token: &str, message: Option<String>) -> Response {
    let world = shared.lock();
    let Some(payment) = world.psp_payment(id) else { return unknown() };
    let view = psp::View {
        token: token.to_owned(),
        amount: money(payment.terms.amount, &Currency::Nok),
        order_id: payment.terms.order_id.clone(),
        text: payment.terms.text.clone(),
        phone: payment.terms.phone_number.clone(),
        state: payment.state,
        message,
    };
    respond(StatusCode::OK, &psp::page(&view))
}

async fn act_on_psp(State(shared): State<Shared>, Path(act): Path<String>, Form(fields): Form<Fields>) -> Response {
    let token = field(&fields, "token");
    let Some(Landing::Psp(id)) = landing(&shared, token) else { return unknown() };
    let done = match act.as_str() {
        "approve" => customer::approve_psp(&shared, &id).await,
        "cancel" => customer::cancel_psp(&shared, &id),
        _ => return unknown(),
    };
    match done {
        Ok(()) => after_psp(&shared, &id),
        Err(error) => psp_page(&shared, &id, token, Some(told(&error))),
    }
}

/// To the bank where the PSP wants that, else back to the PSP.
fn after_psp(shared: &Shared, id: &str) -> Response {
    let world = shared.lock();
    let Some(payment) = world.psp_payment(id) else { return unknown() };
    match (payment.state, &payment.url_3d_secure) {
        (PspState::SoftDeclined, Some(bank)) => back(Some(bank)),
        _ => back(Some(&payment.terms.redirect_url)),
    }
}

/// The customer comes back from the bank to one of the addresses in `operations`.
async fn back_from_bank(State(shared): State<Shared>, Query(fields): Query<Fields>) -> Response {
    let Some(Landing::Psp(id)) = landing(&shared, field(&fields, "token")) else { return unknown() };
    let outcome = match field(&fields, "responseCode") {
        "OK" => "success",
        "CANCEL" => "cancel",
        _ => "failure",
    };
    match customer::complete_3ds(&shared, &id, outcome).await {
        Ok(()) => after_psp(&shared, &id),
        Err(error) => psp_page(&shared, &id, field(&fields, "token"), Some(told(&error))),
    }
}

async fn show_session(
    State(shared): State<Shared>,
    Path(token): Path<String>,
    Query(fields): Query<Fields>,
) -> Response {
    match landing(&shared, &token) {
        Some(Landing::Session(id)) => {
            let again = field(&fields, "change") == "details";
            session_page(&shared, &id, &token, again, None)
        }
        _ => unknown(),
    }
}

fn session_page(shared: &Shared, id: &PaymentId, token: &str, again: bool, message: Option<String>) -> Response {
    let world = shared.lock();
    let Some(session) = world.session(id) else { return unknown() };
    let request = &session.request;
    let configuration = &request["configuration"];
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let currency = |value: &Value| Currency::from(text(value).unwrap_or_default());
    let amount = |amount: &Value| Some(money(amount["value"].as_i64()?, &currency(&amount["currency"])));
    let texts = |list: &Value| -> Vec<String> { list.as_array().into_iter().flatten().filter_map(text).collect() };
    let prefilled = request["prefillCustomer"].is_object();
    let customer = match &session.choice.customer {
        Some(customer) => customer.clone(),
        None if prefilled => request["prefillCustomer"].clone(),
        None => Value::Object(Map::new()),
    };
    let subscription = &request["subscription"];
    let lines = match configuration["showOrderSummary"] == true {
        true => request["transaction"]["orderSummary"]["orderLines"].as_array().cloned().unwrap_or_default(),
        false => Vec::new(),
    };
    let order_currency = currency(&request["transaction"]["amount"]["currency"]);
    let default = session.option(None);
    let view = checkout::View {
        token: token.to_owned(),
        reference: id.reference.clone(),
        amount: amount(&request["transaction"]["amount"]),
        description: text(&request["transaction"]["paymentDescription"]),
        subscription: text(&subscription["productName"]).map(|name| {
            let price = amount(&subscription["amount"]).unwrap_or_default();
            let unit = text(&subscription["interval"]["unit"]).unwrap_or_default().to_lowercase();
            format!("{name}, {price} every {} {unit}", subscription["interval"]["count"])
        }),
        lines: lines
            .iter()
            .map(|line| {
                let price = line["totalAmount"].as_i64().map(|value| money(value, &order_currency));
                (text(&line["name"]).unwrap_or_default(), price.unwrap_or_default())
            })
            .collect(),
        elements: match configuration["elements"].as_str() {
            Some("PaymentAndContactInfo") => checkout::Elements::PaymentAndContactInfo,
            Some("PaymentOnly") => checkout::Elements::PaymentOnly,
            _ => checkout::Elements::Full,
        },
        countries: texts(&configuration["countries"]["supported"]),
        customer,
        details_given: session.choice.customer.is_some() && !again,
        shipping: session
            .options()
            .iter()
            .map(|option| checkout::Shipping {
                id: text(&option["id"]).unwrap_or_default(),
                title: text(&option["title"]).or(text(&option["brand"])).unwrap_or_default(),
                description: text(&option["description"]),
                price: amount(&option["amount"]).unwrap_or_default(),
                default: default.as_ref().is_some_and(|default| default["id"] == option["id"]),
            })
            .collect(),
        consent: text(&configuration["customConsent"]["text"])
            .map(|text| checkout::Consent { text, required: configuration["customConsent"]["required"] == true }),
        external: configuration["externalPaymentMethods"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|method| Some((text(&method["paymentMethod"])?, text(&method["redirectUrl"])?)))
            .collect(),
        state: session.state,
        return_url: text(&request["merchantInfo"]["returnUrl"]),
        message,
    };
    respond(StatusCode::OK, &checkout::page(&view))
}

async fn act_on_session(
    State(shared): State<Shared>,
    Path((token, act)): Path<(String, String)>,
    Form(fields): Form<Fields>,
) -> Response {
    let Some(Landing::Session(id)) = landing(&shared, &token) else { return unknown() };
    let done = match act.as_str() {
        "details" => {
            keep_details(&shared, &id, &fields);
            customer::ask_for_logistics(&shared, &id).await;
            return Redirect::to(&format!("/checkout-page/{token}")).into_response();
        }
        "pay" => pay(&shared, &id, &fields).await,
        "cancel" => customer::abandon_session(&shared, &id).map(|()| Approval::Authorized),
        _ => return unknown(),
    };
    match done {
        Ok(Approval::Authorized) => {
            let world = shared.lock();
            back(world.session(&id).and_then(|session| session.request["merchantInfo"]["returnUrl"].as_str()))
        }
        Ok(Approval::Failed) => {
            let message = "The payment was refused. You can try again until it expires.";
            session_page(&shared, &id, &token, false, Some(message.into()))
        }
        Ok(Approval::Pending) => {
            session_page(&shared, &id, &token, false, Some("The outcome is not known yet.".into()))
        }
        Err(error) => session_page(&shared, &id, &token, false, Some(told(&error))),
    }
}

/// The first step: who the customer is.
fn keep_details(shared: &Shared, id: &PaymentId, fields: &Fields) {
    const NAMES: [&str; 8] =
        ["firstName", "lastName", "email", "phoneNumber", "streetAddress", "postalCode", "city", "country"];
    let given = NAMES.iter().filter(|name| !field(fields, name).is_empty());
    let customer: Map<String, Value> =
        given.map(|name| ((*name).to_owned(), Value::from(field(fields, name)))).collect();
    let mut world = shared.lock();
    if let Some(session) = world.session_mut(id).filter(|session| session.state == SessionState::Created) {
        session.choice.customer = Some(customer.into());
    }
}

async fn pay(shared: &Shared, id: &PaymentId, fields: &Fields) -> Result<Approval, CustomerError> {
    let choice = {
        let world = shared.lock();
        let session = world.session(id).ok_or_else(|| CustomerError::Unknown(id.reference.clone()))?;
        let asks_consent = !session.request["configuration"]["customConsent"].is_null();
        Choice {
            pay_by: PayBy::from_wire(field(fields, "paymentMethod")).unwrap_or_default(),
            shipping_option: Some(field(fields, "shippingOptionId").to_owned()).filter(|id| !id.is_empty()),
            consent: asks_consent.then(|| field(fields, "customConsent") == "true"),
            ..session.choice.clone()
        }
    };
    customer::complete_session(shared, id, choice).await
}
