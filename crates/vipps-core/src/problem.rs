//! Every error body of every API, read leniently. Reading never fails.

use std::fmt;

use bytes::Bytes;
use serde_json::Value;

/// What an error answer says, in whatever shape it came.
///
/// Branch on the status together with [`Problem::code`]; titles are reworded without
/// notice. Debug shows neither the body nor its details, which may repeat what was sent.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Problem {
    shape: ProblemShape,
    title: Option<String>,
    detail: Option<String>,
    code: Option<String>,
    support_id: Option<String>,
    fields: Vec<ProblemField>,
    instance: Option<String>,
    /// The fields came in the form of the APIs, not of the framework behind many servers.
    has_own_fields: bool,
    raw: Bytes,
}

/// Who wrote an error body, by its shape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProblemShape {
    /// Problem details (RFC 9457): ePayment, Recurring v3, Webhooks.
    ProblemDetails,
    /// A list of errors: Recurring v2 and PSP.
    ErrorList,
    /// `errorCode` and `title`: Checkout.
    Checkout,
    /// The gateway in front of the APIs: the request did not get further.
    Gateway,
    /// Empty, HTML, text, or JSON of no known shape.
    #[default]
    Unknown,
}

/// One field that was found wrong.
#[derive(Clone, PartialEq, Eq)]
pub struct ProblemField {
    name: String,
    reason: String,
}

impl ProblemField {
    /// The field, as Vipps names it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is wrong with it, in Vipps' words; may repeat the value.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Debug for ProblemField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProblemField").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Problem {
    /// Reads an error body.
    pub(crate) fn read(raw: Bytes) -> Self {
        // Some servers send a byte order mark.
        let text = raw.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&raw);
        let mut problem = match serde_json::from_slice::<Value>(text) {
            Ok(Value::Object(members)) => of_object(&Value::Object(members)),
            Ok(Value::Array(errors)) if errors.iter().any(Value::is_object) => of_list(&errors),
            _ => Self::default(),
        };
        problem.raw = raw;
        problem
    }

    /// The shape it came in.
    #[must_use]
    pub fn shape(&self) -> ProblemShape {
        self.shape
    }

    /// A short title in English, where there is one.
    #[must_use]
    pub fn title(&self) -> Option<&str> {
        self.title.as_deref()
    }

    /// A longer text, where there is one; may repeat what was sent.
    #[must_use]
    pub fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    /// The error code: `6080` (ePayment), `idempotency-conflict` (Recurring), `44` (PSP), ...
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// The id that Vipps' support asks for: `traceId`, `contextId` or `instance`.
    #[must_use]
    pub fn support_id(&self) -> Option<&str> {
        self.support_id.as_deref()
    }

    /// The fields that were found wrong.
    #[must_use]
    pub fn fields(&self) -> &[ProblemField] {
        &self.fields
    }

    /// The body, byte for byte.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// The route or occurrence that the problem is about, as `instance` names it.
    pub(crate) fn instance(&self) -> Option<&str> {
        self.instance.as_deref()
    }

    /// True when it names malformed fields in the form of the APIs.
    pub(crate) fn has_own_fields(&self) -> bool {
        self.has_own_fields
    }

    /// True when the API itself answered, by the shape of its answer.
    pub(crate) fn is_of_the_api(&self) -> bool {
        matches!(self.shape, ProblemShape::ProblemDetails | ProblemShape::ErrorList | ProblemShape::Checkout)
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Problem")
            .field("shape", &self.shape)
            .field("code", &self.code.as_deref().map(code_like))
            .field("support_id", &self.support_id.as_deref().filter(|id| is_opaque(id)))
            .field("fields", &self.fields)
            .field("bytes", &self.raw.len())
            .finish_non_exhaustive()
    }
}

/// Title, code and the fields with their reasons, printable: what looks like a phone number or
/// an address is left out, and so is what stands in quotes.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let title = self.title.as_deref().map(printable).unwrap_or_default();
        match (title.as_str(), self.code.as_deref()) {
            ("", None) => f.write_str("no reason given"),
            ("", Some(code)) => write!(f, "code {}", code_like(code)),
            (title, None) => f.write_str(title),
            (title, Some(code)) => write!(f, "{title} (code {})", code_like(code)),
        }?;
        for (index, field) in self.fields.iter().take(MOST_FIELDS).enumerate() {
            let before = if index == 0 { ": " } else { "; " };
            write!(f, "{before}`{}` {}", printable(&field.name), printable_reason(&field.reason))?;
        }
        if self.fields.len() > MOST_FIELDS {
            write!(f, "; and {} more", self.fields.len() - MOST_FIELDS)?;
        }
        match self.support_id.as_deref() {
            Some(id) if is_opaque(id) => write!(f, " (support id {id})"),
            _ => Ok(()),
        }
    }
}

