//! Lists that come in pages, as one stream.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, Stream, StreamExt as _};
use vipps_core::{Clock, Error};

/// A server that says "at once" is not asked in a tight loop.
const LEAST_WAIT: Duration = Duration::from_secs(1);

/// Everything that a list has: `page` reads one page and says where the next one is.
///
/// Ends with the first error, but for a page that Vipps asks to come back for: lists may be
/// read a few times a minute only.
pub(crate) fn pages<T, P, F, Fut>(
    clock: Arc<dyn Clock>,
    first: P,
    page: F,
) -> impl Stream<Item = Result<T, Error>> + Send
where
    T: Send,
    P: Clone + Send,
    F: Fn(P) -> Fut + Clone + Send,
    Fut: Future<Output = Result<(Vec<T>, Option<P>), Error>> + Send,
{
    let pages = stream::try_unfold(Some(first), move |next| {
        let (page, clock) = (page.clone(), clock.clone());
        async move {
            let Some(at) = next else { return Ok::<_, Error>(None) };
            loop {
                match page(at.clone()).await {
                    Ok((items, next)) => return Ok(Some((items, next))),
                    Err(error) if error.status() == Some(429) => match error.retry_after() {
                        Some(wait) => clock.sleep(wait.max(LEAST_WAIT)).await,
                        None => return Err(error),
                    },
                    Err(error) => return Err(error),
                }
            }
        }
    });
    pages.flat_map(|page| match page {
        Ok(items) => stream::iter(items.into_iter().map(Ok).collect::<Vec<_>>()),
        Err(error) => stream::iter(vec![Err(error)]),
    })
}
