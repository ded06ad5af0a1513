//! The page for people over HTTP: the page, the part of it that changes, its script, and
//! what its buttons do.

use std::collections::HashMap;

use axum::Router;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};

use super::home;
use super::layout::respond_under;
use super::rows::MOST_ROWS;
use crate::acts::{self, clock_json, psp_json};
use crate::faults::Script;
use crate::routes::epayment::payment_json;
use crate::routes::recurring_json::{agreement_json, charge_json};
use crate::sandbox::Shared;
use crate::schema::operations;

/// One script, forms to here, nothing from elsewhere.
const POLICY: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'unsafe-inline'; \
                      img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// The longest sentence that is shown after an act.
const LONGEST_MESSAGE: usize = 500;

/// The page and what belongs to it.
pub(crate) fn router() -> Router<Shared> {
    Router::new()
        .route("/", get(show))
        .route("/live", get(live))
        .route("/page.js", get(script))
        .route("/do/{what}", post(act))
}

#[derive(Deserialize)]
struct Shown {
    message: Option<String>,
}

async fn show(State(shared): State<Shared>, Query(Shown { message }): Query<Shown>) -> Response {
    let model = home::Model { message, ..model(&shared) };
    respond_under(POLICY, StatusCode::OK, &home::page(&model))
}

/// What the page shows now.
fn model(shared: &Shared) -> home::Model {
    let mut world = shared.lock();
    world.settle();
    let world = &*world;
    let mut payments: Vec<_> = world.payments().collect();
    payments.sort_by_key(|(_, record)| std::cmp::Reverse(record.payment.events.first().map(|event| event.at)));
    let mut agreements: Vec<_> = world.agreements().collect();
    agreements.sort_by_key(|agreement| std::cmp::Reverse(agreement.number));
    let mut charges: Vec<_> = world.charges().collect();
    charges.sort_by_key(|(_, charge)| std::cmp::Reverse(charge.created));
    let mut sessions: Vec<_> = world.sessions().collect();
    sessions.sort_by_key(|(_, session)| std::cmp::Reverse(session.created));
    let mut psp: Vec<_> = world.psp_payments().collect();
    psp.sort_by_key(|payment| std::cmp::Reverse(payment.created));
    home::Model {
        clock: clock_json(world),
        payments: payments
            .into_iter()
            .take(MOST_ROWS)
            .map(|(id, _)| json!({ "msn": id.sales_unit, "payment": payment_json(world, id) }))
            .collect(),
        agreements: agreements
            .into_iter()
            .take(MOST_ROWS)
            .map(|one| json!({ "msn": one.terms.sales_unit, "agreement": agreement_json(world, one) }))
            .collect(),
        charges: charges
            .into_iter()
            .take(MOST_ROWS)
            .map(|(id, charge)| json!({ "msn": id.sales_unit, "charge": charge_json(world, charge) }))
            .collect(),
        sessions: sessions
            .into_iter()
            .take(MOST_ROWS)
            .map(|(id, _)| json!({ "msn": id.sales_unit, "session": world.session_json(id) }))
            .collect(),
        psp: psp.into_iter().take(MOST_ROWS).map(psp_json).collect(),
        deliveries: world.outbox.newest(MOST_ROWS),
        delivery_mode: world.outbox.mode.wire().to_owned(),
        warnings: world.warnings().into_iter().rev().take(MOST_ROWS).collect(),
        faults: world.faults.list().iter().map(Script::to_json).collect(),
        operations: operations().iter().map(|operation| operation.id.clone()).collect(),
        message: None,
    }
}

async fn live(State(shared): State<Shared>) -> Response {
    respond_under(POLICY, StatusCode::OK, &home::live(&model(&shared)))
}

async fn script() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/javascript; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, include_str!("page.js")).into_response()
}

type Fields = HashMap<String, String>;

