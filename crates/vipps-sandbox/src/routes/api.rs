//! The way of one request through the sandbox: fault before, authentication, idempotency,
//! shape, rules of state, fault after.

use axum::http::HeaderMap;
use serde_json::{Value, json};

use super::{access_token, epayment};
use crate::answer::Answer;
use crate::clock;
use crate::faults::{BodyKind, Fault, Kind};
use crate::idempotency::{Known, Scope, fingerprint};
use crate::payment::Millis;
use crate::refusal::Refusal;
use crate::sandbox::Shared;
use crate::schema::{Operation, exchange_violations, operations};
use crate::state::{PaymentId, World};

/// A request that has found its operation.
pub(crate) struct Request<'a> {
    pub(crate) operation: &'static Operation,
    pub(crate) parameters: Vec<String>,
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
}

impl Request<'_> {
    /// A header that is there, is text and is not empty.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok().map(str::trim).filter(|value| !value.is_empty())
    }

    pub(crate) fn sales_unit(&self) -> &str {
        self.header("merchant-serial-number").unwrap_or_default()
    }

    /// The payment it is about: by its path, or by the reference of a new one.
    fn subject(&self) -> Option<PaymentId> {
        let named = self.parameters.first().cloned();
        let reference = named
            .or_else(|| Some(serde_json::from_slice::<Value>(self.body).ok()?["reference"].as_str()?.to_owned()))?;
        Some(PaymentId { sales_unit: self.sales_unit().to_owned(), reference })
    }

    fn is_read(&self) -> bool {
        self.method == "GET"
    }

    /// The path as problem bodies name it: without the name of the API.
    pub(crate) fn instance(&self) -> &str {
        self.path.trim_start_matches("/epayment")
    }
}

/// How a request ends.
pub(crate) enum End {
    Answer(Answer),
    /// An answer whose body breaks off.
    Truncated(Answer),
    /// A TCP reset.
    Reset,
}

pub(crate) async fn handle(shared: &Shared, method: &str, path: &str, headers: &HeaderMap, body: &[u8]) -> End {
    let found = operations().iter().find_map(|op| Some((op, op.matches(path)?)).filter(|_| op.method == method));
    let Some((operation, parameters)) = found else {
        log(&mut shared.lock(), None, method, path, headers, body);
        let elsewhere = operations().iter().any(|op| op.matches(path).is_some());
        let (status, message) = if elsewhere { (405, "Method not allowed") } else { (404, "Resource not found") };
        return End::Answer(Answer::gateway(status, message));
    };
    let request = Request { operation, parameters, method, path, headers, body };
    let fault = {
        let mut world = shared.lock();
        world.settle();
        log(&mut world, Some(operation), method, path, headers, body);
        world.faults.take(&operation.id)
    };
    let Some(fault) = fault else { return End::Answer(process(&mut shared.lock(), &request)) };
    if !fault.after {
        if let Some(end) = suffer(shared, &request, &fault, None).await {
            return end;
        }
        return End::Answer(process(&mut shared.lock(), &request));
    }
    let answer = process(&mut shared.lock(), &request);
    suffer(shared, &request, &fault, Some(&answer)).await.unwrap_or(End::Answer(answer))
}

/// Lets a fault happen; `None` means that the request goes on.
async fn suffer(shared: &Shared, request: &Request<'_>, fault: &Fault, answer: Option<&Answer>) -> Option<End> {
    match &fault.kind {
        Kind::Reset => Some(End::Reset),
        Kind::Stall(duration) => {
            let _held = request.subject().map(|id| Held::new(shared, id));
            clock::stall(*duration).await;
            None
        }
        Kind::Status { status, body, retry_after } => {
            let mut scripted = scripted(shared, request, *status, *body);
            scripted.retry_after.clone_from(retry_after);
            match body {
                // The true answer breaks off; before the effect there is only a scripted one.
                BodyKind::Truncated => Some(End::Truncated(
                    answer.cloned().map_or(scripted, |answer| Answer { status: *status, ..answer }),
                )),
                _ => Some(End::Answer(scripted)),
            }
        }
    }
}

