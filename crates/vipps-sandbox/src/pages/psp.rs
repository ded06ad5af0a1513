//! The landing page of a PSP payment, where a person confirms or cancels. Pure: a view in,
//! markup out.
//!
//! Its forms post `token` to `/psp/landing/approve`, with `phoneNumber`, and to
//! `/psp/landing/cancel`.

use super::escaped;
use super::layout::{NO_MONEY, document, facts, hidden, notice, paragraph, token_form};
use crate::psp::State;

/// What the page shows of a PSP payment.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) token: String,
    /// `499.00 NOK`.
    pub(crate) amount: String,
    pub(crate) order_id: String,
    /// The PSP's text for the customer.
    pub(crate) text: Option<String>,
    /// The customer's number, where the PSP knows it.
    pub(crate) phone: Option<String>,
    pub(crate) state: State,
    /// What went wrong just now.
    pub(crate) message: Option<String>,
}

/// The whole page.
pub(crate) fn page(view: &View) -> String {
    let content = match view.state {
        State::Initiated => choices(view),
        State::Waiting => state(view, "The payment is being made."),
        State::SoftDeclined => state(view, "Your bank wants to know that it is you."),
        State::Reserved => state(view, "It is paid."),
        State::Failed => state(view, "The payment was refused."),
        State::UserCancelled => state(view, "You cancelled this payment."),
        State::TimedOut => state(view, "This payment was not confirmed in time."),
    };
    let body = format!(
        "<h1>{}</h1>{}{}{}{content}{NO_MONEY}",
        escaped(&view.amount),
        paragraph(view.text.as_deref()),
        facts(&[("Order", Some(view.order_id.as_str()))]),
        notice(view.message.as_deref()),
    );
    document("Payment", &body)
}

fn choices(view: &View) -> String {
    format!(
        "<form method=\"post\" action=\"/psp/landing/approve\">{token}\
         <label for=\"phoneNumber\">Phone number</label>\
         <input id=\"phoneNumber\" name=\"phoneNumber\" type=\"tel\" autocomplete=\"tel\" value=\"{phone}\">\
         <button id=\"pay\">Pay {amount}</button></form>{cancel}",
        token = hidden("token", &view.token),
        phone = escaped(view.phone.as_deref().unwrap_or_default()),
        amount = escaped(&view.amount),
        cancel = token_form("/psp/landing/cancel", &view.token, "cancel", "quiet", "Cancel"),
    )
}

fn state(view: &View, words: &str) -> String {
    format!("<p id=\"state\" data-state=\"{}\"><strong>{words}</strong></p>", view.state.wire())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> View {
        View {
            token: "t0k".into(),
            amount: "499.00 NOK".into(),
            order_id: "acme-42".into(),
            text: None,
            phone: Some("4712345678".into()),
            state: State::Initiated,
            message: None,
        }
    }

    #[test]
    fn a_new_payment_is_confirmed_or_cancelled() {
        let page = page(&view());
        for part in ["/psp/landing/approve", "/psp/landing/cancel", "value=\"4712345678\"", "acme-42"] {
            assert!(page.contains(part), "{part}");
        }
    }

    #[test]
    fn every_other_state_says_so_in_words_and_asks_nothing() {
        let table = [
            (State::Waiting, "being made"),
            (State::SoftDeclined, "Your bank"),
            (State::Reserved, "It is paid"),
            (State::Failed, "refused"),
            (State::UserCancelled, "You cancelled"),
            (State::TimedOut, "in time"),
        ];
        for (state, words) in table {
            let page = page(&View { state, ..view() });
            assert!(page.contains(words) && !page.contains("<form"), "{state:?}");
        }
    }

    #[test]
    fn no_text_becomes_markup() {
        let evil = || "\"><script>".to_owned();
        let page = page(&View {
            token: evil(),
            amount: evil(),
            order_id: evil(),
            text: Some(evil()),
            phone: Some(evil()),
            state: State::Initiated,
            message: Some(evil()),
        });
        assert!(!page.contains("<script"), "{page}");
    }
}
