//! The pieces of the page for people: forms, and tables whose rows have buttons.
//!
//! Texts come in as they are and are escaped here, once; only what is called markup is not.

use super::escaped;
use super::layout::{hidden, link};

/// A form that posts to `/do/{what}`. `content` is markup.
pub(super) fn form(what: &str, fields: &[(&str, &str)], content: &str) -> String {
    let fields: String = fields.iter().map(|(name, value)| hidden(name, value)).collect();
    format!("<form class=\"line\" method=\"post\" action=\"/do/{}\">{fields}{content}</form>", escaped(what))
}

/// A list to choose from, with its label: values and what they are called.
pub(super) fn select(id: &str, name: &str, label: &str, options: &[(&str, &str)], chosen: &str) -> String {
    let option = |(value, text): &(&str, &str)| {
        let selected = if *value == chosen { " selected" } else { "" };
        format!("<option value=\"{}\"{selected}>{}</option>", escaped(value), escaped(text))
    };
    let options: String = options.iter().map(option).collect();
    format!("<label for=\"{id}\">{}</label><select id=\"{id}\" name=\"{name}\">{options}</select>", escaped(label))
}

/// A table. The first cell of a row names the row.
pub(super) struct Table {
    /// The id of its section; those of its rows begin with it.
    pub(super) id: &'static str,
    pub(super) caption: &'static str,
    pub(super) columns: &'static [&'static str],
    pub(super) rows: Vec<Row>,
}

/// A row.
pub(super) struct Row {
    /// Tells it from the other rows of its table.
    pub(super) key: String,
    pub(super) cells: Vec<Cell>,
}

/// What a cell holds.
pub(super) enum Cell {
    Text(String),
    /// A page to open, where there is one.
    Link(&'static str, Option<String>),
    /// A long text behind a short one.
    Details(&'static str, String),
    Buttons(Vec<Button>),
}

/// A button that does one thing to what its row shows.
pub(super) struct Button {
    pub(super) what: &'static str,
    pub(super) act: &'static str,
    pub(super) label: &'static str,
    pub(super) id: String,
    pub(super) msn: String,
}

impl Table {
    /// The table as a part of the page that the script replaces when it changed.
    pub(super) fn markup(&self) -> String {
        let Self { id, caption, columns, rows } = self;
        if rows.is_empty() {
            return format!("<div id=\"{id}-rows\" data-part><p class=\"small\">None.</p></div>");
        }
        let head: String = columns.iter().map(|name| format!("<th scope=\"col\">{name}</th>")).collect();
        let body: String = rows.iter().map(|row| row.markup(id, columns)).collect();
        format!(
            "<div id=\"{id}-rows\" data-part><table><caption>{caption}</caption>\
             <thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
        )
    }
}

impl Row {
    fn markup(&self, table: &str, columns: &[&str]) -> String {
        let id = format!("{table}-{}", escaped(&self.key));
        let cell = |(index, (cell, label)): (usize, (&Cell, &&str))| {
            let content = cell.markup(&id);
            match index {
                0 => format!("<th scope=\"row\" data-label=\"{label}\">{content}</th>"),
                _ => format!("<td data-label=\"{label}\">{content}</td>"),
            }
        };
        let cells: String = self.cells.iter().zip(columns).enumerate().map(cell).collect();
        format!("<tr id=\"{id}\">{cells}</tr>")
    }
}

impl Cell {
    /// `row` is the id of its row, escaped.
    fn markup(&self, row: &str) -> String {
        match self {
            Self::Text(text) => escaped(text),
            Self::Link(label, address) => link(label, address.as_deref()),
            // The ids let the script keep it open, and the focus on it.
            Self::Details(summary, text) => format!(
                "<details id=\"{row}-more\"><summary id=\"{row}-summary\">{}</summary><pre>{}</pre></details>",
                escaped(summary),
                escaped(text)
            ),
            Self::Buttons(buttons) => buttons.iter().map(Button::markup).collect(),
        }
    }
}

impl Button {
    fn markup(&self) -> String {
        let Self { what, act, label, id, msn } = self;
        // The label says what it acts on to those who do not see the row.
        let button = format!(
            "<button id=\"{}\" aria-label=\"{} {}\">{}</button>",
            escaped(&format!("{act}-{what}-{msn}-{id}")),
            escaped(label),
            escaped(id),
            escaped(label),
        );
        form(what, &[("act", *act), ("id", id.as_str()), ("msn", msn.as_str())], &button)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_caption_scopes_and_escaped_texts() {
        let button =
            Button { what: "payments", act: "approve", label: "Approve", id: "\"><b>".into(), msn: "123456".into() };
        let cells =
            vec![Cell::Text("<script>".into()), Cell::Details("Body", "<script>".into()), Cell::Buttons(vec![button])];
        let table = Table {
            id: "payments",
            caption: "Payments, newest first",
            columns: &["Reference", "Body", "Customer"],
            rows: vec![Row { key: "123456-\"><b>".into(), cells }],
        };
        let markup = table.markup();
        for part in ["<caption>Payments, newest first</caption>", "<th scope=\"col\">Body</th>", "<th scope=\"row\""] {
            assert!(markup.contains(part), "{part} in {markup}");
        }
        assert!(!markup.contains("<script>") && !markup.contains("<b>"), "{markup}");
        assert!(markup.contains("aria-label=\"Approve &quot;&gt;&lt;b&gt;\""), "{markup}");
    }

    #[test]
    fn a_table_without_rows_says_so() {
        let table = Table { id: "charges", caption: "Charges", columns: &["Id"], rows: Vec::new() };
        assert!(table.markup().contains("None."));
    }
}
