//! The client and its options.

use std::sync::Arc;
use std::time::Duration;

use vipps_core::types::{Credentials, Environment, MerchantSerialNumber};
use vipps_core::{Clock, ConfigError, Observer, Operation, Prepared, RetryPolicy, System, Transport, TransportBuilder};

/// A client of one environment with one set of credentials.
///
/// Cheap to clone; clones share connections, the access token and the retry budget.
#[derive(Clone, Debug)]
pub struct Client {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    transport: Transport,
    http_addresses: bool,
    #[cfg(feature = "epayment")]
    epayment: vipps_epayment::Client,
    #[cfg(feature = "recurring")]
    recurring: vipps_recurring::Client,
    #[cfg(feature = "recurring-v2")]
    recurring_v2: vipps_recurring::v2::Client,
    #[cfg(feature = "checkout")]
    checkout: vipps_checkout::Client,
    #[cfg(feature = "psp")]
    psp: vipps_psp::Client,
    #[cfg(feature = "webhooks")]
    webhooks: vipps_webhooks::Client,
}

impl Client {
    /// A builder for `environment`, authenticated by `credentials`.
    pub fn builder(environment: Environment, credentials: Credentials) -> ClientBuilder {
        let system = System::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
            .plugin(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        let transport = Transport::builder(environment, credentials).system(system);
        ClientBuilder { transport, http_addresses: false }
    }

    fn new(transport: Transport, http_addresses: bool) -> Self {
        let inner = Inner {
            http_addresses,
            #[cfg(feature = "epayment")]
            epayment: vipps_epayment::Client::with_transport(&transport),
            #[cfg(feature = "recurring")]
            recurring: vipps_recurring::Client::with_transport(&transport),
            #[cfg(feature = "recurring-v2")]
            recurring_v2: vipps_recurring::v2::Client::with_transport(&transport),
            #[cfg(feature = "checkout")]
            checkout: vipps_checkout::Client::with_transport(&transport),
            #[cfg(feature = "psp")]
            psp: vipps_psp::Client::with_transport(&transport),
            #[cfg(feature = "webhooks")]
            webhooks: vipps_webhooks::Client::with_transport(&transport),
            transport,
        };
        Self { inner: Arc::new(inner) }
    }

    /// The same client, acting for another sales unit. Needs partner credentials, or keys
    /// that are valid for it; shares connections and the access token.
    #[must_use]
    pub fn with_sales_unit(&self, sales_unit: MerchantSerialNumber) -> Self {
        Self::new(self.inner.transport.with_sales_unit(sales_unit), self.inner.http_addresses)
    }

    /// The sales unit that calls are made for.
    #[must_use]
    pub fn sales_unit(&self) -> &MerchantSerialNumber {
        self.inner.transport.sales_unit()
    }

    /// The transport, for API crates beside this one.
    #[must_use]
    pub fn transport(&self) -> &Transport {
        &self.inner.transport
    }

    /// A request to an endpoint that is not modelled, sent with token, key, retries and verdict
    /// like every call. Its answer is JSON.
    ///
    /// ```no_run
    /// use vipps::{Auth, KeyRule, Operation, Prepared};
    ///
    /// const NAME: Operation = Operation::new("getName", "GET", "/acme/v1/names/{id}", KeyRule::Unknown, Auth::Bearer);
    /// # async fn example(vipps: vipps::Client) -> Result<(), vipps::Error> {
    /// let name = vipps.raw(&NAME, Prepared::new("/acme/v1/names/7")).await?;
    /// println!("{} bytes", name.len());
    /// # Ok(()) }
    /// ```
    #[must_use = "nothing is sent before `send` or `.await`"]
    pub fn raw(&self, operation: &'static Operation, request: Prepared) -> crate::Raw {
        crate::Raw::new(self, operation, request)
    }

    /// One-time payments.
    #[cfg(feature = "epayment")]
    #[must_use]
    pub fn payments(&self) -> crate::Payments {
        crate::Payments::new(self.clone())
    }

    /// Agreements with customers, for charges under them.
    #[cfg(feature = "recurring")]
    #[must_use]
    pub fn agreements(&self) -> crate::Agreements {
        crate::Agreements::new(self.clone())
    }

    /// Charges under agreements.
    #[cfg(feature = "recurring")]
    #[must_use]
    pub fn charges(&self) -> crate::Charges {
        crate::Charges::new(self.clone())
    }

    /// Recurring version 2, discontinued by Vipps.
    #[cfg(feature = "recurring-v2")]
    #[deprecated(note = "Vipps has discontinued Recurring v2: use `agreements` and `charges`")]
    #[must_use]
    pub fn v2(&self) -> crate::V2 {
        crate::V2::new(self.clone())
    }

    /// Checkout sessions.
    #[cfg(feature = "checkout")]
    #[must_use]
    pub fn sessions(&self) -> crate::Sessions {
        crate::Sessions::new(self.clone())
    }

    /// Payments of a payment service provider.
    #[cfg(feature = "psp")]
    #[must_use]
    pub fn psp(&self) -> crate::Psp {
        crate::Psp::new(self.clone())
    }

    /// Webhook registrations.
    #[cfg(feature = "webhooks")]
    #[must_use]
    pub fn webhooks(&self) -> crate::Webhooks {
        crate::Webhooks::new(self.clone())
    }

    /// Whether addresses that are handed to Vipps may be http on any machine.
    #[cfg_attr(
        not(any(
            feature = "epayment",
            feature = "recurring",
            feature = "checkout",
            feature = "psp",
            feature = "webhooks"
        )),
        allow(dead_code, reason = "each API hands over some")
    )]
    pub(crate) fn allows_http_addresses(&self) -> bool {
        self.inner.http_addresses
    }

    #[cfg(feature = "recurring")]
    pub(crate) fn recurring(&self) -> &vipps_recurring::Client {
        &self.inner.recurring
    }

    #[cfg(feature = "recurring-v2")]
    pub(crate) fn recurring_v2(&self) -> &vipps_recurring::v2::Client {
        &self.inner.recurring_v2
    }

    #[cfg(feature = "checkout")]
    pub(crate) fn checkout(&self) -> &vipps_checkout::Client {
        &self.inner.checkout
    }

    #[cfg(feature = "psp")]
    pub(crate) fn psp_api(&self) -> &vipps_psp::Client {
        &self.inner.psp
    }

    #[cfg(feature = "webhooks")]
    pub(crate) fn webhooks_api(&self) -> &vipps_webhooks::Client {
        &self.inner.webhooks
    }

    #[cfg(feature = "epayment")]
    pub(crate) fn epayment(&self) -> &vipps_epayment::Client {
        &self.inner.epayment
    }
}

