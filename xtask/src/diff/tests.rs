use super::*;
use serde_json::json;

/// A document whose one operation sends and reads an object with the given keywords.
fn document(request: Value, response: Value) -> Document {
    let content = |schema: &Value| json!({ "application/json": { "schema": schema } });
    Document::new(
        "x.yaml",
        json!({ "paths": { "/a": { "post": {
            "operationId": "a",
            "requestBody": { "content": content(&request) },
            "responses": { "200": { "content": content(&response) } }
        } } } }),
    )
}

fn object(members: Value, required: &[&str]) -> Value {
    json!({ "type": "object", "properties": members, "required": required })
}

#[test]
fn direction_decides_what_breaks() {
    let none = object(json!({}), &[]);
    let text = json!({ "type": "string" });
    let one = object(json!({ "x": text }), &[]);
    let must = object(json!({ "x": text }), &["x"]);
    let limited = |most: u64| object(json!({ "x": { "type": "string", "maxLength": most } }), &[]);
    let known = |values: &[&str]| object(json!({ "x": { "type": "string", "enum": values } }), &[]);
    let request = |old: &Value, new: &Value| {
        changes(&document(old.clone(), none.clone()), &document(new.clone(), none.clone())).unwrap()
    };
    let response = |old: &Value, new: &Value| {
        changes(&document(none.clone(), old.clone()), &document(none.clone(), new.clone())).unwrap()
    };
    let cases = [
        (request(&one, &must), true, "POST /a request.x", "became required"),
        (request(&must, &one), false, "POST /a request.x", "became optional"),
        (request(&none, &must), true, "POST /a request.x", "field is new and required"),
        (request(&none, &one), false, "POST /a request.x", "field is new and optional"),
        (request(&one, &none), true, "POST /a request.x", "field is gone"),
        (request(&limited(50), &limited(40)), true, "POST /a request.x", "maxLength 50 became 40"),
        (request(&limited(50), &limited(64)), false, "POST /a request.x", "maxLength 50 became 64"),
        (request(&known(&["A", "B"]), &known(&["A"])), true, "POST /a request.x", "enum value \"B\" is gone"),
        (response(&one, &none), true, "POST /a response 200.x", "field is gone"),
        (response(&none, &one), false, "POST /a response 200.x", "field is new and optional"),
        (response(&none, &must), false, "POST /a response 200.x", "field is new and required"),
        (response(&one, &must), false, "POST /a response 200.x", "became required"),
        (response(&must, &one), true, "POST /a response 200.x", "became optional"),
        (response(&limited(50), &limited(40)), false, "POST /a response 200.x", "maxLength 50 became 40"),
        (response(&known(&["A"]), &known(&["A", "B"])), false, "POST /a response 200.x", "enum value \"B\" is new"),
    ];
    for (found, breaking, place, what) in cases {
        assert_eq!(found, [Change { breaking, place: place.into(), what: what.into() }]);
    }
}

#[test]
fn operations_and_parameters_come_and_go() {
    let with = |path: &str, parameters: Value| {
        Document::new(
            "x.yaml",
            json!({ "paths": { path: { "get": { "operationId": "a", "parameters": parameters, "responses": {} } } } }),
        )
    };
    let key = |required: bool| json!([{ "name": "Idempotency-Key", "in": "header", "required": required, "schema": { "type": "string" } }]);
    let told =
        |old: &Document, new: &Document| changes(old, new).unwrap().iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        told(&with("/a", json!([])), &with("/b", json!([]))),
        ["breaking  GET /a: operation is gone", "additive  GET /b: operation is new"]
    );
    assert_eq!(
        told(&with("/a", key(false)), &with("/a", key(true))),
        ["breaking  GET /a header idempotency-key parameter: became required"]
    );
    assert_eq!(told(&with("/a", key(true)), &with("/a", key(true))), [""; 0]);
}

