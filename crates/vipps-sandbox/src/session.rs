//! A Checkout session: its states and what the customer chose. Pure: no HTTP, no clock.

use serde_json::Value;

use crate::clock::{HOUR, Millis};
use crate::refusal::Refusal;

/// A session lives this long.
pub(crate) const LIFE: Millis = HOUR;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Created,
    Initiated,
    Expired,
    Successful,
    Terminated,
}

impl State {
    pub(crate) fn wire(self) -> &'static str {
        match self {
            Self::Created => "SessionCreated",
            Self::Initiated => "PaymentInitiated",
            Self::Expired => "SessionExpired",
            Self::Successful => "PaymentSuccessful",
            Self::Terminated => "PaymentTerminated",
        }
    }

    pub(crate) fn is_final(self) -> bool {
        matches!(self, Self::Expired | Self::Successful | Self::Terminated)
    }
}

/// What the customer chose and told, on the page or through the control API.
#[derive(Clone, Debug, Default)]
pub(crate) struct Choice {
    pub(crate) card: bool,
    pub(crate) shipping_option: Option<String>,
    pub(crate) consent: Option<bool>,
    /// The members of `prefillCustomer`, by the same names.
    pub(crate) customer: Option<Value>,
}

/// A session.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) token: String,
    /// The request that made it, with what updates replaced.
    pub(crate) request: Value,
    pub(crate) state: State,
    pub(crate) created: Millis,
    /// Shipping options that the merchant gave for the customer's address.
    pub(crate) offered: Option<Vec<Value>>,
    pub(crate) choice: Choice,
    /// The chosen shipping option, as it was offered.
    pub(crate) shipping: Option<Value>,
    /// The agreement of a subscription.
    pub(crate) agreement: Option<String>,
}

impl Session {
    pub(crate) fn new(id: String, token: String, request: Value, created: Millis) -> Self {
        Self {
            id,
            token,
            request,
            state: State::Created,
            created,
            offered: None,
            choice: Choice::default(),
            shipping: None,
            agreement: None,
        }
    }

    pub(crate) fn is_subscription(&self) -> bool {
        self.request["type"] == "SUBSCRIPTION"
    }

    /// When it expires by itself.
    pub(crate) fn next_timer(&self) -> Option<Millis> {
        (self.state == State::Created).then_some(self.created + LIFE)
    }

    /// After its life an expired session is not known any more.
    pub(crate) fn is_forgotten(&self, now: Millis) -> bool {
        self.state == State::Expired && now >= self.created + LIFE
    }

    /// The options that the customer chooses from: those for the address, else the fixed
    /// ones.
    pub(crate) fn options(&self) -> Vec<Value> {
        let fixed = || self.request["logistics"]["fixedOptions"].as_array().cloned().unwrap_or_default();
        let mut options = self.offered.clone().unwrap_or_else(fixed);
        options.sort_by_key(|option| option["priority"].as_i64().unwrap_or(i64::MAX));
        options
    }

    /// Where options for an address come from.
    pub(crate) fn dynamic_options_url(&self) -> Option<&str> {
        self.request["logistics"]["dynamicOptionsCallback"].as_str().filter(|url| !url.is_empty())
    }

    pub(crate) fn wants_shipping(&self) -> bool {
        self.dynamic_options_url().is_some() || !self.options().is_empty()
    }

    /// The option with this id, or the one to start with.
    pub(crate) fn option(&self, id: Option<&str>) -> Option<Value> {
        let options = self.options();
        match id {
            Some(id) => options.into_iter().find(|option| option["id"] == id),
            None => options.iter().find(|option| option["isDefault"] == true).or(options.first()).cloned(),
        }
    }

    /// Only a session that nobody began to pay is changed.
    pub(crate) fn must_be_new(&self) -> Result<(), Refusal> {
        match self.state {
            State::Created => Ok(()),
            _ => Err(Refusal::Session {
                status: 400,
                code: "Session-00400",
                title: "The session is already being paid or is finished.",
            }),
        }
    }

    /// What is paid: value and currency, shipping included.
    pub(crate) fn total(&self) -> Option<(i64, String)> {
        let amount = &self.request["transaction"]["amount"];
        let currency = amount["currency"].as_str()?.to_owned();
        let shipping = self.shipping.as_ref().and_then(|option| option["amount"]["value"].as_i64()).unwrap_or(0);
        Some((amount["value"].as_i64()?.checked_add(shipping)?, currency))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn session() -> Session {
        let option = |id: &str, priority: i64, default: bool, value: i64| json!({ "id": id, "priority": priority, "isDefault": default, "amount": { "value": value, "currency": "NOK" } });
        let request = json!({
            "type": "PAYMENT", "transaction": { "amount": { "value": 1000, "currency": "NOK" } },
            "logistics": { "fixedOptions": [option("b", 1, true, 50), option("a", 0, false, 0)] },
        });
        Session::new("s".into(), "t".into(), request, 0)
    }

    #[test]
    fn options_are_sorted_and_the_default_is_chosen() {
        let mut session = session();
        assert_eq!(session.options()[0]["id"], "a");
        assert_eq!(session.option(None).unwrap()["id"], "b");
        assert_eq!(session.option(Some("c")), None);
        session.shipping = session.option(None);
        assert_eq!(session.total(), Some((1050, "NOK".into())));
    }

    #[test]
    fn only_an_expired_session_is_forgotten_after_an_hour() {
        let mut session = session();
        assert!(!session.is_forgotten(LIFE));
        session.state = State::Expired;
        assert!(session.is_forgotten(LIFE) && !session.is_forgotten(LIFE - 1));
    }
}
