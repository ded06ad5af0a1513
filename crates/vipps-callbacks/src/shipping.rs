//! Shipping options for the address of an Express payment.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Map, Value, json};
use vipps_types::{Amount, OpaqueJson, Personal};

use crate::event::Members;
use crate::token_auth::{Callback, sealed};
use crate::{Answer, AnswerError, Refusal, Subject};

/// Which shipping options an address may have: what `shipping.dynamicOptions.callbackUrl` is
/// asked for an Express payment. Its members are read in both published spellings.
///
/// Answer with a [`ShippingAnswer`]; no limit is published, 8 s is that of Checkout.
#[derive(Clone, PartialEq)]
pub struct ShippingRequest {
    members: Members,
    reference: String,
}

impl sealed::Sealed for ShippingRequest {}

impl Callback for ShippingRequest {
    fn read(body: &[u8]) -> Result<Self, Refusal> {
        let unreadable = |why| Refusal::Unreadable { why };
        let members = Members::read(body).ok_or(unreadable("it is no JSON object"))?;
        let names = ["reference", "Reference"];
        let reference = members.text_of(names).ok_or(unreadable("it has no reference"))?.into_owned();
        Ok(Self { members, reference })
    }
}

impl ShippingRequest {
    /// The merchant's reference of the payment.
    #[must_use]
    pub fn reference(&self) -> &str {
        &self.reference
    }

    /// The payment.
    #[must_use]
    pub fn subject(&self) -> Subject {
        Subject::payment(&self.reference)
    }

    /// The street.
    #[must_use]
    pub fn address_line_1(&self) -> Option<Personal<String>> {
        self.personal(["AddressLine1", "addressLine1"])
    }

    /// What else the street needs.
    #[must_use]
    pub fn address_line_2(&self) -> Option<Personal<String>> {
        self.personal(["AddressLine2", "addressLine2"])
    }

    /// The city.
    #[must_use]
    pub fn city(&self) -> Option<Personal<String>> {
        self.personal(["City", "city"])
    }

    /// The postal code.
    #[must_use]
    pub fn post_code(&self) -> Option<Personal<String>> {
        self.personal(["PostCode", "postCode"])
    }

    /// The country, as it came: mostly two letters.
    #[must_use]
    pub fn country(&self) -> Option<String> {
        Some(self.members.text_of(["Country", "country"])?.into_owned())
    }

    /// The whole body.
    #[must_use]
    pub fn raw(&self) -> &OpaqueJson {
        self.members.raw()
    }

    fn personal(&self, names: [&str; 2]) -> Option<Personal<String>> {
        Some(self.members.text_of(names)?.into_owned().into())
    }
}

/// Shows no address.
impl fmt::Debug for ShippingRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShippingRequest").field("reference", &self.reference).finish_non_exhaustive()
    }
}

vipps_types::open_enum! {
    /// How it is delivered.
    pub enum ShippingType {
        /// To the door.
        HomeDelivery = "HOME_DELIVERY",
        /// To a pickup point.
        PickupPoint = "PICKUP_POINT",
        /// Into the mailbox.
        Mailbox = "MAILBOX",
        /// Fetched in the shop.
        InStore = "IN_STORE",
        /// Otherwise.
        Other = "OTHER",
    }
}

vipps_types::open_enum! {
    /// Who delivers; decides the logo.
    pub enum ShippingBrand {
        /// Posten.
        Posten = "POSTEN",
        /// Bring.
        Bring = "BRING",
        /// PostNord.
        Postnord = "POSTNORD",
        /// Helthjem.
        Helthjem = "HELTHJEM",
        /// Porterbuddy.
        Porterbuddy = "PORTERBUDDY",
        /// DHL.
        Dhl = "DHL",
        /// Instabox.
        Instabox = "INSTABOX",
        /// FedEx.
        Fedex = "FEDEX",
        /// Matkahuolto.
        Matkahuolto = "MATKAHUOLTO",
        /// GLS.
        Gls = "GLS",
        /// Posti.
        Posti = "POSTI",
        /// Gordon.
        Gordon = "GORDON",
        /// Anyone else.
        Other = "OTHER",
    }
}

/// The options of one carrier and one way of delivery.
#[derive(Clone, Debug, PartialEq)]
pub struct ShippingGroup {
    how: ShippingType,
    brand: ShippingBrand,
    options: Vec<ShippingOption>,
}

impl ShippingGroup {
    /// A group with its first option, which is chosen beforehand.
    pub fn new(how: ShippingType, brand: ShippingBrand, option: ShippingOption) -> Self {
        Self { how, brand, options: vec![option] }
    }

