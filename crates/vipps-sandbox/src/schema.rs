//! Request and answer shapes, checked against the documents in `openapi/`.
//!
//! The documents are compiled in, in the compact form that `cargo xtask generate` writes.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};

use jsonschema::Validator;
use jsonschema::error::ValidationErrorKind;
use serde_json::{Map, Value};

/// Every operation of every document.
/// Whether a document has this operation; if not, which ones there are.
pub(crate) fn known_operation(id: &str) -> Result<(), String> {
    if operations().iter().any(|operation| operation.id == id) {
        return Ok(());
    }
    let known: Vec<&str> = operations().iter().map(|operation| operation.id.as_str()).collect();
    Err(format!("unknown operation `{id}` (known operations: {})", known.join(", ")))
}

pub(crate) fn operations() -> &'static [Operation] {
    static OPERATIONS: LazyLock<Vec<Operation>> = LazyLock::new(|| {
        let documents = [
            ("access-token", include_str!("documents/access-token.json")),
            ("epayment", include_str!("documents/epayment.json")),
            ("recurring", include_str!("documents/recurring.json")),
            ("recurring-v2", include_str!("documents/recurring-v2.json")),
            ("checkout", include_str!("documents/checkout.json")),
            ("psp", include_str!("documents/psp.json")),
            ("userinfo", include_str!("documents/userinfo.json")),
            ("webhooks", include_str!("documents/webhooks.json")),
        ];
        documents.iter().flat_map(|(api, text)| Operation::all_of(api, text)).collect()
    });
    &OPERATIONS
}

/// The operation of a route.
fn operation_of(method: &str, path: &str) -> Option<&'static Operation> {
    operations().iter().find(|op| op.method == method && op.matches(path).is_some())
}

/// What is wrong with one request by the documents: an unknown route, a missing header, a
/// malformed body, members that no document names. Empty when all is well.
#[must_use]
pub fn request_violations(method: &str, path: &str, has_header: impl Fn(&str) -> bool, body: &[u8]) -> Vec<String> {
    let route = format!("{method} {path}");
    let Some(operation) = operation_of(method, path) else {
        return vec![format!("{route}: no document has this route")];
    };
    let mut found: Vec<String> =
        operation.missing_headers(has_header).iter().map(|name| format!("{route}: header {name} is missing")).collect();
    match serde_json::from_slice::<Value>(body) {
        Ok(body) => {
            let violations =
                operation.body_violations(&body).into_iter().map(|(name, rule)| format!("{route}: `{name}` {rule}"));
            found.extend(violations);
            found.extend(operation.unknown_members(&body).iter().map(|name| format!("{route}: `{name}` is unknown")));
        }
        Err(_) if body.is_empty() && !operation.body_required => {}
        Err(_) => found.push(format!("{route}: the body is no JSON")),
    }
    found
}

/// One operation of a document.
pub(crate) struct Operation {
    pub(crate) api: &'static str,
    pub(crate) id: String,
    pub(crate) method: String,
    template: Vec<String>,
    body_required: bool,
    headers: Vec<(String, bool)>,
    document: Arc<Map<String, Value>>,
    body: Option<Value>,
    responses: Map<String, Value>,
    body_validator: OnceLock<Option<Validator>>,
    named_validators: Mutex<HashMap<String, Option<Arc<Validator>>>>,
}

impl Operation {
    fn all_of(api: &'static str, text: &str) -> Vec<Self> {
        let mut document: Value = serde_json::from_str(text).expect("the generator writes JSON");
        bound_int32(&mut document);
        let defs = Arc::new(document["$defs"].as_object().cloned().unwrap_or_default());
        let text_of = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let operation = |operation: &Value| Self {
            api,
            id: text_of(&operation["id"]),
            method: text_of(&operation["method"]),
            template: text_of(&operation["path"]).split('/').map(str::to_owned).collect(),
            body_required: operation["bodyRequired"] == true,
            headers: operation["parameters"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|parameter| parameter["in"] == "header")
                .map(|parameter| (text_of(&parameter["name"]), parameter["required"] == true))
                .collect(),
            document: defs.clone(),
            body: Some(operation["body"].clone()).filter(|body| !body.is_null()),
            responses: operation["responses"].as_object().cloned().unwrap_or_default(),
            body_validator: OnceLock::new(),
            named_validators: Mutex::default(),
        };
        document["operations"].as_array().into_iter().flatten().map(operation).collect()
    }

