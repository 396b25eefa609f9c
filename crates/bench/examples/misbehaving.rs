//! The whole command line with models that no harness likes to meet: they never end, abort, overflow their stack or
//! take all memory. The tests of isolation run it; it is also how a program adds kinds of its own.
//!
//! ```text
//! cargo run -p bench --example misbehaving -- sweep my.toml --time-limit 2
//! ```

use std::process::ExitCode;
use std::time::Duration;

use models::{
    Classifier, Default, Domain, Features, Fit, FitContext, FitError, FittedClassifier, Kind,
    Param, Predictions, SettingError, Settings, TrainingSet,
};

fn main() -> ExitCode {
    bench::app::run(KINDS)
}

static KINDS: &[Kind] = &[
    kind("endless", |s| build(Does::NeverEnds, s)),
    kind("aborts", |s| build(Does::Aborts, s)),
    kind("overflows", |s| build(Does::OverflowsItsStack, s)),
    kind("hoards", |s| build(Does::TakesAllMemory, s)),
    kind("panics", |s| build(Does::Panics, s)),
    kind("exits", |s| build(Does::Exits, s)),
    kind("sleeps", |s| build(Does::Sleeps, s)),
];

const fn kind(
    name: &'static str,
    build: fn(&Settings) -> Result<Box<dyn Classifier>, SettingError>,
) -> Kind {
    Kind::new(name, "misbehaves at one size, and says 0", &PARAMS, build)
}

const PARAMS: [Param; 2] = [
    Param {
        name: "at",
        domain: Domain::Int { min: 1, max: 1_000_000 },
        default: Default::Int(20),
        doc: "the training-set size at which it misbehaves",
    },
    Param {
        name: "milliseconds",
        domain: Domain::Int { min: 0, max: 1_000_000 },
        default: Default::Int(0),
        doc: "what a fit takes at every other size",
    },
];

fn build(does: Does, settings: &Settings) -> Result<Box<dyn Classifier>, SettingError> {
    let whole = |name| settings.int(name).unwrap_or(0) as u64;
    Ok(Box::new(Mock {
        does,
        at: whole("at") as usize,
        pause: Duration::from_millis(whole("milliseconds")),
    }))
}

#[derive(Clone, Copy, Debug)]
enum Does {
    NeverEnds,
    Aborts,
    OverflowsItsStack,
    TakesAllMemory,
    Panics,
    Exits,
    Sleeps,
}

#[derive(Debug)]
struct Mock {
    does: Does,
    at: usize,
    pause: Duration,
}

impl Classifier for Mock {
    fn fit(&self, train: &TrainingSet<'_>, _: &FitContext<'_>) -> Result<Fit, FitError> {
        std::thread::sleep(self.pause);
        if train.rows() == self.at {
            match self.does {
                Does::NeverEnds => loop {
                    std::thread::sleep(Duration::from_millis(10));
                },
                Does::Aborts => std::process::abort(),
                Does::OverflowsItsStack => drop(std::hint::black_box(deep(1))),
                Does::TakesAllMemory => take_all_memory(),
                Does::Panics => panic!("as asked"),
                Does::Exits => std::process::exit(7),
                Does::Sleeps => {}
            }
        }
        Ok(Fit::new(SaysZero))
    }
}

#[expect(unconditional_recursion, reason = "that is what it is for")]
fn deep(n: u64) -> u64 {
    let frame = std::hint::black_box([n; 64]);
    frame[0] + deep(n + 1) + frame[63]
}

fn take_all_memory() {
    let mut kept: Vec<Vec<u8>> = Vec::new();
    loop {
        kept.push(std::hint::black_box(vec![1; 16 << 20]));
    }
}

struct SaysZero;

impl FittedClassifier for SaysZero {
    fn predict(&self, features: &Features<'_>) -> Result<Predictions, FitError> {
        Ok(Predictions::labels(vec![0; features.rows()]))
    }
}
