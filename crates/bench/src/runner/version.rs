//! The version of a program, asked before anything is measured with it.

use std::io::{self, Read};
use std::process::Stdio;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::process::{INTERRUPTED, kill_group, lead_a_group, wait_for};

/// A version command that takes longer is not answering.
const LIMIT: Duration = Duration::from_secs(30);

/// How long the streams of one that has ended are listened to.
const LISTENING: Duration = Duration::from_secs(1);

/// Longest version that is kept, in characters.
const LONGEST: usize = 200;

/// So many bytes of a stream are kept; the rest is read, so that nobody waits for it, and dropped.
const KEPT: u64 = 4096;

/// What the command `words` prints, as one line.
///
/// # Errors
/// In words that name the command, if it can't be run, fails, or says nothing.
pub fn ask(words: &[String]) -> Result<String, String> {
    let shown = words.join(" ");
    let failed = |why: String| format!("version command {shown:?}: {why}");
    let mut command = super::command(words);
    lead_a_group(&mut command);
    let piped = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().map_err(|error| failed(error.to_string()))?;
    let output = child.stdout.take().map(Heard::new);
    let errors = child.stderr.take().map(Heard::new);
    let started = Instant::now();
    let ended = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Ok(status),
            Err(error) => break Err(error.to_string()),
            Ok(None) if INTERRUPTED.load(Ordering::Relaxed) => break Err("interrupted".into()),
            Ok(None) if started.elapsed() > LIMIT => {
                break Err(format!("no answer within {} s", LIMIT.as_secs()));
            }
            Ok(None) => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    kill_group(&mut child);
    let _ = child.wait();
    let status = ended.map_err(failed)?;
    let (output, errors) =
        (output.map(Heard::text).unwrap_or_default(), errors.map(Heard::text).unwrap_or_default());
    if !status.success() {
        return Err(failed(format!("{status}: {errors}")));
    }
    // Some programs tell their version on standard error.
    match [output, errors].into_iter().find(|text| !text.is_empty()) {
        Some(version) => Ok(version),
        None => Err(failed("it says nothing; without a version nothing is measured".into())),
    }
}

/// What comes out of a stream, read by a thread.
struct Heard {
    bytes: Arc<Mutex<Vec<u8>>>,
    thread: JoinHandle<()>,
}

impl Heard {
    fn new(mut stream: impl Read + Send + 'static) -> Heard {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let kept = bytes.clone();
        let thread = std::thread::spawn(move || {
            let mut first = Vec::new();
            let _ = stream.by_ref().take(KEPT).read_to_end(&mut first);
            *kept.lock().unwrap_or_else(PoisonError::into_inner) = first;
            let _ = io::copy(&mut stream, &mut io::sink());
        });
        Heard { bytes, thread }
    }

    fn text(self) -> String {
        wait_for(&self.thread, LISTENING);
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&bytes);
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        line.chars().take(LONGEST).collect()
    }
}
