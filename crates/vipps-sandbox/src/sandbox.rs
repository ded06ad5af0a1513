//! A running sandbox, as a test holds it.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Notify, OwnedRwLockReadGuard, RwLock, RwLockWriteGuard, watch};
use vipps_types::{Credentials, Environment};

use crate::clock::Millis;
use crate::customer::Customer;
use crate::deliver::Parcel;
use crate::faults::{Fault, Script};
use crate::ledger;
use crate::options::Options;
use crate::schema::known_operation;
use crate::state::World;
use crate::{postman, server};

/// The state, shared by all requests, the clock and the test.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Parts>);

/// Shows nothing: the state holds credentials, tokens and secrets of webhooks.
impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shared(..)")
    }
}

/// The state while somebody has it. When it is let go, the clock wakes if anything is due before
/// it would wake by itself: whatever was changed, nobody needs to remember that.
pub(crate) struct Locked<'a> {
    world: MutexGuard<'a, World>,
    parts: &'a Parts,
}

impl Deref for Locked<'_> {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut World {
        &mut self.world
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        if self.world.next_due().is_some_and(|due| due < self.parts.sleeping_until.load(Ordering::Relaxed)) {
            self.parts.wake.notify_one();
        }
    }
}

struct Parts {
    world: Mutex<World>,
    /// Shared by whatever is being sent; whoever lets time pass has it alone.
    turn: Arc<RwLock<()>>,
    /// What waits for each registration that something is being sent to.
    lanes: Mutex<HashMap<String, VecDeque<Parcel>>>,
    wake: Notify,
    /// When the clock wakes by itself, so that only earlier events wake it.
    sleeping_until: AtomicI64,
    /// What calls merchants: over http, and over https.
    http: [OnceLock<reqwest::Client>; 2],
}

impl Shared {
    pub(crate) fn new(world: World) -> Self {
        Self(Arc::new(Parts {
            world: Mutex::new(world),
            turn: Arc::default(),
            lanes: Mutex::default(),
            wake: Notify::new(),
            sleeping_until: AtomicI64::new(0),
            http: [OnceLock::new(), OnceLock::new()],
        }))
    }

    pub(crate) fn lock(&self) -> Locked<'_> {
        Locked { world: self.0.world.lock().unwrap_or_else(PoisonError::into_inner), parts: &self.0 }
    }

    /// Waits until nothing is being sent, and lets nothing else begin.
    pub(crate) async fn turn(&self) -> RwLockWriteGuard<'_, ()> {
        self.0.turn.write().await
    }

    /// For as long as something is being sent. Waits for whoever waits for a turn.
    pub(crate) async fn share_turn(&self) -> OwnedRwLockReadGuard<()> {
        self.0.turn.clone().read_owned().await
    }

    /// Puts a parcel into its lane; true where the lane was empty, and somebody must empty it.
    pub(crate) fn enqueue(&self, parcel: Parcel) -> bool {
        let mut lanes = self.0.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = !lanes.contains_key(&parcel.lane);
        lanes.entry(parcel.lane.clone()).or_default().push_back(parcel);
        is_new
    }

    /// The next parcel of a lane; none is left when it is gone.
    pub(crate) fn dequeue(&self, lane: &str) -> Option<Parcel> {
        let mut lanes = self.0.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let next = lanes.get_mut(lane).and_then(VecDeque::pop_front);
        if next.is_none() {
            lanes.remove(lane);
        }
        next
    }

    /// Wakes the clock, so that it looks anew when to wake by itself.
    pub(crate) fn wake(&self) {
        self.0.wake.notify_one();
    }

    pub(crate) async fn woken(&self) {
        self.0.wake.notified().await;
    }

    /// How long the clock may sleep; for ever where nothing is due by itself.
    pub(crate) fn sleep_until_due(&self) -> Option<Duration> {
        let world = self.lock();
        let due = world.next_due();
        self.0.sleeping_until.store(due.unwrap_or(Millis::MAX), Ordering::Relaxed);
        world.clock.until(due?)
    }

    /// Returns when nothing is due and nothing under way.
    pub(crate) async fn idle(&self) {
        loop {
            {
                let _turn = self.turn().await;
                let world = self.lock();
                if world.next_due().is_none_or(|due| due > world.clock.now()) {
                    return;
                }
                self.0.wake.notify_one();
            }
            tokio::task::yield_now().await;
        }
    }

    /// The client that calls merchants, built when first needed. Certificates of this machine are
    /// loaded for https alone: a machine without any can still call over http.
    pub(crate) fn http(&self, is_https: bool) -> Result<&reqwest::Client, String> {
        let kept = &self.0.http[usize::from(is_https)];
        if let Some(client) = kept.get() {
            return Ok(client);
        }
        let builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
        let builder = if is_https { builder } else { without_certificates(builder) };
        let client = builder.build().map_err(|_| {
            "https needs the certificates of this machine (the package `ca-certificates`), and there are none"
                .to_owned()
        })?;
        Ok(kept.get_or_init(|| client))
    }
}

/// A client that trusts nobody, and so loads nothing.
#[cfg(feature = "rustls")]
fn without_certificates(builder: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
    builder.tls_certs_only([])
}

#[cfg(not(feature = "rustls"))]
fn without_certificates(builder: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
    builder
}

/// A sandbox that serves until it is dropped.
pub struct Sandbox {
    shared: Shared,
    address: SocketAddr,
    base_url: String,
    stop: watch::Sender<bool>,
}

