//! The example as a program: what it prints and how it ends.

use std::path::PathBuf;
use std::process::{Command, Output};

/// The example, built beside this test; without any key of the surroundings.
fn take_payment(variables: &[(&str, &str)]) -> Output {
    let mut folder: PathBuf = std::env::current_exe().expect("a path of this test");
    folder.pop();
    folder.pop();
    let mut command = Command::new(folder.join("examples").join("take_payment"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("VIPPS_")) {
        command.env_remove(name);
    }
    command.envs(variables.iter().copied()).output().expect("the example is built with the tests of its package")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const KEYS: [(&str, &str); 4] = [
    ("VIPPS_CLIENT_ID", "test-client-id"),
    ("VIPPS_CLIENT_SECRET", "wrong"),
    ("VIPPS_SUBSCRIPTION_KEY", "test-subscription-key"),
    ("VIPPS_MERCHANT_SERIAL_NUMBER", "123456"),
];

#[test]
fn without_keys_it_takes_a_whole_payment_from_its_own_sandbox() {
    let output = take_payment(&[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    assert!(
        said.ends_with(
            "8. closing: authorized 499.00 NOK, captured 499.00 NOK, refunded 50.00 NOK, cancelled 0.00 NOK\n"
        ),
        "{said}"
    );
    assert_eq!(said.lines().filter(|line| line.contains("CAPTURED")).count(), 2);
}

#[test]
fn half_a_set_of_keys_and_an_environment_without_keys_say_what_is_missing() {
    let half = take_payment(&KEYS[..1]);
    let alone = take_payment(&[("VIPPS_ENVIRONMENT", "test")]);
    for (output, named) in [(half, "VIPPS_CLIENT_SECRET"), (alone, "VIPPS_CLIENT_ID")] {
        assert!(!output.status.success());
        let said = text(&output.stderr);
        let wanted = [named, "VIPPS_SUBSCRIPTION_KEY", "VIPPS_MERCHANT_SERIAL_NUMBER"];
        assert!(wanted.iter().all(|name| said.contains(name)) && !said.contains("panicked"), "{said}");
    }
}

#[test]
fn an_unreachable_host_ends_with_a_sentence() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let mut variables = KEYS.to_vec();
    variables.push(("VIPPS_ENVIRONMENT", &address));
    let output = take_payment(&variables);
    let said = text(&output.stderr);
    assert!(!output.status.success() && said.contains("found no connection") && !said.contains("panicked"), "{said}");
}

/// Runs the example against a sandbox of this test.
async fn against(sandbox: &vipps_sandbox::Sandbox, secret: &'static str) -> tokio::task::JoinHandle<Output> {
    let address = sandbox.base_url().to_owned();
    tokio::task::spawn_blocking(move || {
        let mut variables = KEYS.to_vec();
        variables[1].1 = secret;
        variables.push(("VIPPS_ENVIRONMENT", &address));
        take_payment(&variables)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_keys_end_with_a_sentence() {
    let sandbox = vipps_sandbox::Sandbox::start().await.expect("a free port");
    let output = against(&sandbox, "wrong").await.await.expect("it ends");
    let said = text(&output.stderr);
    assert!(!output.status.success() && said.contains("check client id, client secret and subscription key"), "{said}");
    assert!(!said.contains("panicked") && !said.contains("wrong"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_aborted_payment_ends_with_a_sentence() {
    let sandbox = vipps_sandbox::Sandbox::start().await.expect("a free port");
    let running = against(&sandbox, "test-client-secret").await;
    let reference = loop {
        let ledger = sandbox.ledger();
        if let Some(reference) = ledger["payments"][0]["reference"].as_str() {
            break reference.to_owned();
        }
        tokio::task::yield_now().await;
    };
    sandbox.customer().aborts(&reference).await.expect("it waits for its customer");
    let output = running.await.expect("it ends");
    assert!(!output.status.success());
    assert_eq!(text(&output.stderr), "failed to take the payment: the customer aborted the payment\n");
}
