//! A Checkout session: its states and what the customer chose. Pure: no HTTP, no clock.

use serde_json::{Value, json};

use crate::clock::{HOUR, Millis};
use crate::refusal::Refusal;

/// A session lives this long.
pub(crate) const LIFE: Millis = HOUR;
/// The least that is paid, shipping included, in minor units of any currency.
pub(crate) const LEAST_TOTAL: i64 = 100;

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
}

/// How the customer pays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum PayBy {
    #[default]
    Wallet,
    Card,
    /// The money has moved when it is done: no ePayment is behind it.
    BankTransfer,
}

impl PayBy {
    pub(crate) const NAMES: &str = "Wallet, Card, BankTransfer";

    pub(crate) fn wire(self) -> &'static str {
        match self {
            Self::Wallet => "Wallet",
            Self::Card => "Card",
            Self::BankTransfer => "BankTransfer",
        }
    }

    pub(crate) fn from_wire(name: &str) -> Option<Self> {
        [Self::Wallet, Self::Card, Self::BankTransfer].into_iter().find(|way| way.wire() == name)
    }
}

/// What the customer chose and told, on the page or through the control API.
#[derive(Clone, Debug, Default)]
pub(crate) struct Choice {
    pub(crate) pay_by: PayBy,
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
    /// ones. A subscription has none.
    pub(crate) fn options(&self) -> Vec<Value> {
        if self.is_subscription() {
            return Vec::new();
        }
        let fixed = || self.request["logistics"]["fixedOptions"].as_array().cloned().unwrap_or_default();
        let mut options = self.offered.clone().unwrap_or_else(fixed);
        options.sort_by_key(|option| option["priority"].as_i64().unwrap_or(i64::MAX));
        options
    }

    /// Where options for an address come from.
    pub(crate) fn dynamic_options_url(&self) -> Option<&str> {
        let url = self.request["logistics"]["dynamicOptionsCallback"].as_str();
        url.filter(|url| !url.is_empty() && !self.is_subscription())
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
        self.total_with(self.shipping.as_ref())
    }

    /// What would be paid with this option.
    pub(crate) fn total_with(&self, option: Option<&Value>) -> Option<(i64, String)> {
        let amount = &self.request["transaction"]["amount"];
        let currency = amount["currency"].as_str()?.to_owned();
        let shipping = option.and_then(|option| option["amount"]["value"].as_i64()).unwrap_or(0);
        Some((amount["value"].as_i64()?.checked_add(shipping)?, currency))
    }

    /// The merchant wants to read the customer's profile data.
    pub(crate) fn requires_user_info(&self) -> bool {
        self.request["configuration"]["requireUserInfo"] == true
    }

    /// The customer pays only after ticking the merchant's box.
    pub(crate) fn requires_consent(&self) -> bool {
        self.request["configuration"]["customConsent"]["required"] == true
    }
}

/// Older documents let PORTERBUDDY go without a price. True where it did, and has one now.
pub(crate) fn complete_option(option: &mut Value, currency: &str) -> bool {
    let lacks_price = option["brand"] == "PORTERBUDDY" && option["amount"].is_null();
    if let Some(members) = option.as_object_mut().filter(|_| lacks_price) {
        members.insert("amount".into(), json!({ "value": 0, "currency": currency }));
    }
    lacks_price
}

/// What no schema says of an option: it is paid together with the transaction. Gives the
/// member of its amount that breaks this, and how.
pub(crate) fn option_violation(option: &Value, transaction: &Value) -> Option<(&'static str, String)> {
    let (own, amount) = (&transaction["amount"], &option["amount"]);
    if amount["currency"] != own["currency"] {
        return Some(("currency", "must be that of the transaction".into()));
    }
    let total = own["value"].as_i64()?.checked_add(amount["value"].as_i64()?)?;
    (total > i64::from(i32::MAX)).then(|| ("value", format!("makes a total above {}", i32::MAX)))
}

#[cfg(test)]
mod tests {
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
