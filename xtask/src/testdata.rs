//! The nasty documents of `testdata/`: each becomes a crate, or an error that says why.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::document::Outcome;
use crate::{generate, load};

/// A document of `testdata/`, and what must become of it (`testdata/README.md`).
pub struct Case {
    /// The file name without its ending.
    pub name: String,
    path: PathBuf,
    /// What stands beside it.
    pub expected: Value,
}

/// What became of a document.
pub struct Made {
    /// One Rust module with the four files as its submodules.
    pub module: String,
    /// Components by name, and the Rust type behind each.
    pub types: Vec<(String, String)>,
    /// Wire id, Rust name, method and path of each operation.
    pub operations: Vec<[String; 4]>,
    /// What was given up.
    pub warnings: Vec<String>,
}

/// Every case, sorted by name.
///
/// # Panics
///
/// When the folder or a file of it cannot be read: it is part of this package.
#[must_use]
pub fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let mut cases: Vec<Case> = std::fs::read_dir(&folder)
        .expect("testdata is part of this package")
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let name = path.file_stem()?.to_str()?.to_owned();
            if path.extension()? != "yaml" {
                return None;
            }
            let beside =
                std::fs::read_to_string(path.with_extension("json")).expect("each document has a JSON beside it");
            let expected = serde_json::from_str(&beside).unwrap_or_else(|error| panic!("{name}.json: {error}"));
            Some(Case { name, path, expected })
        })
        .collect();
    cases.sort_by(|one, other| one.name.cmp(&other.name));
    cases
}

impl Case {
    /// Makes the crate, as a module below `root`, or says what is in the way.
    ///
    /// # Errors
    ///
    /// The text that `cargo xtask generate` would print.
    pub fn make(&self, root: &str) -> Result<Made, String> {
        self.try_make(root).map_err(|trouble| trouble.to_string())
    }

    fn try_make(&self, root: &str) -> Outcome<Made> {
        let file = self.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let document = load::load(&self.path, file)?;
        let root = format!("{root}::{}", self.module_name());
        let parts = generate::parts(document, &root)?;
        let mut module = format!("pub mod {} {{\n", self.module_name());
        for (name, text) in &parts.files {
            let name = name.trim_end_matches(".rs");
            let _ = writeln!(module, "pub mod {name} {{\n{text}\n}}");
        }
        let _ = writeln!(module, "vipps_core::connect!({root});\n}}");
        Ok(Made { module, types: parts.types, operations: parts.operations, warnings: parts.warnings })
    }

    /// The name of its module.
    #[must_use]
    pub fn module_name(&self) -> String {
        self.name.replace('-', "_")
    }
}

#[cfg(test)]
mod tests;
