//! From events to "look now": what waits for something to be decided listens to.

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use futures_core::Stream;

use crate::{Event, Subject, SubjectKind};

/// Turns events into hints: a receiver [tells](Self::tell) it what came, and every wait of
/// `vipps` takes the [hints](Self::hints) of its subject and looks at once instead of at its
/// next poll. A hint says nothing else: the wait reads the state itself, so a forged or a late
/// one does no harm.
///
/// Clones share everything. A subject that nobody listens to takes no memory.
///
/// ```
/// use vipps_callbacks::{HintHub, Subject};
///
/// let hub = HintHub::default();
/// let hints = hub.hints(Subject::payment("acme-order-1042"));
/// // Where the order is taken: payments.wait_for_decision("acme-order-1042").hints(hints)
/// # let event = vipps_callbacks::Event::read(b"{}");
/// // In the receiver, after the event was recorded:
/// hub.tell(&event);
/// # drop(hints);
/// ```
#[derive(Clone, Default)]
pub struct HintHub {
    listeners: Arc<Listeners>,
}

/// By kind and id; a sales unit may be named or not.
type BySubject = HashMap<(SubjectKind, String), Vec<Weak<Listener>>>;

#[derive(Default)]
struct Listeners {
    by_subject: Mutex<BySubject>,
}

struct Listener {
    subject: Subject,
    heard: Mutex<Heard>,
}

#[derive(Default)]
struct Heard {
    is_told: bool,
    waker: Option<Waker>,
}

impl HintHub {
    /// Wakes whoever listens to the subject of this event.
    pub fn tell(&self, event: &Event) {
        if let Some(subject) = event.subject() {
            self.tell_subject(&subject);
        }
    }

    /// Wakes whoever listens to this subject.
    pub fn tell_subject(&self, subject: &Subject) {
        let listeners: Vec<Arc<Listener>> = {
            let known = self.listeners.lock();
            let of_this = known.get(&(subject.kind(), subject.id().to_owned()));
            of_this.into_iter().flatten().filter_map(Weak::upgrade).collect()
        };
        for listener in listeners.iter().filter(|listener| listener.subject.is(subject)) {
            let waker = {
                let mut heard = listener.heard.lock().unwrap_or_else(PoisonError::into_inner);
                heard.is_told = true;
                heard.waker.take()
            };
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    /// The hints of a subject, from now on and without an end. Several that come before one is
    /// taken are one.
    #[must_use = "a dropped stream hears nothing"]
    pub fn hints(&self, subject: Subject) -> Hints {
        let listener = Arc::new(Listener { subject, heard: Mutex::default() });
        let key = listener.key();
        self.listeners.lock().entry(key).or_default().push(Arc::downgrade(&listener));
        Hints { listener, hub: self.listeners.clone() }
    }
}

impl Listeners {
    fn lock(&self) -> MutexGuard<'_, BySubject> {
        self.by_subject.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener {
    fn key(&self) -> (SubjectKind, String) {
        (self.subject.kind(), self.subject.id().to_owned())
    }
}

/// The hints of one subject; see [`HintHub::hints`].
pub struct Hints {
    listener: Arc<Listener>,
    hub: Arc<Listeners>,
}

impl Stream for Hints {
    type Item = ();

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<()>> {
        let mut heard = self.listener.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut heard.is_told) {
            return Poll::Ready(Some(()));
        }
        heard.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Hints {
    fn drop(&mut self) {
        let (key, own) = (self.listener.key(), Arc::as_ptr(&self.listener));
        let mut known = self.hub.lock();
        let Some(of_this) = known.get_mut(&key) else { return };
        of_this.retain(|other| other.as_ptr() != own);
        if of_this.is_empty() {
            known.remove(&key);
        }
    }
}

impl fmt::Debug for HintHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HintHub").field("subjects", &self.listeners.lock().len()).finish()
    }
}

impl fmt::Debug for Hints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hints").field("subject", &self.listener.subject).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn is_told(hints: &mut Hints) -> bool {
        Pin::new(hints).poll_next(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn a_hint_reaches_all_who_listen_to_its_subject_and_nobody_else() {
        let hub = HintHub::default();
        let payment = || hub.hints(Subject::payment("acme-42"));
        let (mut one, mut another, mut charge) = (payment(), payment(), hub.hints(Subject::charge("acme-42")));
        let mut of_a_unit = hub.hints(Subject::payment("acme-42").of_sales_unit("654321"));
        let body = br#"{"msn":"123456","reference":"acme-42","name":"AUTHORIZED"}"#;
        hub.tell(&Event::read(body));
        hub.tell(&Event::read(body));
        assert!(is_told(&mut one) && is_told(&mut another));
        assert!(!is_told(&mut one), "two at once are one");
        assert!(!is_told(&mut charge) && !is_told(&mut of_a_unit));
        hub.tell(&Event::read(b"{}"));
        hub.tell_subject(&Subject::charge("acme-42"));
        assert!(is_told(&mut charge));
    }

    #[test]
    fn a_hint_wakes_who_waits_and_a_stream_that_is_dropped_leaves_nothing_behind() {
        let (hub, count) = (HintHub::default(), Arc::new(Count::default()));
        let mut hints = hub.hints(Subject::payment("acme-42"));
        let waker = Waker::from(count.clone());
        assert!(Pin::new(&mut hints).poll_next(&mut Context::from_waker(&waker)).is_pending());
        hub.tell_subject(&Subject::payment("acme-42"));
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        let other = hub.hints(Subject::payment("acme-42"));
        drop(hints);
        assert_eq!(hub.listeners.lock().len(), 1);
        drop(other);
        assert!(hub.listeners.lock().is_empty());
    }
}
