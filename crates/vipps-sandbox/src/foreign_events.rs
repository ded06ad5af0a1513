//! Events of products that the sandbox does not play, such as QR and Login: sent when somebody
//! says that they happened, so that a receiver can be tried with every event there is.

use serde_json::{Map, Value, json};

use crate::clock::{Millis, rfc3339};
use crate::state::World;
use crate::webhook::{EVENT_TYPES, Notice};

/// Publishes an event of this type. `members` of the body stand in for those that it has by itself.
pub(crate) fn publish(
    world: &mut World,
    event_type: &str,
    msn: &str,
    members: &Map<String, Value>,
) -> Result<Value, String> {
    let foreign: Vec<&str> = EVENT_TYPES.into_iter().filter(|known| is_foreign(known)).collect();
    let Some(event_type) = foreign.iter().find(|known| **known == event_type).copied() else {
        return Err(format!("`eventType` must be one of {}: the others happen by themselves", foreign.join(", ")));
    };
    let now = world.settle();
    let mut body = body(world, event_type, msn, now);
    if let Some(own) = body.as_object_mut() {
        own.extend(members.clone());
    }
    let subject = format!("{event_type} {}", world.ids.uuid("event"));
    world.publish(&Notice { event_type, sales_unit: msn.to_owned(), subject, at: now, body: body.clone() });
    Ok(body)
}

fn is_foreign(event_type: &str) -> bool {
    !event_type.starts_with("epayments.") && !event_type.starts_with("recurring.")
}

/// What is published of each. The bodies of donations are not: they have what those of Recurring
/// begin with.
fn body(world: &mut World, event_type: &str, msn: &str, now: Millis) -> Value {
    match event_type {
        "user.checked-in.v1" => json!({
            "customerToken": world.ids.uuid("customer token"), "merchantQrId": "till-3", "msn": msn,
            "initiatedAt": rfc3339(now),
        }),
        "login.merchant-initiated.ping.v1" => json!({ "auth_req_id": world.ids.uuid("login") }),
        _ => json!({
            "eventType": event_type, "agreementId": world.ids.uuid("donation"), "occurred": rfc3339(now), "msn": msn,
        }),
    }
}
