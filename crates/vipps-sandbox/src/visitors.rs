//! Who may see the pages and drive the control API: programs and people of this machine, not
//! the pages of other sites that a browser on it has open.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use url::{Host, Url};

use crate::sandbox::Shared;

/// Lets a request to a page or to the control API through, or says why not. Requests to the APIs
/// do not come here: their `Host` is what the client's base address says.
pub(crate) async fn guard(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let refusal = {
        let world = shared.lock();
        let mut own: Vec<String> = world.options.allowed_hosts.clone();
        own.extend(host_of(&world.base_url));
        refusal(request.method(), request.headers(), &own)
    };
    match refusal {
        None => next.run(request).await,
        Some(why) => (StatusCode::FORBIDDEN, Json(json!({ "error": why }))).into_response(),
    }
}

/// Why a request is not let through.
fn refusal(method: &Method, headers: &HeaderMap, own: &[String]) -> Option<String> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let is_own = |address: &str| host_of(address).is_some_and(|host| is_loopback(&host) || own.contains(&host));
    // A name of somebody else's that leads to this machine makes a browser believe that the
    // sandbox is their site.
    if let Some(host) = text(header::HOST)
        && !is_own(&format!("http://{host}"))
    {
        return Some(format!("`{host}` is no name of this sandbox: start it with --allow-host NAME or --public-url"));
    }
    if method.is_safe() {
        return None;
    }
    let elsewhere = "only the sandbox's own pages and programs do this, not pages of another site";
    let from_elsewhere = text(header::ORIGIN).is_some_and(|origin| !is_own(origin))
        || text(header::HeaderName::from_static("sec-fetch-site"))
            .is_some_and(|site| site != "same-origin" && site != "none");
    from_elsewhere.then(|| elsewhere.to_owned())
}

/// The host of an address, without its port, in lower case.
fn host_of(address: &str) -> Option<String> {
    Url::parse(address).ok()?.host().map(|host| host.to_string())
}

fn is_loopback(host: &str) -> bool {
    match Host::parse(host) {
        Ok(Host::Domain(name)) => {
            let name = name.strip_suffix('.').unwrap_or(&name);
            name == "localhost" || name.ends_with(".localhost")
        }
        Ok(Host::Ipv4(ip)) => ip.is_loopback(),
        Ok(Host::Ipv6(ip)) => ip.is_loopback() || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_loopback()),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn is_refused(method: &Method, headers: &[(&'static str, &'static str)]) -> bool {
        let headers =
            headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        refusal(method, &headers.collect(), &["sandbox".to_owned()]).is_some()
    }

    #[test]
    fn only_names_of_this_machine_and_those_allowed_are_served() {
        let own =
            ["localhost:4600", "127.0.0.1", "127.1:4600", "[::1]:4600", "app.localhost:1", "sandbox:4600", "SANDBOX"];
        let others = ["evil.example:4600", "127.0.0.1.evil.example", "10.0.0.7", "sandbox.evil.example", "a b", ""];
        for method in [Method::GET, Method::POST] {
            for host in own {
                assert!(!is_refused(&method, &[("host", host)]), "{host}");
            }
            for host in others {
                assert!(is_refused(&method, &[("host", host)]), "{host}");
            }
        }
        assert!(!is_refused(&Method::POST, &[]), "a program that names no host");
    }

    #[test]
    fn pages_of_other_sites_change_nothing() {
        for (name, value, refused) in [
            ("origin", "http://localhost:4600", false),
            ("origin", "http://sandbox:4600", false),
            ("origin", "null", true),
            ("origin", "https://evil.example", true),
            ("sec-fetch-site", "same-origin", false),
            ("sec-fetch-site", "none", false),
            ("sec-fetch-site", "same-site", true),
            ("sec-fetch-site", "cross-site", true),
        ] {
            for method in [Method::POST, Method::PATCH, Method::DELETE] {
                assert_eq!(is_refused(&method, &[("host", "localhost:4600"), (name, value)]), refused, "{value}");
            }
            // A shop leads its customers to the landing page.
            assert!(!is_refused(&Method::GET, &[("host", "localhost:4600"), (name, value)]), "{value}");
        }
    }
}