fn scripted(shared: &Shared, request: &Request<'_>, status: u16, body: BodyKind) -> Answer {
    let html = "<html><head><title>Service unavailable</title></head><body><h1>Service unavailable</h1></body></html>";
    match body {
        BodyKind::Empty => Answer::empty(status),
        BodyKind::Html => Answer { status, body: html.into(), media: crate::answer::HTML, retry_after: None },
        BodyKind::Problem | BodyKind::Truncated => {
            let trace_id = shared.lock().next_trace_id();
            let title = axum::http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
            let body = json!({
                "type": format!("https://httpstatuses.io/{status}"), "title": title.unwrap_or("Fault"), "status": status,
                "detail": "scripted fault", "instance": request.instance(), "traceId": trace_id,
            });
            Answer { media: crate::answer::PROBLEM, ..Answer::json(status, &body) }
        }
    }
}

/// A payment that is held while a stall lasts, also when the client gives up.
struct Held<'a> {
    shared: &'a Shared,
    id: PaymentId,
}

impl<'a> Held<'a> {
    fn new(shared: &'a Shared, id: PaymentId) -> Self {
        shared.lock().held.insert(id.clone());
        Self { shared, id }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.shared.lock().held.remove(&self.id);
    }
}

/// Authentication, idempotency, shape and rules, all under the lock: copies of a request
/// wait for the first and find its answer.
fn process(world: &mut World, request: &Request<'_>) -> Answer {
    let answer = decide(world, request);
    if world.options.check_exchanges {
        world.violations.extend(exchange_violations(
            request.method,
            request.path,
            request.body,
            answer.status,
            &answer.body,
        ));
    }
    answer
}

fn decide(world: &mut World, request: &Request<'_>) -> Answer {
    let now = world.settle();
    if request.operation.api == "access-token" {
        return access_token::fetch(world, request, now);
    }
    if let Some(answer) = unauthenticated(world, request, now) {
        return answer;
    }
    if let Some(answer) = too_many(world, request, now) {
        return answer;
    }
    let refuse = |world: &mut World, refusal: &Refusal| {
        let trace_id = world.next_trace_id();
        Answer::problem(refusal, request.instance(), &trace_id)
    };
    let missing = request.operation.missing_headers(|name| request.header(name).is_some());
    let mut missing: Vec<_> = missing.into_iter().filter(|name| name != "Ocp-Apim-Subscription-Key").collect();
    let id = request.operation.id.as_str();
    let key = request.header("idempotency-key").map(str::to_owned);
    if id == "cancelPayment" && world.settings.cancel_requires_key && key.is_none() {
        missing.push("Idempotency-Key".into());
    }
    if !missing.is_empty() {
        let fields = missing.into_iter().map(|name| (name, "is required".to_owned())).collect();
        return refuse(world, &Refusal::Fields(fields));
    }
    let keyed = matches!(id, "createPayment" | "capturePayment" | "refundPayment" | "cancelPayment");
    if let Some(key) = key.as_ref().filter(|key| keyed && key.chars().count() > 50) {
        let rule = format!("must have at most 50 characters, has {}", key.chars().count());
        return refuse(world, &Refusal::field("Idempotency-Key", rule));
    }
    let held = request.subject().is_some_and(|subject| world.held.contains(&subject));
    if held && !request.is_read() {
        return refuse(world, &Refusal::Code(6160));
    }
    let scope = key.filter(|_| keyed).map(|key| Scope {
        sales_unit: request.sales_unit().to_owned(),
        operation: request.operation.id.as_str(),
        key,
    });
    let print = fingerprint(request.method, request.path, request.body);
    if let Some(scope) = &scope {
        match world.store.find(scope, &print) {
            Known::Replay(answer) => return answer,
            Known::Conflict => {
                let code = match id {
                    "createPayment" => 4020,
                    "capturePayment" => 4010,
                    _ => 4150,
                };
                return refuse(world, &Refusal::Code(code));
            }
            Known::Nothing => {}
        }
    }
    let done = epayment::answer(world, request, scope.as_ref().map(|scope| scope.key.as_str()), now);
    let (answer, kept) = match done {
        Ok(answer) => (answer, true),
        Err(refusal) => (refuse(world, &refusal), !refusal.says_come_back() && refusal.status() < 500),
    };
    if let Some(scope) = scope.filter(|_| kept) {
        world.store.keep(scope, print, answer.clone());
    }
    answer
}

