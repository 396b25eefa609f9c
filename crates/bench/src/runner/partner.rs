//! One process that speaks the protocol: greeted, asked, and dismissed when it does anything else than answer.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use models::FitError;
use serde_json::{Value as Json, json};

use super::frame::{self, Frame, Reply};
use super::{PROTOCOL, command};
use crate::process::{Process, Waited};
use crate::record::PROCESS_DIED;

/// Starting an interpreter and importing a library may take a while.
const START_LIMIT: Duration = Duration::from_secs(120);

/// What a reply without predictions may carry, in bytes: nothing that is read.
const UNREAD: u64 = 64 << 10;

/// A running process.
#[derive(Debug)]
pub(super) struct Partner {
    process: Process<Reply>,
    /// The longest payload that is an answer to the request at hand.
    most: Arc<AtomicU64>,
    can: Can,
}

/// What a program says of itself in its greeting, as `can`; what it doesn't say it can.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Can {
    /// The most classes that it can tell apart.
    classes: Option<u64>,
    /// Whether its predictions have probabilities.
    probabilities: Option<bool>,
}

/// How long a reply is waited for: each one, and all of a trial's together, with the moment from which that counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    pub(super) reply: Duration,
    pub(super) trial: Option<(Instant, Duration)>,
}

impl Patience {
    /// What is left now, and of which limit.
    fn left(&self) -> (Duration, Duration) {
        let of_trial = self.trial.map(|(began, all)| (all.saturating_sub(began.elapsed()), all));
        of_trial.filter(|(left, _)| *left < self.reply).unwrap_or((self.reply, self.reply))
    }
}

/// A request: header, payload, and the longest payload that its reply may have.
pub(super) struct Request {
    pub(super) header: Json,
    pub(super) payload: Vec<u8>,
    most: u64,
}

impl Request {
    /// One whose reply has no payload.
    pub(super) fn new(header: Json, payload: Vec<u8>) -> Request {
        Request { header, payload, most: UNREAD }
    }

    /// One whose reply is predictions.
    pub(super) fn for_predictions(
        header: Json,
        payload: Vec<u8>,
        rows: usize,
        classes: usize,
    ) -> Request {
        Request { header, payload, most: Frame::longest(rows, classes) }
    }
}

impl Partner {
    /// Starts and greets a process, which may use `memory_mib` of address space.
    pub(super) fn start(
        words: &[String],
        memory_mib: Option<u64>,
        stop: &AtomicBool,
    ) -> Result<Partner, FitError> {
        let shown = words.join(" ");
        let failed = |why: String| FitError::Failed(format!("runner {shown:?}: {why}"));
        let most = Arc::new(AtomicU64::new(UNREAD));
        let read_most = most.clone();
        let mut command = limited(command(words), memory_mib).map_err(failed)?;
        let process = Process::start(&mut command, move |output, replies| {
            frame::read_all(output, replies, &read_most);
        });
        let process = process.map_err(|error| failed(error.to_string()))?;
        let partner = Partner { process, most, can: Can::default() };
        let greeting = Request::new(json!({"op": "hello", "protocol": PROTOCOL}), Vec::new());
        let patience = Patience { reply: START_LIMIT, trial: None };
        let (partner, hello) = partner.ask(greeting, patience, stop);
        let hello = hello.map_err(|error| match error {
            // The machine's doing stays told from the program's by how the reason begins.
            FitError::Failed(why) if why.starts_with(PROCESS_DIED) => {
                FitError::Failed(format!("{why} (runner {shown:?})"))
            }
            FitError::Failed(why) => failed(without_prefix(&why)),
            FitError::TimedOut(why) => failed(why),
            other => other,
        })?;
        let can = greeted(&hello.header).map_err(failed)?;
        let partner = partner.ok_or_else(|| failed("it is gone".into()))?;
        Ok(Partner { can, ..partner })
    }

    /// Whether it can tell so many classes apart, as far as it says.
    pub(super) fn check(&self, classes: usize) -> Result<(), FitError> {
        match self.can.classes {
            Some(most) if most < classes as u64 => Err(FitError::Refused(format!(
                "its greeting says that it can tell {most} classes apart, the data has {classes}"
            ))),
            _ => Ok(()),
        }
    }

    /// Sends a request and waits for the reply. The process comes back if it can go on: it answered, be it by an error.
    pub(super) fn ask(
        mut self,
        request: Request,
        patience: Patience,
        stop: &AtomicBool,
    ) -> (Option<Partner>, Result<Frame, FitError>) {
        if self.process.unasked().is_some() {
            return (None, Err(self.misbehaved("it spoke without being asked".into())));
        }
        self.most.store(request.most, Ordering::Relaxed);
        // The payload, which may be large, is not copied.
        let parts = Frame::new(request.header, request.payload).parts();
        parts.into_iter().for_each(|part| self.process.send(part));
        let (left, limit) = patience.left();
        match self.process.wait(Some(left), stop) {
            Waited::Reply(Reply::Frame(frame)) => match frame.header.get("error") {
                // It can go on; the trial can't.
                Some(error) => {
                    let text = error.as_str().map_or_else(|| error.to_string(), str::to_owned);
                    (Some(self), Err(FitError::Failed(format!("{RUNNER}{text}"))))
                }
                None => (Some(self), Ok(frame)),
            },
            Waited::Reply(Reply::Rubbish(why)) => {
                (None, Err(self.misbehaved(format!("{RUNNER}no reply, but {why}"))))
            }
            Waited::Stopped => (None, Err(FitError::Stopped)),
            Waited::TimedOut => {
                let why = format!("no result within {} s", limit.as_secs_f64());
                (None, Err(FitError::TimedOut(self.with_last_words(why))))
            }
            Waited::Gone => {
                let why = format!("{PROCESS_DIED}: {}", self.process.last_words());
                (None, Err(FitError::Failed(why)))
            }
        }
    }

