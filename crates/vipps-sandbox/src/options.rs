//! What a sandbox is started with.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// How a sandbox behaves. Plain data; the defaults are those of the binary.
#[derive(Clone)]
#[non_exhaustive]
pub struct Options {
    /// Where it listens. Default: `127.0.0.1:0`, any free port of this machine.
    pub listen: String,
    /// The address by which clients reach it, for the links it hands out. Default: where it
    /// listens, and this machine where it listens everywhere.
    pub public_url: Option<String>,
    /// Names, beside those of this machine and of `public_url`, under which the pages and the
    /// control API are served; the APIs are served under any. Default: none.
    pub allowed_hosts: Vec<String>,
    /// Whether time passes by itself. Default: [`ClockMode::Real`].
    pub clock: ClockMode,
    /// Accepted client ids. Default: `test-client-id`.
    pub client_ids: Vec<String>,
    /// Accepted client secrets. Default: `test-client-secret`.
    pub client_secrets: Vec<String>,
    /// Accepted subscription keys. Default: `test-subscription-key`.
    pub subscription_keys: Vec<String>,
    /// Accepted Merchant Serial Numbers. Default: `123456`.
    pub merchant_serial_numbers: Vec<String>,
    /// Accepted PSP ids. Default: `C948DFD1546347568874C4DDC93A2E3C`.
    pub psp_ids: Vec<String>,
    /// Which contract it follows. Default: [`Profile::Current`].
    pub profile: Profile,
    /// The home market of the sales units. Default: [`Market::Norway`].
    pub market: Market,
    /// The home markets of sales units that are at home elsewhere, by Merchant Serial Number, so
    /// that one sandbox serves a partner with shops in several countries. Default: none.
    pub markets: BTreeMap<String, Market>,
    /// Refuse what is otherwise tolerated with a warning. Default: false.
    pub strict: bool,
    /// Answer 429 beyond the published rate limits. Default: false.
    pub rate_limits: bool,
    /// How the minute of a rate limit is counted. Default: [`RateLimitWindow::Sliding`].
    pub rate_limit_window: RateLimitWindow,
    /// Check every exchange against the documents and keep what is wrong for
    /// [`Sandbox::violations`](crate::Sandbox::violations). For tests. Default: false.
    pub check_exchanges: bool,
    /// Start of all identifiers: the same seed gives the same ones. Default: 0.
    pub seed: u64,
}

/// Shows no credentials.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("listen", &self.listen)
            .field("public_url", &self.public_url)
            .field("allowed_hosts", &self.allowed_hosts)
            .field("clock", &self.clock)
            .field("merchant_serial_numbers", &self.merchant_serial_numbers)
            .field("profile", &self.profile)
            .field("market", &self.market)
            .field("markets", &self.markets)
            .field("strict", &self.strict)
            .field("rate_limits", &self.rate_limits)
            .field("rate_limit_window", &self.rate_limit_window)
            .field("check_exchanges", &self.check_exchanges)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

/// Whether time passes by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClockMode {
    /// Real time plus what `advance` added.
    #[default]
    Real,
    /// A fixed start, 2026-01-01T00:00:00Z, that only `advance` moves.
    Manual,
}

/// Which contract a sandbox follows where the published ones differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Profile {
    /// The newest documented contract.
    #[default]
    Current,
    /// The reference pages of 2023 to 2025: shorter references, keys on cancel.
    Seed,
}

/// How the minute of a rate limit is counted; nothing is published about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum RateLimitWindow {
    /// The requests of the last 60 seconds count, at any moment.
    #[default]
    Sliding,
    /// A minute begins with the first request, and the next one with the first after it.
    Fixed,
}

/// The home market of a sales unit: its currency and deadlines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Market {
    /// Vipps in Norway: NOK, at least 1.00, captured within 180 days.
    #[default]
    Norway,
    /// MobilePay in Denmark: DKK, captured within 14 days.
    Denmark,
    /// MobilePay in Finland: EUR, captured within 14 days.
    Finland,
    /// Vipps in Sweden: SEK. No numbers are published: those of Norway count here, and
    /// Recurring is not available.
    Sweden,
}

impl Market {
    pub(crate) fn currency(self) -> &'static str {
        match self {
            Self::Norway => "NOK",
            Self::Denmark => "DKK",
            Self::Finland => "EUR",
            Self::Sweden => "SEK",
        }
    }

    /// ISO 3166-1 alpha-2.
    pub(crate) fn country(self) -> &'static str {
        match self {
            Self::Norway => "NO",
            Self::Denmark => "DK",
            Self::Finland => "FI",
            Self::Sweden => "SE",
        }
    }

    /// The market whose currency this is.
    pub(crate) fn of_currency(currency: &str) -> Option<Self> {
        [Self::Norway, Self::Denmark, Self::Finland, Self::Sweden].into_iter().find(|one| one.currency() == currency)
    }

    /// Days from authorization to the capture and cancel deadline.
    pub(crate) fn capture_days(self) -> i64 {
        match self {
            Self::Norway | Self::Sweden => 180,
            Self::Denmark | Self::Finland => 14,
        }
    }

    /// Payment sources can be blocked in Denmark and Finland alone.
    pub(crate) fn blocks_sources(self) -> bool {
        matches!(self, Self::Denmark | Self::Finland)
    }
}

/// The smallest amount of a new payment, in minor units.
pub(crate) fn least_value(currency: &str) -> i64 {
    if matches!(currency, "NOK" | "SEK") { 100 } else { 1 }
}

impl Options {
    /// The home market of a sales unit.
    pub(crate) fn market_of(&self, sales_unit: &str) -> Market {
        self.markets.get(sales_unit).copied().unwrap_or(self.market)
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:0".into(),
            public_url: None,
            allowed_hosts: Vec::new(),
            clock: ClockMode::default(),
            client_ids: vec!["test-client-id".into()],
            client_secrets: vec!["test-client-secret".into()],
            subscription_keys: vec!["test-subscription-key".into()],
            merchant_serial_numbers: vec!["123456".into()],
            psp_ids: vec!["C948DFD1546347568874C4DDC93A2E3C".into()],
            profile: Profile::default(),
            market: Market::default(),
            markets: BTreeMap::new(),
            strict: false,
            rate_limits: false,
            rate_limit_window: RateLimitWindow::default(),
            check_exchanges: false,
            seed: 0,
        }
    }
}