/// The published rate limits, where they are switched on. Requests about no payment share
/// one window.
fn too_many(world: &mut World, request: &Request<'_>, now: Millis) -> Option<Answer> {
    if !world.settings.rate_limits {
        return None;
    }
    let reference = request.subject().map(|id| id.reference).unwrap_or_default();
    let owner = match request.is_read() {
        true => request.header("ocp-apim-subscription-key").unwrap_or_default(),
        false => request.sales_unit(),
    };
    let subject = format!("{owner}/{reference}");
    let wait = world.rate_limits.count(&request.operation.id, &subject, now)?;
    let trace_id = world.next_trace_id();
    let body = json!({
        "type": "https://httpstatuses.io/429", "title": "Too Many Requests", "status": 429,
        "detail": "Too many requests about this payment", "instance": request.instance(), "traceId": trace_id,
    });
    let answer = Answer { media: crate::answer::PROBLEM, ..Answer::json(429, &body) };
    Some(Answer { retry_after: Some(wait.to_string()), ..answer })
}

/// Only configured credentials are accepted, and only tokens that were issued here.
fn unauthenticated(world: &World, request: &Request<'_>, now: Millis) -> Option<Answer> {
    match request.header("ocp-apim-subscription-key") {
        None => {
            return Some(Answer::gateway(
                401,
                "Access denied due to missing subscription key. Include it in the request header.",
            ));
        }
        Some(key) if !world.options.subscription_keys.iter().any(|known| known == key) => {
            return Some(Answer::gateway(401, "Access denied due to invalid subscription key. Provide a valid key."));
        }
        Some(_) => {}
    }
    // The word is case-sensitive.
    let token = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    if !token.is_some_and(|token| world.is_token(token.trim(), now)) {
        return Some(Answer::gateway(401, "Unauthorized. Access token is missing or invalid."));
    }
    let foreign = |header: &str, known: &[String]| {
        request.header(header).is_some_and(|given| !known.iter().any(|known| known == given))
    };
    if foreign("merchant-serial-number", &world.options.merchant_serial_numbers) {
        return Some(Answer::gateway(401, "Unauthorized. The Merchant-Serial-Number is not one of these credentials."));
    }
    if foreign("psp-id", &world.options.psp_ids) {
        return Some(Answer::gateway(401, "Unauthorized. The Psp-Id is not one of these credentials."));
    }
    None
}

/// Remembers a request without its secrets and personal data.
fn log(world: &mut World, operation: Option<&Operation>, method: &str, path: &str, headers: &HeaderMap, body: &[u8]) {
    const SHOWN: [&str; 11] = [
        "content-type",
        "content-length",
        "accept",
        "user-agent",
        "idempotency-key",
        "merchant-serial-number",
        "vipps-system-name",
        "vipps-system-version",
        "vipps-system-plugin-name",
        "vipps-system-plugin-version",
        "host",
    ];
    let headers: serde_json::Map<String, Value> = headers
        .iter()
        .map(|(name, value)| {
            let shown = SHOWN.contains(&name.as_str()).then(|| value.to_str().ok()).flatten().unwrap_or("[redacted]");
            (name.as_str().to_owned(), Value::from(shown))
        })
        .collect();
    let body = match serde_json::from_slice::<Value>(body) {
        Ok(mut body) => {
            redact(&mut body);
            body
        }
        Err(_) if body.is_empty() => Value::Null,
        Err(_) => json!(format!("[{} bytes that are no JSON]", body.len())),
    };
    let at = clock::rfc3339(world.clock.now());
    let operation = operation.map(|operation| operation.id.as_str());
    world.log_request(
        json!({ "at": at, "operation": operation, "method": method, "path": path, "headers": headers, "body": body }),
    );
}

/// Replaces the values of members that are personal or secret.
fn redact(value: &mut Value) {
    const HIDDEN: [&str; 12] = [
        "phonenumber",
        "personalqr",
        "customertoken",
        "passengername",
        "callbackauthorizationtoken",
        "token",
        "email",
        "firstname",
        "lastname",
        "address",
        "mobilenumber",
        "dateofbirth",
    ];
    match value {
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                if HIDDEN.contains(&name.to_ascii_lowercase().as_str()) && !member.is_object() {
                    *member = "[redacted]".into();
                } else {
                    redact(member);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(redact),
        _ => {}
    }
}