    /// Whether a reply has probabilities as the greeting said.
    pub(super) fn keeps_its_word(&self, reply: &Frame) -> Result<(), FitError> {
        match (self.can.probabilities, reply.has_probabilities()) {
            (Some(true), false) => Err(FitError::Failed(format!(
                "{RUNNER}no probabilities, which its greeting promised"
            ))),
            (Some(false), true) => Err(FitError::Failed(format!(
                "{RUNNER}probabilities, though its greeting said that it has none"
            ))),
            _ => Ok(()),
        }
    }

    /// Ends it, for what it did, and adds what it said on standard error.
    pub(super) fn misbehaved(self, why: String) -> FitError {
        FitError::Failed(self.with_last_words(why))
    }

    fn with_last_words(self, why: String) -> String {
        let said = self.process.dismiss();
        if said.is_empty() { why } else { format!("{why}: {said}") }
    }
}

/// How the reason of a failed trial begins.
const RUNNER: &str = "runner: ";

/// Beside the command's name, which says as much.
fn without_prefix(why: &str) -> String {
    why.strip_prefix(RUNNER).unwrap_or(why).to_owned()
}

/// A greeting must have the protocol's version, the model's, and sound claims.
fn greeted(header: &Json) -> Result<Can, String> {
    match header.get("protocol").and_then(Json::as_u64) {
        Some(PROTOCOL) => {}
        Some(other) => {
            return Err(format!(
                "it speaks version {other} of the runner protocol, this program version {PROTOCOL}"
            ));
        }
        None => return Err(format!("its greeting has no protocol: {header}")),
    }
    if !header.get("version").is_some_and(Json::is_string) {
        return Err("its greeting has no version, as text".into());
    }
    let Some(can) = header.get("can") else { return Ok(Can::default()) };
    let unsound = || {
        format!(
            "its greeting has can = {can}, expected {{\"classes\": whole number, \"probabilities\": true or false}}"
        )
    };
    let fields = can.as_object().ok_or_else(unsound)?;
    let classes = fields.get("classes").map(|c| c.as_u64().ok_or_else(unsound)).transpose()?;
    let probabilities = fields.get("probabilities");
    let probabilities = probabilities.map(|p| p.as_bool().ok_or_else(unsound)).transpose()?;
    Ok(Can { classes, probabilities })
}

/// `command` with a limit on its address space, and on that of all that it starts.
#[cfg(unix)]
fn limited(command: Command, memory_mib: Option<u64>) -> Result<Command, String> {
    let Some(mib) = memory_mib else { return Ok(command) };
    let mut shell = Command::new("sh");
    // The shell gives its limits to the program that takes its place.
    shell.args(["-c", "ulimit -v \"$0\" && exec \"$@\"", &(mib << 10).to_string()]);
    shell.arg(command.get_program()).args(command.get_args());
    Ok(shell)
}

#[cfg(not(unix))]
fn limited(command: Command, memory_mib: Option<u64>) -> Result<Command, String> {
    match memory_mib {
        Some(_) => Err("this system has no limit on memory, leave it out".into()),
        None => Ok(command),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_is_checked() {
        let can = |more: &str| {
            let text = format!("{{\"protocol\": 1, \"version\": \"1\"{more}}}");
            greeted(&serde_json::from_str(&text).expect("JSON"))
        };
        assert_eq!(can(""), Ok(Can::default()));
        assert_eq!(
            can(", \"can\": {\"classes\": 2, \"probabilities\": false}"),
            Ok(Can { classes: Some(2), probabilities: Some(false) })
        );
        assert!(can(", \"can\": {\"classes\": \"two\"}").is_err());
        assert!(can(", \"can\": 2").is_err());
        assert!(greeted(&json!({"protocol": 1})).is_err());
        assert!(greeted(&json!({"version": "1"})).is_err());
    }

    #[test]
    fn a_trial_has_one_limit_for_all_of_its_replies() {
        let reply = Duration::from_secs(10);
        let (left, limit) = Patience { reply, trial: None }.left();
        assert_eq!((left, limit), (reply, reply));
        let whole = Duration::from_secs(5);
        let began = Instant::now() - Duration::from_secs(4);
        let (left, limit) = Patience { reply, trial: Some((began, whole)) }.left();
        assert_eq!(limit, whole);
        assert!(left <= Duration::from_secs(1), "{left:?} of a trial that has run for four");
    }
}
