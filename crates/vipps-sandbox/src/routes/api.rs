//! The way of one request through the sandbox: fault before, authentication, rate limit,
//! idempotency, shape, rules of state, fault after.

use std::sync::OnceLock;

use axum::http::HeaderMap;
use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::{access_token, checkout, epayment, guard, psp, recurring, recurring_v2, userinfo, webhooks};
use crate::answer::{Answer, HTML};
use crate::clock::{self, Millis, SECOND};
use crate::faults::{BodyKind, Fault, Kind};
use crate::idempotency::{Known, Scope, fingerprint};
use crate::problem::{self, Context};
use crate::refusal::Refusal;
use crate::sandbox::Shared;
use crate::schema::{Operation, exchange_violations, operations};
use crate::state::World;

/// A request that has found its operation.
pub(crate) struct Request<'a> {
    pub(crate) operation: &'static Operation,
    pub(crate) parameters: Vec<String>,
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: Option<&'a str>,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
    json: OnceLock<Option<Value>>,
}

impl Request<'_> {
    /// A header that is there, is text and is not empty.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok().map(str::trim).filter(|value| !value.is_empty())
    }

    /// The body, where it is JSON; read once.
    pub(crate) fn json(&self) -> Option<&Value> {
        self.json.get_or_init(|| serde_json::from_slice(self.body).ok()).as_ref()
    }

    /// The sales unit it is for. Where no header says so, it is the first there is.
    pub(crate) fn sales_unit<'b>(&'b self, world: &'b World) -> &'b str {
        let first = world.options.merchant_serial_numbers.first().map(String::as_str);
        self.header("merchant-serial-number").or(first).unwrap_or_default()
    }

    pub(crate) fn parameter(&self, index: usize) -> &str {
        self.parameters.get(index).map(String::as_str).unwrap_or_default()
    }

    /// The value of a query parameter.
    pub(crate) fn query(&self, name: &str) -> Option<String> {
        let mut pairs = url::form_urlencoded::parse(self.query?.as_bytes());
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    pub(crate) fn is_read(&self) -> bool {
        self.method == "GET"
    }

    pub(crate) fn api(&self) -> &'static str {
        self.operation.api
    }

    pub(crate) fn id(&self) -> &'static str {
        &self.operation.id
    }

    /// The reference that it names, in its path or its body: a number counts as its text.
    pub(super) fn reference(&self) -> Option<String> {
        let in_body = || match &self.json()?["reference"] {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        self.parameters.first().cloned().or_else(in_body)
    }

    /// What it changes, as a name that copies of it share; `None` where nothing is held.
    fn thing(&self, world: &World) -> Option<String> {
        let unit = self.sales_unit(world);
        match self.api() {
            _ if self.is_read() => None,
            "epayment" => Some(format!("payment {unit}/{}", self.reference()?)),
            "recurring" | "recurring-v2" => match (self.id(), self.parameters.as_slice()) {
                (_, [_, charge]) => Some(format!("charge {unit}/{charge}")),
                ("CreateChargeV3" | "CreateCharge", _) | (_, []) => {
                    let order = self.json().and_then(|body| body["orderId"].as_str());
                    match order {
                        Some(order) => Some(format!("charge {unit}/{order}")),
                        None => self.header("idempotency-key").map(|key| format!("new {} {unit}/{key}", self.id())),
                    }
                }
                (_, [agreement, ..]) => Some(format!("agreement {agreement}")),
            },
            _ => None,
        }
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

/// One request to the APIs, remembered with what it was answered.
pub(crate) async fn handle(
    shared: &Shared,
    method: &str,
    uri: &axum::http::Uri,
    headers: &HeaderMap,
    body: &Bytes,
) -> End {
    let path = uri.path();
    let found = operations().iter().find_map(|op| Some((op, op.matches(path)?)).filter(|_| op.method == method));
    let number = {
        let mut world = shared.lock();
        world.settle();
        world.log_request(found.as_ref().map(|(operation, _)| operation.id.as_str()), method, path, headers, body)
    };
    let end = match found {
        Some((operation, parameters)) => {
            let json = OnceLock::new();
            let request = Request { operation, parameters, method, path, query: uri.query(), headers, body, json };
            meet(shared, &request).await
        }
        None => End::Answer(no_operation(path)),
    };
    if let End::Answer(answer) | End::Truncated(answer) = &end {
        shared.lock().log_answer(number, answer.status, &answer.body);
    }
    end
}

fn no_operation(path: &str) -> Answer {
    let others = operations().iter().filter(|op| op.matches(path).is_some());
    let allowed: Vec<&str> = others.map(|op| op.method.as_str()).collect();
    match allowed.as_slice() {
        [] => Answer::gateway(404, "Resource not found"),
        allowed => Answer::gateway(405, "Method not allowed").with_header("allow", allowed.join(", ")),
    }
}

/// A request meets its fault, if one is scripted, before or after it is processed.
async fn meet(shared: &Shared, request: &Request<'_>) -> End {
    let fault = shared.lock().faults.take(request.id());
    let Some(fault) = fault else { return End::Answer(process(shared, request)) };
    if !fault.after {
        if let Some(end) = suffer(shared, request, &fault, None).await {
            return end;
        }
        return End::Answer(process(shared, request));
    }
    let answer = process(shared, request);
    suffer(shared, request, &fault, Some(&answer)).await.unwrap_or(End::Answer(answer))
}

/// Lets a fault happen; `None` means that the request goes on.
async fn suffer(shared: &Shared, request: &Request<'_>, fault: &Fault, answer: Option<&Answer>) -> Option<End> {
    match &fault.kind {
        Kind::Reset => Some(End::Reset),
        Kind::Stall(duration) => {
            let thing = request.thing(&shared.lock());
            let _held = thing.map(|thing| Held::new(shared, thing));
            clock::sleep(*duration).await;
            None
        }
        Kind::Status { status, body, retry_after, code } => {
            let mut scripted = scripted(shared, request, *status, *body, code.as_deref());
            if let Some(value) = retry_after {
                scripted = scripted.with_header("retry-after", value);
            }
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

fn scripted(shared: &Shared, request: &Request<'_>, status: u16, body: BodyKind, code: Option<&str>) -> Answer {
    let html = "<html><head><title>Service unavailable</title></head><body><h1>Service unavailable</h1></body></html>";
    match body {
        BodyKind::Empty => Answer::empty(status),
        BodyKind::Html => Answer { body: html.into(), media: HTML, ..Answer::empty(status) },
        BodyKind::Gateway if request.api().starts_with("recurring") => recurring_gateway(status, "scripted fault"),
        BodyKind::Gateway => Answer::gateway(status, "scripted fault"),
        BodyKind::Problem | BodyKind::Truncated => {
            problem::bare(status, "scripted fault", code, &context(&mut shared.lock(), request))
        }
    }
}

/// The gateway in front of Recurring has a shape of its own.
fn recurring_gateway(status: u16, message: &str) -> Answer {
    let info = json!({ "responseCode": status, "responseMessage": problem::reason(status) });
    Answer::json(status, &json!({ "responseInfo": info, "result": { "message": message } }))
}

/// A thing that is held while a stall lasts, also when the client gives up.
struct Held<'a> {
    shared: &'a Shared,
    thing: String,
}

impl<'a> Held<'a> {
    fn new(shared: &'a Shared, thing: String) -> Self {
        *shared.lock().held.entry(thing.clone()).or_default() += 1;
        Self { shared, thing }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut world = self.shared.lock();
        if let Some(holders) = world.held.get_mut(&self.thing) {
            *holders -= 1;
            if *holders == 0 {
                world.held.remove(&self.thing);
            }
        }
    }
}

/// Everything but faults happens under the lock: copies of a request wait for the first
/// and find its answer.
fn process(shared: &Shared, request: &Request<'_>) -> Answer {
    let mut world = shared.lock();
    let mut answer = decide(&mut world, request);
    if world.settings.unknown_members {
        answer = with_unknown_member(answer);
    }
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

/// The answer with a member that no document names, as may be added without notice.
fn with_unknown_member(answer: Answer) -> Answer {
    match serde_json::from_slice::<Value>(&answer.body) {
        Ok(Value::Object(mut members)) => {
            members.insert("addedWithoutNotice".into(), json!({ "value": [1, "a", null] }));
            Answer { body: Value::Object(members).to_string().into(), ..answer }
        }
        _ => answer,
    }
}

fn decide(world: &mut World, request: &Request<'_>) -> Answer {
    let now = world.settle();
    if request.api() == "access-token" {
        return access_token::fetch(world, request, now);
    }
    if request.api() == "recurring-v2" && !world.settings.recurring_v2_available {
        return recurring_gateway(404, "Resource not found");
    }
    if let Some(answer) = guard::unauthenticated(world, request, now) {
        return answer;
    }
    if let Some(answer) = guard::too_many(world, request, now) {
        return answer;
    }
    if let Err(refusal) = guard::permitted(world, request) {
        return refuse(world, request, &refusal);
    }
    let key = match guard::headers(world, request) {
        Ok(key) => key,
        Err(refusal) => return refuse(world, request, &refusal),
    };
    if !world.held.is_empty() && request.thing(world).is_some_and(|thing| world.held.contains_key(&thing)) {
        return refuse(world, request, &Refusal::Busy);
    }
    let scope = key.as_ref().map(|key| Scope {
        sales_unit: request.sales_unit(world).to_owned(),
        // Recurring v3 knows a key once, whatever it is used for.
        operation: if request.api() == "recurring" { "recurring" } else { request.id() },
        key: key.clone(),
    });
    // Where no body is needed, none and an empty one are the same.
    let nothing = Value::Object(Map::new());
    let optional = request.body.is_empty() && request.operation.has_body() && !request.operation.body_required();
    let json = if optional { Some(&nothing) } else { request.json() };
    let scope = scope.map(|scope| (scope, fingerprint(request.method, request.path, request.body, json)));
    if let Some((scope, print)) = &scope {
        let life = world.settings.idempotency_key_seconds.and_then(|seconds| i64::try_from(seconds).ok());
        let forgotten = life.map(|seconds| now.saturating_sub(seconds.saturating_mul(SECOND)));
        match world.store.find(scope, print, forgotten) {
            Known::Replay(answer) => return answer,
            Known::Conflict => return refuse(world, request, &Refusal::KeyReused),
            Known::Nothing => {}
        }
    }
    let done = domain(world, request, key.as_deref(), now);
    let (answer, kept) = match done {
        Ok(answer) => (answer, true),
        Err(refusal) => {
            let answer = refuse(world, request, &refusal);
            let kept = !refusal.says_come_back() && answer.status < 500;
            (answer, kept)
        }
    };
    if let Some((scope, print)) = scope.filter(|_| kept) {
        world.store.keep(scope, print, answer.clone(), now);
    }
    answer
}

/// The shape and the rules of the operation's API.
fn domain(world: &mut World, request: &Request<'_>, key: Option<&str>, now: Millis) -> Result<Answer, Refusal> {
    match request.api() {
        "epayment" => epayment::answer(world, request, key, now),
        "recurring" => recurring::answer(world, request, key.unwrap_or_default(), now),
        "recurring-v2" => recurring_v2::answer(world, request, key.unwrap_or_default(), now),
        "checkout" => checkout::answer(world, request, now),
        "psp" => psp::answer(world, request, key, now),
        "userinfo" => userinfo::answer(world, request, now),
        _ => webhooks::answer(world, request),
    }
}

fn refuse(world: &mut World, request: &Request<'_>, refusal: &Refusal) -> Answer {
    problem::answer(refusal, &context(world, request))
}

/// What a problem body says of its request.
pub(super) fn context<'a>(world: &mut World, request: &'a Request<'_>) -> Context<'a> {
    Context {
        api: request.api(),
        operation: request.id(),
        path: request.path,
        trace_id: world.ids.trace_id(),
        context_id: world.ids.uuid("context"),
        blank_type: world.settings.problem_type_about_blank,
    }
}
