//! The landing page behind `redirectUrl`, where a person approves or aborts in a browser.

use axum::Router;
use axum::extract::{Form, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use vipps_types::Amount;

use super::escaped;
use crate::customer;
use crate::payment::{Approval, State as PaymentState};
use crate::sandbox::Shared;
use crate::state::{PaymentId, Record};

pub(crate) fn router() -> Router<Shared> {
    Router::new()
        .route("/landing", get(show))
        .route("/landing/approve", post(approve))
        .route("/landing/abort", post(abort))
}

#[derive(Deserialize)]
struct Token {
    #[serde(default)]
    token: String,
}

async fn show(State(shared): State<Shared>, Query(Token { token }): Query<Token>) -> Response {
    let mut world = shared.lock();
    world.settle();
    match world.landing(&token) {
        Some((id, record)) => page(StatusCode::OK, &payment_page(id, record, &token, None)),
        None => unknown(),
    }
}

async fn approve(State(shared): State<Shared>, Form(Token { token }): Form<Token>) -> Response {
    let mut world = shared.lock();
    world.settle();
    let Some(id) = world.landing(&token).map(|(id, _)| id.clone()) else { return unknown() };
    let message = match customer::approve(&mut world, &id) {
        Ok(Approval::Authorized) => None,
        Ok(Approval::Failed) => Some("The payment was refused. You can try again until it expires."),
        Ok(Approval::Pending) => Some("The outcome is not known yet."),
        Err(_) => Some("This payment is not waiting for you any more."),
    };
    match (world.landing(&token), message) {
        (Some((_, record)), None) => back(record),
        (Some((id, record)), message) => page(StatusCode::OK, &payment_page(id, record, &token, message)),
        (None, _) => unknown(),
    }
}

async fn abort(State(shared): State<Shared>, Form(Token { token }): Form<Token>) -> Response {
    let mut world = shared.lock();
    world.settle();
    let Some(id) = world.landing(&token).map(|(id, _)| id.clone()) else { return unknown() };
    let done = customer::abort(&mut world, &id);
    match (world.landing(&token), done) {
        (Some((_, record)), Ok(())) => back(record),
        (Some((id, record)), Err(_)) => page(
            StatusCode::OK,
            &payment_page(id, record, &token, Some("This payment is not waiting for you any more.")),
        ),
        (None, _) => unknown(),
    }
}

/// To the merchant's return URL, or to a page that says that it is done.
fn back(record: &Record) -> Response {
    match record.return_url.as_deref().and_then(|url| HeaderValue::from_str(url).ok()) {
        Some(url) => (StatusCode::SEE_OTHER, [(header::LOCATION, url)]).into_response(),
        None => page(StatusCode::OK, &document("Done", "<h1>Done</h1><p>You can close this page.</p>")),
    }
}

fn unknown() -> Response {
    page(
        StatusCode::NOT_FOUND,
        &document("Unknown payment", "<h1>Unknown payment</h1><p>This link belongs to no payment.</p>"),
    )
}

fn page(status: StatusCode, html: &str) -> Response {
    // No script and nothing from elsewhere, whatever a text may try.
    let policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";
    (status, [(header::CONTENT_SECURITY_POLICY, policy)], Html(html.to_owned())).into_response()
}

fn payment_page(id: &PaymentId, record: &Record, token: &str, message: Option<&str>) -> String {
    let payment = &record.payment;
    let amount = Amount::new(payment.value, payment.currency.clone()).to_string();
    let message =
        message.map(|text| format!("<p role=\"status\"><strong>{}</strong></p>", escaped(text))).unwrap_or_default();
    let description = record.description.as_deref().map(|text| format!("<p>{}</p>", escaped(text))).unwrap_or_default();
    let choices = match payment.state {
        PaymentState::Created => format!(
            "<form method=\"post\" action=\"/landing/approve\"><input type=\"hidden\" name=\"token\" value=\"{token}\">\
             <button id=\"approve\" autofocus>Pay {amount}</button></form>\
             <form method=\"post\" action=\"/landing/abort\"><input type=\"hidden\" name=\"token\" value=\"{token}\">\
             <button id=\"abort\" class=\"quiet\">Cancel</button></form>",
            token = escaped(token),
            amount = escaped(&amount),
        ),
        state => format!("<p>This payment is <strong id=\"state\">{}</strong>.</p>", state.wire()),
    };
    let body = format!(
        "<h1>{}</h1>{description}<dl><dt>Reference</dt><dd>{}</dd><dt>Sales unit</dt><dd>{}</dd></dl>{message}{choices}\
         <p class=\"small\">This is a sandbox: no money moves.</p>",
        escaped(&amount),
        escaped(&id.reference),
        escaped(&id.sales_unit),
    );
    document("Payment", &body)
}

fn document(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title}</title><style>body{{font:1.1rem/1.5 system-ui,sans-serif;max-width:26rem;margin:2rem auto;padding:0 1rem}}\
         button{{font:inherit;width:100%;padding:.8rem;margin:.3rem 0;border:2px solid #5a28b4;border-radius:.5rem;background:#5a28b4;color:#fff}}\
         button.quiet{{background:#fff;color:#5a28b4}}button:focus-visible{{outline:3px solid #111;outline-offset:2px}}\
         dt{{font-weight:600}}dd{{margin:0 0 .5rem}}.small{{font-size:.9rem;color:#555}}</style></head><body><main>{body}</main></body></html>",
        title = escaped(title)
    )
}
