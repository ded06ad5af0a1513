//! Pages for people.

mod agreement;
mod checkout;
mod customer_routes;
mod home;
mod home_routes;
mod landing;
mod layout;
mod parts;
mod psp;
mod qr;
mod rows;

/// Every page and picture.
pub(crate) fn router() -> axum::Router<crate::sandbox::Shared> {
    landing::router().merge(customer_routes::router()).merge(home_routes::router()).merge(qr::router())
}

/// A text as HTML text or as an attribute in double quotes.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_a_request_becomes_markup() {
        assert_eq!(escaped(r#"<script>"&'</script>"#), "&lt;script&gt;&quot;&amp;&#39;&lt;/script&gt;");
    }
}
