//! Maintenance of this workspace, as a library: the tests across crates generate the nasty
//! documents of `testdata/` with it.
#![expect(clippy::print_stdout, reason = "a command line tool talks to its user")]

pub mod ci;
pub mod diff;
mod document;
mod emit;
pub mod generate;
pub mod lint;
mod load;
mod names;
mod overlay;
pub mod samples;
mod semantics;
pub mod testdata;

pub use document::Trouble;

/// The steps that bend a document before generation, as a text.
#[must_use]
pub fn overlay_steps() -> String {
    let step = |step: &overlay::Step| {
        format!("{}\n  because {}\n  remove when {}\n", step.name, step.because, step.remove_when)
    };
    overlay::STEPS.iter().map(step).collect::<Vec<_>>().join("\n")
}
