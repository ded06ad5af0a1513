//! The page for people at `/`: everything that is, and what one can do to it. Pure: a model
//! in, markup out.

use serde_json::{Value, json};

use super::escaped;
use super::layout::{NO_MONEY, frame, notice};
use super::parts::{form, select};
use super::rows::{self, text};

/// What the page shows, in the shapes of the control API, newest first. Of each list the
/// first [`rows::MOST_ROWS`] are shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    /// `GET clock`.
    pub(crate) clock: Value,
    /// `{"msn", "payment"}`: the payment as `getPayment` shows it.
    pub(crate) payments: Vec<Value>,
    /// `{"msn", "agreement"}`: the agreement as `FetchAgreementV3` shows it.
    pub(crate) agreements: Vec<Value>,
    /// `{"msn", "charge"}`: the charge as Recurring v3 shows it.
    pub(crate) charges: Vec<Value>,
    /// `{"msn", "session"}`: the session as `getSession` shows it.
    pub(crate) sessions: Vec<Value>,
    /// `{"msn", "pspTransactionId", "merchantOrderId", "state", "amount"}`, minor units of NOK.
    pub(crate) psp: Vec<Value>,
    /// `GET deliveries`.
    pub(crate) deliveries: Vec<Value>,
    /// `GET deliveries/mode`: `normal`.
    pub(crate) delivery_mode: String,
    /// `GET warnings`.
    pub(crate) warnings: Vec<Value>,
    /// `GET faults`, in their order.
    pub(crate) faults: Vec<Value>,
    /// Every operation that a failure can be scripted for.
    pub(crate) operations: Vec<String>,
    /// What the last act could not do.
    pub(crate) message: Option<String>,
}

/// Id and title of each section, in their order.
const SECTIONS: [(&str, &str); 10] = [
    ("payments", "Payments"),
    ("agreements", "Agreements"),
    ("charges", "Charges"),
    ("sessions", "Checkout sessions"),
    ("psp", "PSP payments"),
    ("deliveries", "Webhooks and other calls"),
    ("clock", "Clock"),
    ("faults", "Failures"),
    ("warnings", "Oddities"),
    ("reset", "Reset"),
];

/// How far the buttons move the clock: id, label, seconds.
const STEPS: [(&str, &str, &str); 4] = [
    ("minute", "1 minute", "60"),
    ("expiry", "11 minutes", "660"),
    ("day", "1 day", "86400"),
    ("month", "30 days", "2592000"),
];

/// How webhooks misbehave, as the control API calls it, and in words.
const MODES: [(&str, &str); 5] = [
    ("normal", "normal"),
    ("drop", "never sent"),
    ("duplicate", "sent twice"),
    ("reorder", "last first"),
    ("badSignature", "badly signed"),
];

/// The failures of the form: name, label, and the fault for the control API.
pub(super) fn fault_kinds() -> [(&'static str, &'static str, Value); 5] {
    let status = |when: &str| json!({ "kind": "status", "status": 503, "when": when });
    let reset = |when: &str| json!({ "kind": "reset", "when": when });
    [
        ("status-before", "503 before the effect", status("before")),
        ("status-after", "503 after the effect", status("after")),
        ("reset-before", "reset before the effect", reset("before")),
        ("reset-after", "reset after the effect", reset("after")),
        ("stall", "stall of 5 s", json!({ "kind": "stall", "seconds": 5, "when": "before" })),
    ]
}

/// The whole page.
pub(crate) fn page(model: &Model) -> String {
    let entry = |(id, title): &(&str, &str)| format!("<li><a href=\"#{id}\">{title}</a></li>");
    let entries: String = SECTIONS.iter().map(entry).collect();
    let body = format!(
        "<div class=\"wide\"><header><h1>Vipps sandbox</h1>{NO_MONEY}{message}\
         <nav aria-label=\"Sections\"><ul>{entries}</ul></nav></header>\
         <main id=\"live\">{live}</main></div>",
        message = notice(model.message.as_deref()),
        live = live(model),
    );
    frame("Vipps sandbox", "<script src=\"/page.js\" defer></script>", &body)
}

/// What is inside `<main id="live">`. Of it, the script replaces what has `data-part`, by id,
/// when it changed; forms that somebody may be filling in are in no part.
pub(crate) fn live(model: &Model) -> String {
    SECTIONS.iter().map(|(id, title)| section(id, title, &content(model, id))).collect()
}

fn section(id: &str, title: &str, content: &str) -> String {
    // The heading takes the focus when the focused button of a row is gone.
    format!(
        "<section id=\"{id}\" aria-labelledby=\"{id}-title\">\
         <h2 id=\"{id}-title\" tabindex=\"-1\">{title}</h2>{content}</section>"
    )
}

fn content(model: &Model, id: &str) -> String {
    match id {
        "payments" => rows::payments(&model.payments).markup(),
        "agreements" => rows::agreements(&model.agreements).markup(),
        "charges" => one_button("charges", "run", "Run charges now") + &rows::charges(&model.charges).markup(),
        "sessions" => rows::sessions(&model.sessions).markup(),
        "psp" => rows::psp(&model.psp).markup(),
        "deliveries" => delivery_mode(model) + &rows::deliveries(&model.deliveries).markup(),
        "clock" => clock(&model.clock),
        "faults" => {
            let forget = one_button("faults", "clear", "Forget failures");
            fault_form(model) + &rows::faults(&model.faults).markup() + &forget
        }
        "warnings" => rows::warnings(&model.warnings).markup(),
        _ => {
            format!("<p>Empties everything; credentials stay.</p>{}", one_button("reset", "reset", "Reset the sandbox"))
        }
    }
}

