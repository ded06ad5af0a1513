use serde_json::Value;

use super::Step;
use crate::document::{Document, Outcome};

pub(super) const STEP: Step = Step {
    name: "server prefix",
    because: "the generator ignores servers, so requests would miss a path prefix such as /epayment",
    remove_when: "the generator reads servers",
    run,
};

fn run(document: &mut Document) -> Outcome {
    let urls: Vec<&str> =
        document.root["servers"].as_array().into_iter().flatten().filter_map(|server| server["url"].as_str()).collect();
    let Some(prefix) = urls.first().map(|url| path_of(url).to_owned()) else { return Ok(()) };
    if let Some(other) = urls.iter().find(|url| path_of(url) != prefix) {
        let what = format!(
            "`{}` and `{other}` have different path prefixes: write the prefix into the paths and keep bare hosts",
            urls[0]
        );
        return Err(document.trouble("servers", what));
    }
    if let (false, Some(paths)) = (prefix.is_empty(), document.root.get_mut("paths").and_then(Value::as_object_mut)) {
        // What is no path is an address of the merchant, not of the server.
        let prefixed = |path: String| if path.starts_with('/') { format!("{prefix}{path}") } else { path };
        *paths = std::mem::take(paths).into_iter().map(|(path, item)| (prefixed(path), item)).collect();
    }
    Ok(())
}

/// The path of a server address: `https://api.vipps.no/epayment/` has `/epayment`.
fn path_of(url: &str) -> &str {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = match url.contains("://") {
        true => after_scheme.find('/').map_or("", |at| &after_scheme[at..]),
        false => url,
    };
    path.trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_prefix_of_the_servers_goes_into_the_paths() {
        let servers =
            json!([{ "url": "https://api.vipps.no/epayment" }, { "url": "https://apitest.vipps.no/epayment/" }]);
        let mut document = Document::new("x.yaml", json!({ "servers": servers, "paths": { "/v1/payments": {} } }));
        run(&mut document).unwrap();
        assert!(document.root["paths"].get("/epayment/v1/payments").is_some());
    }

    #[test]
    fn different_prefixes_are_an_error() {
        let servers = json!([{ "url": "https://a.example/x" }, { "url": "https://b.example/y" }]);
        let mut document = Document::new("x.yaml", json!({ "servers": servers }));
        assert_eq!(
            run(&mut document).unwrap_err().to_string(),
            "x.yaml: at servers: `https://a.example/x` and `https://b.example/y` have different path prefixes: \
             write the prefix into the paths and keep bare hosts"
        );
    }
}
