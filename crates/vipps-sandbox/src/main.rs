//! `vipps-sandbox`: a Vipps on localhost until it is told to stop.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line program talks to its user")]

use std::io::Write as _;
use std::process::ExitCode;

use clap::builder::FalseyValueParser;
use clap::{Parser, ValueEnum};
use vipps_sandbox::{ClockMode, Market, Options, Profile, RateLimitWindow, Sandbox};

/// A stateful Vipps MobilePay on localhost. Prints one line with its base URL when it is ready.
#[derive(Parser)]
#[command(name = "vipps-sandbox", version)]
struct Arguments {
    /// Where to listen.
    #[arg(long, env = "VIPPS_SANDBOX_LISTEN", default_value = "127.0.0.1:4600")]
    listen: String,
    /// Whether time passes by itself, or only when the control API advances it.
    #[arg(long, env = "VIPPS_SANDBOX_CLOCK", value_enum, default_value = "real")]
    clock: ClockArgument,
    /// Accepted client id; may be given several times, or with commas between.
    #[arg(long, env = "VIPPS_SANDBOX_CLIENT_ID", value_delimiter = ',', default_value = "test-client-id")]
    client_id: Vec<String>,
    /// Accepted client secret; may be given several times, or with commas between.
    #[arg(
        long,
        env = "VIPPS_SANDBOX_CLIENT_SECRET",
        value_delimiter = ',',
        default_value = "test-client-secret",
        hide_env_values = true
    )]
    client_secret: Vec<String>,
    /// Accepted subscription key; may be given several times, or with commas between.
    #[arg(
        long,
        env = "VIPPS_SANDBOX_SUBSCRIPTION_KEY",
        value_delimiter = ',',
        default_value = "test-subscription-key",
        hide_env_values = true
    )]
    subscription_key: Vec<String>,
    /// Accepted Merchant Serial Number; may be given several times, or with commas between.
    /// `654321=SE` names the sales unit's own market.
    #[arg(long, env = "VIPPS_SANDBOX_MSN", value_delimiter = ',', default_value = "123456")]
    msn: Vec<String>,
    /// Accepted PSP id; may be given several times, or with commas between.
    #[arg(
        long,
        env = "VIPPS_SANDBOX_PSP_ID",
        value_delimiter = ',',
        default_value = "C948DFD1546347568874C4DDC93A2E3C"
    )]
    psp_id: Vec<String>,
    /// Which contract to follow where the published ones differ.
    #[arg(long, env = "VIPPS_SANDBOX_PROFILE", value_enum, default_value = "current")]
    profile: ProfileArgument,
    /// The home market of the sales units that name none.
    #[arg(long, env = "VIPPS_SANDBOX_MARKET", value_enum, default_value = "NO")]
    market: MarketArgument,
    /// Refuse what is otherwise tolerated with a warning.
    #[arg(long, env = "VIPPS_SANDBOX_STRICT", value_parser = FalseyValueParser::new())]
    strict: bool,
    /// Answer 429 beyond the published rate limits. The minute of a limit slides with the
    /// requests, or is fixed from the first one.
    #[arg(
        long,
        env = "VIPPS_SANDBOX_RATE_LIMITS",
        value_name = "sliding|fixed",
        num_args = 0..=1,
        default_value = "off",
        default_missing_value = "sliding",
        hide_default_value = true,
        value_parser = rate_limits
    )]
    rate_limits: RateLimits,
    /// The address by which clients reach it, where that is not where it listens.
    #[arg(long, env = "VIPPS_SANDBOX_PUBLIC_URL")]
    public_url: Option<String>,
    /// A name, such as that of a container, under which pages and control API are served too.
    #[arg(long, env = "VIPPS_SANDBOX_ALLOW_HOST", value_name = "NAME", value_delimiter = ',')]
    allow_host: Vec<String>,
    /// Start of all identifiers: the same seed gives the same ones.
    #[arg(long, env = "VIPPS_SANDBOX_SEED", default_value_t = 0)]
    seed: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum ClockArgument {
    Real,
    Manual,
}

#[derive(Clone, Copy, ValueEnum)]
enum ProfileArgument {
    Current,
    Seed,
}

#[derive(Clone, Copy, ValueEnum)]
#[value(rename_all = "UPPER")]
enum MarketArgument {
    No,
    Dk,
    Fi,
    Se,
}

impl From<MarketArgument> for Market {
    fn from(market: MarketArgument) -> Self {
        match market {
            MarketArgument::No => Self::Norway,
            MarketArgument::Dk => Self::Denmark,
            MarketArgument::Fi => Self::Finland,
            MarketArgument::Se => Self::Sweden,
        }
    }
}

/// The window of the rate limits, where they are switched on.
#[derive(Clone, Copy)]
struct RateLimits(Option<RateLimitWindow>);

/// `sliding`, `fixed`, or what other flags take from their variables: `1`, `true`, `off`, ...
fn rate_limits(text: &str) -> Result<RateLimits, String> {
    match text.to_ascii_lowercase().as_str() {
        "sliding" | "1" | "true" | "t" | "yes" | "y" | "on" => Ok(RateLimits(Some(RateLimitWindow::Sliding))),
        "fixed" => Ok(RateLimits(Some(RateLimitWindow::Fixed))),
        "" | "0" | "false" | "f" | "no" | "n" | "off" => Ok(RateLimits(None)),
        _ => Err("possible values: sliding, fixed".into()),
    }
}

