//! `kind = "runner"`: a model in any language, as a process that stays for all trials of its worker (FORMAT.md).
//!
//! The process gets training rows and labels, then rows to predict; the labels of those never leave the harness. One
//! that dies, hangs or talks rubbish costs its trial, and the next one gets a new process.

mod frame;
mod partner;
mod version;

use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use models::{
    Classifier, Cost, Default, Domain, Features, Fit, FitContext, FitError, FittedClassifier, Kind,
    Param, Predictions, SettingError, Settings, Shape, TrainingSet, Value,
};
use serde_json::{Value as Json, json};

use crate::workspace::find_upwards;
use partner::{Partner, Patience, Request};

pub use version::ask as ask_version;

/// The version of the protocol.
pub const PROTOCOL: u64 = 1;

/// The kind's name.
pub const NAME: &str = "runner";

/// Where the harness keeps what the version command said.
pub const FOUND_VERSION: &str = "found_version";

/// `kind = "runner"`.
pub static KINDS: &[Kind] = &[Kind::new(
    NAME,
    "a program of yours, in any language, that speaks the runner protocol (FORMAT.md)",
    &[
        Param {
            name: "command",
            domain: Domain::Texts,
            default: Default::Unset,
            doc: "the program and its arguments; required",
        },
        Param {
            name: "version",
            domain: Domain::Texts,
            default: Default::Unset,
            doc: "a command that prints the model's version, which becomes part of what identifies results; required",
        },
        Param {
            name: "params",
            domain: Domain::Json,
            default: Default::Text("{}"),
            doc: "a table of settings for the program, as it understands them",
        },
        Param {
            name: "seconds",
            domain: Domain::Float { min: 0.001, max: 1e9, open_min: false },
            default: Default::Float(3600.0),
            doc: "how long a reply may take before the trial counts as `timeout`; the experiment's limit is on all of a trial's together",
        },
        Param {
            name: FOUND_VERSION,
            domain: Domain::Text,
            default: Default::Unset,
            doc: "what the version command said; filled in by the harness",
        },
    ],
    build,
)];

fn build(settings: &Settings) -> Result<Box<dyn Classifier>, SettingError> {
    let command = texts(settings, "command");
    for key in ["command", "version"] {
        if texts(settings, key).first().is_none_or(String::is_empty) {
            return Err(SettingError::Conflict(format!(
                "`{key}` is missing: expected a list such as [\"python3\", \"my_runner.py\"]"
            )));
        }
    }
    let params = settings.text("params").unwrap_or("{}");
    let params = serde_json::from_str(params)
        .map_err(|error| SettingError::Conflict(format!("`params`: {error}")))?;
    let patience = Duration::from_secs_f64(settings.float("seconds").unwrap_or(3600.0));
    let (limits, idle) = (Mutex::default(), Arc::default());
    Ok(Box::new(Runner { command, params, patience, limits, idle }))
}

/// A list of strings; empty if unset.
pub(crate) fn texts(settings: &Settings, key: &str) -> Vec<String> {
    let Some(Value::List(items)) = settings.get(key) else { return Vec::new() };
    let text = |item: &Value| match item {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    };
    items.iter().filter_map(text).collect()
}

/// A command whose arguments may name files of the repository from wherever it is typed.
fn command(words: &[String]) -> Command {
    let mut words = words.iter().map(|word| {
        let path = word.contains(['/', '\\']).then(|| find_upwards(word)).flatten();
        path.map_or_else(|| word.into(), std::path::PathBuf::into_os_string)
    });
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words);
    command
}

#[derive(Debug)]
struct Runner {
    command: Vec<String>,
    params: Json,
    /// How long a reply may take.
    patience: Duration,
    limits: Mutex<Limits>,
    /// Processes that wait for a trial: as many as ever ran side by side.
    idle: Idle,
}

type Idle = Arc<Mutex<Vec<Partner>>>;

/// The experiment's own limits.
#[derive(Clone, Copy, Debug, Default)]
struct Limits {
    trial: Option<Duration>,
    memory_mib: Option<u64>,
}

impl Runner {
    fn limits(&self) -> Limits {
        *self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self, stop: &AtomicBool) -> Result<Partner, FitError> {
        Partner::start(&self.command, self.limits().memory_mib, stop)
    }
}

