//! The tables of the page for people: how a thing of the control API becomes a row.

use serde_json::Value;
use vipps_types::{Amount, Currency};

use super::parts::{Button, Cell, Row, Table};

/// Most rows of a table.
pub(crate) const MOST_ROWS: usize = 50;

/// Payments of ePayment; who waits for a customer has buttons.
pub(super) fn payments(rows: &[Value]) -> Table {
    let row = |row: &Value| {
        let (msn, payment) = of(row, "payment");
        let reference = text(&payment["reference"]);
        let money = |amount: &Value| Cell::Text(money(amount, &Value::Null));
        let acts: &[_] = match payment["state"].as_str() {
            Some("CREATED") => &[("approve", "Approve"), ("abort", "Abort")],
            _ => &[],
        };
        let aggregate = &payment["aggregate"];
        let cells = vec![
            Cell::Text(reference.clone()),
            Cell::Text(msn.clone()),
            Cell::Text(text(&payment["state"])),
            money(&payment["amount"]),
            money(&aggregate["capturedAmount"]),
            money(&aggregate["refundedAmount"]),
            money(&aggregate["cancelledAmount"]),
            Cell::Link("Open", payment["redirectUrl"].as_str().map(str::to_owned)),
            buttons("payments", &reference, &msn, acts),
        ];
        Row { key: format!("{msn}-{reference}"), cells }
    };
    let columns = &[
        "Reference",
        "Sales unit",
        "State",
        "Amount",
        "Captured",
        "Refunded",
        "Cancelled",
        "Customer's page",
        "In the app",
    ];
    table("payments", "Payments, newest first", columns, rows, row)
}

/// Agreements of Recurring.
pub(super) fn agreements(rows: &[Value]) -> Table {
    let row = |row: &Value| {
        let (msn, agreement) = of(row, "agreement");
        let id = text(&agreement["id"]);
        let acts: &[_] = match agreement["status"].as_str() {
            Some("PENDING") => &[("approve", "Approve"), ("reject", "Reject")],
            Some("ACTIVE") => &[("stop", "Stop")],
            _ => &[],
        };
        let cells = vec![
            Cell::Text(id.clone()),
            Cell::Text(msn.clone()),
            Cell::Text(text(&agreement["status"])),
            Cell::Text(text(&agreement["productName"])),
            Cell::Text(price(&agreement["pricing"])),
            Cell::Text(text(&agreement["interval"]["text"])),
            Cell::Link("Open", agreement["vippsConfirmationUrl"].as_str().map(str::to_owned)),
            buttons("agreements", &id, &msn, acts),
        ];
        Row { key: format!("{msn}-{id}"), cells }
    };
    let columns = &["Id", "Sales unit", "Status", "Product", "Price", "Interval", "Customer's page", "In the app"];
    table("agreements", "Agreements, newest first", columns, rows, row)
}

/// Charges of Recurring.
pub(super) fn charges(rows: &[Value]) -> Table {
    let row = |row: &Value| {
        let (msn, charge) = of(row, "charge");
        let id = text(&charge["id"]);
        let cells = vec![
            Cell::Text(id.clone()),
            Cell::Text(text(&charge["agreementId"])),
            Cell::Text(msn.clone()),
            Cell::Text(text(&charge["status"])),
            Cell::Text(money(&charge["amount"], &charge["currency"])),
            Cell::Text(text(&charge["due"])),
            Cell::Text(text(&charge["description"])),
        ];
        Row { key: format!("{msn}-{id}"), cells }
    };
    let columns = &["Id", "Agreement", "Sales unit", "Status", "Amount", "Due", "Description"];
    table("charges", "Charges, newest first", columns, rows, row)
}

/// Sessions of Checkout.
pub(super) fn sessions(rows: &[Value]) -> Table {
    let row = |row: &Value| {
        let (msn, session) = of(row, "session");
        let reference = text(&session["reference"]);
        let acts: &[_] = match session["sessionState"].as_str() {
            Some("SessionCreated" | "PaymentInitiated") => &[("complete", "Complete"), ("abandon", "Abandon")],
            _ => &[],
        };
        let cells = vec![
            Cell::Text(reference.clone()),
            Cell::Text(msn.clone()),
            Cell::Text(text(&session["sessionState"])),
            Cell::Text(money(&session["paymentDetails"]["amount"], &Value::Null)),
            buttons("sessions", &reference, &msn, acts),
        ];
        Row { key: format!("{msn}-{reference}"), cells }
    };
    let columns = &["Reference", "Sales unit", "State", "Amount", "Customer"];
    table("sessions", "Checkout sessions, newest first", columns, rows, row)
}