/// A sales unit, and its own market where one is named: `123456`, `654321=SE`.
fn sales_unit(text: &str) -> Result<(String, Option<Market>), String> {
    let (number, market) = text.split_once('=').map_or((text, None), |(number, market)| (number, Some(market)));
    if !(4..=10).contains(&number.len()) || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("a Merchant Serial Number has 4 to 10 digits".into());
    }
    let market = market.map(|market| MarketArgument::from_str(market, true)).transpose();
    let market = market.map_err(|_| "possible markets: NO, DK, FI, SE".to_owned())?;
    Ok((number.to_owned(), market.map(Market::from)))
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(help) if !help.use_stderr() => {
            let _ = help.print();
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            // The first paragraph names the flag and its values; the rest is help.
            let text = error.to_string();
            let paragraph: Vec<&str> = text.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
            eprintln!("{}", paragraph.join(" "));
            return ExitCode::from(2);
        }
    };
    let options = match options(arguments) {
        Ok(options) => options,
        Err(what) => {
            eprintln!("error: {what}");
            return ExitCode::from(2);
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(serve(options))
}

/// What the arguments ask for, or what is wrong with them.
fn options(arguments: Arguments) -> Result<Options, String> {
    let mut options = Options::default();
    options.listen = arguments.listen;
    options.clock = match arguments.clock {
        ClockArgument::Real => ClockMode::Real,
        ClockArgument::Manual => ClockMode::Manual,
    };
    options.public_url = arguments.public_url.filter(|url| !url.is_empty());
    options.allowed_hosts = arguments.allow_host.iter().map(|name| name.trim().to_ascii_lowercase()).collect();
    for (given, list) in [
        (arguments.client_id, &mut options.client_ids),
        (arguments.client_secret, &mut options.client_secrets),
        (arguments.subscription_key, &mut options.subscription_keys),
        (arguments.psp_id, &mut options.psp_ids),
    ] {
        let given: Vec<String> = given.into_iter().filter(|value| !value.is_empty()).collect();
        // An empty variable says nothing: the default counts.
        if !given.is_empty() {
            *list = given;
        }
    }
    let mut units = Vec::new();
    for text in arguments.msn.iter().filter(|text| !text.is_empty()) {
        match sales_unit(text) {
            Ok((unit, market)) => {
                options.markets.extend(market.map(|market| (unit.clone(), market)));
                units.push(unit);
            }
            Err(why) => return Err(format!("invalid value '{text}' for '--msn <MSN>': {why}")),
        }
    }
    if !units.is_empty() {
        options.merchant_serial_numbers = units;
    }
    options.profile = match arguments.profile {
        ProfileArgument::Current => Profile::Current,
        ProfileArgument::Seed => Profile::Seed,
    };
    options.market = arguments.market.into();
    options.strict = arguments.strict;
    options.rate_limits = arguments.rate_limits.0.is_some();
    options.rate_limit_window = arguments.rate_limits.0.unwrap_or_default();
    options.seed = arguments.seed;
    Ok(options)
}

async fn serve(options: Options) -> ExitCode {
    let sandbox = match Sandbox::start_with(options).await {
        Ok(sandbox) => sandbox,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!("vipps-sandbox is ready at {}", sandbox.base_url());
    let _ = std::io::stdout().flush();
    until_told_to_stop().await;
    ExitCode::SUCCESS
}

/// SIGINT, and SIGTERM where there is such a thing.
async fn until_told_to_stop() {
    let interrupted = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminated) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = interrupted => {}
                _ = terminated.recv() => {}
            }
            return;
        }
    }
    let _ = interrupted.await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Options, String> {
        let arguments = [&["vipps-sandbox"], arguments].concat();
        options(Arguments::try_parse_from(arguments).map_err(|error| error.to_string())?)
    }

    #[test]
    fn a_sales_unit_may_name_its_own_market() {
        let options = parsed(&["--market", "DK", "--msn", "123456=NO", "--msn", "654321=se,777777"]).unwrap();
        assert_eq!(options.merchant_serial_numbers, ["123456", "654321", "777777"]);
        assert_eq!(options.market, Market::Denmark);
        let own: Vec<_> = options.markets.iter().map(|(unit, market)| (unit.as_str(), *market)).collect();
        assert_eq!(own, [("123456", Market::Norway), ("654321", Market::Sweden)]);
        for (wrong, why) in
            [("123", "4 to 10 digits"), ("123456=", "possible markets"), ("123456=UK", "NO, DK, FI, SE")]
        {
            let error = parsed(&["--msn", wrong]).unwrap_err();
            assert!(error.contains(why) && error.contains(wrong), "{wrong}: {error}");
        }
    }

    #[test]
    fn rate_limits_slide_unless_they_are_fixed() {
        for (arguments, wanted) in [
            (&[][..], None),
            (&["--rate-limits"][..], Some(RateLimitWindow::Sliding)),
            (&["--rate-limits", "sliding"], Some(RateLimitWindow::Sliding)),
            (&["--rate-limits", "fixed"], Some(RateLimitWindow::Fixed)),
            (&["--rate-limits", "--strict"], Some(RateLimitWindow::Sliding)),
        ] {
            let options = parsed(arguments).unwrap();
            assert_eq!(options.rate_limits.then_some(options.rate_limit_window), wanted, "{arguments:?}");
        }
        assert!(parsed(&["--rate-limits", "often"]).unwrap_err().contains("possible values: sliding, fixed"));
    }
}
