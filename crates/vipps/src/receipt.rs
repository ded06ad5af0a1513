//! Receipts whose lines add up.

use vipps_core::types::Currency;
use vipps_epayment::types;

/// The order lines that the customer sees in the app. Amounts are minor units.
///
/// ```
/// use vipps::{Currency, OrderLine, Receipt};
///
/// let receipt = Receipt::new(Currency::Nok)
///     .line(OrderLine::new("hoodie1234", "Hoodie", 49_900, 2_500))
///     .pos_id("pos_122")
///     .receipt_number("789267");
/// # let _ = receipt;
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Receipt(types::Receipt);

/// One line of a [`Receipt`].
#[derive(Clone, Debug, PartialEq)]
pub struct OrderLine(types::OrderLine);

impl Receipt {
    /// A receipt without lines; Vipps wants at least one.
    ///
    /// # Panics
    ///
    /// Never: every required field is given.
    #[must_use]
    pub fn new(currency: Currency) -> Self {
        let bottom_line: types::BottomLine =
            types::BottomLine::builder().currency(currency).try_into().expect("every required field is given");
        let receipt = types::Receipt::builder().bottom_line(bottom_line).order_lines(Vec::new());
        Self(receipt.try_into().expect("every required field is given"))
    }

    /// Adds a line.
    #[must_use]
    pub fn line(mut self, line: OrderLine) -> Self {
        self.0.order_lines.push(line.0);
        self
    }

    /// The point of sale.
    #[must_use]
    pub fn pos_id(mut self, id: impl Into<String>) -> Self {
        self.0.bottom_line.pos_id = Some(id.into());
        self
    }

    /// The merchant's own number of the receipt.
    #[must_use]
    pub fn receipt_number(mut self, number: impl Into<String>) -> Self {
        self.0.bottom_line.receipt_number = Some(number.into());
        self
    }

    /// Everything else that a receipt can hold.
    pub fn raw_mut(&mut self) -> &mut types::Receipt {
        &mut self.0
    }
}

impl OrderLine {
    /// A line whose tax is computed: `total` includes tax and discount, `tax_rate` is in
    /// hundredths of a per cent (2500 = 25 %, 0 to 10000). The part without tax is rounded
    /// half up, and the tax is the rest, so that the line adds up.
    #[must_use]
    pub fn new(id: impl Into<String>, name: impl Into<String>, total: i64, tax_rate: i64) -> Self {
        let without_tax = without_tax(total, tax_rate);
        Self::with_amounts(id, name, total, without_tax, total.saturating_sub(without_tax), tax_rate)
    }

    /// A line with the merchant's own figures, sent as they are.
    ///
    /// # Panics
    ///
    /// Never: every required field is given.
    #[must_use]
    pub fn with_amounts(
        id: impl Into<String>,
        name: impl Into<String>,
        total: i64,
        total_excluding_tax: i64,
        total_tax: i64,
        tax_rate: i64,
    ) -> Self {
        let line = types::OrderLine::builder()
            .id(id.into())
            .name(name.into())
            .total_amount(total)
            .total_amount_excluding_tax(total_excluding_tax)
            .total_tax_amount(total_tax)
            .tax_rate(Some(tax_rate));
        Self(line.try_into().expect("every required field is given"))
    }

    /// Everything else that a line can hold.
    pub fn raw_mut(&mut self) -> &mut types::OrderLine {
        &mut self.0
    }
}

/// `total` without a tax of `rate` hundredths of a per cent, rounded half up.
fn without_tax(total: i64, rate: i64) -> i64 {
    // In 128 bits nothing overflows, and the result is no larger than the total.
    let whole = 10_000 + i128::from(rate.max(0));
    let doubled = i128::from(total) * 20_000 + whole;
    i64::try_from(doubled.div_euclid(2 * whole)).unwrap_or(total)
}

impl From<Receipt> for types::Receipt {
    fn from(receipt: Receipt) -> Self {
        receipt.0
    }
}

impl From<OrderLine> for types::OrderLine {
    fn from(line: OrderLine) -> Self {
        line.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_adds_up_whatever_the_rate() {
        let cases = [
            (49_900, 2_500, 39_920),
            (100, 1_500, 87),
            (1, 2_500, 1),
            (0, 2_500, 0),
            (-49_900, 2_500, -39_920),
            (999, 0, 999),
            (i64::MAX, 10_000, i64::MAX / 2 + 1),
        ];
        for (total, rate, excluding) in cases {
            let line = OrderLine::new("a", "b", total, rate).0;
            assert_eq!(line.total_amount_excluding_tax, excluding, "{total} at {rate}");
            assert_eq!(line.total_amount_excluding_tax + line.total_tax_amount, total);
        }
    }
}