/// The fields that an error names in its text; all of them are in [`Problem::fields`].
const MOST_FIELDS: usize = 5;

/// A reason without what it quotes. One that holds more of what was sent is left out.
fn printable_reason(reason: &str) -> String {
    let unquoted = unquoted(reason);
    let printable = printable(&unquoted);
    let marks = |text: &str| text.matches('…').count();
    if marks(&printable) > marks(&unquoted) { "…".into() } else { printable }
}

/// A text without what it quotes, which is often what was sent.
fn unquoted(text: &str) -> String {
    let mut out = String::new();
    let mut closing = None;
    for c in text.chars() {
        match (closing, c) {
            (Some(end), c) if c == end => closing = None,
            (Some(_), _) => {}
            (None, '"' | '\'' | '`') => {
                closing = Some(c);
                out.push('…');
            }
            (None, '“' | '«') => {
                closing = Some(if c == '“' { '”' } else { '»' });
                out.push('…');
            }
            (None, c) => out.push(c),
        }
    }
    out
}

/// A foreign text, short and without what could be personal or secret: words with an `@`,
/// that mix letters and digits as keys do, or too long for a word; and all numbers when
/// together they could be a phone number.
fn printable(text: &str) -> String {
    let all_digits = text.bytes().filter(u8::is_ascii_digit).count();
    let telling = |word: &&str| {
        let digits = word.bytes().filter(u8::is_ascii_digit).count();
        let mixed = digits > 0 && word.len() >= 8 && word.bytes().any(|byte| byte.is_ascii_alphabetic());
        word.contains('@') || (digits > 0 && all_digits >= 6) || mixed || word.len() > 40
    };
    let words: Vec<&str> = text.split_whitespace().map(|word| if telling(&word) { "…" } else { word }).collect();
    words.join(" ").chars().filter(|c| !c.is_control()).take(160).collect()
}

/// Ids for support are no paths, which may name a person, and no bare numbers.
fn is_opaque(id: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b':' | b'.' | b'_');
    id.len() <= 80 && id.bytes().all(legal) && id.bytes().any(|byte| !byte.is_ascii_digit())
}

/// Codes are short words of letters, digits, dots and hyphens: `6080`, `Session-00100`.
fn code_like(code: &str) -> &str {
    let fits =
        code.len() <= 80 && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    if fits { code } else { "…" }
}

fn of_object(body: &Value) -> Problem {
    let text = |name: &str| text_of(&body[name]);
    let title = text("title");
    if let Some(code) = text("errorCode") {
        return Problem {
            shape: if body.get("errorMessage").is_some() { ProblemShape::ErrorList } else { ProblemShape::Checkout },
            title: title.or_else(|| text("errorMessage")),
            detail: text("detail"),
            code: Some(code),
            has_own_fields: body["errors"].as_object().is_some_and(|errors| !errors.is_empty()),
            fields: fields_by_name(&body["errors"]),
            support_id: ["instance", "traceId", "contextId"].iter().find_map(|name| text(name)),
            instance: text("instance"),
            raw: Bytes::new(),
        };
    }
    let told = ["extraDetails", "traceId", "contextId"].iter().any(|name| body.get(*name).is_some());
    if title.is_some() || told || text("type").is_some() {
        return of_problem_details(body, title);
    }
    of_gateway(body)
}

fn of_problem_details(body: &Value, title: Option<String>) -> Problem {
    let details = || body["extraDetails"].as_array().into_iter().flatten();
    let name = |detail: &Value| text_of(&detail["name"]).or_else(|| text_of(&detail["field"])).unwrap_or_default();
    let reason =
        |detail: &Value| if detail["reason"].is_null() { detail["text"].clone() } else { detail["reason"].clone() };
    let coded = details().find(|detail| name(detail) == "ErrorCode").and_then(|detail| text_of(&reason(detail)));
    // Recurring names the problem in the fragment of its type.
    let fragment = || of_own_page(body["type"].as_str()?);
    let own_fields = || details().filter(|detail| name(detail) != "ErrorCode");
    Problem {
        shape: ProblemShape::ProblemDetails,
        title,
        detail: text_of(&body["detail"]),
        code: coded.or_else(|| text_of(&body["code"])).or_else(fragment),
        support_id: ["traceId", "contextId", "instance"].iter().find_map(|name| text_of(&body[*name])),
        fields: own_fields()
            .map(|detail| field(&name(detail), &reason(detail)))
            .chain(fields_by_name(&body["errors"]))
            .collect(),
        has_own_fields: own_fields().next().is_some(),
        instance: text_of(&body["instance"]),
        raw: Bytes::new(),
    }
}