#[test]
fn a_component_is_told_once_under_its_own_name() {
    let with = |values: &[&str]| {
        let state = json!({ "$ref": "#/components/schemas/State" });
        let mut document = document(json!({}), object(json!({ "a": state, "b": state }), &[]));
        document.schemas_mut().insert("State".into(), json!({ "type": "string", "enum": values }));
        document
    };
    let told = changes(&with(&["A"]), &with(&["A", "NEW"])).unwrap();
    assert_eq!(told, [Change { breaking: false, place: "State".into(), what: "enum value \"NEW\" is new".into() }]);
}

fn told(old: Value, new: Value) -> Vec<String> {
    let document = |root: Value| Document::new("x.yaml", root);
    changes(&document(old), &document(new)).unwrap().iter().map(ToString::to_string).collect()
}

/// A document with one operation of this content, and these components.
fn with(operation: Value, schemas: Value) -> Value {
    let mut operation = operation;
    operation["operationId"] = "a".into();
    json!({ "paths": { "/a": { "post": operation } }, "components": { "schemas": schemas } })
}

fn json_body(schema: Value) -> Value {
    json!({ "content": { "application/json": { "schema": schema } } })
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

#[test]
fn a_component_of_both_directions_is_told_as_it_is_worse() {
    let operation = json!({
        "requestBody": json_body(reference("X")), "responses": { "200": json_body(reference("X")) }
    });
    let of = |required: &[&str], most: u64| {
        let x = json!({ "type": "object", "required": required, "properties": { "a": { "type": "string", "maxLength": most } } });
        with(operation.clone(), json!({ "X": x }))
    };
    assert_eq!(told(of(&[], 50), of(&["a"], 50)), ["breaking  X.a: became required"]);
    assert_eq!(told(of(&["a"], 50), of(&[], 50)), ["breaking  X.a: became optional"]);
    assert_eq!(told(of(&[], 50), of(&[], 10)), ["breaking  X.a: maxLength 50 became 10"]);
}

#[test]
fn components_may_be_renamed_and_hold_themselves() {
    let tree = |name: &str| {
        let node =
            json!({ "type": "object", "properties": { "children": { "type": "array", "items": reference(name) } } });
        with(json!({ "responses": { "200": json_body(reference(name)) } }), json!({ name: node }))
    };
    assert_eq!(told(tree("Tree"), tree("Node")), ["breaking  Tree: schema is gone"]);
}

#[test]
fn another_reference_hides_no_change_of_its_component() {
    let of = |first: &str, values: &[&str]| {
        let answer = object(json!({ "a": reference(first), "b": reference("X") }), &[]);
        let state = |values: &[&str]| json!({ "type": "string", "enum": values });
        let schemas = json!({ "X": state(values), "Y": state(&["A", "B"]) });
        with(json!({ "responses": { "200": json_body(answer) } }), schemas)
    };
    let found = told(of("Y", &["A", "B"]), of("X", &["A"]));
    assert!(found.contains(&r#"breaking  X: enum value "B" is gone"#.to_owned()), "{found:?}");
}

#[test]
fn what_we_answer_to_a_callback_is_sent_by_us() {
    let of = |asked: &[&str], answered: &[&str]| {
        let text = json!({ "x": { "type": "string" } });
        let call = json!({
            "requestBody": json_body(object(text.clone(), asked)),
            "responses": { "200": json_body(object(text, answered)) }
        });
        with(
            json!({ "responses": {}, "callbacks": { "paid": { "{$request.body#/url}": { "post": call } } } }),
            json!({}),
        )
    };
    assert_eq!(
        told(of(&[], &[]), of(&[], &["x"])),
        ["breaking  POST /a callback paid response 200.x: became required"]
    );
    assert_eq!(told(of(&[], &[]), of(&["x"], &[])), ["additive  POST /a callback paid request.x: became required"]);
    let without = with(json!({ "responses": {} }), json!({}));
    assert_eq!(told(of(&[], &[]), without), ["breaking  POST /a callback paid: is gone"]);
}

#[test]
fn what_schemas_alone_do_not_show_is_told() {
    let answer = |response: Value| with(json!({ "responses": { "200": response } }), json!({}));
    let request = |body: Value| with(json!({ "requestBody": body, "responses": {} }), json!({}));
    let schema = |schema: Value| request(json_body(schema));
    let text = || json!({ "type": "string" });
    let header = json!({ "headers": { "Continuation-Token": { "schema": text() } } });
    let secured = |security: Value| with(json!({ "responses": {}, "security": security }), json!({}));
    let form = json!({ "content": { "application/x-www-form-urlencoded": { "schema": text() } } });
    let nullable = |value: bool| {
        let body = json_body(object(json!({ "m": reference("M") }), &[]));
        with(json!({ "requestBody": body, "responses": {} }), json!({ "M": { "type": "object", "nullable": value } }))
    };
    let union = |target: &str| {
        let mapping = json!({ "propertyName": "type", "mapping": { "A": target } });
        schema(json!({ "oneOf": [reference("X"), reference("Y")], "discriminator": mapping }))
    };
    let parameter = |default: u64| {
        let size = json!({ "name": "size", "in": "query", "schema": { "type": "integer", "default": default } });
        with(json!({ "parameters": [size], "responses": {} }), json!({}))
    };
    let map = |more: Value| schema(json!({ "type": "object", "additionalProperties": more }));
    let served = |server: &str, path: &str| json!({ "servers": [{ "url": server }], "paths": { path: { "get": { "operationId": "a", "responses": {} } } } });
    let cases = [
        (answer(header), answer(json!({})), vec!["breaking  POST /a response 200: header continuation-token is gone"]),
        (
            request(json_body(text())),
            request(form),
            vec![
                "breaking  POST /a request: media type application/json is gone",
                "additive  POST /a request: media type application/x-www-form-urlencoded is new",
            ],
        ),
        (
            secured(json!([{ "bearer": [] }])),
            secured(json!([])),
            vec![r#"breaking  POST /a: security [{"bearer":[]}] became []"#],
        ),
        (nullable(true), nullable(false), vec!["breaking  POST /a request.m: is no longer nullable"]),
        (
            map(text()),
            map(json!(false)),
            vec![r#"breaking  POST /a request: additionalProperties {"type":"string"} became false"#],
        ),
        (
            schema(json!({ "type": "object" })),
            map(json!(false)),
            vec!["breaking  POST /a request: takes no other members any more"],
        ),
        (union("#/x"), union("#/y"), vec!["breaking  POST /a request: discriminator value A means another branch"]),
        (
            schema(json!({ "type": "integer", "minimum": 0 })),
            schema(json!({ "type": "integer", "minimum": 0, "exclusiveMinimum": true })),
            vec!["breaking  POST /a request: exclusiveMinimum false became true"],
        ),
        (parameter(500), parameter(100), vec!["additive  POST /a query size parameter: default 500 became 100"]),
        (
            schema(json!({ "type": "integer", "format": "int32" })),
            schema(json!({ "type": "integer", "format": "int64" })),
            vec![r#"additive  POST /a request: format "int32" became "int64""#],
        ),
        (served("https://x.example/epayment", "/a"), served("https://x.example", "/epayment/a"), vec![]),
        (
            served("https://x.example/epayment", "/a"),
            served("https://x.example/pay", "/a"),
            vec!["breaking  GET /epayment/a: operation is gone", "additive  GET /pay/a: operation is new"],
        ),
        (
            schema(json!({ "oneOf": [text()] })),
            schema(json!({ "oneOf": [{ "type": "integer" }, text()] })),
            vec!["additive  POST /a request: oneOf branch #0 is new"],
        ),
    ];
    for (old, new, wanted) in cases {
        assert_eq!(told(old, new), wanted);
    }
}
