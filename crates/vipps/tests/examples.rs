//! The examples as programs: what they print and how they end.

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tokio::task::JoinHandle;
use vipps_sandbox::Sandbox;

const EXAMPLES: [&str; 5] = ["take_payment", "subscribe", "checkout_session", "psp_payment", "receive_webhook"];

const KEYS: [(&str, &str); 4] = [
    ("VIPPS_CLIENT_ID", "test-client-id"),
    ("VIPPS_CLIENT_SECRET", "test-client-secret"),
    ("VIPPS_SUBSCRIPTION_KEY", "test-subscription-key"),
    ("VIPPS_MERCHANT_SERIAL_NUMBER", "123456"),
];

/// An example, built beside this test; without any key of the surroundings.
fn run(example: &str, variables: &[(&str, &str)]) -> Output {
    let mut folder: PathBuf = std::env::current_exe().expect("a path of this test");
    folder.pop();
    folder.pop();
    let mut command = Command::new(folder.join("examples").join(example));
    let ours = |name: &str| name.starts_with("VIPPS_") || ["MAKE_PAYMENT_URL", "WEBHOOK_URL"].contains(&name);
    for (name, _) in std::env::vars().filter(|(name, _)| ours(name)) {
        command.env_remove(name);
    }
    command.envs(variables.iter().copied()).output().expect("the examples are built with the tests of their package")
}

/// Every key, for an environment at this address.
fn keys<'a>(example: &str, address: &'a str, secret: &'a str) -> Vec<(&'static str, &'a str)> {
    let mut variables: Vec<(&'static str, &'a str)> = KEYS.to_vec();
    variables[1].1 = secret;
    variables.push(("VIPPS_ENVIRONMENT", address));
    if example == "psp_payment" {
        variables.push(("VIPPS_PSP_ID", "C948DFD1546347568874C4DDC93A2E3C"));
    }
    variables
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What an example said about its failure: sentences, not a panic.
fn failed(output: &Output) -> String {
    let said = text(&output.stderr);
    assert!(!output.status.success() && said.starts_with("failed to ") && !said.contains("panicked"), "{said}");
    said
}

#[test]
fn without_keys_each_runs_to_its_end_with_its_own_sandbox() {
    let endings = [
        "8. closing: authorized 499.00 NOK, captured 499.00 NOK, refunded 50.00 NOK, cancelled 0.00 NOK\n",
        "9. closing: agreement STOPPED, charge PARTIALLY_REFUNDED, captured 99.00 NOK, refunded 20.00 NOK\n",
        "6. closing: authorized 499.00 NOK, captured 499.00 NOK, refunded 0.00 NOK, cancelled 0.00 NOK\n",
        "6. closing: captured 499.00 NOK, left to capture 0.00 NOK, refunded 0.00 NOK\n",
        "5. the registration is deleted\n",
    ];
    for (example, ending) in EXAMPLES.into_iter().zip(endings) {
        let output = run(example, &[]);
        let said = text(&output.stdout);
        assert!(output.status.success(), "{example}: {}", text(&output.stderr));
        assert!(said.ends_with(ending), "{example}: {said}");
    }
}

#[test]
fn taking_a_payment_shows_its_two_captures() {
    let said = text(&run("take_payment", &[]).stdout);
    assert_eq!(said.lines().filter(|line| line.contains("CAPTURED")).count(), 2, "{said}");
}

#[test]
fn receiving_webhooks_shows_each_event_of_the_payment_once_and_in_order() {
    let said = text(&run("receive_webhook", &[]).stdout);
    // Name, amount and currency; the time follows.
    let shown = |line: &str| line.split_whitespace().take(3).collect::<Vec<_>>().join(" ");
    let of_an_event = |line: &&str| line.starts_with("   ") && line.contains(" NOK ");
    let shown: Vec<String> = said.lines().filter(of_an_event).map(shown).collect();
    let wanted = ["CREATED 499.00", "AUTHORIZED 499.00", "CAPTURED 200.00", "CAPTURED 299.00", "REFUNDED 50.00"];
    assert_eq!(shown, wanted.map(|event| format!("{event} NOK")), "{said}");
}

