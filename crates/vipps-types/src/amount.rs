//! Money: an integer number of minor units, and the currency it is counted in.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

crate::open_enum! {
    /// ISO 4217 currency of an amount.
    ///
    /// Norway pays in NOK, Denmark in DKK, Finland in EUR, Sweden in SEK. USD and GBP occur with
    /// card passthrough only.
    pub enum Currency {
        /// Norwegian krone, minor unit øre.
        Nok = "NOK",
        /// Danish krone, minor unit øre.
        Dkk = "DKK",
        /// Euro, minor unit cent.
        Eur = "EUR",
        /// Swedish krona, minor unit öre.
        Sek = "SEK",
        /// United States dollar, minor unit cent.
        Usd = "USD",
        /// Pound sterling, minor unit penny.
        Gbp = "GBP",
    }
}

/// An amount of money in minor units (100 = 1.00 NOK), with its currency.
///
/// The value is an `i64` as on the wire; limits are those of the operation it is used
/// in. There is no conversion between currencies and no arithmetic that can overflow
/// silently: [`Amount::checked_add`] and [`Amount::checked_sub`] say when two amounts do
/// not go together.
///
/// ```
/// use vipps_types::Amount;
///
/// let hoodie = Amount::nok_minor(49_900);
/// assert_eq!(hoodie.to_string(), "499.00 NOK");
/// assert_eq!(hoodie.checked_sub(&Amount::nok_minor(9_900)), Ok(Amount::nok_minor(40_000)));
/// assert!(hoodie.checked_add(&Amount::eur_minor(1)).is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Amount {
    currency: Currency,
    value: i64,
}

impl Amount {
    /// `minor_units` of `currency`: 100 NOK minor units are 1.00 NOK.
    #[must_use]
    pub fn new(minor_units: i64, currency: Currency) -> Self {
        Self { currency, value: minor_units }
    }

    /// An amount in øre: `nok_minor(49_900)` is 499.00 NOK.
    #[must_use]
    pub fn nok_minor(minor_units: i64) -> Self {
        Self::new(minor_units, Currency::Nok)
    }

    /// An amount in Danish øre: `dkk_minor(100)` is 1.00 DKK.
    #[must_use]
    pub fn dkk_minor(minor_units: i64) -> Self {
        Self::new(minor_units, Currency::Dkk)
    }

    /// An amount in cents: `eur_minor(100)` is 1.00 EUR.
    #[must_use]
    pub fn eur_minor(minor_units: i64) -> Self {
        Self::new(minor_units, Currency::Eur)
    }

    /// An amount in Swedish öre: `sek_minor(100)` is 1.00 SEK.
    #[must_use]
    pub fn sek_minor(minor_units: i64) -> Self {
        Self::new(minor_units, Currency::Sek)
    }

    /// The value in minor units.
    #[must_use]
    pub fn minor_units(&self) -> i64 {
        self.value
    }

    /// The currency the minor units are counted in.
    #[must_use]
    pub fn currency(&self) -> &Currency {
        &self.currency
    }

    /// True when there is no money in it, in whatever currency.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.value == 0
    }

    /// The sum of two amounts of the same currency.
    ///
    /// # Errors
    ///
    /// [`AmountError::CurrenciesDiffer`] or [`AmountError::OutOfRange`] (beyond `i64`).
    pub fn checked_add(&self, other: &Self) -> Result<Self, AmountError> {
        self.combine(other, i64::checked_add)
    }

    /// This amount less `other`, of the same currency; the result may be negative.
    ///
    /// # Errors
    ///
    /// [`AmountError::CurrenciesDiffer`] or [`AmountError::OutOfRange`] (beyond `i64`).
    pub fn checked_sub(&self, other: &Self) -> Result<Self, AmountError> {
        self.combine(other, i64::checked_sub)
    }

    fn combine(&self, other: &Self, op: fn(i64, i64) -> Option<i64>) -> Result<Self, AmountError> {
        if self.currency != other.currency {
            return Err(AmountError::CurrenciesDiffer {
                left: self.currency.to_string(),
                right: other.currency.to_string(),
            });
        }
        let value = op(self.value, other.value).ok_or(AmountError::OutOfRange)?;
        Ok(Self::new(value, self.currency.clone()))
    }
}

/// As people write it: `499.00 NOK`, `700 ISK`. Where the minor units of the currency are not
/// known: `700 minor units of XYZ`.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(decimals) = minor_digits(self.currency.as_str()) else {
            return write!(f, "{} minor units of {}", self.value, self.currency);
        };
        let sign = if self.value < 0 { "-" } else { "" };
        let (minor, unit) = (self.value.unsigned_abs(), 10_u64.pow(decimals));
        match usize::try_from(decimals) {
            Ok(0) | Err(_) => write!(f, "{sign}{minor} {}", self.currency),
            Ok(width) => write!(f, "{sign}{}.{:0width$} {}", minor / unit, minor % unit, self.currency),
        }
    }
}

/// Reads `499.00 NOK`, `499 NOK`, `700 ISK` or `-0.05 EUR`: at most as many decimals as the
/// currency has (ISO 4217), a point as the decimal sign, no grouping. A currency whose minor
/// units are not known is refused, for nothing says what the number means.
impl FromStr for Amount {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        let malformed = || AmountError::Malformed(text.to_owned());
        let (number, currency) = text.trim().split_once(' ').ok_or_else(malformed)?;
        let currency = currency.trim();
        if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err(malformed());
        }
        let decimals =
            minor_digits(currency).ok_or_else(|| AmountError::UnknownMinorUnits(currency.to_owned()))? as usize;
        let (negative, digits) = match number.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, number),
        };
        let (whole, fraction) = match digits.split_once('.') {
            Some((_, "")) => return Err(malformed()),
            Some(parts) => parts,
            None => (digits, ""),
        };
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) || fraction.len() > decimals {
            return Err(malformed());
        }
        let minor = format!("{}{whole}{fraction:0<decimals$}", if negative { "-" } else { "" })
            .parse()
            .map_err(|_| AmountError::OutOfRange)?;
        Ok(Self::new(minor, Currency::from(currency)))
    }
}

