//! The money of everything, and what moved it, as `GET /__sandbox/ledger` shows it.

use serde_json::{Value, json};

use crate::charge::{self, Charge};
use crate::clock::{Millis, rfc3339};
use crate::payment::{Aggregate, EventName};
use crate::psp::{Operation, PspPayment};
use crate::state::{ChargeId, PaymentId, Record, World};

/// Every payment, charge and PSP payment with its money effects.
pub(crate) fn to_json(world: &World) -> Value {
    json!({
        "payments": world.payments().map(|(id, record)| payment(id, record)).collect::<Vec<_>>(),
        "charges": world.charges().map(|(id, one)| charge(id, one)).collect::<Vec<_>>(),
        "pspPayments": world.psp_payments().map(psp_payment).collect::<Vec<_>>(),
    })
}

fn effect(kind: &str, value: i64, key: Option<&str>, at: Millis) -> Value {
    json!({ "kind": kind, "value": value, "idempotencyKey": key, "at": rfc3339(at) })
}

fn payment(id: &PaymentId, record: &Record) -> Value {
    let Aggregate { authorized, captured, cancelled, refunded } = record.payment.aggregate;
    let moved = |event: &crate::payment::Event| {
        let kind = match event.name {
            EventName::Authorized if event.success => "authorize",
            EventName::Captured => "capture",
            EventName::Refunded => "refund",
            EventName::Cancelled | EventName::Terminated => "cancel",
            _ => return None,
        };
        Some(effect(kind, event.value, event.idempotency_key.as_deref(), event.at))
    };
    let effects: Vec<Value> = record.payment.events.iter().filter_map(moved).collect();
    json!({
        "msn": id.sales_unit, "reference": id.reference, "state": record.payment.state.wire(),
        "currency": record.payment.currency.as_str(), "amount": record.payment.value,
        "authorized": authorized, "captured": captured, "refunded": refunded, "cancelled": cancelled,
        "effectCount": effects.len(), "effects": effects,
    })
}

fn charge(id: &ChargeId, charge: &Charge) -> Value {
    let moved = |event: &charge::Event| {
        let kind = match event.name {
            charge::EventName::Reserve => "authorize",
            charge::EventName::Capture => "capture",
            charge::EventName::Refund => "refund",
            charge::EventName::Cancel => "cancel",
            charge::EventName::Create | charge::EventName::Fail => return None,
        };
        Some(effect(kind, event.amount, Some(&event.idempotency_key), event.at))
    };
    let effects: Vec<Value> = charge.history.iter().filter_map(moved).collect();
    json!({
        "msn": id.sales_unit, "chargeId": id.id, "agreementId": charge.agreement, "state": charge.status.wire(),
        "currency": charge.terms.currency.as_str(), "amount": charge.terms.amount,
        "authorized": charge.authorized(), "captured": charge.captured, "refunded": charge.refunded,
        "cancelled": charge.cancelled, "effectCount": effects.len(), "effects": effects,
    })
}

fn psp_payment(payment: &PspPayment) -> Value {
    let moved = |entry: &crate::psp::Entry| {
        let kind = match entry.operation {
            Operation::Reserved => "authorize",
            Operation::Captured => "capture",
            Operation::Refunded => "refund",
            Operation::Cancelled => "cancel",
        };
        effect(kind, entry.amount, entry.idempotency_key.as_deref(), entry.at)
    };
    let effects: Vec<Value> = payment.log.iter().filter(|entry| entry.success).map(moved).collect();
    json!({
        "msn": payment.terms.sales_unit, "pspTransactionId": payment.id, "state": payment.state.wire(),
        "currency": "NOK", "amount": payment.terms.amount, "authorized": payment.reserved,
        "captured": payment.captured, "refunded": payment.refunded, "cancelled": payment.cancelled,
        "effectCount": effects.len(), "effects": effects,
    })
}
