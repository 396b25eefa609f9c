//! The version of a program, asked before anything is measured with it.

use std::io::Read;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// A version command that takes longer is not answering.
const LIMIT: Duration = Duration::from_secs(30);

/// Longest version that is kept.
const LONGEST: usize = 200;

/// What the command `words` prints, as one line.
///
/// # Errors
/// In words that name the command, if it can't be run, fails, or says nothing.
pub fn ask(words: &[String]) -> Result<String, String> {
    let shown = words.join(" ");
    let failed = |why: String| format!("version command {shown:?}: {why}");
    let mut child = super::command(words)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    let started = Instant::now();
    let status = loop {
        match child.try_wait().map_err(|error| failed(error.to_string()))? {
            Some(status) => break status,
            None if started.elapsed() > LIMIT => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(failed(format!("no answer within {} s", LIMIT.as_secs())));
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    let said = |stream: Option<&mut dyn Read>| {
        let mut text = Vec::new();
        let _ = stream.map(|stream| stream.take(4096).read_to_end(&mut text));
        let text = String::from_utf8_lossy(&text).split_whitespace().collect::<Vec<_>>().join(" ");
        text.chars().take(LONGEST).collect::<String>()
    };
    let output = said(child.stdout.as_mut().map(|s| s as &mut dyn Read));
    let errors = said(child.stderr.as_mut().map(|s| s as &mut dyn Read));
    if !status.success() {
        return Err(failed(format!("{status}: {errors}")));
    }
    // Some programs tell their version on standard error.
    match [output, errors].into_iter().find(|text| !text.is_empty()) {
        Some(version) => Ok(version),
        None => Err(failed("it says nothing; without a version nothing is measured".into())),
    }
}
