//! Carries calls to merchants over the network, and lets time pass.
//!
//! Time passes only while nothing is being sent: either the sandbox follows its clock, or
//! somebody advances it. So everything happens in the order of its time, and a merchant who
//! calls back during a call finds the state and the clock of that moment.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use http_body_util::{BodyExt as _, Limited};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use tokio::sync::watch;
use url::{Position, Url};

use crate::clock::{self, Millis, http_date};
use crate::deliver::{Mode, NewCall, Outcome, Parcel, Proof, Reply};
use crate::sandbox::Shared;
use crate::webhook::{authorization, content_hash};

/// The most that is read of a merchant's answer: 1 MiB.
const MOST_REPLY: usize = 1024 * 1024;
/// Who delivers webhooks, as seen on real deliveries.
const WEBHOOK_AGENT: &str = "Vipps MobilePay/1.0 Webhooks/1.0";

/// Follows the clock until told to stop: whatever is due happens by itself.
pub(crate) async fn follow_clock(shared: Shared, mut stopped: watch::Receiver<bool>) {
    loop {
        begin_due(&shared).await;
        let wait = shared.sleep_until_due();
        let due = async {
            match wait {
                Some(wait) => clock::sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = shared.woken() => {}
            () = due => {}
            _ = stopped.wait_for(|stopped| *stopped) => return,
        }
    }
}

/// Begins to send everything due by now: in order for each registration, and a registration
/// whose endpoint hangs holds up no other.
async fn begin_due(shared: &Shared) {
    let turn = Arc::new(shared.share_turn().await);
    let parcels = {
        let mut world = shared.lock();
        let now = world.settle();
        world.outbox.take_due(now)
    };
    for parcel in parcels {
        let lane = parcel.lane.clone();
        if !shared.enqueue(parcel) {
            continue;
        }
        let (shared, turn) = (shared.clone(), turn.clone());
        tokio::spawn(async move {
            while let Some(parcel) = shared.dequeue(&lane) {
                // Much may have happened while it waited.
                let Some(parcel) = shared.lock().outbox.refreshed(&parcel) else { continue };
                attempt(&shared, parcel).await;
            }
            drop(turn);
        });
    }
}

/// Lets time pass; everything due on the way happens at its own time before this returns.
pub(crate) async fn advance(shared: &Shared, by: Millis) {
    let _turn = shared.turn().await;
    let target = shared.lock().clock.now().saturating_add(by);
    loop {
        run_due(shared).await;
        let mut world = shared.lock();
        match world.next_due().filter(|due| *due <= target) {
            Some(due) => world.clock.move_to(due),
            None => {
                world.clock.move_to(target);
                drop(world);
                // Whoever follows the clock sleeps until a time that may be past.
                shared.wake();
                return;
            }
        }
    }
}

/// Waits a moment for what is due now; a slow receiver is left to the clock.
pub(crate) async fn flush(shared: &Shared, at_most: Duration) {
    clock::within(at_most, shared.idle()).await;
}

/// Sends everything due by now: in order for each registration, at once for all of them.
async fn run_due(shared: &Shared) {
    loop {
        let parcels = {
            let mut world = shared.lock();
            let now = world.settle();
            world.outbox.take_due(now)
        };
        if parcels.is_empty() {
            return;
        }
        let mut lanes: Vec<Vec<Parcel>> = Vec::new();
        for parcel in parcels {
            match lanes.iter_mut().find(|lane| lane[0].lane == parcel.lane) {
                Some(lane) => lane.push(parcel),
                None => lanes.push(vec![parcel]),
            }
        }
        join_all(lanes.into_iter().map(|lane| async move {
            for parcel in lane {
                // A merchant may have deleted its registration, or been reset, meanwhile.
                let Some(parcel) = shared.lock().outbox.refreshed(&parcel) else { continue };
                attempt(shared, parcel).await;
            }
        }))
        .await;
    }
}

/// One attempt of a delivery, as its mode has it.
pub(crate) async fn attempt(shared: &Shared, parcel: Parcel) {
    match parcel.mode {
        Mode::Drop => shared.lock().note_delivery(&parcel, &[]),
        Mode::Duplicate => {
            let copies = [send(shared, &parcel).await, send(shared, &parcel).await];
            shared.lock().note_delivery(&parcel, &copies);
        }
        _ => {
            let sent = send(shared, &parcel).await;
            shared.lock().note_delivery(&parcel, &[sent]);
        }
    }
}

/// Asks a merchant something and waits for the answer.
pub(crate) async fn ask(shared: &Shared, call: NewCall) -> Outcome {
    let parcel = {
        let mut world = shared.lock();
        let now = world.settle();
        let number = world.outbox.add_call(call, None);
        world.outbox.parcel(number, now)
    };
    let Some(parcel) = parcel else { return Err("the call is gone".into()) };
    let sent = send(shared, &parcel).await;
    shared.lock().note_delivery(&parcel, std::slice::from_ref(&sent));
    sent
}

async fn send(shared: &Shared, parcel: &Parcel) -> Outcome {
    let limit = shared.lock().settings.limit_of(parcel.kind);
    let exchange = exchange(shared.http(parcel.url.starts_with("https:"))?, parcel);
    clock::within(limit, exchange).await.unwrap_or_else(|| Err(format!("no answer within {} ms", limit.as_millis())))
}

async fn exchange(http: &reqwest::Client, parcel: &Parcel) -> Outcome {
    let url = Url::parse(&parcel.url).map_err(|error| format!("the address is none: {error}"))?;
    let mut request = http.post(url.clone()).header(CONTENT_TYPE, "application/json");
    if let Some(registration) = &parcel.registration {
        // Not signed: it helps to choose among secrets and proves nothing.
        request = request.header("webhook-id", registration).header(USER_AGENT, WEBHOOK_AGENT);
    }
    match &parcel.proof {
        Proof::None => {}
        Proof::Token(token) => request = request.header(AUTHORIZATION, token),
        Proof::Signature(secret) => {
            let (date, hash) = (http_date(parcel.signed), content_hash(&parcel.body));
            let host = match url.port() {
                Some(port) => format!("{}:{port}", url.host_str().unwrap_or_default()),
                None => url.host_str().unwrap_or_default().to_owned(),
            };
            let path_and_query = &url[Position::BeforePath..Position::AfterQuery];
            let secret = if parcel.mode == Mode::BadSignature { format!("{secret}?") } else { secret.clone() };
            request = request
                .header(AUTHORIZATION, authorization(&secret, path_and_query, &date, &host, &hash))
                .header(HOST, host)
                .header("x-ms-date", date)
                .header("x-ms-content-sha256", hash);
        }
    }
    let response = request.body(parcel.body.clone()).send().await.map_err(|error| explain(&error))?;
    let status = response.status().as_u16();
    let body = Limited::new(reqwest::Body::from(response), MOST_REPLY).collect().await;
    let body = body.map_err(|_| "the answer broke off or is larger than 1 MiB".to_owned())?.to_bytes();
    Ok(Reply { status, body })
}

/// What went wrong, without the address: its query may be secret.
fn explain(error: &reqwest::Error) -> String {
    let what = match error {
        error if error.is_connect() => "no connection",
        error if error.is_builder() => "a header or the address cannot be sent",
        _ => "the connection broke off",
    };
    what.to_owned()
}
