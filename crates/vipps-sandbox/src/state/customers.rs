//! The customers of a sandbox: who they are, and what they consented to share.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::World;
use crate::clock::{HOUR, Millis, SECOND};
use crate::options::Market;

/// A customer. Every sandbox begins with one for each market, known by any phone number until
/// the control API says who has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Person {
    /// Country code and number, digits alone.
    pub(crate) phone_number: String,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) email: String,
    /// `YYYY-MM-DD`.
    pub(crate) birth_date: String,
    /// A national id comes only where the control API gave one.
    pub(crate) nin: Option<String>,
    /// Where they live; `None` where no address is registered.
    pub(crate) address: Option<Home>,
    pub(crate) other_addresses: Vec<Home>,
}

/// An address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Home {
    pub(crate) address_line1: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) address_line2: Option<String>,
    pub(crate) city: String,
    pub(crate) post_code: String,
    /// ISO 3166-1 alpha-2, in capitals.
    pub(crate) country: String,
}

/// What one customer consented to at one sales unit.
#[derive(Clone, Debug)]
pub(crate) struct Consents {
    pub(crate) sales_unit: String,
    phone_number: String,
    /// When, and the scope as it was asked for; the oldest first.
    given: Vec<(Millis, String)>,
}

/// What is left of a customer's consents.
#[derive(Debug)]
pub(crate) enum Shared {
    /// The words of every scope whose time is not over.
    Scope(Vec<String>),
    /// The time of all of them is over.
    Expired,
}

impl Person {
    /// 1990-12-10.
    pub(crate) const BORN: Millis = 660_787_200_000;

    /// The customer that a market begins with.
    pub(crate) fn of_market(market: Market) -> Self {
        let (phone, street, city, post_code) = match market {
            Market::Norway => ("4712345678", "Prøveveien 1", "Oslo", "0154"),
            Market::Denmark => ("4512345678", "Prøvegade 1", "København", "1050"),
            Market::Finland => ("358401234567", "Koekatu 1", "Helsinki", "00100"),
            Market::Sweden => ("46701234567", "Provgatan 1", "Stockholm", "11122"),
        };
        Self {
            phone_number: phone.into(),
            first_name: "Ada".into(),
            last_name: "Prøve".into(),
            email: "ada.prove@example.com".into(),
            birth_date: "1990-12-10".into(),
            nin: None,
            address: Some(Home {
                address_line1: street.into(),
                address_line2: None,
                city: city.into(),
                post_code: post_code.into(),
                country: market.country().into(),
            }),
            other_addresses: Vec::new(),
        }
    }

    /// `userDetails` of a payment: only what was consented to, none where that is nothing.
    pub(crate) fn user_details(&self, scope: &str) -> Option<Value> {
        let mut details = json!({});
        for word in scope.split_whitespace() {
            match word {
                "name" => {
                    details["firstName"] = self.first_name.as_str().into();
                    details["lastName"] = self.last_name.as_str().into();
                }
                "email" => details["email"] = self.email.as_str().into(),
                "phoneNumber" => details["mobileNumber"] = self.phone_number.as_str().into(),
                "birthDate" => details["dateOfBirth"] = self.birth_date.as_str().into(),
                "address" => {
                    details["addresses"] = self.address.iter().chain(&self.other_addresses).map(Home::to_json).collect()
                }
                _ => {}
            }
        }
        details.as_object().is_some_and(|members| !members.is_empty()).then_some(details)
    }
}

impl Home {
    /// As ePayment shows an address.
    pub(crate) fn to_json(&self) -> Value {
        let mut address = json!({
            "addressLine1": self.address_line1, "city": self.city, "postCode": self.post_code, "country": self.country,
        });
        if let Some(line) = &self.address_line2 {
            address["addressLine2"] = line.as_str().into();
        }
        address
    }
}

/// The id of a customer at a sales unit: the same for every payment and agreement there,
/// another one at every other sales unit.
pub(crate) fn sub_of(sales_unit: &str, phone_number: &str) -> String {
    let name = format!("{sales_unit}/{phone_number}");
    uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, name.as_bytes()).to_string()
}

impl World {
    /// The home market of a sales unit.
    pub(crate) fn market_of(&self, sales_unit: &str) -> Market {
        self.options.market_of(sales_unit)
    }

    /// Who has a phone number, or whoever the market of the sales unit begins with.
    pub(crate) fn person(&self, sales_unit: &str, phone_number: Option<&str>) -> Person {
        let usual = Person::of_market(self.market_of(sales_unit));
        let phone_number = phone_number.unwrap_or(&usual.phone_number).to_owned();
        match self.people.get(&phone_number) {
            Some(known) => known.clone(),
            None => Person { phone_number, ..usual },
        }
    }