    /// The path parameters, where the path is this operation's. The access token and PSP
    /// routes ignore case, as the gateway does.
    pub(crate) fn matches(&self, path: &str) -> Option<Vec<String>> {
        let ignore_case = matches!(self.api, "access-token" | "psp");
        // Published prose ends one of its routes with a slash.
        let path = if self.api == "psp" { path.strip_suffix('/').unwrap_or(path) } else { path };
        let mut parameters = Vec::new();
        let mut segments = path.split('/');
        for wanted in &self.template {
            let segment = segments.next()?;
            if wanted.starts_with('{') {
                // Userinfo has an answer to a `sub` that is empty.
                if segment.is_empty() && self.api != "userinfo" {
                    return None;
                }
                parameters.push(percent_decoded(segment));
            } else if !(segment == wanted || ignore_case && segment.eq_ignore_ascii_case(wanted)) {
                return None;
            }
        }
        segments.next().is_none().then_some(parameters)
    }

    /// The schema with the components it refers to.
    fn validator(&self, schema: &Value) -> Option<Validator> {
        let mut root = schema.as_object().cloned()?;
        root.insert("$defs".into(), Value::Object((*self.document).clone()));
        jsonschema::validator_for(&Value::Object(root)).ok()
    }

    /// The fields of a request body that break the document: name and rule, in order.
    pub(crate) fn body_violations(&self, body: &Value) -> Vec<(String, String)> {
        let validator = self.body_validator.get_or_init(|| self.validator(self.body.as_ref()?));
        // To say yes is much cheaper than to look for every no.
        let broken = validator.as_ref().filter(|validator| !validator.is_valid(body) || has_decimals(body));
        broken.map(|validator| violations(validator, body)).unwrap_or_default()
    }

    /// The fields of a value that break one of the document's schemas, by its name.
    pub(crate) fn schema_violations(&self, schema: &str, value: &Value) -> Vec<(String, String)> {
        let reference = serde_json::json!({ "$ref": format!("#/$defs/{schema}") });
        let validator = self.kept_validator(schema, &reference);
        validator.map(|validator| violations(&validator, value)).unwrap_or_default()
    }

    /// A validator that is compiled once, under a name of its own.
    fn kept_validator(&self, name: &str, schema: &Value) -> Option<Arc<Validator>> {
        let mut named = self.named_validators.lock().unwrap_or_else(PoisonError::into_inner);
        let compile = || self.validator(schema).map(Arc::new);
        named.entry(name.to_owned()).or_insert_with(compile).clone()
    }

    /// Members of a request body that the document does not name, as paths.
    pub(crate) fn unknown_members(&self, body: &Value) -> Vec<String> {
        let mut found = Vec::new();
        if let Some(schema) = &self.body {
            self.unknown(schema, body, "", &mut found);
        }
        found
    }

    /// As [`Operation::unknown_members`], by one of the document's schemas.
    pub(crate) fn unknown_members_of(&self, schema: &str, body: &Value) -> Vec<String> {
        let mut found = Vec::new();
        if let Some(schema) = self.document.get(schema) {
            self.unknown(schema, body, "", &mut found);
        }
        found
    }

