//! Programs of a queue's, asked once: never waited for longer than a limit.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// A client that has not answered by then is taken to hang.
const LIMIT: Duration = Duration::from_secs(60);

/// Between two looks at a client.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What a client said.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// True if it ended with 0.
    pub ok: bool,
    /// How it ended, if it did within the time that it had.
    pub how: Option<ExitStatus>,
    /// Its standard output.
    pub out: String,
    /// Its standard error, or why there is none.
    pub error: String,
}

/// True if `program` is on the path.
pub(super) fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| {
        let name = format!("{program}{}", std::env::consts::EXE_SUFFIX);
        folder.join(name).is_file()
    })
}

/// Runs `program` and gives what it said; a client that hangs is ended, and is not ok.
///
/// # Errors
/// [`Error::Input`] if it can't be started.
pub(crate) fn ask(program: &str, arguments: &[String]) -> Result<Answer> {
    run(Command::new(program).args(arguments), LIMIT)
        .map_err(|error| Error::input(format!("{program}: {error}")))
}

/// As [`ask`], of any command and within any time.
///
/// # Errors
/// What the system says if it can't be started.
pub(crate) fn run(command: &mut Command, limit: Duration) -> io::Result<Answer> {
    // Files and not pipes: nobody has to read along, and what the client has started can't hold them open.
    let (mut out, mut error) = (tempfile::tempfile()?, tempfile::tempfile()?);
    command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(error.try_clone()?);
    let mut child = command.spawn()?;
    let started = Instant::now();
    let how = loop {
        match child.try_wait()? {
            Some(status) => break Some(status),
            None if started.elapsed() > limit => {
                let _ = child.kill();
                let _ = child.wait();
                break None;
            }
            None => std::thread::sleep(LOOK_EVERY),
        }
    };
    let text = |file: &mut File| {
        let mut bytes = Vec::new();
        file.rewind().and_then(|()| file.read_to_end(&mut bytes))?;
        io::Result::Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
    };
    let (out, mut error) = (text(&mut out)?, text(&mut error)?);
    if how.is_none() {
        error = format!("no answer within {} s {error}", limit.as_secs_f64()).trim().to_owned();
    }
    Ok(Answer { ok: how.is_some_and(|status| status.success()), how, out, error })
}
