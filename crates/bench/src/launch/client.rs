//! Programs of a queue's, asked once: never waited for longer than a limit.

use std::io::{Read, Seek};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// A client that has not answered by then is taken to hang.
const LIMIT: Duration = Duration::from_secs(60);

/// Between two looks at a client.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What a client said.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// True if it ended with 0.
    pub(super) ok: bool,
    /// Its standard output.
    pub(super) out: String,
    /// Its standard error, or why there is none.
    pub(super) error: String,
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
pub(super) fn ask(program: &str, arguments: &[String]) -> Result<Answer> {
    let refused = |what: &dyn std::fmt::Display| Error::input(format!("{program}: {what}"));
    let files = tempfile::tempfile().and_then(|out| Ok((out, tempfile::tempfile()?)));
    let (mut out, mut error) = files.map_err(|error| refused(&error))?;
    // Files and not pipes: nobody has to read along, and what the client has started can't hold them open.
    let streams = out.try_clone().and_then(|out| Ok((out, error.try_clone()?)));
    let (to_out, to_error) = streams.map_err(|error| refused(&error))?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(to_out).stderr(to_error);
    let mut child = command.spawn().map_err(|error| refused(&error))?;
    let started = Instant::now();
    let status = loop {
        match child.try_wait().map_err(|error| refused(&error))? {
            Some(status) => break Some(status),
            None if started.elapsed() > LIMIT => {
                let _ = child.kill();
                let _ = child.wait();
                break None;
            }
            None => std::thread::sleep(LOOK_EVERY),
        }
    };
    let text = |file: &mut std::fs::File| {
        let mut bytes = Vec::new();
        let read = file.rewind().and_then(|()| file.read_to_end(&mut bytes));
        read.map_err(|error| refused(&error))?;
        Ok::<_, Error>(String::from_utf8_lossy(&bytes).trim().to_owned())
    };
    let (out, mut error) = (text(&mut out)?, text(&mut error)?);
    if status.is_none() {
        error = format!("no answer within {} s {error}", LIMIT.as_secs()).trim().to_owned();
    }
    Ok(Answer { ok: status.is_some_and(|status| status.success()), out, error })
}