    fn unknown(&self, schema: &Value, value: &Value, place: &str, found: &mut Vec<String>) {
        let mut known = Vec::new();
        self.flatten(schema, &mut known);
        match value {
            Value::Object(members) => {
                let free =
                    known.iter().any(|schema| schema.get("additionalProperties").is_some_and(|more| *more != false));
                let described = known.iter().any(|schema| schema.get("properties").is_some());
                for (name, member) in members {
                    let at = if place.is_empty() { name.clone() } else { format!("{place}.{name}") };
                    let branches: Vec<&Value> =
                        known.iter().filter_map(|schema| schema["properties"].get(name)).collect();
                    match branches.as_slice() {
                        [] if described && !free => found.push(at),
                        [] => {}
                        // Unknown to every branch is unknown.
                        several => {
                            let mut each = several.iter().map(|schema| {
                                let mut inner = Vec::new();
                                self.unknown(schema, member, &at, &mut inner);
                                inner
                            });
                            let first = each.next().unwrap_or_default();
                            let rest: Vec<Vec<String>> = each.collect();
                            found
                                .extend(first.into_iter().filter(|name| rest.iter().all(|other| other.contains(name))));
                        }
                    }
                }
            }
            Value::Array(items) => {
                for schema in known.iter().filter_map(|schema| schema.get("items")) {
                    for (index, item) in items.iter().enumerate() {
                        self.unknown(schema, item, &format!("{place}[{index}]"), found);
                    }
                }
            }
            _ => {}
        }
    }

    /// The schemas that a schema is made of: references, allOf and anyOf written out.
    fn flatten<'a>(&'a self, schema: &'a Value, out: &mut Vec<&'a Value>) {
        if let Some(name) = schema["$ref"].as_str().and_then(|target| target.strip_prefix("#/$defs/")) {
            if let Some(target) = self.document.get(name) {
                self.flatten(target, out);
            }
            return;
        }
        out.push(schema);
        for list in ["allOf", "anyOf"] {
            for branch in schema[list].as_array().into_iter().flatten() {
                self.flatten(branch, out);
            }
        }
    }

    /// The required headers that a request lacks, other than those that authenticate.
    pub(crate) fn missing_headers(&self, has: impl Fn(&str) -> bool) -> Vec<String> {
        self.headers.iter().filter(|(name, required)| *required && !has(name)).map(|(name, _)| name.clone()).collect()
    }

    pub(crate) fn body_required(&self) -> bool {
        self.body_required
    }

    pub(crate) fn has_body(&self) -> bool {
        self.body.is_some()
    }

    pub(crate) fn takes_array(&self) -> bool {
        self.body.as_ref().is_some_and(|body| body["type"] == "array")
    }
}

/// Gives every `int32` its bounds, which validators do not know by its name.
fn bound_int32(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if members.get("format").is_some_and(|format| format == "int32") {
                members.entry("minimum").or_insert(i32::MIN.into());
                members.entry("maximum").or_insert(i32::MAX.into());
            }
            members.values_mut().for_each(bound_int32);
        }
        Value::Array(items) => items.iter_mut().for_each(bound_int32),
        _ => {}
    }
}

/// What is wrong with one exchange by the documents: an unknown route, a malformed request
/// that was accepted, an undocumented status, a malformed answer. Empty when all is well.
///
/// Tests hand every exchange they see to this function.
#[must_use]
pub fn exchange_violations(method: &str, path: &str, request: &[u8], status: u16, answer: &[u8]) -> Vec<String> {
    let path = path.split('?').next().unwrap_or_default();
    let route = format!("{method} {path}");
    let Some(operation) = operation_of(method, path) else {
        return vec![format!("{route}: no document has this route")];
    };
    let mut found = Vec::new();
    let mut tell = |what: String| found.push(format!("{route} ({}): {what}", operation.id));
    let success = (200..300).contains(&status);
    if success {
        match serde_json::from_slice::<Value>(request) {
            Ok(body) => {
                for (name, rule) in operation.body_violations(&body) {
                    tell(format!("request `{name}` {rule}"));
                }
            }
            Err(_) if request.is_empty() && !operation.body_required => {}
            Err(_) => tell("request body is no JSON".into()),
        }
    }
    let listed = status.to_string();
    let listed = if operation.responses.contains_key(&listed) { listed } else { "default".to_owned() };
    match operation.responses.get(&listed) {
        None => tell(format!("status {status} is not documented")),
        Some(Value::Null) if answer.is_empty() || !success => {}
        Some(Value::Null) => tell(format!("status {status} has no body by the document")),
        Some(schema) => match (
            serde_json::from_slice::<Value>(answer),
            operation.kept_validator(&format!("answer {listed}"), schema),
        ) {
            (Ok(body), Some(validator)) => {
                for (name, rule) in violations(&validator, &body) {
                    tell(format!("answer {status} `{name}` {rule}"));
                }
            }
            (Err(_), _) => tell(format!("answer {status} is no JSON")),
            (_, None) => tell(format!("schema of {status} cannot be compiled")),
        },
    }
    found
}