/// The fragment of a type that is a page of Vipps' own documentation; elsewhere a fragment is
/// no code.
fn of_own_page(kind: &str) -> Option<String> {
    let (page, fragment) = kind.split_once('#')?;
    let host = page.strip_prefix("https://")?.split('/').next()?;
    let own = ["vippsmobilepay.com", "vipps.no"]
        .iter()
        .any(|domain| host.strip_suffix(domain).is_some_and(|before| before.is_empty() || before.ends_with('.')));
    (own && !fragment.is_empty()).then(|| fragment.to_owned())
}

/// `{"field": ["reason", ...]}`, one entry for each reason.
fn fields_by_name(errors: &Value) -> Vec<ProblemField> {
    let each = |(name, reasons): (&String, &Value)| match reasons {
        Value::Array(reasons) => reasons.iter().map(|reason| field(name, reason)).collect(),
        reason => vec![field(name, reason)],
    };
    errors.as_object().into_iter().flatten().flat_map(each).collect()
}

fn of_gateway(body: &Value) -> Problem {
    let info =
        ["responseInfo", "ResponseInfo", "errorInfo"].iter().map(|name| &body[*name]).find(|info| info.is_object());
    let info_text = |names: &[&str]| names.iter().find_map(|name| text_of(&info?[*name]));
    let message = text_of(&body["message"])
        .or_else(|| text_of(&body["result"]["message"]))
        .or_else(|| info_text(&["responseMessage", "errorMessage"]))
        .or_else(|| text_of(&body["error"]));
    let detail = text_of(&body["detail"]);
    if message.is_none() && detail.is_none() {
        return Problem::default();
    }
    Problem {
        shape: ProblemShape::Gateway,
        detail: text_of(&body["error_description"]).or(detail),
        code: text_of(&body["error"]).or_else(|| text_of(&body["code"])).or_else(|| info_text(&["errorCode"])),
        support_id: ["trace_id", "traceId", "contextId", "correlation_id"]
            .iter()
            .find_map(|name| text_of(&body[*name])),
        title: message,
        ..Problem::default()
    }
}

fn of_list(errors: &[Value]) -> Problem {
    let first = |names: &[&str]| errors.iter().find_map(|error| names.iter().find_map(|name| text_of(&error[*name])));
    let fields = errors.iter().filter_map(|error| {
        let reason = if error["message"].is_null() { &error["errorMessage"] } else { &error["message"] };
        Some(field(&text_of(&error["field"])?, reason))
    });
    let fields: Vec<ProblemField> = fields.collect();
    Problem {
        shape: ProblemShape::ErrorList,
        title: first(&["message", "errorMessage"]),
        code: first(&["code", "errorCode"]),
        support_id: first(&["contextId"]),
        has_own_fields: !fields.is_empty(),
        fields,
        ..Problem::default()
    }
}

fn field(name: &str, reason: &Value) -> ProblemField {
    ProblemField { name: name.to_owned(), reason: text_of(reason).unwrap_or_default() }
}