    /// One more option.
    #[must_use]
    pub fn option(mut self, option: ShippingOption) -> Self {
        self.options.push(option);
        self
    }

    fn json(&self, index: usize) -> Value {
        let options: Vec<Value> = self.options.iter().enumerate().map(|(index, option)| option.json(index)).collect();
        let (how, brand) = (self.how.as_str(), self.brand.as_str());
        json!({ "type": how, "brand": brand, "priority": index, "isDefault": index == 0, "options": options })
    }
}

/// One option: what the customer chooses.
#[derive(Clone, Debug, PartialEq)]
pub struct ShippingOption {
    id: String,
    name: String,
    amount: Amount,
    meta: Option<String>,
    estimated_delivery: Option<String>,
}

impl ShippingOption {
    /// An option by the merchant's id, which comes back as `shippingOptionId`; its name; and its
    /// cost in the currency of the payment, which is added to it.
    pub fn new(id: impl Into<String>, name: impl Into<String>, amount: Amount) -> Self {
        Self { id: id.into(), name: name.into(), amount, meta: None, estimated_delivery: None }
    }

    /// Another line of text, such as the address of a pickup point. Default: none.
    #[must_use]
    pub fn meta(mut self, text: impl Into<String>) -> Self {
        self.meta = Some(text.into());
        self
    }

    /// When it will arrive, as free text. Default: not said.
    #[must_use]
    pub fn estimated_delivery(mut self, text: impl Into<String>) -> Self {
        self.estimated_delivery = Some(text.into());
        self
    }

    fn json(&self, index: usize) -> Value {
        let amount = json!({ "value": self.amount.minor_units(), "currency": self.amount.currency().as_str() });
        let mut members = Map::new();
        let mut set = |name: &str, value: Value| members.insert(name.to_owned(), value);
        set("id", self.id.as_str().into());
        set("name", self.name.as_str().into());
        set("amount", amount);
        set("priority", index.into());
        set("isDefault", (index == 0).into());
        for (name, text) in [("meta", &self.meta), ("estimatedDelivery", &self.estimated_delivery)] {
            if let Some(text) = text {
                set(name, text.as_str().into());
            }
        }
        members.into()
    }
}

/// The answer to a [`ShippingRequest`].
#[derive(Clone, Debug, PartialEq)]
pub struct ShippingAnswer(Answer);

impl ShippingAnswer {
    /// These groups, in this order.
    ///
    /// # Errors
    ///
    /// [`AnswerError`] naming the member, for what Vipps would not take: no group at all, a
    /// carrier and way of delivery twice, an id twice, an empty id or name, two currencies, a
    /// negative amount.
    pub fn groups(groups: impl IntoIterator<Item = ShippingGroup>) -> Result<Self, AnswerError> {
        let groups: Vec<ShippingGroup> = groups.into_iter().collect();
        let Some(first) = groups.first().and_then(|group| group.options.first()) else {
            return Err(AnswerError::new("groups", "must not be empty: say cannot_ship"));
        };
        let (mut pairs, mut ids) = (BTreeSet::new(), BTreeSet::new());
        for (at, group) in groups.iter().enumerate() {
            if !pairs.insert((&group.how, &group.brand)) {
                return Err(AnswerError::new(format!("groups[{at}]"), "must not have type and brand of another group"));
            }
            for (index, option) in group.options.iter().enumerate() {
                let wrong = |member, why| Err(AnswerError::new(format!("groups[{at}].options[{index}].{member}"), why));
                match option {
                    ShippingOption { id, .. } if id.is_empty() => return wrong("id", "must not be empty"),
                    ShippingOption { name, .. } if name.is_empty() => return wrong("name", "must not be empty"),
                    ShippingOption { amount, .. } if amount.minor_units() < 0 => {
                        return wrong("amount", "must not be negative");
                    }
                    ShippingOption { amount, .. } if amount.currency() != first.amount.currency() => {
                        return wrong("amount", "must have the currency of the payment, as the others");
                    }
                    ShippingOption { id, .. } if !ids.insert(id) => {
                        return wrong("id", "must not be that of another option");
                    }
                    _ => {}
                }
            }
        }
        let groups: Vec<Value> = groups.iter().enumerate().map(|(index, group)| group.json(index)).collect();
        Ok(Self(Answer::ok(&json!({ "groups": groups }))))
    }

    /// Nothing can be sent to this address: the customer is told so. Status 400.
    #[must_use]
    pub fn cannot_ship() -> Self {
        Self(Answer::empty(400))
    }
}

impl From<ShippingAnswer> for Answer {
    fn from(answer: ShippingAnswer) -> Self {
        answer.0
    }
}