/// A sandbox that cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {listen}: {source}")]
pub struct StartError {
    listen: String,
    #[source]
    source: std::io::Error,
}

impl Sandbox {
    /// Starts on a free port of this machine with the default options.
    ///
    /// # Errors
    ///
    /// [`StartError`] when no port can be had.
    pub async fn start() -> Result<Self, StartError> {
        Self::start_with(Options::default()).await
    }

    /// Starts with options.
    ///
    /// # Errors
    ///
    /// [`StartError`] when the address cannot be listened on.
    pub async fn start_with(options: Options) -> Result<Self, StartError> {
        let failed = |source| StartError { listen: options.listen.clone(), source };
        let listener = TcpListener::bind(&options.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let base_url = match &options.public_url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None if address.ip().is_unspecified() => format!("http://127.0.0.1:{}", address.port()),
            None => format!("http://{address}"),
        };
        let shared = Shared::new(World::new(options, base_url.clone()));
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(postman::follow_clock(shared.clone(), stopped.clone()));
        tokio::spawn(server::serve(listener, shared.clone(), stopped));
        Ok(Self { shared, address, base_url, stop })
    }

    /// The address clients use: `http://127.0.0.1:4600`.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The environment for a client of this workspace.
    ///
    /// # Panics
    ///
    /// Never: the address of a listening socket is a base address.
    #[must_use]
    pub fn environment(&self) -> Environment {
        self.base_url.parse().expect("the address of a socket is a base address")
    }

    /// Credentials that it accepts: the first of each kind.
    ///
    /// # Panics
    ///
    /// When it was started with no, or unusable, credentials of a kind.
    #[must_use]
    pub fn credentials(&self) -> Credentials {
        let world = self.shared.lock();
        let first = |list: &[String]| list.first().cloned().unwrap_or_default();
        let options = &world.options;
        Credentials::new(
            first(&options.client_ids),
            first(&options.client_secrets),
            first(&options.subscription_keys),
            first(&options.merchant_serial_numbers),
        )
        .expect("a sandbox is started with usable credentials")
    }

    /// The customer, who approves and aborts in the app.
    #[must_use]
    pub fn customer(&self) -> Customer {
        Customer::new(self.shared.clone())
    }

    /// The clock of the sandbox.
    #[must_use]
    pub fn clock(&self) -> VirtualClock {
        VirtualClock { shared: self.shared.clone() }
    }

    /// Scripted failures.
    #[must_use]
    pub fn faults(&self) -> FaultScript {
        FaultScript { shared: self.shared.clone() }
    }

    /// The money of every payment, as `GET /__sandbox/ledger` shows it.
    #[must_use]
    pub fn ledger(&self) -> Value {
        ledger::to_json(&self.shared.lock())
    }

    /// What came in, without secrets and personal data, as `GET /__sandbox/requests`.
    #[must_use]
    pub fn requests(&self) -> Vec<Value> {
        self.shared.lock().requests()
    }

    /// Every oddity that was tolerated, as `GET /__sandbox/warnings`.
    #[must_use]
    pub fn warnings(&self) -> Vec<Value> {
        self.shared.lock().warnings()
    }

    /// What the exchanges so far broke of the documents, where
    /// [`Options::check_exchanges`] is on.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        self.shared.lock().violations.clone()
    }

    /// Every call to a merchant, as `GET /__sandbox/deliveries`.
    #[must_use]
    pub fn deliveries(&self) -> Vec<Value> {
        self.shared.lock().outbox.to_json()
    }

    /// Changes settings, as `PATCH /__sandbox/settings`.
    ///
    /// # Errors
    ///
    /// What is wrong with the change.
    pub fn change_settings(&self, change: &Value) -> Result<(), String> {
        let mut world = self.shared.lock();
        world.change_settings(change)
    }

    /// Refuses every access token issued so far, as after a revocation.
    pub fn revoke_tokens(&self) {
        self.shared.lock().forget_tokens();
    }

    /// Empty state, same credentials.
    pub fn reset(&self) {
        self.shared.lock().reset();
    }
}

/// Shows no credentials.
impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
    }
}

/// The sandbox's own time.
#[derive(Clone, Debug)]
pub struct VirtualClock {
    shared: Shared,
}

impl VirtualClock {
    /// Lets time pass; what is due on the way happens, in order, before this returns:
    /// deliveries to merchants included.
    pub async fn advance(&self, duration: Duration) {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        postman::advance(&self.shared, millis).await;
    }
}

/// What the next matching requests meet.
#[derive(Clone, Debug)]
pub struct FaultScript {
    shared: Shared,
}

impl FaultScript {
    /// The next request of this operation (`capturePayment`) meets the fault.
    ///
    /// # Panics
    ///
    /// When no document has this operation: the fault would never be met, and the test prove
    /// nothing. The message lists those that there are.
    #[track_caller]
    pub fn next(&self, operation: &str, fault: Fault) {
        self.times(operation, 1, fault);
    }

    /// The next `count` requests of this operation meet the fault.
    ///
    /// # Panics
    ///
    /// As [`FaultScript::next`].
    #[track_caller]
    pub fn times(&self, operation: &str, count: u32, fault: Fault) {
        if let Err(unknown) = known_operation(operation) {
            panic!("{unknown}");
        }
        self.shared.lock().faults.add(Script { operation: Some(operation.to_owned()), left: count, fault });
    }

    /// Forgets all scripts.
    pub fn clear(&self) {
        self.shared.lock().faults.clear();
    }
}
