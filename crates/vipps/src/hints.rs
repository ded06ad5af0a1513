//! Hints from what a program has anyway: what a wait's `hints` takes.
//!
//! A receiver of webhooks has a hub of its own (`HintHub` of `vipps-callbacks`).

use std::sync::Arc;

use futures_core::Stream;
use tokio::sync::{Notify, mpsc};

/// A hint for every `notify_one`. One that comes while nobody listens is kept; a `notify_waiters`
/// that comes during a look is not.
///
/// ```no_run
/// # async fn example(payments: vipps::Payments, notify: std::sync::Arc<tokio::sync::Notify>) -> Result<(), vipps::Error> {
/// payments.wait_for_decision("acme-order-1042").hints(vipps::hints::from_notify(notify)).await?;
/// # Ok(()) }
/// ```
pub fn from_notify(notify: Arc<Notify>) -> impl Stream<Item = ()> + Send + 'static {
    futures_util::stream::unfold(notify, async |notify| {
        notify.notified().await;
        Some(((), notify))
    })
}

/// A hint for every message, whatever it says; polling goes on when all senders are gone.
pub fn from_channel<T: Send + 'static>(mut messages: mpsc::Receiver<T>) -> impl Stream<Item = ()> + Send + 'static {
    futures_util::stream::poll_fn(move |context| messages.poll_recv(context).map(|message| message.map(drop)))
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, StreamExt as _};

    use super::*;

    #[tokio::test]
    async fn a_notification_is_a_hint_also_when_nobody_listened() {
        let notify = Arc::new(Notify::new());
        let mut hints = Box::pin(from_notify(notify.clone()));
        assert_eq!(hints.next().now_or_never(), None);
        for _ in 0..2 {
            notify.notify_one();
            assert_eq!(hints.next().await, Some(()));
        }
        assert_eq!(hints.next().now_or_never(), None);
    }

    #[tokio::test]
    async fn a_message_is_a_hint_until_all_senders_are_gone() {
        let (sender, receiver) = mpsc::channel(4);
        let mut hints = Box::pin(from_channel(receiver));
        sender.send("a").await.expect("it listens");
        assert_eq!(hints.next().await, Some(()));
        assert_eq!(hints.next().now_or_never(), None);
        drop(sender);
        assert_eq!(hints.next().await, None);
    }
}
