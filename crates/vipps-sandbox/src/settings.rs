//! Every decision that is ours and no fact of Vipps, as a named setting.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::deliver::{Kind, Rules};
use crate::options::{Options, Profile, RateLimitWindow};

/// When what a PSP reports takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum PspUpdates {
    /// At once.
    Immediate,
    /// At the next midnight, UTC, as in production.
    Nightly,
    /// Never, as in the test environment of Vipps.
    Never,
}

/// What Userinfo answers when the time to read it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum ExpiredUserinfo {
    /// 403.
    Forbidden,
    /// 200, with `[Expired]` in every text but `sub`.
    ExpiredTexts,
    /// 404.
    Unknown,
}

/// The settings, by the names they have in `GET /__sandbox/settings`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Settings {
    /// Refuse unknown fields, numbers for texts and http return URLs instead of warning.
    pub(crate) strict: bool,
    /// Answer 429 beyond the published rate limits.
    pub(crate) rate_limits: bool,
    /// How the minute of a rate limit is counted: `sliding`, or `fixed` from the first request.
    pub(crate) rate_limit_window: RateLimitWindow,
    /// Charges that may be created in a minute for a sales unit: 500, or no limit (`null`) in
    /// the profile `seed`.
    pub(crate) charges_per_minute: Option<u32>,
    /// Seconds after which idempotency keys are forgotten; `null` keeps them.
    pub(crate) idempotency_key_seconds: Option<u64>,
    /// JSON objects that the APIs answer have a member that no document names.
    pub(crate) unknown_members: bool,
    /// Longest `reference`: 64, or 50 in the profile `seed`.
    pub(crate) reference_max_length: u64,
    /// Cancel needs an idempotency key, as in the profile `seed`.
    pub(crate) cancel_requires_key: bool,
    /// Cancel honours `cancelTransactionOnly`.
    pub(crate) cancel_honours_body: bool,
    /// Days that `expiresAt` may lie ahead: 60, or 28 in the profile `seed`.
    pub(crate) expires_at_max_days: i64,
    /// `expiresAt` goes with PUSH_MESSAGE and QR alone and lies less than the days ahead, as in
    /// the profile `seed`.
    pub(crate) expires_at_restricted_flows: bool,
    /// Events carry `paymentAction` and `processedAt`, as in the profile `seed`.
    pub(crate) legacy_event_fields: bool,
    /// The sales units may send push messages (else 5080).
    pub(crate) push_message_allowed: bool,
    /// CARD payments are taken, which the test environment of Vipps does not (else 4160).
    pub(crate) card_allowed: bool,
    /// The sales units may refund (else 5100).
    pub(crate) refund_allowed: bool,
    /// The bank account of the sales units is verified (else 5060).
    pub(crate) bank_account_verified: bool,
    /// Magic amounts act.
    pub(crate) magic_amounts: bool,
    /// The sales units may take long-living payments (else 5050).
    pub(crate) long_living_payments_allowed: bool,
    /// The sales units may use Express (else 5020).
    pub(crate) express_allowed: bool,
    /// Express asks for all four of `name address email phoneNumber` and nothing else, as in the
    /// profile `seed`, not for `address` among others.
    pub(crate) express_scope_exact: bool,
    /// Events of payments have `profile.sub` beside `sub`, as in the profile `seed`.
    pub(crate) event_profile_sub: bool,
    /// Stopping an agreement that is STOPPED is 204 and does nothing; else 400, as in the
    /// profile `seed`.
    pub(crate) stopped_agreements_stop_again: bool,
    /// The sales units may use Recurring, Sweden apart (else 403).
    pub(crate) recurring_allowed: bool,
    /// The sales units may use Userinfo (else 403).
    pub(crate) userinfo_allowed: bool,
    /// Userinfo refuses requests with a subscription key (401); else they are warned about.
    pub(crate) userinfo_refuses_key: bool,
    /// Seconds after which `sub` of a customer can be read.
    pub(crate) sub_delay_seconds: i64,
    /// Hours after a consent in which Userinfo can be read.
    pub(crate) userinfo_hours: i64,
    /// What Userinfo answers afterwards: `forbidden` (403), `expiredTexts` (200 with `[Expired]`
    /// in the texts) or `unknown` (404).
    pub(crate) expired_userinfo: ExpiredUserinfo,
    /// The sales units may ask for national ids (else 5030).
    pub(crate) nin_allowed: bool,
    /// The sales units may capture in parts (else 6140).
    pub(crate) partial_capture_allowed: bool,
    /// Days from authorization to the capture and cancel deadline of payments; `null` means by
    /// the market of the sales unit: 180 in NO and SE, 14 in DK and FI.
    pub(crate) capture_days: Option<i64>,
    /// Days from the last capture to the refund deadline of payments.
    pub(crate) refund_days: i64,
    /// The refund deadline counts from the reservation, not from the last capture.
    pub(crate) refund_from_reservation: bool,
    /// Days after authorization that `captureGuaranteedUntil` names.
    pub(crate) capture_guarantee_days: i64,
    /// Seconds that an access token lives: 1 h, as in the test environment.
    pub(crate) token_lifetime_seconds: u64,
    /// `expires_in` and its siblings as JSON numbers.
    pub(crate) token_numbers: bool,
    /// Answers of cancel, capture and refund under `application/problem+json`.
    pub(crate) problem_media_type_on_success: bool,
    /// Days ahead, at least, of a charge's due date: 1, or 2 as in production before 2025-10.
    pub(crate) charge_due_min_days: i64,
    /// Days before its due date that a charge becomes DUE.
    pub(crate) charge_visible_days: i64,
    /// Hours of the day, UTC, at which charges are processed, in order.
    pub(crate) charge_run_hours: Vec<i64>,
    /// The least amount of a charge, in minor units of any currency.
    pub(crate) charge_minimum: i64,
    /// Seconds that a continuation token is good for.
    pub(crate) continuation_token_seconds: i64,
    /// Lists of agreements and charges begin with the newest.
    pub(crate) newest_first: bool,
    /// Agreements in NOK need `merchantAgreementUrl`.
    pub(crate) agreement_url_required_in_norway: bool,
    /// Charges in one answer of a list.
    pub(crate) charge_page_size: usize,
    /// The ceiling of LEGACY pricing is for all charges of an interval, not for each.
    pub(crate) legacy_ceiling_cumulative: bool,
    /// The sales units may create UNSCHEDULED charges (else `unsupported-feature`).
    pub(crate) unscheduled_allowed: bool,
    /// The sales units may skip the landing page of agreements (else 403).
    pub(crate) skip_landing_page_allowed: bool,
    /// Seconds after which captures, cancellations and updates of Recurring take effect: 0
    /// answers 204, more answers 202.
    pub(crate) recurring_effect_seconds: i64,
    /// Recurring problems have the type `about:blank`.
    pub(crate) problem_type_about_blank: bool,
    /// Recurring v2 is served (else 404).
    pub(crate) recurring_v2_available: bool,
    /// v2 stops an agreement together with other changes, as in the profile `seed`.
    pub(crate) v2_stop_with_changes: bool,
    /// The sales units may use Checkout (else 403).
    pub(crate) checkout_allowed: bool,
    /// A Checkout session is expired while it is being paid, and its payment cancelled (else
    /// 400).
    pub(crate) expire_initiated_sessions: bool,
    /// The merchant is called when a session expires while it is being paid.
    pub(crate) expired_session_callback: bool,
    /// Expired sessions are not known any more at once, not only after their hour.
    pub(crate) expired_sessions_unknown: bool,
    /// Calls for shipping options carry `callbackAuthorizationToken`.
    pub(crate) logistics_token: bool,
    /// Registrations of a sales unit for one event: 25, or 5 in the profile `seed`.
    pub(crate) webhooks_per_event: usize,
    /// Webhooks may be registered at http addresses of other machines, as containers have.
    pub(crate) http_webhooks_allowed: bool,
    /// Webhooks may be registered at addresses of this machine.
    pub(crate) loopback_webhooks_allowed: bool,
    /// 200 alone is a success of a delivery, not any 2xx.
    pub(crate) delivery_needs_200: bool,
    /// Each attempt of a delivery is signed with its own date, not with that of the first.
    pub(crate) resign_retries: bool,
    /// Failed deliveries are tried again every 100 ms, 35 times.
    pub(crate) fast_delivery_retries: bool,
    /// When what a PSP reports takes effect: `immediate`, `nightly` or `never`.
    pub(crate) psp_updates: PspUpdates,
    /// A PSP payment is reserved when the customer approves, not by the PSP's answer.
    pub(crate) psp_reserve_at_approval: bool,
    /// Milliseconds of real time within which a webhook or a callback is answered.
    pub(crate) delivery_timeout_millis: u64,
    /// Milliseconds of real time within which dynamic logistics options are answered.
    pub(crate) logistics_timeout_millis: u64,
    /// Milliseconds of real time within which Express options are answered.
    pub(crate) shipping_timeout_millis: u64,
    /// Milliseconds of real time within which makePayment is answered.
    pub(crate) make_payment_timeout_millis: u64,
    /// Milliseconds of real time within which a card callback is answered.
    pub(crate) card_callback_timeout_millis: u64,
}