/// Does what a button says, then shows the page again.
async fn act(
    State(shared): State<Shared>,
    Path(what): Path<String>,
    fields: Result<Form<Fields>, FormRejection>,
) -> Response {
    let Ok(Form(fields)) = fields else { return back(Some("The form could not be read.")) };
    let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
    let body = match body(&what, &fields) {
        Ok(body) => body,
        Err(message) => return back(Some(message)),
    };
    let msn = Some(field("msn")).filter(|msn| !msn.is_empty());
    match acts::act(&shared, &what, field("id"), field("act"), msn, &body).await {
        Ok(_) => back(None),
        Err((_, message)) => back(Some(&message)),
    }
}

/// What the control API takes as the body of the call.
fn body(what: &str, fields: &Fields) -> Result<Value, &'static str> {
    let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
    let number = |name: &str| field(name).trim().parse::<u64>();
    Ok(match (what, field("act")) {
        ("clock", _) => json!({ "seconds": number("seconds").map_err(|_| "Seconds must be a whole number.")? }),
        ("deliveries", "mode") => json!({ "mode": field("mode") }),
        ("faults", "add") => {
            let kinds = home::fault_kinds();
            let kind = kinds.into_iter().find(|(name, ..)| *name == field("kind"));
            let (.., fault) = kind.ok_or("Choose a failure.")?;
            let count = number("count").map_err(|_| "Times must be a whole number.")?;
            let mut script = json!({ "count": count, "fault": fault });
            if !field("operation").is_empty() {
                script["operation"] = field("operation").into();
            }
            script
        }
        _ => json!({}),
    })
}

fn back(message: Option<&str>) -> Response {
    match message {
        None => Redirect::to("/").into_response(),
        Some(message) => {
            let message: String = message.chars().take(LONGEST_MESSAGE).collect();
            let encoded: String = url::form_urlencoded::byte_serialize(message.as_bytes()).collect();
            Redirect::to(&format!("/?message={encoded}")).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn forms_become_the_bodies_of_the_control_api() {
        let table = [
            ("payments", fields(&[("act", "approve"), ("id", "acme-1")]), Ok(json!({}))),
            ("clock", fields(&[("act", "advance"), ("seconds", "660")]), Ok(json!({ "seconds": 660 }))),
            ("clock", fields(&[("act", "advance"), ("seconds", "-1")]), Err("Seconds must be a whole number.")),
            ("deliveries", fields(&[("act", "mode"), ("mode", "drop")]), Ok(json!({ "mode": "drop" }))),
            ("deliveries", fields(&[("act", "replay"), ("id", "3")]), Ok(json!({}))),
            (
                "faults",
                fields(&[("act", "add"), ("kind", "reset-after"), ("count", "2"), ("operation", "capturePayment")]),
                Ok(json!({
                    "operation": "capturePayment", "count": 2, "fault": { "kind": "reset", "when": "after" },
                })),
            ),
            (
                "faults",
                fields(&[("act", "add"), ("kind", "stall"), ("count", "1"), ("operation", "")]),
                Ok(json!({ "count": 1, "fault": { "kind": "stall", "seconds": 5, "when": "before" } })),
            ),
            ("faults", fields(&[("act", "add"), ("kind", "flood"), ("count", "1")]), Err("Choose a failure.")),
            ("faults", fields(&[("act", "clear")]), Ok(json!({}))),
        ];
        for (what, fields, expected) in table {
            assert_eq!(body(what, &fields), expected, "{what} {fields:?}");
        }
    }

    #[test]
    fn what_went_wrong_is_told_on_the_page() {
        let location = |response: Response| response.headers()[header::LOCATION].to_str().unwrap().to_owned();
        assert_eq!(location(back(None)), "/");
        assert_eq!(location(back(Some("no payment `ø`\r\n"))), "/?message=no+payment+%60%C3%B8%60%0D%0A");
        assert_eq!(back(None).status(), StatusCode::SEE_OTHER);
    }
}