/// Payments of the PSP API.
pub(super) fn psp(rows: &[Value]) -> Table {
    let row = |row: &Value| {
        let (msn, id) = (text(&row["msn"]), text(&row["pspTransactionId"]));
        let acts: &[_] = match row["state"].as_str() {
            Some("INITIATED") => &[("approve", "Approve"), ("cancel", "Cancel")],
            _ => &[],
        };
        let cells = vec![
            Cell::Text(id.clone()),
            Cell::Text(msn.clone()),
            Cell::Text(text(&row["merchantOrderId"])),
            Cell::Text(text(&row["state"])),
            Cell::Text(money(&row["amount"], &"NOK".into())),
            buttons("psp", &id, &msn, acts),
        ];
        Row { key: id, cells }
    };
    let columns = &["Id", "Sales unit", "Order", "State", "Amount", "In the app"];
    table("psp", "PSP payments, newest first", columns, rows, row)
}

/// Calls to merchants.
pub(super) fn deliveries(rows: &[Value]) -> Table {
    let row = |row: &Value| {
        let id = text(&row["id"]);
        let event = row["eventType"].as_str().or(row["kind"].as_str()).unwrap_or_default();
        let state = match row["nextAttempt"].as_str() {
            Some(next) => format!("{}, next at {next}", text(&row["state"])),
            None => text(&row["state"]),
        };
        let cells = vec![
            Cell::Text(id.clone()),
            Cell::Text(event.to_owned()),
            Cell::Text(text(&row["subject"])),
            Cell::Text(text(&row["url"])),
            Cell::Text(state),
            Cell::Text(attempts(&row["attempts"])),
            Cell::Details("Body", format!("{:#}", row["body"])),
            buttons("deliveries", &id, "", &[("replay", "Replay")]),
        ];
        Row { key: id, cells }
    };
    let columns = &["Id", "What", "About", "To", "State", "Attempts", "Content", "Again"];
    table("deliveries", "Calls to merchants, newest first", columns, rows, row)
}

/// Scripted failures that wait.
pub(super) fn faults(rows: &[Value]) -> Table {
    let rows = rows.iter().enumerate().map(|(number, script)| {
        let fault = &script["fault"];
        let parts = [&fault["kind"], &fault["status"], &fault["seconds"], &fault["when"]];
        let what: Vec<String> = parts.into_iter().map(text).filter(|part| !part.is_empty()).collect();
        let cells = vec![
            Cell::Text(script["operation"].as_str().unwrap_or("any").to_owned()),
            Cell::Text(what.join(" ")),
            Cell::Text(text(&script["count"])),
        ];
        Row { key: number.to_string(), cells }
    });
    let rows = rows.take(MOST_ROWS).collect();
    Table { id: "faults", caption: "Failures that wait", columns: &["Operation", "Failure", "Times left"], rows }
}

/// Oddities that were tolerated.
pub(super) fn warnings(rows: &[Value]) -> Table {
    let rows = rows.iter().enumerate().map(|(number, warning)| {
        let cells = ["at", "operation", "warning"].map(|name| Cell::Text(text(&warning[name])));
        Row { key: number.to_string(), cells: cells.into() }
    });
    let rows = rows.take(MOST_ROWS).collect();
    Table { id: "warnings", caption: "Oddities, newest first", columns: &["At", "Operation", "What was odd"], rows }
}

fn table(
    id: &'static str,
    caption: &'static str,
    columns: &'static [&'static str],
    rows: &[Value],
    row: impl Fn(&Value) -> Row,
) -> Table {
    Table { id, caption, columns, rows: rows.iter().take(MOST_ROWS).map(row).collect() }
}

/// The sales unit of a row, and the thing itself.
fn of<'a>(row: &'a Value, name: &str) -> (String, &'a Value) {
    (text(&row["msn"]), &row[name])
}

fn buttons(what: &'static str, id: &str, msn: &str, acts: &[(&'static str, &'static str)]) -> Cell {
    let button = |(act, label): &(&'static str, &'static str)| Button {
        what,
        act,
        label,
        id: id.to_owned(),
        msn: msn.to_owned(),
    };
    Cell::Buttons(acts.iter().map(button).collect())
}