#[test]
fn half_a_set_of_keys_and_an_environment_without_keys_say_what_is_missing() {
    for example in EXAMPLES {
        let half = run(example, &KEYS[..1]);
        let alone = run(example, &[("VIPPS_ENVIRONMENT", "test")]);
        for (output, named) in [(half, "VIPPS_CLIENT_SECRET"), (alone, "VIPPS_CLIENT_ID")] {
            let said = failed(&output);
            let wanted = [named, "VIPPS_SUBSCRIPTION_KEY", "VIPPS_MERCHANT_SERIAL_NUMBER"];
            assert!(wanted.iter().all(|name| said.contains(name)), "{example}: {said}");
        }
    }
}

#[test]
fn an_address_that_vipps_cannot_reach_is_asked_for_before_anything_is_sent() {
    for (example, variable) in [("psp_payment", "MAKE_PAYMENT_URL"), ("receive_webhook", "WEBHOOK_URL")] {
        let said = failed(&run(example, &keys(example, "test", "test-client-secret")));
        assert!(said.contains(&format!("set {variable}")), "{said}");
    }
}

#[test]
fn an_unreachable_host_ends_with_a_sentence() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    for example in EXAMPLES {
        let said = failed(&run(example, &keys(example, &address, "test-client-secret")));
        assert!(said.contains("nobody listens at the address"), "{example}: {said}");
    }
}

/// Runs an example against a sandbox of this test.
fn against(sandbox: &Sandbox, example: &'static str, secret: &'static str) -> JoinHandle<Output> {
    let address = sandbox.base_url().to_owned();
    tokio::task::spawn_blocking(move || run(example, &keys(example, &address, secret)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_keys_end_with_a_sentence() {
    let sandbox = Sandbox::start().await.expect("a free port");
    for example in EXAMPLES {
        let output = against(&sandbox, example, "no-such-5ecret").await.expect("it ends");
        let said = failed(&output);
        let wanted = match example {
            "checkout_session" => "sessions.create (createSession) refused with 401 Unauthorized",
            _ => "check client id, client secret and subscription key",
        };
        assert!(said.contains(wanted) && !said.contains("5ecret"), "{example}: {said}");
    }
}

/// What the control API answers to a read, or to an act with an empty body.
async fn control(sandbox: &Sandbox, path: &str, body: Option<Value>) -> String {
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let url = format!("{}/__sandbox/{path}", sandbox.base_url());
    let request = match body {
        Some(body) => http.post(url).json(&body),
        None => http.get(url),
    };
    let answer = request.send().await.expect("an answer");
    let status = answer.status();
    let text = answer.text().await.expect("a text");
    assert!(status.is_success(), "{path}: {status} {text}");
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_customer_who_says_no_ends_it_with_a_sentence() {
    // Example, where its thing is listed, how the id of the thing starts, and the customer's no.
    let cases = [
        ("take_payment", "payments", "acme-order-", "abort", "take the payment: the customer aborted the payment"),
        ("subscribe", "agreements", "agr_", "reject", "run the subscription: the customer rejected the agreement"),
        (
            "checkout_session",
            "sessions",
            "acme-session-",
            "abandon",
            "run the checkout: the customer gave up, or the payment failed",
        ),
        ("receive_webhook", "payments", "acme-hook-", "abort", "receive webhooks: the customer aborted the payment"),
        ("psp_payment", "psp", "acmepsp", "cancel", "take the card payment: the customer cancelled the payment"),
    ];
    let sandbox = Sandbox::start().await.expect("a free port");
    let mut running = Vec::new();
    for (example, list, prefix, act, sentence) in cases {
        let ends = against(&sandbox, example, "test-client-secret");
        let id = loop {
            let things = control(&sandbox, list, None).await;
            if let Some(id) = things.split('"').find(|word| word.starts_with(prefix)) {
                break id.to_owned();
            }
            assert!(!ends.is_finished(), "{example} ended before its customer came");
            tokio::task::yield_now().await;
        };
        control(&sandbox, &format!("{list}/{id}/{act}"), Some(json!({}))).await;
        running.push((ends, sentence));
    }
    // The programs look again after five seconds, all at the same time.
    for (ends, sentence) in running {
        let output = ends.await.expect("it ends");
        assert_eq!(failed(&output), format!("failed to {sentence}\n"));
    }
}
