//! The files that we write ourselves beside the generator's.

pub(crate) mod enums;
pub(crate) mod limits;
pub(crate) mod operations;
pub(crate) mod refusals;
pub(crate) mod sandbox;

/// A description as doc comment lines; what could be markup is escaped.
fn doc(text: &str, fallback: &str, indent: &str) -> String {
    let text = if text.trim().is_empty() { fallback } else { text.trim() };
    let escape = |line: &str| line.replace('<', "\\<").replace('[', "\\[").replace(']', "\\]");
    text.lines().map(|line| format!("{indent}/// {}", escape(line.trim_end())).trim_end().to_owned() + "\n").collect()
}
