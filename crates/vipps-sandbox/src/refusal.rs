//! The answers "no" of the domain: what is refused and why, before it becomes a body.

use std::borrow::Cow;

/// Why the domain refuses an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// ePayment: a rule of state or configuration, as a code of its table.
    Code(u16),
    /// Any API: malformed fields, each with the failed rule.
    Fields(Vec<(String, String)>),
    /// Recurring: a problem of its list, with the status it comes with here.
    Problem { identifier: &'static str, status: u16, detail: Cow<'static, str> },
    /// Checkout: a status, its error code and a title.
    Session { status: u16, code: &'static str, title: &'static str },
    /// PSP: an error of its table.
    Psp { code: &'static str, message: Cow<'static, str> },
    /// Webhooks, PSP and Userinfo: nothing has this id.
    Unknown,
    /// Userinfo: not for this sales unit, or not any more.
    Forbidden(&'static str),
    /// Any API: the first copy of this request, or another write to the same thing, is
    /// still under way.
    Busy,
    /// Any API: the idempotency key belongs to another request.
    KeyReused,
}

impl Refusal {
    /// One malformed field.
    pub(crate) fn field(name: &str, rule: impl Into<String>) -> Self {
        Self::Fields(vec![(name.to_owned(), rule.into())])
    }

    /// A problem of Recurring, with the status of its identifier.
    pub(crate) fn problem(identifier: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        let status = match identifier {
            "not-authorized" => 401,
            "invalid-sale-unit" => 403,
            "resource-not-found" => 404,
            "conflict" | "idempotency-conflict" => 409,
            "not-acceptable" => 406,
            "unsupported-media-type" => 415,
            _ => 400,
        };
        Self::Problem { identifier, status, detail: detail.into() }
    }

    /// An error of the PSP table.
    pub(crate) fn psp(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::Psp { code, message: message.into() }
    }

    /// True for the answers that say to come back: nothing is kept under their key.
    pub(crate) fn says_come_back(&self) -> bool {
        matches!(self, Self::Code(6160 | 6250 | 6280) | Self::Busy)
    }
}

/// The status and the title of a code of ePayment.
pub(crate) fn code(code: u16) -> (u16, &'static str) {
    let (_, status, title) = entry(code);
    (status, title)
}

/// The title of a code, where there is such a code.
pub(crate) fn known_title(code: u16) -> Option<&'static str> {
    CODES.iter().find(|(known, ..)| *known == code).map(|(_, _, title)| *title)
}

fn entry(code: u16) -> (u16, u16, &'static str) {
    *CODES.iter().find(|(known, ..)| *known == code).unwrap_or(&(3010, 500, "Internal error"))
}

/// Every code with the status it comes with and its title.
const CODES: &[(u16, u16, &str)] = &[
    (3010, 500, "Internal error"),
    (4010, 409, "Capture idempotency conflict"),
    (4020, 409, "Idempotency error"),
    (4040, 400, "Invalid amount"),
    (4050, 400, "Invalid CustomerToken"),
    (4060, 400, "Invalid PersonalQr"),
    (4070, 400, "Invalid phone number"),
    (4080, 400, "Invalid scope"),
    (4090, 400, "Invalid URL"),
    (4100, 400, "Metadata capacity exceeded"),
    (4110, 400, "Metadata duplicate keys not allowed"),
    (4120, 400, "Metadata key length exceeded"),
    (4130, 400, "Metadata value length exceeded"),
    (4140, 400, "Missing required parameter"),
    (4150, 409, "Reference exists"),
    (4160, 400, "Invalid payment method type"),
    (5010, 400, "Blocking sources not applicable"),
    (5020, 403, "Express payment not allowed"),
    (5030, 403, "Illegal scope"),
    (5040, 400, "Invalid currency for merchant"),
    (5050, 403, "Long-living payment not allowed"),
    (5060, 403, "Merchant bank account not verified"),
    (5070, 400, "Payment cannot be created"),
    (5080, 403, "PUSH_MESSAGE not allowed"),
    (5090, 404, "Reference not found"),
    (5100, 400, "Refund not possible"),
    (6010, 400, "Amount too small"),
    (6020, 400, "Attempted refund before reservation"),
    (6030, 400, "Cancel period expired"),
    (6040, 400, "Cannot cancel a captured payment"),
    (6050, 400, "Cannot cancel a non-reserved payment"),
    (6060, 400, "Cannot cancel authorized payment"),
    (6070, 400, "Cannot capture a cancelled payment"),
    (6080, 400, "Cannot capture before reservation"),
    (6090, 400, "Capture amount too high"),
    (6100, 400, "Capture period expired"),
    (6110, 400, "Expiration date is too late"),
    (6120, 400, "Expiration date is too soon"),
    (6130, 400, "Long living payments require a receipt"),
    (6140, 400, "Must capture full amount"),
    (6150, 400, "Not enough refundable"),
    (6160, 423, "Order processing"),
    (6170, 400, "Payment already captured"),
    (6180, 400, "Payment already refunded"),
    (6190, 400, "Payment cannot be cancelled"),
    (6200, 400, "Payment cannot be captured"),
    (6210, 400, "Payment cannot be refunded"),
    (6220, 400, "Refund period expired"),
    (6230, 400, "Payment is already reserved"),
    (6250, 409, "Cannot cancel processing payment"),
    (6260, 400, "Funds unavailable"),
    (6280, 400, "Capture failed, please try again later"),
    (7010, 400, "Customer not found"),
    (10010, 400, "Approve failed"),
    (10020, 403, "Approve not allowed"),
    (10030, 400, "Identification required"),
    (10040, 400, "Invalid payment source"),
    (10050, 400, "No cards"),
    (10060, 400, "Operation not supported"),
    (10070, 400, "Payment limit exceeded"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_sorted_and_unique() {
        assert!(CODES.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn published_statuses_are_kept() {
        for (code, status) in [
            (5010, 400),
            (6080, 400),
            (4010, 409),
            (4020, 409),
            (4150, 409),
            (5090, 404),
            (6160, 423),
            (6100, 400),
            (6030, 400),
        ] {
            assert_eq!(super::code(code).0, status, "{code}");
        }
    }
}