/// Options of a [`Client`]; all checks happen in [`ClientBuilder::build`].
#[must_use]
pub struct ClientBuilder {
    transport: TransportBuilder,
    http_addresses: bool,
}

impl ClientBuilder {
    /// Which system is calling; partners and platform plugins must say so. Default: this
    /// library's name and version.
    pub fn system(mut self, system: System) -> Self {
        self.transport = self.transport.system(system);
        self
    }

    /// How often attempts are repeated. Default: 4 attempts, 100 ms to 5 s between them.
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.transport = self.transport.retry(retry);
        self
    }

    /// How long one attempt may take, its body included; shorter than the deadline. Default:
    /// 10 s, or half of a shorter deadline.
    pub fn attempt_timeout(mut self, limit: Duration) -> Self {
        self.transport = self.transport.attempt_timeout(limit);
        self
    }

    /// How long a call may take with all its attempts and waits. Default: 30 s.
    pub fn deadline(mut self, limit: Duration) -> Self {
        self.transport = self.transport.deadline(limit);
        self
    }

    /// How early before expiry a cached access token is replaced. Default: the larger of
    /// 120 s and 5 % of its life; below 30 min.
    pub fn refresh_slack(mut self, slack: Duration) -> Self {
        self.transport = self.transport.refresh_slack(slack);
        self
    }

    /// Where time comes from. Default: the clock of the machine.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.transport = self.transport.clock(clock);
        self
    }

    /// Something that watches every call. Default: nothing.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.transport = self.transport.observer(observer);
        self
    }

    /// Lets a base address without TLS be one of another machine, which everybody on the way
    /// can read. Default: refused.
    pub fn allow_plain_http(mut self) -> Self {
        self.transport = self.transport.allow_plain_http();
        self
    }

    /// Lets the addresses that are handed to Vipps (webhook registrations, Checkout callbacks,
    /// makePayment, return and redirect addresses) be http on any machine: for a test network
    /// such as that of docker compose, with a sandbox in it. Vipps itself refuses them.
    /// Default: https, and http on this machine alone.
    pub fn allow_http_addresses(mut self) -> Self {
        self.http_addresses = true;
        self
    }

    /// Everything else that a transport can be told.
    pub fn transport(mut self, change: impl FnOnce(TransportBuilder) -> TransportBuilder) -> Self {
        self.transport = change(self.transport);
        self
    }

    /// Checks everything and builds; the network is not touched.
    ///
    /// # Errors
    ///
    /// [`ConfigError`]: a system name that is too long, a limit of zero, an attempt as long as
    /// a call, a slack of 30 min or more, https without TLS, http to another machine, or an
    /// HTTP client that cannot be set up.
    pub fn build(self) -> Result<Client, ConfigError> {
        Ok(Client::new(self.transport.build()?, self.http_addresses))
    }
}
