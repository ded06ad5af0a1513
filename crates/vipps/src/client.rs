//! The client and its options.

use std::sync::Arc;
use std::time::Duration;

use vipps_core::types::{Credentials, Environment, MerchantSerialNumber};
use vipps_core::{Clock, ConfigError, Observer, RetryPolicy, System, Transport, TransportBuilder};

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
    #[cfg(feature = "epayment")]
    epayment: vipps_epayment::Client,
}

impl Client {
    /// A builder for `environment`, authenticated by `credentials`.
    pub fn builder(environment: Environment, credentials: Credentials) -> ClientBuilder {
        let system = System::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
            .plugin(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        ClientBuilder { transport: Transport::builder(environment, credentials).system(system) }
    }

    fn new(transport: Transport) -> Self {
        let inner = Inner {
            #[cfg(feature = "epayment")]
            epayment: vipps_epayment::Client::with_transport(&transport),
            transport,
        };
        Self { inner: Arc::new(inner) }
    }

    /// The same client, acting for another sales unit. Needs partner credentials, or keys
    /// that are valid for it; shares connections and the access token.
    #[must_use]
    pub fn with_sales_unit(&self, sales_unit: MerchantSerialNumber) -> Self {
        Self::new(self.inner.transport.with_sales_unit(sales_unit))
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

    /// One-time payments.
    #[cfg(feature = "epayment")]
    #[must_use]
    pub fn payments(&self) -> crate::Payments {
        crate::Payments::new(self.clone())
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

    /// How long one attempt may take, its body included. Default: 10 s.
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

    /// Everything else that a transport can be told.
    pub fn transport(mut self, change: impl FnOnce(TransportBuilder) -> TransportBuilder) -> Self {
        self.transport = change(self.transport);
        self
    }

    /// Checks everything and builds; the network is not touched.
    ///
    /// # Errors
    ///
    /// [`ConfigError`]: a system name that is too long, a limit of zero, a slack of 30 min
    /// or more, https without TLS, or an HTTP client that cannot be set up.
    pub fn build(self) -> Result<Client, ConfigError> {
        Ok(Client::new(self.transport.build()?))
    }
}
