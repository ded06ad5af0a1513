//! `ci`: every check, in the order in which failures are cheapest.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// The crates a user may depend on alone, with the features that must each build alone.
const FEATURES: &[(&str, &[&str])] = &[
    ("vipps-types", &["", "environment", "schemars"]),
    ("vipps-core", &["", "rustls", "schemars"]),
    ("vipps-access-token", &["", "rustls,schemars"]),
    ("vipps-callbacks", &["", "axum", "signer"]),
    ("vipps-checkout", &["", "rustls,schemars"]),
    ("vipps-epayment", &["", "rustls,schemars"]),
    ("vipps-psp", &["", "rustls,schemars"]),
    ("vipps-recurring", &["", "v2", "rustls,schemars,v2"]),
    ("vipps-webhooks", &["", "rustls,schemars"]),
    ("vipps", &["", "checkout", "epayment", "psp", "recurring", "recurring-v2", "webhooks", "rustls", "schemars"]),
    ("vipps-sandbox", &["", "rustls"]),
];

/// Runs every check; the first that fails ends it. The tests themselves are the README's
/// second command and are not repeated here.
pub fn run(workspace: &Path, release: bool) -> Result<bool, String> {
    step(workspace, &["fmt", "--all", "--check"], &[])?;
    step(workspace, &["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"], &[])?;
    for (package, sets) in FEATURES {
        for features in *sets {
            let mut arguments = vec!["clippy", "--package", package, "--no-default-features"];
            if !features.is_empty() {
                arguments.extend(["--features", features]);
            }
            arguments.extend(["--", "--deny", "warnings"]);
            step(workspace, &arguments, &[])?;
        }
    }
    for arguments in [&["xtask", "generate", "--check"][..], &["xtask", "spec", "lint"]] {
        step(workspace, arguments, &[])?;
    }
    receiver_stays_small(workspace)?;
    let fuzz = workspace.join("crates/vipps-callbacks/fuzz");
    step(&fuzz, &["check"], &[("CARGO_TARGET_DIR", &workspace.join("target").display().to_string())])?;
    step(workspace, &["doc", "--workspace", "--no-deps"], &[("RUSTDOCFLAGS", "--deny warnings")])?;
    for example in ["take_payment", "subscribe", "checkout_session", "psp_payment", "receive_webhook"] {
        step(workspace, &["run", "--package", "vipps", "--example", example], &[])?;
    }
    if release {
        step(workspace, &["deny", "check"], &[])?;
        step(workspace, &["semver-checks"], &[])?;
    }
    println!("every check passed");
    Ok(true)
}

/// What only receives has no HTTP client and no async runtime in its tree, and few packages.
fn receiver_stays_small(workspace: &Path) -> Result<(), String> {
    const MOST: usize = 40;
    let arguments = ["tree", "--package", "vipps-callbacks", "--edges", "normal", "--prefix", "none"];
    println!("\n$ cargo {}", arguments.join(" "));
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(workspace)
        .output()
        .map_err(|error| format!("cargo cannot be run: {error}"))?;
    let tree = String::from_utf8_lossy(&output.stdout).into_owned();
    let packages: BTreeSet<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    println!("{} packages", packages.len());
    if !output.status.success() || packages.len() > MOST {
        return Err(format!("vipps-callbacks must have at most {MOST} packages in its tree"));
    }
    match ["reqwest", "hyper", "tokio", "axum", "url"].iter().find(|name| packages.contains(*name)) {
        Some(name) => Err(format!("vipps-callbacks must not depend on {name} by default")),
        None => Ok(()),
    }
}

fn step(workspace: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Result<(), String> {
    println!("\n$ cargo {}", arguments.join(" "));
    let status = Command::new(env!("CARGO"))
        .args(arguments)
        .envs(environment.iter().copied())
        // The example starts its own sandbox where no key says otherwise.
        .env_remove("VIPPS_ENVIRONMENT")
        .env_remove("VIPPS_CLIENT_ID")
        .env_remove("VIPPS_CLIENT_SECRET")
        .env_remove("VIPPS_SUBSCRIPTION_KEY")
        .env_remove("VIPPS_MERCHANT_SERIAL_NUMBER")
        .env_remove("VIPPS_PSP_ID")
        .current_dir(workspace)
        .status()
        .map_err(|error| format!("cargo cannot be run: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`cargo {}` failed", arguments.join(" "))) }
}
