//! `kind = "runner"`: a model in any language, as a process that stays for all trials of its worker (FORMAT.md).
//!
//! The process gets training rows and labels, then rows to predict; the labels of those never leave the harness. One
//! that dies, hangs or talks rubbish costs its trial, and the next one gets a new process.

mod frame;
mod version;

use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use models::{
    Classifier, Cost, Default, Domain, Features, Fit, FitContext, FitError, FittedClassifier, Kind,
    Param, Predictions, SettingError, Settings, Shape, TrainingSet, Value,
};
use serde_json::{Value as Json, json};

use crate::process::{Process, Waited};
use crate::record::PROCESS_DIED;
use crate::workspace::find_upwards;
use frame::{Frame, Reply};

pub use version::ask as ask_version;

/// The version of the protocol.
pub const PROTOCOL: u64 = 1;

/// The kind's name.
pub const NAME: &str = "runner";

/// Where the harness keeps what the version command said.
pub const FOUND_VERSION: &str = "found_version";

/// Starting an interpreter and importing a library may take a while.
const START_LIMIT: Duration = Duration::from_secs(120);

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
            doc: "how long a reply may take before the trial counts as `timeout`",
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
    let seconds = settings.float("seconds").unwrap_or(3600.0);
    let limit = Duration::from_secs_f64(seconds);
    Ok(Box::new(Runner { command, params, limit: Mutex::new(limit), idle: Arc::default() }))
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

type Running = Process<Reply>;

#[derive(Debug)]
struct Runner {
    command: Vec<String>,
    params: Json,
    limit: Mutex<Duration>,
    /// Processes that wait for a trial: as many as ever ran side by side.
    idle: Arc<Mutex<Vec<Running>>>,
}

impl Runner {
    fn start(&self, stop: &AtomicBool) -> Result<Running, FitError> {
        let shown = self.command.join(" ");
        let failed = |why: String| FitError::Failed(format!("runner {shown:?}: {why}"));
        let process = Process::start(&mut command(&self.command), frame::read_all)
            .map_err(|error| failed(error.to_string()))?;
        send(&process, json!({"op": "hello", "protocol": PROTOCOL}), Vec::new());
        let (process, hello) = answer(process, START_LIMIT, stop)?;
        match hello.header.get("protocol").and_then(Json::as_u64) {
            Some(PROTOCOL) if hello.header.get("version").is_some_and(Json::is_string) => {
                Ok(process)
            }
            Some(PROTOCOL) => Err(failed("its greeting has no version, as text".into())),
            Some(other) => Err(failed(format!(
                "it speaks version {other} of the runner protocol, this program version {PROTOCOL}"
            ))),
            None => Err(failed(format!("its greeting has no protocol: {}", hello.header))),
        }
    }

    fn limit(&self) -> Duration {
        *self.limit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends a request; the payload, which may be large, is not copied.
fn send(process: &Running, header: Json, payload: Vec<u8>) {
    Frame::new(header, payload).parts().into_iter().for_each(|part| process.send(part));
}

/// The reply to what was just sent, with the process it came from.
fn answer(
    process: Running,
    limit: Duration,
    stop: &AtomicBool,
) -> Result<(Running, Frame), FitError> {
    match process.wait(Some(limit), stop) {
        Waited::Reply(Reply::Frame(frame)) => match frame.header.get("error") {
            // It can go on; the trial can't.
            Some(error) => {
                let text = error.as_str().map_or_else(|| error.to_string(), str::to_owned);
                Err(FitError::Failed(format!("runner: {text}")))
            }
            None => Ok((process, frame)),
        },
        Waited::Reply(Reply::Rubbish(why)) => {
            Err(FitError::Failed(format!("runner: no reply, but {why}")))
        }
        Waited::Stopped => Err(FitError::Stopped),
        Waited::TimedOut => {
            Err(FitError::TimedOut(format!("no result within {} s", limit.as_secs_f64())))
        }
        Waited::Gone => Err(FitError::Failed(format!("{PROCESS_DIED}: {}", process.last_words()))),
    }
}

impl Classifier for Runner {
    fn check(&self, _: Shape, _: usize) -> Result<(), FitError> {
        let process = self.start(&AtomicBool::new(false))?;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(process);
        Ok(())
    }

    fn set_time_limit(&self, limit: Duration) {
        let mut own = self.limit.lock().unwrap_or_else(PoisonError::into_inner);
        *own = limit.min(*own);
    }

    fn fit(&self, train: &TrainingSet<'_>, context: &FitContext<'_>) -> Result<Fit, FitError> {
        let waiting = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let process = match waiting {
            Some(process) => process,
            None => self.start(context.stop)?,
        };
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
        send(&process, header, payload);
        let (process, reply) = answer(process, self.limit(), context.stop)?;
        let seconds = reply.seconds();
        Ok(Fit {
            steps: reply.header.get("steps").and_then(Json::as_u64),
            model: Box::new(Fitted {
                process: Mutex::new(Some(process)),
                idle: self.idle.clone(),
                classes: train.classes(),
                limit: self.limit(),
                cost: Mutex::new(seconds.map(|(fit, fit_cpu)| Cost {
                    fit,
                    fit_cpu,
                    predict: 0.0,
                    predict_cpu: 0.0,
                })),
            }),
        })
    }
}

/// A process that has learnt. It goes back to the others when this is dropped.
#[derive(Debug)]
struct Fitted {
    process: Mutex<Option<Running>>,
    idle: Arc<Mutex<Vec<Running>>>,
    classes: usize,
    limit: Duration,
    cost: Mutex<Option<Cost>>,
}

impl FittedClassifier for Fitted {
    fn predict(&self, features: &Features<'_>) -> Result<Predictions, FitError> {
        let mut place = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        let process =
            place.take().ok_or_else(|| FitError::Failed("runner: its process is gone".into()))?;
        let header =
            json!({"op": "predict", "rows": features.rows(), "columns": features.columns()});
        send(&process, header, frame::floats(features.values()));
        let (process, reply) = answer(process, self.limit, &AtomicBool::new(false))?;
        if let (Some((wall, cpu)), Some(cost)) =
            (reply.seconds(), &mut *self.cost.lock().unwrap_or_else(PoisonError::into_inner))
        {
            (cost.predict, cost.predict_cpu) = (wall, cpu);
        }
        let predictions = reply.predictions(features.rows(), self.classes)?;
        *place = Some(process);
        Ok(predictions)
    }

    fn cost(&self) -> Option<Cost> {
        *self.cost.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Fitted {
    fn drop(&mut self) {
        let process = self.process.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.extend(process);
    }
}