fn violations(validator: &Validator, value: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for error in validator.iter_errors(value) {
        explain(&error, &mut found);
    }
    decimals(value, "", &mut found);
    let mut told = std::collections::HashSet::new();
    found.retain(|one| told.insert(one.clone()));
    found
}

/// JSON Schema takes 100.0 for an integer; no API has a number that is none, and none of
/// them takes a decimal.
fn has_decimals(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64(),
        Value::Array(items) => items.iter().any(has_decimals),
        Value::Object(members) => members.values().any(has_decimals),
        _ => false,
    }
}

fn decimals(value: &Value, pointer: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Number(number) if number.is_f64() => {
            found.push((field_name(pointer), "must be a whole number".to_owned()));
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                decimals(item, &format!("{pointer}/{index}"), found);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                decimals(member, &format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1")), found);
            }
        }
        _ => {}
    }
}

/// One line for each broken rule; never the value, which may be personal.
fn explain(error: &jsonschema::ValidationError<'_>, found: &mut Vec<(String, String)>) {
    let place = field_name(error.instance_path().as_str());
    let rule = match error.kind() {
        ValidationErrorKind::AnyOf { context } => {
            explain_branches(error.instance_path().as_str(), context, found);
            return;
        }
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            let at = if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") };
            found.push((at, "is required".into()));
            return;
        }
        ValidationErrorKind::Type { .. } => "has the wrong type".to_owned(),
        ValidationErrorKind::Enum { options } => format!("must be one of {options}"),
        ValidationErrorKind::MinLength { limit } => format!("must have at least {limit} characters"),
        ValidationErrorKind::MaxLength { limit } => format!("must have at most {limit} characters"),
        ValidationErrorKind::Minimum { limit } => format!("must be at least {limit}"),
        ValidationErrorKind::Maximum { limit } => format!("must be at most {limit}"),
        ValidationErrorKind::MinItems { limit } => format!("must have at least {limit} elements"),
        ValidationErrorKind::MaxItems { limit } => format!("must have at most {limit} elements"),
        ValidationErrorKind::MaxProperties { limit } => format!("must have at most {limit} members"),
        ValidationErrorKind::Pattern { pattern } => format!("must match {pattern}"),
        other => format!("breaks the rule `{}`", other.keyword()),
    };
    found.push((place, rule));
}

/// Of several forms the value has broken every one: that which it means to be says most.
fn explain_branches(
    pointer: &str,
    branches: &[Vec<jsonschema::ValidationError<'_>>],
    found: &mut Vec<(String, String)>,
) {
    // "Null or a value": what is wrong with the value says more than that it is not null.
    let of_its_type = |branch: &&Vec<jsonschema::ValidationError<'_>>| {
        let is_type = |error: &jsonschema::ValidationError<'_>| {
            matches!(error.kind(), ValidationErrorKind::Type { .. }) && error.instance_path().as_str() == pointer
        };
        branch.len() > 1 || branch.iter().any(|error| !is_type(error))
    };
    let candidates: Vec<_> = branches.iter().filter(of_its_type).collect();
    let choices = |branch: &[jsonschema::ValidationError<'_>]| {
        let mut choices = Vec::new();
        branch.iter().for_each(|error| only_choices(error, pointer, &mut choices));
        choices
    };
    let meant = candidates.iter().find(|branch| choices(branch).is_empty());
    match (meant, candidates.as_slice()) {
        (Some(branch), _) | (None, [branch]) => branch.iter().for_each(|error| explain(error, found)),
        (None, []) => found.push((field_name(pointer), "has the wrong type".into())),
        (None, several) => {
            let choices: Vec<_> = several.iter().flat_map(|branch| choices(branch)).collect();
            let name = choices.first().map_or(pointer, |(name, _)| name.as_str());
            let values: Vec<_> = choices.iter().map(|(_, value)| value.clone()).collect();
            found.push((field_name(name), format!("must be one of {}", Value::from(values))));
        }
    }
}