    /// Every customer whose profile was set.
    pub(crate) fn people(&self) -> impl Iterator<Item = &Person> {
        self.people.values()
    }

    /// The profile of a phone number, as the control API shows and changes it.
    pub(crate) fn person_of_phone(&self, phone_number: &str) -> Person {
        let market = match phone_number {
            phone if phone.starts_with("358") => Market::Finland,
            phone if phone.starts_with("45") => Market::Denmark,
            phone if phone.starts_with("46") => Market::Sweden,
            _ => Market::Norway,
        };
        let known = self.people.get(phone_number).cloned();
        known.unwrap_or_else(|| Person { phone_number: phone_number.to_owned(), ..Person::of_market(market) })
    }

    /// Changes the profile of a phone number, or says what is wrong with the change.
    pub(crate) fn change_person(&mut self, phone_number: &str, change: &Value) -> Result<Person, String> {
        if !(8..=15).contains(&phone_number.len()) || !phone_number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err("a customer is known by a phone number: country code and number, digits alone".into());
        }
        let Some(change) = change.as_object() else { return Err("a profile is changed with a JSON object".into()) };
        let mut all = serde_json::to_value(self.person_of_phone(phone_number)).map_err(|error| error.to_string())?;
        for (name, value) in change {
            match all.get_mut(name).filter(|_| name != "phoneNumber") {
                Some(known) => *known = value.clone(),
                None => {
                    let known = "firstName, lastName, email, birthDate, nin, address, otherAddresses";
                    return Err(format!("unknown member `{name}` (known members: {known})"));
                }
            }
        }
        let person: Person =
            serde_json::from_value(all).map_err(|error| format!("a member has the wrong form: {error}"))?;
        if crate::clock::parse_day(&person.birth_date).is_none() {
            return Err("`birthDate` must be a date: YYYY-MM-DD".into());
        }
        let country =
            |home: &Home| home.country.len() == 2 && home.country.bytes().all(|byte| byte.is_ascii_uppercase());
        if !person.address.iter().chain(&person.other_addresses).all(country) {
            return Err("`country` must be two capital letters, such as NO".into());
        }
        self.people.insert(phone_number.to_owned(), person.clone());
        Ok(person)
    }

    /// A customer shares what a scope names.
    pub(super) fn consent(&mut self, sales_unit: &str, phone_number: &str, scope: &str, at: Millis) {
        let consents = self.consents.entry(sub_of(sales_unit, phone_number)).or_insert_with(|| Consents {
            sales_unit: sales_unit.to_owned(),
            phone_number: phone_number.to_owned(),
            given: Vec::new(),
        });
        consents.given.push((at, scope.to_owned()));
    }

    /// Whether a `sub` that came to be then can be seen now.
    pub(crate) fn shows_sub(&self, consented: Millis) -> bool {
        self.clock.now() >= consented.saturating_add(self.settings.sub_delay_seconds * SECOND)
    }

    /// Whose `sub` this is at a sales unit, and what they share still.
    pub(crate) fn shared_by(&self, sub: &str, sales_unit: &str, now: Millis) -> Option<(Person, Shared)> {
        let consents = self.consents.get(sub).filter(|consents| consents.sales_unit == sales_unit)?;
        let since = now.saturating_sub(self.settings.userinfo_hours * HOUR);
        let fresh =
            consents.given.iter().filter(|(at, _)| *at > since || self.settings.userinfo_hours == 0 && *at == now);
        let mut words: Vec<String> =
            fresh.flat_map(|(_, scope)| scope.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect();
        words.sort_unstable();
        words.dedup();
        let shared = if words.is_empty() { Shared::Expired } else { Shared::Scope(words) };
        Some((self.person(sales_unit, Some(&consents.phone_number)), shared))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_consented_to_is_shown() {
        let person = Person::of_market(Market::Norway);
        let names = |scope: &str| -> Vec<String> {
            let details = person.user_details(scope);
            details.iter().flat_map(|details| details.as_object().unwrap().keys().cloned()).collect()
        };
        for (scope, wanted) in [
            ("", &[][..]),
            ("nin", &[]),
            ("name", &["firstName", "lastName"]),
            ("address email", &["addresses", "email"]),
            ("birthDate phoneNumber", &["dateOfBirth", "mobileNumber"]),
        ] {
            let mut found = names(scope);
            found.sort();
            assert_eq!(found, wanted, "{scope}");
        }
    }

    #[test]
    fn a_customer_has_another_id_at_every_sales_unit() {
        assert_eq!(sub_of("123456", "4712345678"), sub_of("123456", "4712345678"));
        assert_ne!(sub_of("123456", "4712345678"), sub_of("654321", "4712345678"));
    }
}
