//! What all pages share: the frame, the style, the headers, the smallest pieces of forms.

use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use super::escaped;

/// No script and nothing from elsewhere, whatever a text may try. No `form-action`: the way
/// back to a merchant is a redirect after a form, which it would forbid.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; frame-ancestors 'none'";

/// What every page says at its end.
pub(super) const NO_MONEY: &str = "<p class=\"small\">This is a sandbox: no money moves.</p>";

/// A page that asks one thing of a customer. `body` is markup.
pub(super) fn document(title: &str, body: &str) -> String {
    frame(title, "", &format!("<main class=\"narrow\">{body}</main>"))
}

/// A whole document. `head` and `body` are markup.
pub(super) fn frame(title: &str, head: &str, body: &str) -> String {
    // The empty icon keeps browsers from asking for /favicon.ico, which is no call of any API.
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title}</title><link rel=\"icon\" href=\"data:,\"><style>{style}</style>{head}</head>\
         <body>{body}</body></html>",
        title = escaped(title),
        style = include_str!("style.css"),
    )
}

/// A page as an answer, kept by nobody and told to nobody: its address holds a token.
pub(super) fn respond(status: StatusCode, html: &str) -> Response {
    respond_under(POLICY, status, html)
}

/// As [`respond`], under another policy.
pub(super) fn respond_under(policy: &'static str, status: StatusCode, html: &str) -> Response {
    let headers = [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::CACHE_CONTROL, "no-store"),
        // Tells other sites nothing, and lets the own forms say where they come from.
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, Html(html.to_owned())).into_response()
}

/// What happened, told to a screen reader too.
pub(super) fn notice(message: Option<&str>) -> String {
    let told =
        |text| format!("<p class=\"notice\" id=\"message\" role=\"status\"><strong>{}</strong></p>", escaped(text));
    message.map(told).unwrap_or_default()
}

/// A field that nobody sees.
pub(super) fn hidden(name: &str, value: &str) -> String {
    format!("<input type=\"hidden\" name=\"{}\" value=\"{}\">", escaped(name), escaped(value))
}

/// A form of one button that carries the token of its page. `style` is a class, or empty.
pub(super) fn token_form(action: &str, token: &str, id: &str, style: &str, label: &str) -> String {
    format!(
        "<form method=\"post\" action=\"{}\">{}<button id=\"{id}\" class=\"{style}\">{}</button></form>",
        escaped(action),
        hidden("token", token),
        escaped(label),
    )
}

/// Names and what they are; those without a text are left out.
pub(super) fn facts(facts: &[(&str, Option<&str>)]) -> String {
    let fact = |(name, text): &(&str, Option<&str>)| {
        text.map(|text| format!("<dt>{}</dt><dd>{}</dd>", escaped(name), escaped(text)))
    };
    format!("<dl>{}</dl>", facts.iter().filter_map(fact).collect::<String>())
}

/// A paragraph, where there is a text.
pub(super) fn paragraph(text: Option<&str>) -> String {
    text.map(|text| format!("<p>{}</p>", escaped(text))).unwrap_or_default()
}

/// A link to a page of the web; nothing for any other kind of address, such as a script.
pub(super) fn link(label: &str, address: Option<&str>) -> String {
    address
        .filter(|address| address.starts_with("https://") || address.starts_with("http://"))
        .map(|address| format!("<a href=\"{}\" rel=\"noreferrer\">{}</a>", escaped(address), escaped(label)))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_requests_stay_texts_in_every_piece() {
        let evil = "\"><script>";
        let pieces = [
            document(evil, ""),
            notice(Some(evil)),
            hidden(evil, evil),
            token_form(evil, evil, "id", "", evil),
            facts(&[(evil, Some(evil))]),
            paragraph(Some(evil)),
            link(evil, Some("https://shop.example/\"><script>")),
        ];
        for piece in pieces {
            assert!(!piece.contains("<script>"), "{piece}");
        }
    }

    #[test]
    fn a_script_is_no_link() {
        assert_eq!(link("Back", Some("javascript:alert(1)")), "");
        assert!(link("Back", Some("https://shop.example/?a=1&b=2")).contains("a=1&amp;b=2"));
    }
}
