//! Runs a claim over random input: the same input every time, so that what fails in CI
//! fails here too.

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};

/// Where the random input begins.
const SEED: u64 = 0x5649_5050_5321;
/// How often a failing input is made smaller.
const SHRINKS: u32 = 200;

/// Checks a claim for so many inputs; a failure shows the smallest input that was found.
pub(crate) fn holds<S: Strategy>(cases: u32, input: S, claim: impl AsyncFn(S::Value) -> Result<(), String>) {
    let config = Config {
        cases,
        rng_seed: RngSeed::Fixed(SEED),
        failure_persistence: None,
        max_shrink_iters: SHRINKS,
        ..Config::default()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let check = |input| runtime.block_on(claim(input)).map_err(TestCaseError::fail);
    match TestRunner::new(config).run(&input, check) {
        Ok(()) => {}
        Err(TestError::Fail(why, input)) => panic!("{why}\nafter {input:?}"),
        Err(TestError::Abort(why)) => panic!("no input can be made: {why}"),
    }
}

/// What is claimed to be equal, with a name for it.
pub(crate) fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: T, wanted: T) -> Result<(), String> {
    if found == wanted { Ok(()) } else { Err(format!("{what}: found {found:?}, wanted {wanted:?}")) }
}