/// Texts as they are, numbers as they are written; nothing else.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Problem {
        Problem::read(Bytes::copy_from_slice(body.as_bytes()))
    }

    #[test]
    fn every_published_shape_gives_code_and_support_id() {
        use ProblemShape::{Checkout, ErrorList, Gateway, ProblemDetails, Unknown};
        let cases = [
            (
                r#"{"type":"https://httpstatuses.io/400","title":"Cannot capture before reservation","status":400,"traceId":"00-a-b-01","extraDetails":[{"name":"ErrorCode","reason":"6080"}]}"#,
                (ProblemDetails, Some("6080"), Some("00-a-b-01"), Some("Cannot capture before reservation")),
            ),
            (
                r#"{"type":"https://developer.vippsmobilepay.com/docs/APIs/recurring-api/recurring-api-problems#idempotency-conflict","title":"Conflict","status":"409","contextId":"c-1"}"#,
                (ProblemDetails, Some("idempotency-conflict"), Some("c-1"), Some("Conflict")),
            ),
            (
                r#"[{"field":"amount","message":"too low","code":"recurring.core.charges.create.invalid_agreement","contextId":"c-2"}]"#,
                (ErrorList, Some("recurring.core.charges.create.invalid_agreement"), Some("c-2"), Some("too low")),
            ),
            (
                r#"{"errorCode":"Session-00100","title":"Session expired or not known.","status":404,"instance":"urn:uuid:1"}"#,
                (Checkout, Some("Session-00100"), Some("urn:uuid:1"), Some("Session expired or not known.")),
            ),
            (
                r#"[{"errorCode":44,"errorMessage":"PSP Transaction ID already exists","contextId":"c-3"}]"#,
                (ErrorList, Some("44"), Some("c-3"), Some("PSP Transaction ID already exists")),
            ),
            (
                r#"{"statusCode":401,"message":"Access denied due to missing subscription key."}"#,
                (Gateway, None, None, Some("Access denied due to missing subscription key.")),
            ),
            (
                r#"{"responseInfo":{"responseCode":401,"responseMessage":"Unauthorized"},"result":{"message":"no"}}"#,
                (Gateway, None, None, Some("no")),
            ),
            (
                r#"{"error":"unauthorized_client","error_description":"AADSTS70001: x","trace_id":"t-1"}"#,
                (Gateway, Some("unauthorized_client"), Some("t-1"), Some("unauthorized_client")),
            ),
            ("<html>502</html>", (Unknown, None, None, None)),
            ("", (Unknown, None, None, None)),
            ("[1, null]", (Unknown, None, None, None)),
            (
                r##"{"type":"https://developer.vippsmobilepay.com/docs/vipps-recurring-api-problems#charge-due-too-soon","status":400,"contextId":"c-4"}"##,
                (ProblemDetails, Some("charge-due-too-soon"), Some("c-4"), None),
            ),
            (
                r##"{"type":"https://tools.ietf.org/html/rfc9110#section-15.5.5","title":"Not Found","status":404}"##,
                (ProblemDetails, None, None, Some("Not Found")),
            ),
            (
                r##"{"type":"https://evil-vippsmobilepay.com/p#charge-due-too-soon","status":404}"##,
                (ProblemDetails, None, None, None),
            ),
            (
                r#"{"errorCode":"99","errorMessage":"Merchant order id already exists","contextId":"c-5"}"#,
                (ErrorList, Some("99"), Some("c-5"), Some("Merchant order id already exists")),
            ),
            ("\u{feff}{\"detail\":\"x\"}", (Gateway, None, None, None)),
            (r#"{"extraDetails":null,"title":7}"#, (ProblemDetails, None, None, Some("7"))),
        ];
        for (body, (shape, code, support_id, title)) in cases {
            let problem = read(body);
            assert_eq!(
                (problem.shape(), problem.code(), problem.support_id(), problem.title()),
                (shape, code, support_id, title),
                "{body}"
            );
            assert_eq!(problem.raw(), body.as_bytes());
        }
    }

    #[test]
    fn fields_are_read_in_both_spellings() {
        let names = |body: &str| {
            read(body).fields().iter().map(|f| format!("{}: {}", f.name(), f.reason())).collect::<Vec<_>>()
        };
        assert_eq!(
            names(
                r#"{"title":"t","extraDetails":[{"name":"amount","reason":"low"},{"name":"ErrorCode","reason":"1"}]}"#
            ),
            ["amount: low"]
        );
        assert_eq!(names(r#"{"title":"t","extraDetails":[{"field":"due","text":"late"}]}"#), ["due: late"]);
        assert_eq!(
            names(r#"{"errorCode":"Validation-00001","errors":{"Transaction.Reference":["required","x"]}}"#),
            ["Transaction.Reference: required", "Transaction.Reference: x"]
        );
    }

    #[test]
    fn fields_and_their_reasons_are_displayed_without_what_was_sent() {
        let details = |count: usize| -> String {
            let one = |n: usize| format!(r#"{{"name":"f{n}","reason":"is too long: 'Kari Nordmann'"}}"#);
            (0..count).map(one).collect::<Vec<_>>().join(",")
        };
        let shown =
            |count| read(&format!(r#"{{"title":"Bad Request","extraDetails":[{}]}}"#, details(count))).to_string();
        assert_eq!(shown(1), "Bad Request: `f0` is too long: …");
        assert_eq!(shown(2), "Bad Request: `f0` is too long: …; `f1` is too long: …");
        assert!(shown(7).ends_with("; and 2 more"));
    }

    #[test]
    fn fields_of_a_framework_are_no_fields_of_the_api() {
        let framework =
            read(r#"{"title":"One or more validation errors occurred.","status":400,"errors":{"$.x":["bad"]}}"#);
        assert!(!framework.has_own_fields() && framework.fields().len() == 1);
        assert!(read(r#"{"title":"t","extraDetails":[{"name":"amount","reason":"low"}]}"#).has_own_fields());
        assert!(!read(r#"{"title":"t","extraDetails":[{"name":"ErrorCode","reason":"1"}]}"#).has_own_fields());
        assert!(read(r#"[{"field":"amount","message":"low"}]"#).has_own_fields());
    }

    #[test]
    fn what_looks_personal_is_not_displayed() {
        let problem = read(r#"{"title":"no user 4712345678 or kari@example.com here","detail":"Kari Nordmann"}"#);
        assert_eq!(problem.to_string(), "no user … or … here");
        let grouped = read(r#"{"title":"call +47 12 34 56 78","instance":"/userinfo/4712345678"}"#);
        assert_eq!(grouped.to_string(), "call … … … … …");
        assert!(!format!("{problem:?}").contains("Kari") && !format!("{problem:?}").contains("4712345678"));
    }
}