/// A member with one allowed value tells the forms of an object apart, as `brand` and `type` do:
/// those that a value at `pointer` does not have. A form may be wrapped as "null or a value".
fn only_choices(error: &jsonschema::ValidationError<'_>, pointer: &str, choices: &mut Vec<(String, Value)>) {
    let place = error.instance_path().as_str();
    match error.kind() {
        ValidationErrorKind::Enum { options } if place.rsplit_once('/').is_some_and(|(of, _)| of == pointer) => {
            if let Some([only]) = options.as_array().map(Vec::as_slice) {
                choices.push((place.to_owned(), only.clone()));
            }
        }
        ValidationErrorKind::AnyOf { context } if place == pointer => {
            context.iter().flatten().for_each(|error| only_choices(error, pointer, choices));
        }
        _ => {}
    }
}

/// `/receipt/orderLines/0/name` as `receipt.orderLines[0].name`.
fn field_name(pointer: &str) -> String {
    let mut name = String::new();
    for segment in pointer.split('/').skip(1) {
        if segment.bytes().all(|byte| byte.is_ascii_digit()) && !name.is_empty() {
            name.push_str(&format!("[{segment}]"));
        } else {
            if !name.is_empty() {
                name.push('.');
            }
            name.push_str(&segment.replace("~1", "/").replace("~0", "~"));
        }
    }
    name
}

fn percent_decoded(segment: &str) -> String {
    url::form_urlencoded::parse(format!("x={}", segment.replace('+', "%2B")).as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn operation(id: &str) -> &'static Operation {
        operations().iter().find(|operation| operation.id == id).unwrap()
    }

    #[test]
    fn routes_are_those_of_the_documents() {
        let of = |method: &str, path: &str| {
            operations().iter().find(|op| op.method == method && op.matches(path).is_some()).map(|op| op.id.as_str())
        };
        assert_eq!(of("POST", "/epayment/v1/payments"), Some("createPayment"));
        assert_eq!(of("GET", "/epayment/v1/payments/acme-1"), Some("getPayment"));
        assert_eq!(of("POST", "/epayment/v1/test/payments/acme-1/approve"), Some("forceApprove"));
        assert_eq!(of("POST", "/accessToken/get"), Some("fetchAuthorizationTokenUsingPost"));
        assert_eq!(of("POST", "/epayment/v1/Payments"), None);
        assert_eq!(of("GET", "/epayment/v1/payments/"), None);
        assert_eq!(operation("getPayment").matches("/epayment/v1/payments/a%2Fb"), Some(vec!["a/b".into()]));
    }

    #[test]
    fn violations_name_the_field_and_the_rule() {
        let body = json!({
            "amount": { "currency": "NOK", "value": 100 }, "paymentMethod": { "type": "WALLET" }, "userFlow": "SMS",
            "paymentDescription": "ab", "receipt": { "orderLines": [], "bottomLine": {} }, "minimumUserAge": 101
        });
        let mut found = operation("createPayment").body_violations(&body);
        found.sort();
        let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            [
                "minimumUserAge",
                "paymentDescription",
                "receipt.bottomLine.currency",
                "receipt.orderLines",
                "reference",
                "userFlow"
            ]
        );
        assert_eq!(found[1].1, "must have at least 3 characters");
    }

    #[test]
    fn unknown_members_are_found_at_every_depth() {
        let body = json!({
            "amount": { "currency": "NOK", "value": 100, "tip": 1 }, "metadata": { "any": "thing" },
            "customer": { "phoneNumber": "4712345678", "customerInteraction": "x" }, "colour": "blue"
        });
        let mut found = operation("createPayment").unknown_members(&body);
        found.sort();
        assert_eq!(found, ["amount.tip", "colour", "customer.customerInteraction"]);
    }
}
