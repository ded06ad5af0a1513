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
mod tests {
    use super::*;

    fn texts(list: &Value) -> impl Iterator<Item = &str> {
        list.as_array().into_iter().flatten().filter_map(Value::as_str)
    }

    fn check(case: &Case) -> Vec<String> {
        let expected = &case.expected;
        let accepts = |outcome: &str| expected["expect"] == outcome || expected["also_accepted"] == outcome;
        let mut wrong = Vec::new();
        match case.make("crate::nasty") {
            Err(error) => {
                if !accepts("error") {
                    wrong.push(format!("is an error: {error}"));
                }
                wrong.extend(
                    texts(&expected["error_contains"])
                        .filter(|text| !error.contains(text))
                        .map(|text| format!("does not say `{text}`: {error}")),
                );
                wrong.extend(
                    texts(&expected["error_lacks"])
                        .filter(|text| error.contains(text))
                        .map(|text| format!("says `{text}`: {error}")),
                );
            }
            Ok(made) => {
                if !accepts("crate") {
                    wrong.push("became a crate".into());
                }
                let warnings = made.warnings.join("\n");
                wrong.extend(
                    texts(&expected["warning_contains"])
                        .filter(|text| !warnings.contains(text))
                        .map(|text| format!("does not warn of `{text}`: {warnings}")),
                );
                wrong.extend(
                    texts(&expected["warning_lacks"])
                        .filter(|text| warnings.contains(text))
                        .map(|text| format!("warns of `{text}`: {warnings}")),
                );
                operations(expected, &made, &mut wrong);
            }
        }
        wrong.into_iter().map(|what| format!("{}: {what}", case.name)).collect()
    }

    fn operations(expected: &Value, made: &Made, wrong: &mut Vec<String>) {
        let Some(wanted) = expected["operations"].as_array() else { return };
        if wanted.len() != made.operations.len() {
            wrong.push(format!(
                "has {} operations, not {}: {:?}",
                made.operations.len(),
                wanted.len(),
                made.operations
            ));
        }
        for operation in wanted {
            let text = |name: &str| operation[name].as_str().unwrap_or_default();
            let route = (text("method").to_ascii_uppercase(), text("path"));
            let Some([id, rust, ..]) =
                made.operations.iter().find(|[_, _, method, path]| (method.clone(), path.as_str()) == route)
            else {
                wrong.push(format!("has no operation {route:?}: {:?}", made.operations));
                continue;
            };
            let fits = match (operation["made"] == true, operation["id_free"] == true) {
                (_, true) => true,
                (true, _) => crate::names::snake(id) == crate::names::snake(text("id")),
                _ => id == text("id"),
            };
            if !fits {
                wrong.push(format!("{route:?} is called {id}, not {}", text("id")));
            }
            if operation["rust"].is_string() && rust != text("rust") {
                wrong.push(format!("{route:?} is the function {rust}, not {}", text("rust")));
            }
        }
    }

    #[test]
    fn every_nasty_document_becomes_a_crate_or_an_error_that_says_why() {
        let wrong: Vec<String> = cases().iter().flat_map(check).collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn errors_are_one_clear_text() {
        let mut all = String::new();
        for case in cases() {
            if let Err(error) = case.make("crate::nasty") {
                let _ = writeln!(all, "{error}");
            }
        }
        insta::assert_snapshot!(all);
    }
}