impl Settings {
    pub(crate) fn new(options: &Options) -> Self {
        let seed = options.profile == Profile::Seed;
        Self {
            strict: options.strict,
            rate_limits: options.rate_limits,
            rate_limit_window: options.rate_limit_window,
            charges_per_minute: if seed { None } else { Some(500) },
            idempotency_key_seconds: None,
            unknown_members: false,
            reference_max_length: if seed { 50 } else { 64 },
            cancel_requires_key: seed,
            cancel_honours_body: !seed,
            expires_at_max_days: if seed { 28 } else { 60 },
            expires_at_restricted_flows: seed,
            legacy_event_fields: seed,
            push_message_allowed: true,
            card_allowed: true,
            refund_allowed: true,
            bank_account_verified: true,
            magic_amounts: true,
            long_living_payments_allowed: true,
            express_allowed: true,
            express_scope_exact: seed,
            event_profile_sub: seed,
            stopped_agreements_stop_again: !seed,
            recurring_allowed: true,
            userinfo_allowed: true,
            userinfo_refuses_key: true,
            sub_delay_seconds: 0,
            userinfo_hours: 168,
            expired_userinfo: ExpiredUserinfo::Forbidden,
            nin_allowed: true,
            partial_capture_allowed: true,
            capture_days: None,
            refund_days: 365,
            refund_from_reservation: false,
            capture_guarantee_days: 7,
            token_lifetime_seconds: 3600,
            token_numbers: false,
            problem_media_type_on_success: false,
            charge_due_min_days: 1,
            charge_visible_days: 30,
            charge_run_hours: vec![0, 7, 15],
            charge_minimum: 100,
            continuation_token_seconds: 600,
            newest_first: true,
            agreement_url_required_in_norway: true,
            charge_page_size: 100,
            legacy_ceiling_cumulative: true,
            unscheduled_allowed: true,
            skip_landing_page_allowed: true,
            recurring_effect_seconds: 0,
            problem_type_about_blank: false,
            recurring_v2_available: true,
            v2_stop_with_changes: seed,
            checkout_allowed: true,
            expire_initiated_sessions: false,
            expired_session_callback: true,
            expired_sessions_unknown: false,
            logistics_token: true,
            webhooks_per_event: if seed { 5 } else { 25 },
            http_webhooks_allowed: false,
            loopback_webhooks_allowed: true,
            delivery_needs_200: false,
            resign_retries: true,
            fast_delivery_retries: false,
            psp_updates: PspUpdates::Immediate,
            psp_reserve_at_approval: false,
            delivery_timeout_millis: 10_000,
            logistics_timeout_millis: 8_000,
            shipping_timeout_millis: 8_000,
            make_payment_timeout_millis: 15_000,
            card_callback_timeout_millis: 20_000,
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
                    let known: Vec<&str> =
                        all.as_object().into_iter().flat_map(|all| all.keys()).map(String::as_str).collect();
                    return Err(format!("unknown setting `{name}` (known settings: {})", known.join(", ")));
                }
            }
        }
        let patched: Self =
            serde_json::from_value(all).map_err(|error| format!("a setting has the wrong type: {error}"))?;
        patched.check()?;
        Ok(patched)
    }

    /// Numbers that would make no sense.
    fn check(&self) -> Result<(), String> {
        const MOST_DAYS: i64 = 36_500;
        let hours_rise = self.charge_run_hours.windows(2).all(|pair| pair[0] < pair[1]);
        if self.charge_run_hours.is_empty()
            || !hours_rise
            || self.charge_run_hours.iter().any(|hour| !(0..24).contains(hour))
        {
            return Err("`chargeRunHours` must be hours from 0 to 23, in rising order".into());
        }
        let days = [
            ("expiresAtMaxDays", self.expires_at_max_days),
            ("captureDays", self.capture_days.unwrap_or(0)),
            ("refundDays", self.refund_days),
            ("captureGuaranteeDays", self.capture_guarantee_days),
            ("chargeDueMinDays", self.charge_due_min_days),
            ("chargeVisibleDays", self.charge_visible_days),
        ];
        match days.iter().find(|(_, days)| !(0..=MOST_DAYS).contains(days)) {
            Some((name, _)) => Err(format!("`{name}` must be from 0 to {MOST_DAYS} days")),
            None if self.charge_minimum < 0 => Err("`chargeMinimum` must not be negative".into()),
            None if !(0..=MOST_DAYS * 86_400).contains(&self.continuation_token_seconds) => {
                Err("`continuationTokenSeconds` must not be negative".into())
            }
            None if self.charge_page_size == 0 => Err("`chargePageSize` must be above 0".into()),
            None if !(0..=MOST_DAYS * 86_400).contains(&self.sub_delay_seconds) => {
                Err("`subDelaySeconds` must not be negative".into())
            }
            None if !(0..=MOST_DAYS * 24).contains(&self.userinfo_hours) => {
                Err("`userinfoHours` must not be negative".into())
            }
            None if self.charges_per_minute == Some(0) => {
                Err("`chargesPerMinute` must be above 0, or null for no limit".into())
            }
            None if !(0..=MOST_DAYS * 86_400).contains(&self.recurring_effect_seconds) => {
                Err("`recurringEffectSeconds` must not be negative".into())
            }
            None => Ok(()),
        }
    }

    pub(crate) fn delivery_rules(&self) -> Rules {
        Rules {
            fast: self.fast_delivery_retries,
            needs_200: self.delivery_needs_200,
            signed_once: !self.resign_retries,
        }
    }

    /// How long a merchant may take to answer a call.
    pub(crate) fn limit_of(&self, kind: Kind) -> Duration {
        Duration::from_millis(match kind {
            Kind::Webhook | Kind::CheckoutCallback => self.delivery_timeout_millis,
            Kind::MakePayment => self.make_payment_timeout_millis,
            Kind::CardCallback => self.card_callback_timeout_millis,
            Kind::DynamicShipping => self.shipping_timeout_millis,
            Kind::DynamicLogistics => self.logistics_timeout_millis,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_in_the_documentation_and_no_other() {
        let all = serde_json::to_value(Settings::new(&Options::default())).unwrap();
        let mut names: Vec<&str> = all.as_object().unwrap().keys().map(String::as_str).collect();
        let rows = include_str!("docs/settings.md").lines().filter_map(|line| line.strip_prefix("| `"));
        let mut told: Vec<&str> = rows.filter_map(|row| row.split('`').next()).collect();
        names.sort_unstable();
        told.sort_unstable();
        assert_eq!(names, told);
    }
}
