//! A browser of a test's own: a chromedriver on a free port, a fresh profile, both gone when
//! the test ends, however it ends.

use std::future::Future;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::elements::Element;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

const CHROMEDRIVER: &str = "/usr/bin/chromedriver";
const CHROMIUM: &str = "/usr/bin/chromium";
const FLAGS: [&str; 8] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];
/// How long anything may take to show.
const LIMIT: Duration = Duration::from_secs(15);
/// How often it is looked for.
const EVERY: Duration = Duration::from_millis(50);

/// The Tab key, as WebDriver writes it.
pub(super) const TAB: char = '\u{e004}';
/// The Enter key.
pub(super) const ENTER: char = '\u{e007}';

/// Runs a test with a browser and closes the browser, whether it passes or not: chromium
/// outlives a chromedriver that is killed.
pub(super) async fn with_browser<F>(test: impl FnOnce(Page) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let driver = Driver::start();
    let client = driver.connect().await;
    let outcome = tokio::spawn(test(Page { client: client.clone() })).await;
    let closed = client.close().await;
    drop(driver);
    if let Err(error) = outcome {
        std::panic::resume_unwind(error.into_panic());
    }
    closed.expect("the browser closes");
}

/// A chromedriver, killed when dropped.
struct Driver {
    process: Child,
    port: u16,
    profile: PathBuf,
    // Held open: the process ends when nobody can read what it says.
    _log: BufReader<ChildStdout>,
}

impl Driver {
    /// Returns when it takes commands, which it says on its output.
    fn start() -> Self {
        let free = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
        let port = free.expect("a free port").port();
        let mut process = Command::new(CHROMEDRIVER)
            .arg(format!("--port={port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {CHROMEDRIVER}: {error}"));
        let mut log = BufReader::new(process.stdout.take().expect("its output is a pipe"));
        let mut line = String::new();
        while !line.contains("started successfully") {
            line.clear();
            let length = log.read_line(&mut line).expect("chromedriver speaks UTF-8");
            assert!(length > 0, "chromedriver ended before it was ready");
        }
        let profile = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("browser-{}-{port}", std::process::id()));
        Self { process, port, profile, _log: log }
    }

    async fn connect(&self) -> Client {
        let profile = format!("--user-data-dir={}", self.profile.display());
        let flags: Vec<&str> = FLAGS.into_iter().chain([profile.as_str()]).collect();
        let wanted = json!({ "goog:chromeOptions": { "binary": CHROMIUM, "args": flags } });
        let Value::Object(wanted) = wanted else { unreachable!("written as an object") };
        ClientBuilder::new(HttpConnector::new())
            .capabilities(wanted)
            .connect(&format!("http://127.0.0.1:{}", self.port))
            .await
            .expect("a browser starts")
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Nothing more can be done where one of these fails.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}

/// What a person sees and does. Everything waits for what it needs, up to a limit.
pub(super) struct Page {
    client: Client,
}

impl Page {
    /// Opens an address.
    pub(super) async fn open(&self, url: &str) {
        self.client.goto(url).await.unwrap_or_else(|error| panic!("cannot open {url}: {error}"));
    }

    /// The element of a CSS selector, once it is there.
    pub(super) async fn find(&self, css: &str) -> Element {
        self.wait_for(Locator::Css(css)).await
    }

    async fn wait_for(&self, locator: Locator<'_>) -> Element {
        let found = self.client.wait().at_most(LIMIT).every(EVERY).for_element(locator).await;
        match found {
            Ok(element) => element,
            Err(error) => {
                let page = self.client.source().await.unwrap_or_default();
                panic!("{locator:?} is not there ({error}) on {page}")
            }
        }
    }

    /// Returns once an element with this XPath is there: `//h1[contains(., "Paid")]`.
    pub(super) async fn shows(&self, xpath: &str) {
        self.wait_for(Locator::XPath(xpath)).await;
    }

    /// Returns once the browser is at this address.
    pub(super) async fn arrives_at(&self, url: &str) {
        let parsed = url.parse::<reqwest::Url>().expect("an address");
        let arrived = self.client.wait().at_most(LIMIT).every(EVERY).for_url(&parsed).await;
        arrived.unwrap_or_else(|error| panic!("the browser does not come to {url}: {error}"));
    }

    /// Clicks on the element of a CSS selector.
    pub(super) async fn click(&self, css: &str) {
        self.find(css).await.click().await.unwrap_or_else(|error| panic!("cannot click on {css}: {error}"));
    }

    /// Types into the field of a CSS selector, instead of what is in it.
    pub(super) async fn fill(&self, css: &str, text: &str) {
        let field = self.find(css).await;
        field.clear().await.unwrap_or_else(|error| panic!("cannot clear {css}: {error}"));
        field.send_keys(text).await.unwrap_or_else(|error| panic!("cannot type into {css}: {error}"));
    }

    /// The text of the element of a CSS selector, as a person reads it.
    pub(super) async fn text(&self, css: &str) -> String {
        self.find(css).await.text().await.unwrap_or_else(|error| panic!("cannot read {css}: {error}"))
    }

    /// Presses a key wherever the focus is.
    pub(super) async fn press(&self, key: char) {
        let keys = KeyActions::new("keyboard".to_owned())
            .then(KeyAction::Down { value: key })
            .then(KeyAction::Up { value: key });
        self.client.perform_actions(keys).await.expect("a key can be pressed");
    }

    /// Presses Tab until the element with this id has the focus.
    pub(super) async fn tab_to(&self, id: &str) {
        const MOST: usize = 100;
        for _ in 0..MOST {
            if self.eval("return document.activeElement.id").await == id {
                return;
            }
            self.press(TAB).await;
        }
        panic!("`{id}` is not reached by {MOST} presses of Tab");
    }

    /// What a script gives back.
    pub(super) async fn eval(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.expect("a script of the test's own runs")
    }

    /// Makes the window this wide.
    pub(super) async fn resize(&self, width: u32, height: u32) {
        self.client.set_window_size(width, height).await.expect("a window can be resized");
    }
}
