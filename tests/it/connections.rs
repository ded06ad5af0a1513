use serde_json::{Value, json};
use vipps::{Amount, ConfigError, Environment, Error, NewAgreement, NewPayment};
use vipps_tests::{CheckedSandbox, Reply, ScriptedServer, SkippingClock, client_for, credentials};

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
        "http://localhost/x?shop=7",
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

/// What a call with this address ends with: the field that is refused before it is sent.
fn refused_field(error: Error) -> Option<String> {
    match error {
        Error::InvalidRequest(no) => no.field().map(str::to_owned),
        _ => None,
    }
}

#[tokio::test]
async fn every_address_of_a_test_network_needs_the_opt_in_of_the_client() {
    let refusal = || Reply::json(400, "", r#"{"title":"no","status":400}"#);
    let url = "http://shop:3000/path";
    for is_allowed in [false, true] {
        let server = ScriptedServer::start(vec![refusal()]).await;
        let credentials = credentials().with_psp_id("C948DFD1546347568874C4DDC93A2E3C").unwrap();
        let builder = client_for(server.environment(), credentials);
        let builder = if is_allowed { builder.allow_http_addresses() } else { builder };
        let client = builder.build().unwrap();
        let session = |change: &dyn Fn(&mut Value)| {
            let mut body = json!({
                "type": "PAYMENT", "reference": "acme-session-1", "logistics": { "dynamicOptionsCallback": "https://a.example" },
                "merchantInfo": { "callbackUrl": "https://a.example", "returnUrl": "https://a.example", "callbackAuthorizationToken": "t" },
                "transaction": { "amount": { "currency": "NOK", "value": 1000 }, "paymentDescription": "Tea" }
            });
            change(&mut body);
            let session: vipps::checkout::types::PaymentSession = serde_json::from_value(body).unwrap();
            client.sessions().create(session)
        };
        let payment = |change: &dyn Fn(&mut Value)| {
            let mut body = json!({
                "pspTransactionId": "abcABC12345", "merchantOrderId": "order-1", "customerMobileNumber": "12345678",
                "currency": "NOK", "amount": 49_900, "paymentText": "Tea", "makePaymentUrl": "https://a.example/m",
                "pspRedirectUrl": "https://a.example/r"
            });
            change(&mut body);
            let payment: vipps::psp::types::InitiatePaymentRequest = serde_json::from_value(body).unwrap();
            client.psp().initiate(payment)
        };
        let order = NewPayment::web_redirect("acme-order-1042", Amount::nok_minor(1000), url);
        let agreement = NewAgreement::legacy("Tea", Amount::nok_minor(1000), url);
        let found = [
            ("url", client.webhooks().register(url, ["epayments.payment.created.v1"]).await.map(drop)),
            (
                "merchantInfo.callbackUrl",
                session(&|body| body["merchantInfo"]["callbackUrl"] = url.into()).await.map(drop),
            ),
            ("merchantInfo.returnUrl", session(&|body| body["merchantInfo"]["returnUrl"] = url.into()).await.map(drop)),
            (
                "logistics.dynamicOptionsCallback",
                session(&|body| body["logistics"]["dynamicOptionsCallback"] = url.into()).await.map(drop),
            ),
            ("makePaymentUrl", payment(&|body| body["makePaymentUrl"] = url.into()).await.map(drop)),
            ("pspRedirectUrl", payment(&|body| body["pspRedirectUrl"] = url.into()).await.map(drop)),
            ("returnUrl", client.payments().create(order).await.map(drop)),
            ("merchantRedirectUrl", client.agreements().draft(agreement).await.map(drop)),
        ];
        for (field, result) in found {
            let refused = refused_field(result.unwrap_err());
            assert_eq!(refused.as_deref(), if is_allowed { None } else { Some(field) }, "{field}");
        }
        assert_eq!(server.seen().is_empty(), !is_allowed, "nothing that is refused is sent");
    }
}

/// The sandbox has a setting of its own for them, since Vipps takes none.
#[tokio::test]
async fn a_sandbox_in_a_test_network_delivers_to_the_shop_beside_it() {
    let sandbox = CheckedSandbox::start().await;
    sandbox.change_settings(&json!({ "httpWebhooksAllowed": true })).unwrap();
    let client = client_for(sandbox.environment(), sandbox.credentials()).allow_http_addresses().build().unwrap();
    let other_unit = client.with_sales_unit(sandbox.credentials().merchant_serial_number().clone());
    for client in [client, other_unit] {
        client.webhooks().register("http://shop:3000/hooks", ["epayments.payment.created.v1"]).await.unwrap();
    }
}

/// An address that lets nobody in: its queue is full, so the kernel leaves new connections without
/// an answer. The sockets must be kept.
#[cfg(target_os = "linux")]
fn crowded() -> (std::net::SocketAddr, Vec<socket2::Socket>) {
    use socket2::{Domain, Socket, Type};
    let socket = || Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let listener = socket();
    listener.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    listener.listen(1).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let mut sockets = vec![listener];
    let is_crowded = (0..50).any(|_| {
        let one = socket();
        let waits = one.connect_timeout(&address.into(), std::time::Duration::from_millis(100)).is_err();
        sockets.push(one);
        waits
    });
    assert!(is_crowded, "the queue is endless");
    (address, sockets)
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_connection_that_does_not_come_about_in_time_was_not_sent() {
    let (address, sockets) = crowded();
    let environment: Environment = format!("http://{address}").parse().unwrap();
    let limit = std::time::Duration::from_millis(100);
    let client = client_for(environment, credentials()).transport(|transport| transport.connect_timeout(limit));
    let client = client.build().unwrap();
    // Checkout needs no token, whose request would be the one that fails.
    let error = client.sessions().expire(REFERENCE).max_attempts(2).await.unwrap_err();
    let Error::NotSent(_) = &error else { panic!("{error:?}") };
    assert!(!error.may_have_taken_effect(), "{error}");
    assert!(error.to_string().contains("no connection came about in time"), "{error}");
    drop(sockets);
}