/// How many decimals an ISO 4217 currency has: the table of 2026-01, and nothing for codes that
/// have no minor units, such as `XXX` and `XAU`.
fn minor_digits(code: &str) -> Option<u32> {
    const TABLE: [(u32, &str); 4] = [
        (0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"),
        (
            2,
            "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE \
             CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD \
             HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK \
             MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD \
             RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH \
             USD USN UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG",
        ),
        (3, "BHD IQD JOD KWD LYD OMR TND"),
        (4, "CLF UYW"),
    ];
    let has = |codes: &str| codes.split(' ').any(|known| known == code);
    TABLE.iter().find(|(_, codes)| has(codes)).map(|(decimals, _)| *decimals)
}

/// Why two amounts, or a text and an amount, do not go together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AmountError {
    /// Money is never converted: bring both to one currency first.
    #[error("amounts are in different currencies ({left} and {right})")]
    CurrenciesDiffer {
        /// Currency of the amount the method was called on.
        left: String,
        /// Currency of the other amount.
        right: String,
    },
    /// The result does not fit in 64 bits.
    #[error("amount is out of range")]
    OutOfRange,
    /// The number could mean anything: use [`Amount::new`] with minor units.
    #[error("the minor units of `{0}` are not known: give the amount in minor units instead of as text")]
    UnknownMinorUnits(String),
    /// The text is not of the form `499.00 NOK`.
    #[error("`{0}` is not an amount (write it as `499.00 NOK`, with no more decimals than the currency has)")]
    Malformed(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_amount_convert_both_ways() {
        let cases = [
            ("499.00 NOK", Amount::nok_minor(49_900), "499.00 NOK"),
            ("499 NOK", Amount::nok_minor(49_900), "499.00 NOK"),
            ("0.5 EUR", Amount::eur_minor(50), "0.50 EUR"),
            ("-0.05 DKK", Amount::dkk_minor(-5), "-0.05 DKK"),
            ("92233720368547758.07 NOK", Amount::nok_minor(i64::MAX), "92233720368547758.07 NOK"),
            ("700 ISK", Amount::new(700, Currency::from("ISK")), "700 ISK"),
            ("-7 JPY", Amount::new(-7, Currency::from("JPY")), "-7 JPY"),
            ("1.5 KWD", Amount::new(1_500, Currency::from("KWD")), "1.500 KWD"),
        ];
        for (text, amount, shown) in cases {
            assert_eq!(text.parse(), Ok(amount.clone()), "{text}");
            assert_eq!(amount.to_string(), shown);
        }
    }

    #[test]
    fn what_is_not_an_amount_is_refused_and_named() {
        for text in
            ["", "499", "499,00 NOK", "4.999 NOK", "1e3 NOK", "499.00 nok", ". NOK", "+1 NOK", "1. NOK", "700.00 ISK"]
        {
            assert_eq!(text.parse::<Amount>(), Err(AmountError::Malformed(text.to_owned())), "{text}");
        }
        assert_eq!("92233720368547758.08 NOK".parse::<Amount>(), Err(AmountError::OutOfRange));
    }

    #[test]
    fn an_amount_of_a_currency_without_known_minor_units_is_never_guessed() {
        for code in ["XYZ", "XXX", "XAU"] {
            let refused = AmountError::UnknownMinorUnits(code.to_owned());
            assert_eq!(format!("700 {code}").parse::<Amount>(), Err(refused));
            let shown = Amount::new(700, Currency::from(code)).to_string();
            assert_eq!(shown, format!("700 minor units of {code}"));
            assert!(shown.parse::<Amount>().is_err());
        }
    }

    #[test]
    fn arithmetic_neither_converts_nor_overflows() {
        let most = Amount::nok_minor(i64::MAX);
        assert_eq!(most.checked_add(&Amount::nok_minor(1)), Err(AmountError::OutOfRange));
        assert_eq!(Amount::nok_minor(i64::MIN).checked_sub(&Amount::nok_minor(1)), Err(AmountError::OutOfRange));
        assert!(matches!(most.checked_sub(&Amount::eur_minor(1)), Err(AmountError::CurrenciesDiffer { .. })));
        assert_eq!(Amount::nok_minor(1).checked_sub(&Amount::nok_minor(3)), Ok(Amount::nok_minor(-2)));
    }

    #[test]
    fn an_unknown_currency_survives_a_round_trip() {
        let json = r#"{"currency":"ISK","value":700}"#;
        let amount: Amount = serde_json::from_str(json).unwrap();
        assert_eq!(amount.currency(), &Currency::Unknown("ISK".into()));
        assert_eq!(serde_json::to_string(&amount).unwrap(), json);
    }

    #[test]
    fn a_decimal_value_is_no_amount() {
        assert!(serde_json::from_str::<Amount>(r#"{"currency":"NOK","value":4.5}"#).is_err());
        assert!(serde_json::from_str::<Amount>(r#"{"currency":"NOK"}"#).is_err());
    }
}
