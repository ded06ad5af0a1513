//! Wire names as Rust names, as the generator makes them.

use heck::{ToPascalCase, ToShoutySnakeCase, ToSnakeCase};

/// `cardCallbackUrl` as a field or method: `card_callback_url`.
pub(crate) fn snake(name: &str) -> String {
    identifier(clean(name).to_snake_case(), "x")
}

/// `acme order` as a type or variant: `AcmeOrder`.
pub(crate) fn pascal(name: &str) -> String {
    identifier(clean(name).to_pascal_case(), "X")
}

/// `capturePayment` as a constant: `CAPTURE_PAYMENT`.
pub(crate) fn shouty(name: &str) -> String {
    identifier(clean(name).to_shouty_snake_case(), "X")
}

/// The words of a name, in Pascal case: `LegacyPricingV3` is Legacy, Pricing, V3.
pub(crate) fn words(name: &str) -> Vec<String> {
    clean(name).to_snake_case().split('_').filter(|word| !word.is_empty()).map(ToPascalCase::to_pascal_case).collect()
}

fn clean(name: &str) -> String {
    name.replace('\'', "").replace(|c: char| !(c.is_alphanumeric() || c == '_'), "-")
}

/// Leading digits get a prefix and keywords an underscore, as the generator does it.
fn identifier(name: String, prefix: &str) -> String {
    let name = match name.chars().next() {
        None => prefix.to_owned(),
        Some(first) if first.is_alphabetic() || first == '_' => name,
        Some(_) => format!("{prefix}{name}"),
    };
    if syn::parse_str::<syn::Ident>(&name).is_ok() && name != "gen" { name } else { format!("{name}_") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_names_become_rust_names() {
        let cases = [
            ("cardCallbackUrl", "card_callback_url", "CardCallbackUrl"),
            ("AddressLine1", "address_line1", "AddressLine1"),
            ("type", "type_", "Type"),
            ("Idempotency-Key", "idempotency_key", "IdempotencyKey"),
            ("CODE 39", "code_39", "Code39"),
            ("3ds", "x3ds", "X3ds"),
            ("", "x", "X"),
        ];
        for (wire, field, type_name) in cases {
            assert_eq!((snake(wire).as_str(), pascal(wire).as_str()), (field, type_name), "{wire}");
        }
    }

    #[test]
    fn words_keep_their_order() {
        assert_eq!(words("LegacyPricingResponseV3"), ["Legacy", "Pricing", "Response", "V3"]);
    }
}
