//! The page of Checkout behind `checkoutFrontendUrl`, where a person tells who they are,
//! chooses a delivery and pays. Pure: a view in, markup out.
//!
//! Its forms post to `/checkout-page/{token}/details` (the members of `prefillCustomer` by their
//! names), `/checkout-page/{token}/pay` (`paymentMethod`, `shippingOptionId`, and `customConsent`
//! only where it is ticked) and `/checkout-page/{token}/cancel`. `/checkout-page/{token}?change=details`
//! is the way back to the first step.

use serde_json::Value;

use super::escaped;
use super::layout::{NO_MONEY, document, facts, link, notice, paragraph};
use crate::session::State;

/// What the page shows of a session.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) token: String,
    pub(crate) reference: String,
    /// What is paid now, without the delivery: `499.00 NOK`.
    pub(crate) amount: Option<String>,
    pub(crate) description: Option<String>,
    /// What is subscribed to: `Magazine, 99.00 NOK every month`.
    pub(crate) subscription: Option<String>,
    /// The lines of the order, where the shop wants them shown: names and prices.
    pub(crate) lines: Vec<(String, String)>,
    pub(crate) elements: Elements,
    /// Countries to deliver to, ISO alpha-2; empty for any.
    pub(crate) countries: Vec<String>,
    /// What is known of the customer, by the names of `prefillCustomer`.
    pub(crate) customer: Value,
    /// The first step is done.
    pub(crate) details_given: bool,
    /// In the order of their priority.
    pub(crate) shipping: Vec<Shipping>,
    pub(crate) consent: Option<Consent>,
    /// Ways to pay elsewhere: names and addresses.
    pub(crate) external: Vec<(String, String)>,
    pub(crate) state: State,
    /// The way back to the shop.
    pub(crate) return_url: Option<String>,
    /// What went wrong just now.
    pub(crate) message: Option<String>,
}

/// Which steps a shop wants: `configuration.elements`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Elements {
    /// Contact, address, delivery, payment.
    #[default]
    Full,
    /// Contact and payment.
    PaymentAndContactInfo,
    /// Payment.
    PaymentOnly,
}

/// A way to deliver.
#[derive(Clone, Debug)]
pub(crate) struct Shipping {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) description: Option<String>,
    /// `49.00 NOK`.
    pub(crate) price: String,
    /// Chosen until the customer chooses another.
    pub(crate) default: bool,
}

/// A box to tick.
#[derive(Clone, Debug)]
pub(crate) struct Consent {
    pub(crate) text: String,
    /// Nobody pays without it.
    pub(crate) required: bool,
}

/// A field: its name, which is its id too, label, type, and what browsers fill in.
type Field = (&'static str, &'static str, &'static str, &'static str);

const CONTACT: [Field; 4] = [
    ("firstName", "First name", "text", "given-name"),
    ("lastName", "Last name", "text", "family-name"),
    ("email", "E-mail", "email", "email"),
    ("phoneNumber", "Phone number", "tel", "tel"),
];

const ADDRESS: [Field; 3] = [
    ("streetAddress", "Street address", "text", "street-address"),
    ("postalCode", "Postal code", "text", "postal-code"),
    ("city", "City", "text", "address-level2"),
];

/// The whole page.
pub(crate) fn page(view: &View) -> String {
    let content = match view.state {
        State::Created if asks_details(view) => steps(true) + &details(view) + &cancel(view),
        State::Created => {
            let steps = if view.elements == Elements::PaymentOnly { String::new() } else { steps(false) };
            steps + &given_details(view) + &pay(view) + &cancel(view)
        }
        State::Initiated => going_on(view) + &cancel(view),
        State::Successful => ended(view, "It is paid. Thank you!"),
        State::Terminated => ended(view, "It is not paid: the payment was cancelled, refused or took too long."),
        State::Expired => ended(view, "This took too long, or the shop ended it. Go back to the shop to begin again."),
    };
    document("Checkout", &format!("{}{}{content}{NO_MONEY}", head(view), notice(view.message.as_deref())))
}

fn asks_details(view: &View) -> bool {
    view.elements != Elements::PaymentOnly && !view.details_given
}

fn head(view: &View) -> String {
    let title = view.amount.as_deref().or(view.subscription.as_deref()).unwrap_or("Checkout");
    let subscription = view.subscription.as_deref().filter(|text| *text != title);
    let line = |(name, price): &(String, String)| format!("<li>{}: {}</li>", escaped(name), escaped(price));
    let lines = match view.lines.as_slice() {
        [] => String::new(),
        lines => format!("<h2>Your order</h2><ul>{}</ul>", lines.iter().map(line).collect::<String>()),
    };
    format!(
        "<h1>{}</h1>{}{}{}{lines}",
        escaped(title),
        paragraph(view.description.as_deref()),
        paragraph(subscription),
        facts(&[("Reference", Some(view.reference.as_str()))]),
    )
}

fn steps(first: bool) -> String {
    let step = |name: &str, now: bool| {
        let current = if now { " aria-current=\"step\"" } else { "" };
        format!("<li{current}>{name}</li>")
    };
    format!("<ol class=\"steps\">{}{}</ol>", step("About you", first), step("Payment", !first))
}

