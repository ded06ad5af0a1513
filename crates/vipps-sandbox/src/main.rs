//! `vipps-sandbox`: a Vipps on localhost until it is told to stop.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line program talks to its user")]

use std::io::Write as _;
use std::process::ExitCode;

use clap::builder::FalseyValueParser;
use clap::{Parser, ValueEnum};
use vipps_sandbox::{ClockMode, Market, Options, Profile, Sandbox};

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
    /// The home market of the sales units.
    #[arg(long, env = "VIPPS_SANDBOX_MARKET", value_enum, default_value = "NO")]
    market: MarketArgument,
    /// Refuse what is otherwise tolerated with a warning.
    #[arg(long, env = "VIPPS_SANDBOX_STRICT", value_parser = FalseyValueParser::new())]
    strict: bool,
    /// Answer 429 beyond the published rate limits.
    #[arg(long, env = "VIPPS_SANDBOX_RATE_LIMITS", value_parser = FalseyValueParser::new())]
    rate_limits: bool,
    /// The address by which clients reach it, where that is not where it listens.
    #[arg(long, env = "VIPPS_SANDBOX_PUBLIC_URL")]
    public_url: Option<String>,
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
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(serve(arguments))
}

async fn serve(arguments: Arguments) -> ExitCode {
    let mut options = Options::default();
    options.listen = arguments.listen;
    options.clock = match arguments.clock {
        ClockArgument::Real => ClockMode::Real,
        ClockArgument::Manual => ClockMode::Manual,
    };
    options.public_url = arguments.public_url.filter(|url| !url.is_empty());
    for (given, list) in [
        (arguments.client_id, &mut options.client_ids),
        (arguments.client_secret, &mut options.client_secrets),
        (arguments.subscription_key, &mut options.subscription_keys),
        (arguments.msn, &mut options.merchant_serial_numbers),
        (arguments.psp_id, &mut options.psp_ids),
    ] {
        let given: Vec<String> = given.into_iter().filter(|value| !value.is_empty()).collect();
        // An empty variable says nothing: the default counts.
        if !given.is_empty() {
            *list = given;
        }
    }
    let digits = |unit: &String| (4..=10).contains(&unit.len()) && unit.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(wrong) = options.merchant_serial_numbers.iter().find(|unit| !digits(unit)) {
        eprintln!("error: invalid value '{wrong}' for '--msn <MSN>': a Merchant Serial Number has 4 to 10 digits");
        return ExitCode::from(2);
    }
    options.profile = match arguments.profile {
        ProfileArgument::Current => Profile::Current,
        ProfileArgument::Seed => Profile::Seed,
    };
    options.market = match arguments.market {
        MarketArgument::No => Market::Norway,
        MarketArgument::Dk => Market::Denmark,
        MarketArgument::Fi => Market::Finland,
    };
    options.strict = arguments.strict;
    options.rate_limits = arguments.rate_limits;
    options.seed = arguments.seed;
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
