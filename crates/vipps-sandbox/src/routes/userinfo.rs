//! Userinfo API: what a customer consented to share, as their profile is now.

use serde_json::{Value, json};

use super::api::Request;
use crate::answer::Answer;
use crate::clock::Millis;
use crate::refusal::Refusal;
use crate::settings::ExpiredUserinfo;
use crate::state::{Home, Person, Shared, World};

/// The longest `sub`.
const MOST_SUB: usize = 255;
/// What every text reads when the time to read it is over.
const EXPIRED: &str = "[Expired]";

pub(super) fn answer(world: &World, request: &Request<'_>, now: Millis) -> Result<Answer, Refusal> {
    let sub = request.parameter(0);
    if sub.is_empty() || sub.len() > MOST_SUB || sub.contains('/') {
        return Err(Refusal::field("sub", "must have 1 to 255 characters and no slash"));
    }
    let (person, shared) = world.shared_by(sub, request.sales_unit(world), now).ok_or(Refusal::Unknown)?;
    let scope = match shared {
        Shared::Scope(words) => words,
        Shared::Expired => {
            return match world.settings.expired_userinfo {
                ExpiredUserinfo::Forbidden => Err(Refusal::Forbidden("The time to read the profile data is over.")),
                ExpiredUserinfo::Unknown => Err(Refusal::Unknown),
                ExpiredUserinfo::ExpiredTexts => {
                    let mut profile = profile(&person, &["name", "address", "email", "phoneNumber", "birthDate"]);
                    expire(&mut profile);
                    profile["sub"] = sub.into();
                    Ok(Answer::json(200, &profile))
                }
            };
        }
    };
    let scope: Vec<&str> = scope.iter().map(String::as_str).collect();
    let mut profile = profile(&person, &scope);
    profile["sub"] = sub.into();
    Ok(Answer::json(200, &profile).with_media("application/json;charset=UTF-8"))
}

/// The members of the scopes.
fn profile(person: &Person, scope: &[&str]) -> Value {
    let mut profile = json!({});
    for word in scope {
        match *word {
            "name" => {
                profile["name"] = format!("{} {}", person.first_name, person.last_name).into();
                profile["given_name"] = person.first_name.as_str().into();
                profile["family_name"] = person.last_name.as_str().into();
            }
            "email" => {
                profile["email"] = person.email.as_str().into();
                profile["email_verified"] = true.into();
            }
            "phoneNumber" => {
                profile["phone_number"] = person.phone_number.as_str().into();
                profile["phone_number_verified"] = true.into();
            }
            "birthDate" => profile["birthdate"] = person.birth_date.as_str().into(),
            "nin" => {
                if let Some(nin) = &person.nin {
                    profile["nin"] = nin.as_str().into();
                }
            }
            "address" => {
                profile["address"] = address(person.address.as_ref(), "home");
                let others = person.other_addresses.iter().map(|home| address(Some(home), "other"));
                profile["other_addresses"] = others.collect();
            }
            _ => {}
        }
    }
    profile
}

/// An address; one that is not registered is an object of empty texts.
fn address(home: Option<&Home>, kind: &str) -> Value {
    let Some(home) = home else {
        return json!({
            "address_type": "", "street_address": "", "postal_code": "", "region": "", "country": "", "formatted": "",
        });
    };
    let street = match &home.address_line2 {
        Some(second) => format!("{}\n{second}", home.address_line1),
        None => home.address_line1.clone(),
    };
    json!({
        "address_type": kind, "street_address": street, "postal_code": home.post_code, "region": home.city,
        "country": home.country, "formatted": format!("{street}\n{}\n{}\n{}", home.post_code, home.city, home.country),
    })
}

/// Every text reads that its time is over.
fn expire(value: &mut Value) {
    match value {
        Value::String(text) => EXPIRED.clone_into(text),
        Value::Array(items) => items.iter_mut().for_each(expire),
        Value::Object(members) => members.values_mut().for_each(expire),
        _ => {}
    }
}
