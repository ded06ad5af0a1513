//! Every decision that is ours and no fact of Vipps, as a named setting.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::options::{Options, Profile};

/// The settings, by the names they have in `GET /__sandbox/settings`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Settings {
    /// Refuse unknown fields, numbers for texts and http return URLs instead of warning.
    pub(crate) strict: bool,
    /// Answer 429 beyond the published rate limits.
    pub(crate) rate_limits: bool,
    /// Longest `reference`: 64, or 50 in the profile `seed`.
    pub(crate) reference_max_length: u64,
    /// Cancel needs an idempotency key, as in the profile `seed`.
    pub(crate) cancel_requires_key: bool,
    /// Cancel honours `cancelTransactionOnly`.
    pub(crate) cancel_honours_body: bool,
    /// Days that `expiresAt` may lie ahead: 60, or 28 in the profile `seed`.
    pub(crate) expires_at_max_days: i64,
    /// `expiresAt` goes with PUSH_MESSAGE and QR alone, as in the profile `seed`.
    pub(crate) expires_at_restricted_flows: bool,
    /// Events carry `paymentAction` and `processedAt`, as in the profile `seed`.
    pub(crate) legacy_event_fields: bool,
    /// The sales units may send push messages (else 5080).
    pub(crate) push_message_allowed: bool,
    /// The sales units may take long-living payments (else 5050).
    pub(crate) long_living_payments_allowed: bool,
    /// The sales units may use Express (else 5020).
    pub(crate) express_allowed: bool,
    /// The sales units may ask for national ids (else 5030).
    pub(crate) nin_allowed: bool,
    /// The sales units may capture in parts (else 6140).
    pub(crate) partial_capture_allowed: bool,
    /// Days from authorization to the capture and cancel deadline.
    pub(crate) capture_days: i64,
    /// Days from the last capture to the refund deadline.
    pub(crate) refund_days: i64,
    /// Days after authorization that `captureGuaranteedUntil` names.
    pub(crate) capture_guarantee_days: i64,
    /// Seconds that an access token lives: 1 h, as in the test environment.
    pub(crate) token_lifetime_seconds: u64,
    /// `expires_in` and its siblings as JSON numbers.
    pub(crate) token_numbers: bool,
    /// Answers of cancel, capture and refund under `application/problem+json`.
    pub(crate) problem_media_type_on_success: bool,
}

impl Settings {
    pub(crate) fn new(options: &Options) -> Self {
        let seed = options.profile == Profile::Seed;
        Self {
            strict: options.strict,
            rate_limits: options.rate_limits,
            reference_max_length: if seed { 50 } else { 64 },
            cancel_requires_key: seed,
            cancel_honours_body: !seed,
            expires_at_max_days: if seed { 28 } else { 60 },
            expires_at_restricted_flows: seed,
            legacy_event_fields: seed,
            push_message_allowed: true,
            long_living_payments_allowed: true,
            express_allowed: true,
            nin_allowed: true,
            partial_capture_allowed: true,
            capture_days: options.market.capture_days(),
            refund_days: 365,
            capture_guarantee_days: 7,
            token_lifetime_seconds: 3600,
            token_numbers: false,
            problem_media_type_on_success: false,
        }
    }

    /// The settings with some changed, or what is wrong with the change.
    pub(crate) fn patched(&self, change: &Value) -> Result<Self, String> {
        let Some(change) = change.as_object() else { return Err("settings are changed with a JSON object".into()) };
        let mut all = serde_json::to_value(self).map_err(|error| error.to_string())?;
        for (name, value) in change {
            match all.get_mut(name) {
                Some(known) => *known = value.clone(),
                None => {
                    let known: Vec<&String> = all.as_object().into_iter().flat_map(|all| all.keys()).collect();
                    return Err(format!("unknown setting `{name}` (known settings: {known:?})"));
                }
            }
        }
        serde_json::from_value(all).map_err(|error| format!("a setting has the wrong type: {error}"))
    }
}
