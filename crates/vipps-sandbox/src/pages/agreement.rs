//! The page behind `vippsConfirmationUrl`, where a person accepts or declines an agreement.
//! Pure: a view in, markup out.
//!
//! Its forms post `token` to `/agreement/approve`, with `maxAmount` in major units (`499.00`)
//! where the customer chooses it, and to `/agreement/reject`.

use super::escaped;
use super::layout::{NO_MONEY, document, facts, hidden, notice, paragraph, token_form};
use crate::agreement::Status;

/// What the page shows of an agreement.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) token: String,
    pub(crate) product: String,
    pub(crate) description: Option<String>,
    /// `99.00 NOK`, `up to 499.00 NOK`, `what you use`.
    pub(crate) price: String,
    /// `every month`.
    pub(crate) interval: Option<String>,
    /// What is paid at once: `1.00 NOK: First month`.
    pub(crate) initial_charge: Option<String>,
    /// The customer chooses a ceiling of their own (VARIABLE).
    pub(crate) max_amount: Option<MaxAmount>,
    pub(crate) status: Status,
    /// What went wrong just now.
    pub(crate) message: Option<String>,
}

/// The most that may be charged in an interval.
#[derive(Clone, Debug)]
pub(crate) struct MaxAmount {
    /// What the merchant suggests, in major units: `499.00`.
    pub(crate) suggested: String,
    /// `NOK`.
    pub(crate) currency: String,
}

/// The whole page.
pub(crate) fn page(view: &View) -> String {
    let content = match view.status {
        Status::Pending => choices(view),
        Status::Active => state(view, "You have accepted this agreement."),
        Status::Stopped => state(view, "This agreement was declined or has ended."),
        Status::Expired => state(view, "This offer was not accepted in time."),
    };
    let body = format!(
        "<h1>{}</h1>{}{}{}{content}{NO_MONEY}",
        escaped(&view.product),
        paragraph(view.description.as_deref()),
        facts(&[
            ("Price", Some(view.price.as_str())),
            ("How often", view.interval.as_deref()),
            ("To pay now", view.initial_charge.as_deref()),
        ]),
        notice(view.message.as_deref()),
    );
    document("Agreement", &body)
}

fn choices(view: &View) -> String {
    let ceiling = view.max_amount.as_ref().map(ceiling).unwrap_or_default();
    // Who has a number to look at first does not get the button first.
    let focus = if ceiling.is_empty() { " autofocus" } else { "" };
    format!(
        "<form method=\"post\" action=\"/agreement/approve\">{token}{ceiling}\
         <button id=\"approve\"{focus}>Accept</button></form>{reject}",
        token = hidden("token", &view.token),
        reject = token_form("/agreement/reject", &view.token, "reject", "quiet", "Decline"),
    )
}

fn ceiling(max: &MaxAmount) -> String {
    format!(
        "<label for=\"maxAmount\">The most you allow each time, in {}</label>\
         <input id=\"maxAmount\" name=\"maxAmount\" type=\"number\" inputmode=\"decimal\" min=\"0.01\" step=\"0.01\" \
         value=\"{}\" required>",
        escaped(&max.currency),
        escaped(&max.suggested),
    )
}

fn state(view: &View, words: &str) -> String {
    format!("<p id=\"state\" data-state=\"{}\"><strong>{words}</strong></p>", view.status.wire())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> View {
        View {
            token: "t0k".into(),
            product: "Magazine".into(),
            description: Some("Every issue".into()),
            price: "99.00 NOK".into(),
            interval: Some("every month".into()),
            initial_charge: None,
            max_amount: None,
            status: Status::Pending,
            message: None,
        }
    }

    #[test]
    fn a_pending_agreement_is_accepted_or_declined() {
        let page = page(&view());
        for part in ["action=\"/agreement/approve\"", "action=\"/agreement/reject\"", "99.00 NOK", "every month"] {
            assert!(page.contains(part), "{part}");
        }
        assert!(!page.contains("maxAmount"), "{page}");
    }

    #[test]
    fn only_a_variable_price_asks_for_a_ceiling() {
        let max_amount = Some(MaxAmount { suggested: "499.00".into(), currency: "NOK".into() });
        let page = page(&View { max_amount, ..view() });
        assert!(page.contains("name=\"maxAmount\"") && page.contains("value=\"499.00\""), "{page}");
    }

    #[test]
    fn what_is_settled_says_so_in_words_and_asks_nothing() {
        let table =
            [(Status::Active, "accepted"), (Status::Stopped, "declined or has ended"), (Status::Expired, "in time")];
        for (status, words) in table {
            let page = page(&View { status, ..view() });
            assert!(page.contains(words) && !page.contains("<form"), "{status:?}");
        }
    }

    #[test]
    fn no_text_becomes_markup() {
        let evil = || "\"><script>".to_owned();
        let page = page(&View {
            token: evil(),
            product: evil(),
            description: Some(evil()),
            price: evil(),
            interval: Some(evil()),
            initial_charge: Some(evil()),
            max_amount: Some(MaxAmount { suggested: evil(), currency: evil() }),
            status: Status::Pending,
            message: Some(evil()),
        });
        assert!(!page.contains("<script"), "{page}");
    }
}