/// A value as a person reads it; nothing where there is none.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// An amount: an object as most APIs write it, or minor units beside their currency.
fn money(amount: &Value, currency: &Value) -> String {
    let (value, currency) =
        if amount.is_object() { (&amount["value"], &amount["currency"]) } else { (amount, currency) };
    match (value.as_i64(), currency.as_str()) {
        (Some(value), Some(currency)) => Amount::new(value, Currency::from(currency.to_owned())).to_string(),
        _ => String::new(),
    }
}

fn price(pricing: &Value) -> String {
    let of = |name: &str| money(&pricing[name], &pricing["currency"]);
    match pricing["type"].as_str() {
        Some("VARIABLE") if pricing["maxAmount"].is_null() => format!("up to {} suggested", of("suggestedMaxAmount")),
        Some("VARIABLE") => format!("up to {}", of("maxAmount")),
        Some("FLEXIBLE") => "flexible".to_owned(),
        _ => of("amount"),
    }
}

/// How often it was tried, and how the last attempt ended.
fn attempts(attempts: &Value) -> String {
    let attempts = attempts.as_array().map(Vec::as_slice).unwrap_or_default();
    match attempts.last() {
        None => "none".to_owned(),
        Some(last) => {
            let ended = if last["status"].is_null() { text(&last["error"]) } else { text(&last["status"]) };
            format!("{}, the last: {ended}", attempts.len())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_waits_for_a_customer_has_buttons() {
        // Table, row, buttons.
        let payment = |state: &str| json!([{ "msn": "1", "payment": { "reference": "acme-1", "state": state } }]);
        let agreement = |status: &str| json!([{ "msn": "1", "agreement": { "id": "agr_1", "status": status } }]);
        let session = |state: &str| json!([{ "msn": "1", "session": { "reference": "a", "sessionState": state } }]);
        let psp_payment = |state: &str| json!([{ "msn": "1", "pspTransactionId": "p", "state": state }]);
        let of = |make: fn(&[Value]) -> Table, rows: Value| {
            make(rows.as_array().unwrap()).markup().matches("<button").count()
        };
        let table = [
            (of(payments, payment("CREATED")), 2),
            (of(payments, payment("AUTHORIZED")), 0),
            (of(agreements, agreement("PENDING")), 2),
            (of(agreements, agreement("ACTIVE")), 1),
            (of(agreements, agreement("STOPPED")), 0),
            (of(sessions, session("SessionCreated")), 2),
            (of(sessions, session("PaymentInitiated")), 2),
            (of(sessions, session("PaymentSuccessful")), 0),
            (of(psp, psp_payment("INITIATED")), 2),
            (of(psp, psp_payment("RESERVED")), 0),
        ];
        for (row, (buttons, expected)) in table.into_iter().enumerate() {
            assert_eq!(buttons, expected, "row {row}");
        }
    }

    #[test]
    fn amounts_and_prices_are_in_major_units() {
        let table = [
            (money(&json!({ "value": 49_900, "currency": "NOK" }), &Value::Null), "499.00 NOK"),
            (money(&json!(100), &json!("EUR")), "1.00 EUR"),
            (money(&Value::Null, &json!("EUR")), ""),
            (price(&json!({ "type": "LEGACY", "amount": 9900, "currency": "NOK" })), "99.00 NOK"),
            (
                price(&json!({ "type": "VARIABLE", "suggestedMaxAmount": 9900, "currency": "NOK" })),
                "up to 99.00 NOK suggested",
            ),
            (price(&json!({ "type": "VARIABLE", "maxAmount": 500, "currency": "NOK" })), "up to 5.00 NOK"),
            (price(&json!({ "type": "FLEXIBLE", "currency": "NOK" })), "flexible"),
        ];
        for (shown, expected) in table {
            assert_eq!(shown, expected);
        }
    }

    #[test]
    fn a_table_has_at_most_fifty_rows() {
        let rows: Vec<Value> =
            (0..60).map(|number| json!({ "msn": "1", "payment": { "reference": format!("acme-{number}") } })).collect();
        assert_eq!(payments(&rows).rows.len(), 50);
    }

    #[test]
    fn a_delivery_tells_how_its_last_attempt_ended() {
        let table = [
            (json!([]), "none"),
            (json!([{ "error": "refused" }, { "status": 200 }]), "2, the last: 200"),
            (json!([{ "status": 500 }, { "error": "refused" }]), "2, the last: refused"),
        ];
        for (given, expected) in table {
            assert_eq!(attempts(&given), expected);
        }
    }
}
