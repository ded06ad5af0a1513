//! Lists that come in pages, as one stream.

use std::collections::HashSet;
use std::future::Future;
use std::time::Duration;

use futures_util::stream::{self, Stream, StreamExt as _};
use vipps_core::{Call, Error, Operation};

use crate::call::Options;
use crate::client::Client;

/// Lists may be read a few times a minute, and Vipps says when to come back.
const DEADLINE: Duration = Duration::from_secs(2 * 60);

/// The options of a list, whose limits are those of each page.
pub(crate) fn options(client: &Client, operation: &'static Operation) -> Options {
    let mut options = Options::new(client, operation);
    options.limit(DEADLINE);
    options
}

/// Everything that a list has: `page` reads one page, and says where the next one is.
/// Ends with the first error.
pub(crate) fn pages<T, P, F, Fut>(first: P, page: F) -> impl Stream<Item = Result<T, Error>> + Send
where
    T: Send,
    P: Send,
    F: Fn(P) -> Fut + Send,
    Fut: Future<Output = Result<(Vec<T>, Option<P>), Error>> + Send,
{
    let pages = stream::unfold(Some(first), move |next| {
        let read = next.map(&page);
        async move {
            match read?.await {
                Ok((items, next)) => Some((Ok(items), next)),
                Err(error) => Some((Err(error), None)),
            }
        }
    });
    pages.flat_map(|page| match page {
        Ok(items) => stream::iter(items.into_iter().map(Ok).collect::<Vec<_>>()),
        Err(error) => stream::iter(vec![Err(error)]),
    })
}

/// The tokens of a list so far: one that comes again would lead in a circle.
#[derive(Debug, Default)]
pub(crate) struct Tokens(HashSet<String>);

impl Tokens {
    /// # Errors
    ///
    /// The list does not go on.
    pub(crate) fn go_on(&mut self, token: &str, call: &Call, status: u16) -> Result<(), Error> {
        if self.0.insert(token.to_owned()) {
            return Ok(());
        }
        Err(call.unreadable(status, "the list goes in a circle: it gave the same continuation token twice"))
    }
}

/// A list whose pages go by number, and shift when one of its items goes. A list of several
/// pages is therefore read again from its first page until a whole round shows nothing new:
/// then everything that was in it all the while has been seen.
#[derive(Debug, Default)]
pub(crate) struct Rounds {
    given: HashSet<String>,
    in_this_round: HashSet<String>,
    pages: u32,
    is_new: bool,
}

impl Rounds {
    /// Takes a page by the ids of its items: which of them were not given before.
    pub(crate) fn take(&mut self, ids: &[&str]) -> Vec<bool> {
        self.pages += 1;
        let fresh: Vec<bool> = ids.iter().map(|id| self.given.insert((*id).to_owned())).collect();
        self.is_new |= fresh.contains(&true);
        fresh
    }

    /// The number of the next page after one with these ids, if there is one. `is_last` where the
    /// page was not full.
    pub(crate) fn next(&mut self, page: i64, ids: &[&str], is_last: bool) -> Option<i64> {
        let mut moved = false;
        for id in ids {
            moved |= self.in_this_round.insert((*id).to_owned());
        }
        // A page that repeats what this round has shown comes from a server that counts none.
        if moved && !is_last {
            return Some(page + 1);
        }
        let again = self.pages > 1 && self.is_new;
        *self = Self { given: std::mem::take(&mut self.given), ..Self::default() };
        // The first round is new by nature; so is every one that found more.
        again.then_some(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pages that are read of a list that changes: `lists[n]` is what it is when the n-th
    /// page is read, the last one for ever.
    fn read(lists: &[&[&str]], size: usize) -> (String, usize) {
        let (mut rounds, mut seen, mut page, mut reads) = (Rounds::default(), String::new(), Some(1), 0);
        while let Some(number) = page {
            let list = lists[reads.min(lists.len() - 1)];
            let start = usize::try_from(number - 1).unwrap() * size;
            let ids = list.get(start..).unwrap_or_default();
            let ids = &ids[..ids.len().min(size)];
            for (id, fresh) in ids.iter().zip(rounds.take(ids)) {
                seen.push_str(if fresh { id } else { "" });
            }
            page = rounds.next(number, ids, ids.len() < size);
            reads += 1;
        }
        (seen, reads)
    }

    #[test]
    fn what_is_in_a_list_all_the_while_is_seen_however_its_pages_shift() {
        let cases: [(&str, &[&[&str]], &str, usize); 5] = [
            ("one page", &[&["a"]], "a", 1),
            ("nothing", &[&[]], "", 1),
            ("two pages, nothing moves", &[&["a", "b", "c"]], "abc", 4),
            // Each page is stopped as it comes.
            ("all of it goes", &[&["a", "b", "c", "d", "e"], &["c", "d", "e"], &["c", "d"], &[]], "abecd", 5),
            ("one more in front", &[&["a", "b", "c"], &["x", "a", "b", "c"]], "abcx", 9),
        ];
        for (name, lists, seen, reads) in cases {
            assert_eq!(read(lists, 2), (seen.to_owned(), reads), "{name}");
        }
    }
}
