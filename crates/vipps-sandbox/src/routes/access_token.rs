//! Access Token API.

use serde_json::{Value, json};

use super::api::Request;
use super::guard;
use crate::answer::Answer;
use crate::clock::Millis;
use crate::state::World;

/// Issues a token for the configured keys; any other key is refused.
pub(crate) fn fetch(world: &mut World, request: &Request<'_>, now: Millis) -> Answer {
    match request.header("ocp-apim-subscription-key") {
        None => {
            return Answer::gateway(
                401,
                "Access denied due to missing subscription key. Include it in the request header.",
            );
        }
        Some(key) if !world.options.subscription_keys.iter().any(|known| known == key) => {
            return Answer::gateway(401, "Access denied due to invalid subscription key. Provide a valid key.");
        }
        Some(_) => {}
    }
    let known = |header: &str, known: &[String]| {
        request.header(header).is_some_and(|given| known.iter().any(|known| known == given))
    };
    let foreign = |header: &str, own: &[String]| {
        request.header(header).is_some_and(|given| !own.iter().any(|known| known == given))
    };
    if foreign("merchant-serial-number", &world.options.merchant_serial_numbers)
        || foreign("psp-id", &world.options.psp_ids)
        || !known("client_id", &world.options.client_ids)
        || !known("client_secret", &world.options.client_secrets)
    {
        let (trace, correlation) = (world.ids.uuid("trace"), world.ids.uuid("correlation"));
        let body = json!({
            "error": "unauthorized_client",
            "error_description": "AADSTS70001: the client is not known here",
            "error_codes": [70001],
            "timestamp": crate::clock::rfc3339(now),
            "trace_id": trace,
            "correlation_id": correlation,
        });
        return Answer::json(401, &body);
    }
    guard::tell_long_system_headers(world, request);
    let (token, expires) = world.issue_token(now);
    let seconds = |at: Millis| at.div_euclid(1000);
    let number =
        |value: i64| if world.settings.token_numbers { Value::from(value) } else { Value::from(value.to_string()) };
    let lifetime = seconds(expires - now);
    let body = json!({
        "token_type": "Bearer",
        "expires_in": number(lifetime),
        "ext_expires_in": number(lifetime),
        "expires_on": number(seconds(expires)),
        // Valid from five minutes before it was issued.
        "not_before": number(seconds(now) - 300),
        "resource": "00000002-0000-0000-c000-000000000000",
        "access_token": token,
    });
    Answer::json(200, &body).with_media("application/json;charset=UTF-8")
}
