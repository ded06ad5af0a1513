use vipps::{Amount, ConfigError, Environment};
use vipps_tests::{Reply, ScriptedServer, SkippingClock, client_for, credentials};

const REFERENCE: &str = "acme-order-1042";

#[tokio::test]
async fn whatever_is_changed_at_the_http_client_no_redirect_is_followed_and_no_proxy_gets_keys_for_this_machine() {
    let elsewhere = ScriptedServer::start(vec![Reply::json(200, "", "{}")]).await;
    let header = format!("location: {}/epayment/v1/payments/x\r\n", elsewhere.environment());
    for status in [301, 302, 303, 307, 308] {
        let server = ScriptedServer::start(vec![Reply::json(status, &header, "")]).await;
        let proxy = reqwest::Proxy::all(elsewhere.environment().base_url()).unwrap();
        let client =
            client_for(server.environment(), credentials()).clock(SkippingClock::new()).transport(|transport| {
                transport.http(|http| http.redirect(reqwest::redirect::Policy::limited(5)).proxy(proxy))
            });
        let error = client.build().unwrap().payments().capture(REFERENCE, Amount::nok_minor(1)).await.unwrap_err();
        assert_eq!(error.status(), Some(status), "{error}");
    }
    assert_eq!((elsewhere.seen().len(), elsewhere.token_requests()), (0, 0));
}

fn built(address: &str, allowed: bool) -> Result<vipps::Client, ConfigError> {
    let client = client_for(address.parse::<Environment>().unwrap(), credentials());
    if allowed { client.allow_plain_http().build() } else { client.build() }
}

#[test]
fn an_address_without_tls_is_this_machine_or_allowed_by_name() {
    let this_machine = [
        "http://localhost:4600",
        "http://LOCALHOST:4600",
        "http://localhost.:4600",
        "http://vipps.localhost",
        "http://127.0.0.1",
        "http://127.1:4600",
        "http://0x7f.0.0.1",
        "http://2130706433",
        "http://127.8.8.8",
        "http://[::1]:4600",
        "http://[::ffff:127.0.0.1]:4600",
    ];
    for address in this_machine {
        assert!(address.parse::<Environment>().unwrap().is_loopback(), "{address}");
        assert!(built(address, false).is_ok(), "{address}");
    }
    for address in
        ["http://vipps", "http://10.0.0.7:4600", "http://localhost.example", "http://[::2]", "http://127.0.0.1.example"]
    {
        let refused = built(address, false).unwrap_err();
        assert!(matches!(&refused, ConfigError::PlainHttp(_)), "{address}: {refused:?}");
        assert!(refused.to_string().contains("allow_plain_http"), "{refused}");
        assert!(built(address, true).is_ok(), "{address}");
    }
    assert!(built("https://vipps.example", false).is_ok());
}

#[tokio::test]
async fn a_callback_may_come_to_this_machine_in_every_spelling_and_to_others_by_tls() {
    let client = built("http://127.0.0.1:9", false).unwrap();
    let accepted = async |url: &str| {
        let error = client.webhooks().register(url, ["e"]).max_attempts(1).await.unwrap_err();
        !matches!(error, vipps::Error::InvalidRequest(_))
    };
    for url in [
        "http://LOCALHOST:1/x",
        "http://localhost/x?shop=7#top",
        "http://127.1/x",
        "http://[::ffff:127.0.0.1]/x",
        "https://acme.example/x",
    ] {
        assert!(accepted(url).await, "{url}");
    }
    for url in ["http://acme.example/x", "http://localhost.example/x", "http://10.0.0.1/x"] {
        assert!(!accepted(url).await, "{url}");
    }
}

#[test]
fn a_limit_of_zero_for_connections_is_refused() {
    let client = client_for("http://127.0.0.1:9".parse().unwrap(), credentials());
    let zero = client.transport(|transport| transport.connect_timeout(std::time::Duration::ZERO)).build();
    assert!(matches!(zero, Err(ConfigError::Zero("connect_timeout"))));
}