fn one_button(what: &str, act: &str, label: &str) -> String {
    form(what, &[("act", act)], &format!("<button id=\"{act}-{what}\">{label}</button>"))
}

fn clock(clock: &Value) -> String {
    let now = text(&clock["now"]);
    let time = format!(
        "<p id=\"time\" data-part><time datetime=\"{now}\">{now}</time> ({mode} clock, {offset} s ahead)</p>",
        now = escaped(&now),
        mode = escaped(&text(&clock["mode"])),
        offset = escaped(&text(&clock["offsetSeconds"])),
    );
    let step = |(id, label, seconds): &(&str, &str, &str)| {
        let button = format!("<button id=\"advance-{id}\" aria-label=\"{label} ahead\">{label}</button>");
        form("clock", &[("act", "advance"), ("seconds", *seconds)], &button)
    };
    let steps: String = STEPS.iter().map(step).collect();
    let any = form(
        "clock",
        &[("act", "advance")],
        "<label for=\"seconds\">Seconds</label>\
         <input id=\"seconds\" name=\"seconds\" type=\"number\" min=\"0\" max=\"3155760000\" step=\"1\" \
         value=\"60\" required>\
         <button id=\"advance-seconds\">Advance</button>",
    );
    format!("{time}<p>Let time pass:</p>{steps}{any}")
}

fn delivery_mode(model: &Model) -> String {
    let called = MODES.iter().find(|(mode, _)| *mode == model.delivery_mode).map_or("unknown", |(_, called)| *called);
    let choice = select("mode", "mode", "From now on they are", &MODES, &model.delivery_mode);
    format!(
        "<p id=\"mode-now\" data-part>Webhooks are {}.</p>{}",
        escaped(called),
        form("deliveries", &[("act", "mode")], &format!("{choice}<button id=\"mode-deliveries\">Change</button>")),
    )
}

fn fault_form(model: &Model) -> String {
    let operations: Vec<(&str, &str)> =
        std::iter::once(("", "any")).chain(model.operations.iter().map(|id| (id.as_str(), id.as_str()))).collect();
    let kinds = fault_kinds();
    let kinds: Vec<(&str, &str)> = kinds.iter().map(|(name, label, _)| (*name, *label)).collect();
    let fields = format!(
        "{}{}<label for=\"count\">Times</label>\
         <input id=\"count\" name=\"count\" type=\"number\" min=\"1\" max=\"1000\" step=\"1\" value=\"1\" required>\
         <button id=\"add-faults\">Fail</button>",
        select("operation", "operation", "Operation", &operations, ""),
        select("kind", "kind", "Failure", &kinds, "status-before"),
    );
    form("faults", &[("act", "add")], &fields)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn model() -> Model {
        let evil = "<script>alert(1)</script>";
        Model {
            clock: json!({ "now": "2026-01-01T00:00:00.000Z", "mode": "real", "offsetSeconds": 660 }),
            payments: vec![json!({ "msn": "123456", "payment": { "reference": evil, "state": "CREATED" } })],
            agreements: vec![json!({ "msn": "123456", "agreement": { "id": "agr_1", "productName": evil } })],
            charges: vec![json!({ "msn": "123456", "charge": { "id": evil, "description": evil } })],
            sessions: vec![json!({ "msn": "123456", "session": { "reference": evil } })],
            psp: vec![json!({ "msn": "123456", "pspTransactionId": "p", "merchantOrderId": evil })],
            deliveries: vec![json!({ "id": "1", "subject": evil, "url": evil, "body": { "text": evil } })],
            delivery_mode: "drop".into(),
            warnings: vec![json!({ "at": "2026", "operation": "createPayment", "warning": evil })],
            faults: vec![json!({ "operation": evil, "count": 1, "fault": { "kind": "reset" } })],
            operations: vec!["createPayment".into()],
            message: Some(evil.into()),
        }
    }

    #[test]
    fn no_text_becomes_a_script() {
        let page = page(&model());
        assert_eq!(page.matches("<script").count(), 1, "{page}");
        assert!(page.contains("&lt;script&gt;alert(1)"), "{page}");
    }

    #[test]
    fn every_id_occurs_once() {
        let page = page(&model());
        let ids: Vec<&str> = page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        let mut known = HashSet::new();
        for id in ids {
            assert!(known.insert(id), "{id} occurs twice");
        }
    }

    #[test]
    fn every_section_is_there_when_nothing_is() {
        let page = page(&Model::default());
        for (id, title) in SECTIONS {
            assert!(page.contains(&format!("<section id=\"{id}\"")) && page.contains(title), "{id}");
        }
    }

    #[test]
    fn forms_to_fill_in_are_in_no_part() {
        let live = live(&model());
        for part in live.split("data-part").skip(1) {
            let part = part.split("</div>").next().unwrap_or_default().split("</p>").next().unwrap_or_default();
            assert!(!part.contains("type=\"number\"") && !part.contains("<select"), "{part}");
        }
    }
}
