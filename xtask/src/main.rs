//! Maintenance of this workspace: `cargo xtask --help`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool talks to its user")]

use xtask::{ci, diff, generate, lint, overlay_steps};

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Maintenance of the workspace.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Write the generated files of every document in `openapi/`, or of one.
    Generate {
        /// The document without its ending, such as `epayment`.
        api: Option<String>,
        /// Write nothing; fail and print the difference when files are out of date.
        #[arg(long)]
        check: bool,
    },
    /// Look after the documents themselves.
    #[command(subcommand)]
    Spec(Spec),
    /// Run every check that CI runs.
    Ci {
        /// Also run what a fresh machine cannot: what needs more than the registries.
        #[arg(long)]
        release: bool,
    },
}

#[derive(Subcommand)]
enum Spec {
    /// Check every document in `openapi/` and count its operations.
    Lint,
    /// List the steps that bend a document before generation: the trouble and the way out of it.
    Steps,
    /// Say what changed between two documents; fails when something breaks a client.
    Diff {
        /// The document as it was.
        old: PathBuf,
        /// The document as it is.
        new: PathBuf,
    },
}

fn main() -> ExitCode {
    let workspace = generate::workspace_root();
    let done = match Arguments::parse().task {
        Task::Generate { api, check } => generate_files(&workspace, api.as_deref(), check),
        Task::Spec(Spec::Lint) => lint::run(&workspace).map_err(|trouble| trouble.to_string()),
        Task::Spec(Spec::Steps) => {
            println!("{}", overlay_steps());
            Ok(true)
        }
        Task::Spec(Spec::Diff { old, new }) => diff::run(&old, &new).map_err(|trouble| trouble.to_string()),
        Task::Ci { release } => ci::run(&workspace, release),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn generate_files(workspace: &std::path::Path, api: Option<&str>, check: bool) -> Result<bool, String> {
    let (files, warnings) = generate::workspace_files(workspace, api).map_err(|trouble| trouble.to_string())?;
    for warning in warnings {
        eprintln!("warning: {warning}");
    }
    if check {
        let difference = generate::difference(workspace, &files);
        if difference.is_empty() {
            return Ok(true);
        }
        println!("{difference}");
        let api = api.map(|api| format!(" {api}")).unwrap_or_default();
        return Err(format!("generated files are out of date: run `cargo xtask generate{api}` and commit the result"));
    }
    let written = generate::write(workspace, &files).map_err(|error| format!("cannot write: {error}"))?;
    for path in &written {
        println!("wrote {}", path.display());
    }
    println!("{} of {} files changed", written.len(), files.len());
    Ok(true)
}
