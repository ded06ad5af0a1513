//! Where in a request a rule of form is broken, and which.

use std::fmt;
use std::sync::OnceLock;

use regex_lite::Regex;

/// A place in a request body: a chain from the field to the root, built on the stack.
///
/// The generated `limits` modules walk a body with it; nothing is allocated unless a rule
/// is broken.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    parent: Option<&'a Place<'a>>,
    segment: Segment<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Segment<'a> {
    Root,
    Field(&'a str),
    Index(usize),
}

impl<'a> Place<'a> {
    /// The body itself.
    pub const ROOT: Place<'static> = Place { parent: None, segment: Segment::Root };

    /// A member of this place, by its wire name.
    #[must_use]
    pub fn field(&'a self, name: &'a str) -> Place<'a> {
        Place { parent: Some(self), segment: Segment::Field(name) }
    }

    /// An element of this place, counted from 0.
    #[must_use]
    pub fn index(&'a self, index: usize) -> Place<'a> {
        Place { parent: Some(self), segment: Segment::Index(index) }
    }

    /// A broken rule at this place.
    ///
    /// `rule` says what is allowed and never repeats the value, which may be personal.
    #[must_use]
    pub fn broken(&self, rule: impl Into<String>) -> Violation {
        Violation { field: self.to_string(), rule: rule.into() }
    }

    /// Checks the number of characters of a text.
    ///
    /// # Errors
    ///
    /// A violation that names this place and the allowed length.
    pub fn length(&self, text: &str, least: Option<u64>, most: Option<u64>) -> Result<(), Violation> {
        // Most texts are ASCII, whose characters need no counting.
        let found = if text.is_ascii() { text.len() } else { text.chars().count() };
        self.count(found as u64, least, most, "character")
    }

    /// Checks that a text matches a pattern of the document.
    ///
    /// # Errors
    ///
    /// A violation that names this place and the pattern.
    pub fn pattern(&self, text: &str, pattern: &Pattern) -> Result<(), Violation> {
        if pattern.matches(text) { Ok(()) } else { Err(self.broken(format!("must match {}", pattern.source))) }
    }

    /// Checks a text against a pattern that is one class of characters and how many of them,
    /// which most patterns of the documents are: no regular expression is run.
    ///
    /// # Errors
    ///
    /// A violation that names this place and the pattern.
    pub fn class(
        &self,
        text: &str,
        allowed: impl Fn(char) -> bool,
        least: usize,
        most: usize,
        pattern: &str,
    ) -> Result<(), Violation> {
        let mut count = 0;
        let fits = text.chars().all(|c| {
            count += 1;
            allowed(c)
        });
        if fits && (least..=most).contains(&count) { Ok(()) } else { Err(self.broken(format!("must match {pattern}"))) }
    }

    /// Checks a number of things: characters, elements, members.
    ///
    /// # Errors
    ///
    /// A violation that names this place, the allowed count and the one found.
    pub fn count(&self, found: u64, least: Option<u64>, most: Option<u64>, thing: &str) -> Result<(), Violation> {
        let short = least.is_some_and(|least| found < least);
        let long = most.is_some_and(|most| found > most);
        if !short && !long {
            return Ok(());
        }
        let wanted = match (least, most) {
            (Some(least), Some(most)) if least == most => format!("exactly {least}"),
            (Some(least), Some(most)) => format!("{least} to {most}"),
            (Some(least), None) => format!("at least {least}"),
            (None, Some(most)) => format!("at most {most}"),
            (None, None) => return Ok(()),
        };
        Err(self.broken(format!("must have {wanted} {thing}s, has {found}")))
    }

    /// Checks that an integer lies between two bounds, both allowed.
    ///
    /// # Errors
    ///
    /// A violation that names this place and the bounds.
    pub fn range(&self, found: i64, least: Option<i64>, most: Option<i64>) -> Result<(), Violation> {
        match (least, most) {
            (Some(least), _) if found < least => Err(self.broken(format!("must be at least {least}, is {found}"))),
            (_, Some(most)) if found > most => Err(self.broken(format!("must be at most {most}, is {found}"))),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
            match self.segment {
                Segment::Field(name) if matches!(parent.segment, Segment::Root) => f.write_str(name),
                Segment::Field(name) => write!(f, ".{name}"),
                Segment::Index(index) => write!(f, "[{index}]"),
                Segment::Root => Ok(()),
            }
        } else {
            Ok(())
        }
    }
}

/// A regular expression of a document, compiled when it is first used.
#[derive(Debug)]
pub struct Pattern {
    source: &'static str,
    regex: OnceLock<Option<Regex>>,
}

impl Pattern {
    /// A pattern from its source. One that is no regular expression matches everything;
    /// the generator leaves such patterns out.
    #[must_use]
    pub const fn new(source: &'static str) -> Self {
        Self { source, regex: OnceLock::new() }
    }

    fn matches(&self, text: &str) -> bool {
        self.regex.get_or_init(|| Regex::new(self.source).ok()).as_ref().is_none_or(|regex| regex.is_match(text))
    }
}

/// A rule of form that a request breaks, found before anything is sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` {rule}")]
pub struct Violation {
    field: String,
    rule: String,
}

impl Violation {
    /// The field by its wire name, such as `receipt.orderLines[0].taxRate`.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }

    /// What is allowed there; never the value itself.
    #[must_use]
    pub fn rule(&self) -> &str {
        &self.rule
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_written_as_a_path() {
        let receipt = Place::ROOT.field("receipt");
        let lines = receipt.field("orderLines");
        let line = lines.index(2);
        assert_eq!(line.field("taxRate").to_string(), "receipt.orderLines[2].taxRate");
    }

    #[test]
    fn lengths_count_characters_not_bytes() {
        let place = Place::ROOT.field("name");
        let broken = |text: &str, least, most| place.length(text, least, most).map_err(|v| v.to_string());
        assert_eq!(broken("øøø", Some(3), Some(3)), Ok(()));
        assert_eq!(broken("øø", Some(3), Some(5)), Err("`name` must have 3 to 5 characters, has 2".into()));
        assert_eq!(broken("øøøø", None, Some(3)), Err("`name` must have at most 3 characters, has 4".into()));
        assert_eq!(broken("", Some(1), None), Err("`name` must have at least 1 characters, has 0".into()));
    }

    #[test]
    fn ranges_include_their_bounds() {
        let place = Place::ROOT.field("taxRate");
        for (value, fine) in [(-1, false), (0, true), (10_000, true), (10_001, false)] {
            assert_eq!(place.range(value, Some(0), Some(10_000)).is_ok(), fine, "{value}");
        }
    }
}
