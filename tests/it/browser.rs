#![cfg(feature = "browser")]

mod driver;

use serde_json::{Value, json};
use vipps_tests::{Http, Receiver};

use driver::{ENTER, with_browser};

/// A text that would be a script if it became markup.
const EVIL: &str = "<script>window.hacked=1</script>";

#[tokio::test]
async fn a_person_approves_a_payment_and_lands_on_the_return_url() {
    with_browser(|page| async move {
        let (http, shop) = (Http::start().await, Receiver::start().await);
        let landing = create_payment(&http, &shop, "acme-approve-1", "Hoodie").await;
        page.open(&landing).await;
        assert!(page.text("main").await.contains("Hoodie"));
        page.click("#approve").await;
        page.arrives_at(&shop.url("/thanks")).await;
        assert!(shop.received().iter().any(|request| request.method == "GET" && request.target == "/thanks"));
        assert_eq!(state(&http, "acme-approve-1").await, "AUTHORIZED");
    })
    .await;
}

#[tokio::test]
async fn a_person_aborts_a_payment_and_lands_on_the_return_url() {
    with_browser(|page| async move {
        let (http, shop) = (Http::start().await, Receiver::start().await);
        let landing = create_payment(&http, &shop, "acme-abort-1", "Hoodie").await;
        page.open(&landing).await;
        page.click("#abort").await;
        page.arrives_at(&shop.url("/thanks")).await;
        assert_eq!(state(&http, "acme-abort-1").await, "ABORTED");
        page.open(&landing).await;
        page.shows("//*[@id=\"state\"][contains(., \"ABORTED\")]").await;
    })
    .await;
}

#[tokio::test]
async fn a_person_completes_a_checkout_session() {
    with_browser(|page| async move {
        let (http, shop) = (Http::start().await, Receiver::start().await);
        let session = create_session(&http, &shop, "acme-checkout-1").await;
        page.open(&session).await;
        let filled = page.find("#firstName").await.prop("value").await.unwrap();
        assert_eq!(filled.as_deref(), Some("Ada"), "what the shop knows is filled in");
        let fields = [
            ("#lastName", "Lovelace"),
            ("#email", "ada@example.com"),
            ("#phoneNumber", "4712345678"),
            ("#streetAddress", "Robert Levins gate 5"),
            ("#postalCode", "0154"),
            ("#city", "Oslo"),
        ];
        for (field, text) in fields {
            page.fill(field, text).await;
        }
        page.click("#continue").await;
        page.click("input[name=shippingOptionId][value=bike]").await;
        page.click("#consent").await;
        page.click("#wallet").await;
        page.arrives_at(&shop.url("/thanks")).await;
        // The callback is due at once; this waits until it is done.
        http.advance(0).await;
        let callback = shop.received().into_iter().find(|request| request.target == "/callback");
        let told = callback.expect("the shop is called").json();
        assert_eq!(told["sessionState"], "PaymentSuccessful", "{told}");
        assert_eq!(told["shippingDetails"]["shippingMethodId"], "bike", "{told}");
        assert_eq!(told["billingDetails"]["lastName"], "Lovelace", "{told}");
        assert_eq!(told["customConsentProvided"], true, "{told}");
        page.open(&session).await;
        page.shows("//*[@id=\"state\"][contains(., \"It is paid\")]").await;
    })
    .await;
}

#[tokio::test]
async fn a_person_accepts_an_agreement() {
    with_browser(|page| async move {
        let (http, shop) = (Http::start().await, Receiver::start().await);
        let (id, landing) = draft_agreement(&http, &shop, "Magazine").await;
        page.open(&landing).await;
        let shown = page.text("main").await;
        assert!(shown.contains("Magazine") && shown.contains("99.00 NOK"), "{shown}");
        page.click("#approve").await;
        page.arrives_at(&shop.url("/thanks")).await;
        let (_, agreement) = http.get(&format!("/recurring/v3/agreements/{id}")).await;
        assert_eq!(agreement["status"], "ACTIVE", "{agreement}");
    })
    .await;
}

#[tokio::test]
async fn a_webhook_appears_on_the_open_page_without_a_reload() {
    with_browser(|page| async move {
        let (http, shop) = (Http::start().await, Receiver::start().await);
        let event = "epayments.payment.created.v1";
        let webhook = json!({ "url": shop.url("/hooks"), "events": [event] });
        let (status, answer) = http.post("/webhooks/v1/webhooks", &webhook).await;
        assert_eq!(status, 201, "{answer}");
        page.open(&home(&http)).await;
        page.eval("window.opened = true").await;
        page.fill("#seconds", "7").await;
        create_payment(&http, &shop, "acme-live-1", "Hoodie").await;
        page.find("#payments-123456-acme-live-1").await;
        page.shows(&format!("//section[@id=\"deliveries\"]//tr[contains(., \"{event}\")][contains(., \"delivered\")]"))
            .await;
        assert!(shop.received().iter().any(|request| request.target == "/hooks"));
        assert_eq!(page.eval("return window.opened").await, true, "the page was not loaded again");
        assert_eq!(page.eval("return document.getElementById('seconds').value").await, "7", "nothing typed is lost");
        assert_eq!(page.eval("return document.activeElement.id").await, "seconds", "the focus stays");
    })
    .await;
}