/// The first step: who the customer is, and where they live.
fn details(view: &View) -> String {
    let inputs = |fields: &[Field]| fields.iter().map(|field| input(view, field)).collect::<String>();
    let address = match view.elements {
        Elements::Full => {
            format!("<fieldset><legend>Address</legend>{}{}</fieldset>", inputs(&ADDRESS), country(view))
        }
        _ => String::new(),
    };
    form(
        view,
        "details",
        &format!(
            "<fieldset><legend>Contact</legend>{}</fieldset>{address}<button id=\"continue\">Continue</button>",
            inputs(&CONTACT)
        ),
    )
}

fn known<'a>(view: &'a View, name: &str) -> &'a str {
    view.customer[name].as_str().unwrap_or_default()
}

fn input(view: &View, (name, label, kind, autocomplete): &Field) -> String {
    format!(
        "<label for=\"{name}\">{label}</label><input id=\"{name}\" name=\"{name}\" type=\"{kind}\" \
         autocomplete=\"{autocomplete}\" value=\"{}\" required>",
        escaped(known(view, name))
    )
}

fn country(view: &View) -> String {
    if view.countries.is_empty() {
        return "<label for=\"country\">Country, two letters</label>".to_owned()
            + &format!(
                "<input id=\"country\" name=\"country\" autocomplete=\"country\" pattern=\"[A-Za-z]{{2}}\" \
                 value=\"{}\" required>",
                escaped(known(view, "country"))
            );
    }
    let option = |code: &String| {
        let selected = if code.eq_ignore_ascii_case(known(view, "country")) { " selected" } else { "" };
        format!("<option value=\"{code}\"{selected}>{code}</option>", code = escaped(code))
    };
    let options: String = view.countries.iter().map(option).collect();
    format!(
        "<label for=\"country\">Country</label>\
         <select id=\"country\" name=\"country\" autocomplete=\"country\">{options}</select>"
    )
}

fn given_details(view: &View) -> String {
    if view.elements == Elements::PaymentOnly {
        return String::new();
    }
    let whole = |names: &[&str]| {
        let parts: Vec<&str> = names.iter().map(|name| known(view, name)).filter(|part| !part.is_empty()).collect();
        Some(parts.join(", ")).filter(|text| !text.is_empty())
    };
    let contact = whole(&["firstName", "lastName", "email", "phoneNumber"]);
    let address = whole(&["streetAddress", "postalCode", "city", "country"]);
    let address = address.filter(|_| view.elements == Elements::Full);
    format!(
        "{}<p><a id=\"change\" href=\"/checkout-page/{}?change=details\">Change</a></p>",
        facts(&[("Contact", contact.as_deref()), ("Address", address.as_deref())]),
        escaped(&view.token),
    )
}

/// The second step: the delivery, the box to tick, the way to pay.
fn pay(view: &View) -> String {
    let external: String = view.external.iter().map(|(name, address)| external(name, address)).collect();
    let content = format!(
        "{}{}<button id=\"wallet\" name=\"paymentMethod\" value=\"Wallet\">Pay with the app</button>\
         <button id=\"card\" name=\"paymentMethod\" value=\"Card\" class=\"quiet\">Pay by card</button>",
        shipping(view),
        consent(view),
    );
    form(view, "pay", &content) + &external
}

fn shipping(view: &View) -> String {
    if view.shipping.is_empty() {
        return String::new();
    }
    let chosen = view.shipping.iter().position(|option| option.default).unwrap_or(0);
    let option = |(index, option): (usize, &Shipping)| {
        let checked = if index == chosen { " checked" } else { "" };
        let description = option
            .description
            .as_deref()
            .map(|text| format!("<br><span class=\"small\">{}</span>", escaped(text)))
            .unwrap_or_default();
        format!(
            "<label class=\"choice\"><input type=\"radio\" id=\"shipping-{index}\" name=\"shippingOptionId\" \
             value=\"{}\"{checked} required><span>{}, {}{description}</span></label>",
            escaped(&option.id),
            escaped(&option.title),
            escaped(&option.price),
        )
    };
    let options: String = view.shipping.iter().enumerate().map(option).collect();
    format!(
        "<fieldset><legend>Delivery</legend>{options}\
         <p class=\"small\">The price of the delivery is added to the amount.</p></fieldset>"
    )
}

fn consent(view: &View) -> String {
    let Some(Consent { text, required }) = &view.consent else { return String::new() };
    let required = if *required { " required" } else { "" };
    format!(
        "<label class=\"choice\"><input type=\"checkbox\" id=\"consent\" name=\"customConsent\" \
         value=\"true\"{required}><span>{}</span></label>",
        escaped(text)
    )
}

fn external(name: &str, address: &str) -> String {
    match link(&format!("Pay with {name}"), Some(address)) {
        link if link.is_empty() => String::new(),
        link => format!("<p>{link}</p>"),
    }
}

/// A payment that was begun and is not finished.
fn going_on(view: &View) -> String {
    let button = "<button id=\"wallet\" name=\"paymentMethod\" value=\"Wallet\">Pay</button>";
    format!("<p>The payment has begun.</p>{}", form(view, "pay", button))
}