fn rest(idle: &Idle, partner: Option<Partner>) {
    idle.lock().unwrap_or_else(PoisonError::into_inner).extend(partner);
}

impl Classifier for Runner {
    fn check(&self, _: Shape, classes: usize) -> Result<(), FitError> {
        let partner = self.start(&AtomicBool::new(false))?;
        partner.check(classes)?;
        rest(&self.idle, Some(partner));
        Ok(())
    }

    fn set_time_limit(&self, limit: Duration) {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner).trial = Some(limit);
    }

    fn set_memory_limit(&self, mib: u64) {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner).memory_mib = Some(mib);
    }

    fn fit(&self, train: &TrainingSet<'_>, context: &FitContext<'_>) -> Result<Fit, FitError> {
        let waiting = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let partner = match waiting {
            Some(partner) => partner,
            None => self.start(context.stop)?,
        };
        let trial = self.limits().trial.map(|limit| (Instant::now(), limit));
        let patience = Patience { reply: self.patience, trial };
        let (partner, reply) = partner.ask(self.request(train, context), patience, context.stop);
        let reply = match reply {
            Ok(reply) => reply,
            Err(error) => {
                rest(&self.idle, partner);
                return Err(error);
            }
        };
        let cost = |(fit, fit_cpu)| Cost { fit, fit_cpu, predict: 0.0, predict_cpu: 0.0 };
        Ok(Fit {
            steps: reply.header.get("steps").and_then(Json::as_u64),
            model: Box::new(Fitted {
                partner: Mutex::new(partner),
                idle: self.idle.clone(),
                classes: train.classes(),
                patience,
                cost: Mutex::new(reply.seconds().map(cost)),
            }),
        })
    }
}

impl Runner {
    /// To learn from `train`.
    fn request(&self, train: &TrainingSet<'_>, context: &FitContext<'_>) -> Request {
        let features = train.features();
        let shape = features.shape();
        let header = json!({
            "op": "fit",
            "seed": context.seed,
            "rows": features.rows(),
            "columns": features.columns(),
            "shape": [shape.height, shape.width, shape.channels],
            "classes": train.classes(),
            "params": self.params,
        });
        let mut payload = frame::floats(features.values());
        payload.extend(train.labels().iter().flat_map(|label| label.to_le_bytes()));
        Request::new(header, payload)
    }
}

/// A process that has learnt. It goes back to the others when this is dropped.
#[derive(Debug)]
struct Fitted {
    partner: Mutex<Option<Partner>>,
    idle: Idle,
    classes: usize,
    patience: Patience,
    cost: Mutex<Option<Cost>>,
}

impl FittedClassifier for Fitted {
    fn predict(&self, features: &Features<'_>) -> Result<Predictions, FitError> {
        let mut place = self.partner.lock().unwrap_or_else(PoisonError::into_inner);
        let partner =
            place.take().ok_or_else(|| FitError::Failed("runner: its process is gone".into()))?;
        let (rows, classes) = (features.rows(), self.classes);
        let header = json!({"op": "predict", "rows": rows, "columns": features.columns()});
        let payload = frame::floats(features.values());
        let request = Request::for_predictions(header, payload, rows, classes);
        let (partner, reply) = partner.ask(request, self.patience, &AtomicBool::new(false));
        let (partner, reply) = match (partner, reply) {
            (Some(partner), Ok(reply)) => (partner, reply),
            (partner, reply) => {
                *place = partner;
                return reply.and(Err(FitError::Failed("runner: its process is gone".into())));
            }
        };
        if let (Some((wall, cpu)), Some(cost)) =
            (reply.seconds(), &mut *self.cost.lock().unwrap_or_else(PoisonError::into_inner))
        {
            (cost.predict, cost.predict_cpu) = (wall, cpu);
        }
        let predictions =
            partner.keeps_its_word(&reply).and_then(|()| reply.predictions(rows, classes));
        match predictions {
            // It broke the protocol: what it would say next is not to be trusted.
            Err(FitError::Failed(why)) => Err(partner.misbehaved(why)),
            other => {
                *place = Some(partner);
                other
            }
        }
    }

    fn cost(&self) -> Option<Cost> {
        *self.cost.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Fitted {
    fn drop(&mut self) {
        let partner = self.partner.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        rest(&self.idle, partner);
    }
}
