//! The answers "no" of the domain: status, code and title of each.

/// Why the domain refuses an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A rule of state or configuration: an error code of the ePayment table.
    Code(u16),
    /// A malformed field: its name and the failed rule, and no code.
    Fields(Vec<(String, String)>),
}

impl Refusal {
    /// One malformed field.
    pub(crate) fn field(name: &str, rule: impl Into<String>) -> Self {
        Self::Fields(vec![(name.to_owned(), rule.into())])
    }

    /// The HTTP status it is answered with.
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::Code(code) => entry(*code).1,
            Self::Fields(_) => 400,
        }
    }

    /// The title of the problem body.
    pub(crate) fn title(&self) -> &'static str {
        match self {
            Self::Code(code) => entry(*code).2,
            Self::Fields(_) => "Bad Request",
        }
    }

    /// True for the codes that say to come back: nothing is kept under their key.
    pub(crate) fn says_come_back(&self) -> bool {
        matches!(self, Self::Code(6160 | 6250 | 6280))
    }
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
    (5010, 403, "Blocking sources not applicable"),
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
        for (code, status) in
            [(6080, 400), (4010, 409), (4020, 409), (4150, 409), (5090, 404), (6160, 423), (6100, 400), (6030, 400)]
        {
            assert_eq!(Refusal::Code(code).status(), status, "{code}");
        }
    }
}