fn cancel(view: &View) -> String {
    form(view, "cancel", "<button id=\"cancel\" class=\"quiet\">Cancel</button>")
}

fn ended(view: &View, words: &str) -> String {
    format!(
        "<p id=\"state\" data-state=\"{}\"><strong>{words}</strong></p><p>{}</p>",
        view.state.wire(),
        link("Back to the shop", view.return_url.as_deref())
    )
}

/// A form of a step. `content` is markup.
fn form(view: &View, step: &str, content: &str) -> String {
    format!("<form method=\"post\" action=\"/checkout-page/{}/{step}\">{content}</form>", escaped(&view.token))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn view() -> View {
        View {
            token: "t0k".into(),
            reference: "acme-order-42".into(),
            amount: Some("499.00 NOK".into()),
            description: Some("Hoodie".into()),
            subscription: None,
            lines: vec![("Hoodie".into(), "499.00 NOK".into())],
            elements: Elements::Full,
            countries: vec!["NO".into(), "DK".into()],
            customer: json!({ "firstName": "Ada", "country": "DK" }),
            details_given: false,
            shipping: vec![
                Shipping {
                    id: "post".into(),
                    title: "Parcel".into(),
                    description: None,
                    price: "49.00 NOK".into(),
                    default: false,
                },
                Shipping {
                    id: "bike".into(),
                    title: "Bike".into(),
                    description: Some("Today".into()),
                    price: "99.00 NOK".into(),
                    default: true,
                },
            ],
            consent: Some(Consent { text: "Send me news".into(), required: true }),
            external: vec![("Klarna".into(), "https://shop.example/klarna".into())],
            state: State::Created,
            return_url: Some("https://shop.example/thanks".into()),
            message: None,
        }
    }

    #[test]
    fn the_first_step_asks_what_the_shop_wants() {
        // Elements, asked, not asked.
        let table: [(Elements, &[&str], &[&str]); 3] = [
            (Elements::Full, &["firstName", "email", "streetAddress", "country"], &["paymentMethod"]),
            (Elements::PaymentAndContactInfo, &["firstName", "email"], &["streetAddress", "paymentMethod"]),
            (Elements::PaymentOnly, &["paymentMethod"], &["firstName", "streetAddress"]),
        ];
        for (elements, asked, not_asked) in table {
            let page = page(&View { elements, ..view() });
            for name in asked {
                assert!(page.contains(&format!("name=\"{name}\"")), "{elements:?} asks {name}");
            }
            for name in not_asked {
                assert!(!page.contains(&format!("name=\"{name}\"")), "{elements:?} does not ask {name}");
            }
        }
    }

    #[test]
    fn what_is_known_is_filled_in() {
        let page = page(&view());
        assert!(page.contains("value=\"Ada\""), "{page}");
        assert!(page.contains("<option value=\"DK\" selected>"), "{page}");
    }

    #[test]
    fn the_second_step_offers_deliveries_with_the_default_chosen() {
        let page = page(&View { details_given: true, ..view() });
        assert!(page.contains("value=\"bike\" checked") && !page.contains("value=\"post\" checked"), "{page}");
        for part in
            ["action=\"/checkout-page/t0k/pay\"", "value=\"Wallet\"", "value=\"Card\"", "id=\"consent\"", "Klarna"]
        {
            assert!(page.contains(part), "{part}");
        }
    }

    #[test]
    fn a_finished_session_says_so_in_words_and_asks_nothing() {
        let table = [
            (State::Successful, "It is paid"),
            (State::Terminated, "It is not paid"),
            (State::Expired, "took too long"),
        ];
        for (state, words) in table {
            let page = page(&View { state, ..view() });
            assert!(page.contains(words) && page.contains("Back to the shop"), "{state:?}");
            assert!(!page.contains("<form"), "{state:?}");
        }
    }

    #[test]
    fn no_text_becomes_markup() {
        let evil = || "\"><script>".to_owned();
        let view = View {
            token: evil(),
            reference: evil(),
            amount: Some(evil()),
            description: Some(evil()),
            subscription: Some("\"><script>2".into()),
            lines: vec![(evil(), evil())],
            countries: vec![evil()],
            customer: json!({ "firstName": evil(), "city": evil() }),
            shipping: vec![Shipping {
                id: evil(),
                title: evil(),
                description: Some(evil()),
                price: evil(),
                default: true,
            }],
            consent: Some(Consent { text: evil(), required: false }),
            external: vec![(evil(), "javascript:alert(1)".into()), (evil(), "https://a.example/\"><script>".into())],
            return_url: Some("javascript:alert(1)".into()),
            message: Some(evil()),
            ..view()
        };
        let views = [
            View { details_given: true, ..view.clone() },
            View { countries: Vec::new(), ..view.clone() },
            View { state: State::Initiated, ..view.clone() },
            View { state: State::Successful, ..view.clone() },
            view,
        ];
        for view in views {
            let page = page(&view);
            assert!(!page.contains("<script") && !page.contains("javascript:"), "{page}");
        }
    }
}
