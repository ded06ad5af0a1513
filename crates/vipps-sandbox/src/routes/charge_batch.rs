//! Many charges of Recurring v3 in one request.

use serde_json::{Value, json};

use super::api::Request;
use super::body::text;
use super::recurring::charge_terms;
use crate::answer::Answer;
use crate::clock::Millis;
use crate::refusal::Refusal;
use crate::state::{BatchItem, World};

/// Splits a batch: what is wrong in form is told at once, what breaks a rule of state later.
pub(super) fn create_batch(
    world: &mut World,
    request: &Request<'_>,
    body: &Value,
    key: &str,
    now: Millis,
) -> Result<Answer, Refusal> {
    let items = body.as_array().map(Vec::as_slice).unwrap_or_default();
    if !(1..=2000).contains(&items.len()) {
        return Err(Refusal::field("body", format!("must have 1 to 2000 charges, has {}", items.len())));
    }
    if let Some(index) = items.iter().position(|item| !item.is_object()) {
        return Err(Refusal::field(&format!("[{index}]"), "must be a JSON object"));
    }
    let unit = request.sales_unit(world).to_owned();
    let (mut accepted, mut invalid) = (Vec::<BatchItem>::new(), Vec::new());
    let mut taken = std::collections::HashSet::new();
    for item in items {
        match batch_item(world, request, item, &unit, key, now) {
            Ok(batch_item) if taken.insert(batch_item.order_id.clone()) => accepted.push(batch_item),
            Ok(_) => invalid.push(invalid_item(item, vec!["orderId is twice in the request".into()])),
            Err(Refusal::Fields(fields)) => {
                let errors = fields.iter().map(|(name, rule)| format!("{name} {rule}")).collect();
                invalid.push(invalid_item(item, errors));
            }
            Err(Refusal::Problem { identifier, detail, .. }) => {
                invalid.push(invalid_item(item, vec![format!("{identifier}: {detail}")]));
            }
            Err(other) => return Err(other),
        }
    }
    let valid: Vec<&str> = accepted.iter().map(|item| item.order_id.as_str()).collect();
    let answer = Answer::json(202, &json!({ "validCharges": valid, "invalidCharges": invalid }));
    world.accept_batch(accepted, now);
    Ok(answer)
}

fn batch_item(
    world: &mut World,
    request: &Request<'_>,
    item: &Value,
    unit: &str,
    key: &str,
    now: Millis,
) -> Result<BatchItem, Refusal> {
    let violations = request.operation.schema_violations("CreateChargeAsyncV3", item);
    if !violations.is_empty() {
        return Err(Refusal::Fields(violations));
    }
    let id = text(item, "agreementId").unwrap_or_default();
    let agreement = world.agreement(&id).filter(|agreement| agreement.terms.sales_unit == unit).cloned();
    let agreement = agreement.ok_or_else(|| Refusal::problem("resource-not-found", "Agreement not found."))?;
    let (terms, order_id) = charge_terms(world, request, &agreement, item, now)?;
    let order_id = order_id.unwrap_or_default();
    world.must_be_new(unit, &order_id)?;
    Ok(BatchItem { agreement: id, sales_unit: unit.to_owned(), order_id, terms, key: key.to_owned() })
}

/// A rejected item of a batch: an echo of what the contract names, and the reasons.
fn invalid_item(item: &Value, errors: Vec<String>) -> Value {
    const ECHOED: [&str; 9] = [
        "due",
        "retryDays",
        "processingMode",
        "amount",
        "description",
        "transactionType",
        "orderId",
        "agreementId",
        "externalId",
    ];
    let echo: serde_json::Map<String, Value> = ECHOED
        .iter()
        .filter(|name| !item[**name].is_null())
        .map(|name| ((*name).to_owned(), item[*name].clone()))
        .collect();
    json!({ "chargeBatchItemDto": echo, "errors": errors })
}