#[tokio::test]
async fn the_keyboard_alone_approves_on_the_landing_page_and_on_the_overview() {
    with_browser(|page| async move {
        let (http, shop) = (Http::start().await, Receiver::start().await);
        let landing = create_payment(&http, &shop, "acme-keys-1", "Hoodie").await;
        create_payment(&http, &shop, "acme-keys-2", "Cap").await;
        page.open(&landing).await;
        page.tab_to("approve").await;
        page.press(ENTER).await;
        page.arrives_at(&shop.url("/thanks")).await;
        assert_eq!(state(&http, "acme-keys-1").await, "AUTHORIZED");
        page.open(&home(&http)).await;
        page.tab_to("approve-payments-123456-acme-keys-2").await;
        let outline = page.eval("return getComputedStyle(document.activeElement).outlineStyle").await;
        assert_eq!(outline, "solid", "the focus is seen");
        page.press(ENTER).await;
        page.shows("//tr[@id=\"payments-123456-acme-keys-2\"][contains(., \"AUTHORIZED\")]").await;
        assert_eq!(state(&http, "acme-keys-2").await, "AUTHORIZED");
    })
    .await;
}

#[tokio::test]
async fn a_script_in_a_text_is_shown_and_does_not_run() {
    with_browser(|page| async move {
        let (http, shop) = (Http::start().await, Receiver::start().await);
        let payment = create_payment(&http, &shop, "acme-evil-1", EVIL).await;
        let (_, agreement) = draft_agreement(&http, &shop, EVIL).await;
        let home = home(&http);
        let told = format!("{home}?message=%3Cscript%3Ewindow.hacked=1%3C/script%3E");
        for url in [&payment, &agreement, &home, &told] {
            page.open(url).await;
            let shown = page.text("body").await;
            assert!(shown.contains(EVIL), "{url} shows {shown}");
            let ran = page.eval("return typeof window.hacked").await;
            assert_eq!(ran, "undefined", "{url}");
            let scripts = page.eval("return document.querySelectorAll('script:not([src])').length").await;
            assert_eq!(scripts, 0, "{url} has a script that only the policy stops");
        }
    })
    .await;
}

#[tokio::test]
async fn on_a_small_screen_rows_are_cards_and_nothing_is_wider_than_the_screen() {
    with_browser(|page| async move {
        let (http, shop) = (Http::start().await, Receiver::start().await);
        create_payment(&http, &shop, "acme-small-screen-with-a-long-reference-1", "Hoodie").await;
        // The narrowest window that chromium opens; the cards begin at 640.
        page.resize(500, 800).await;
        page.open(&home(&http)).await;
        page.find("#payments-123456-acme-small-screen-with-a-long-reference-1").await;
        let cell = page.eval("return getComputedStyle(document.querySelector('#payments td')).display").await;
        assert_eq!(cell, "block");
        let fits = "return document.documentElement.scrollWidth <= document.documentElement.clientWidth";
        assert_eq!(page.eval(fits).await, true);
    })
    .await;
}

/// The page for people.
fn home(http: &Http) -> String {
    format!("{}/", http.sandbox.base_url())
}

async fn state(http: &Http, reference: &str) -> Value {
    let (_, payment) = http.get(&format!("/epayment/v1/payments/{reference}")).await;
    payment["state"].clone()
}

/// Creates a payment of 499 NOK; gives its landing page.
async fn create_payment(http: &Http, shop: &Receiver, reference: &str, description: &str) -> String {
    let body = json!({
        "amount": { "currency": "NOK", "value": 49_900 },
        "paymentMethod": { "type": "WALLET" },
        "reference": reference,
        "returnUrl": shop.url("/thanks"),
        "userFlow": "WEB_REDIRECT",
        "paymentDescription": description,
    });
    let (status, payment) = http.post("/epayment/v1/payments", &body).await;
    assert_eq!(status, 201, "{payment}");
    payment["redirectUrl"].as_str().unwrap().to_owned()
}

/// Drafts an agreement of 99 NOK every month; gives its id and its page.
async fn draft_agreement(http: &Http, shop: &Receiver, product: &str) -> (String, String) {
    let body = json!({
        "pricing": { "type": "LEGACY", "amount": 9900, "currency": "NOK" },
        "interval": { "unit": "MONTH", "count": 1 },
        "merchantRedirectUrl": shop.url("/thanks"),
        "merchantAgreementUrl": "https://shop.example/agreements",
        "productName": product,
    });
    let (status, draft) = http.post("/recurring/v3/agreements", &body).await;
    assert_eq!(status, 201, "{draft}");
    let text = |name: &str| draft[name].as_str().unwrap().to_owned();
    (text("agreementId"), text("vippsConfirmationUrl"))
}

/// Creates a session with two deliveries and a box to tick; gives its page.
async fn create_session(http: &Http, shop: &Receiver, reference: &str) -> String {
    let delivery = |id: &str, title: &str, priority: u8, price: u32| {
        json!({
            "id": id, "brand": "OTHER", "title": title, "priority": priority, "isDefault": priority == 0,
            "amount": { "value": price, "currency": "NOK" },
        })
    };
    let body = json!({
        "type": "PAYMENT",
        "reference": reference,
        "transaction": { "amount": { "value": 49_900, "currency": "NOK" }, "paymentDescription": "Hoodie" },
        "logistics": { "fixedOptions": [delivery("post", "Parcel", 0, 4900), delivery("bike", "Bike", 1, 9900)] },
        "prefillCustomer": { "firstName": "Ada" },
        "merchantInfo": {
            "callbackUrl": shop.url("/callback"),
            "returnUrl": shop.url("/thanks"),
            "callbackAuthorizationToken": "shop-token",
            "termsAndConditionsUrl": "https://shop.example/terms",
        },
        "configuration": {
            "elements": "Full",
            "countries": { "supported": ["NO"] },
            "customConsent": { "text": "Send me news", "required": true },
        },
    });
    let (status, session) = http.checkout("POST", "/checkout/v3/session", &body).await;
    assert_eq!(status, 200, "{session}");
    session["checkoutFrontendUrl"].as_str().unwrap().to_owned()
}
