//! A long-lived child process that is asked and answers: its output read by a thread, its last words on standard error
//! kept, killed and reaped when dropped.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two looks at the stop flag.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// So many lines of standard error are kept.
const LAST_LINES: usize = 5;

/// How long a process that has closed its output may take to end by itself.
const PARTING: Duration = Duration::from_secs(2);

/// Set once the user has interrupted this program: whoever waits for a process gives up.
pub static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// A running process whose replies are of type `T`.
#[derive(Debug)]
pub struct Process<T> {
    child: Child,
    input: Option<Sender<Vec<u8>>>,
    replies: Receiver<T>,
    errors: Arc<Mutex<VecDeque<String>>>,
    threads: Vec<JoinHandle<()>>,
}

/// What waiting for a reply came to.
#[derive(Debug)]
pub enum Waited<T> {
    /// It answered.
    Reply(T),
    /// The stop flag was set.
    Stopped,
    /// The limit passed.
    TimedOut,
    /// It closed its output, or ended.
    Gone,
}

impl<T: Send + 'static> Process<T> {
    /// Starts `command`; `read` turns its standard output into replies, until there are no more.
    ///
    /// # Errors
    /// What the system says.
    pub fn start(
        command: &mut Command,
        read: impl FnOnce(ChildStdout, Sender<T>) + Send + 'static,
    ) -> io::Result<Self> {
        // An interrupt from the terminal reaches a whole process group: this program decides what becomes of its
        // children.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(command, 0);
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn()?;
        let streams = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(mut stdin), Some(stdout), Some(stderr)) = streams else {
            return Err(io::Error::other("it has no standard streams"));
        };
        let (input, requests) = channel::<Vec<u8>>();
        let (sender, replies) = channel();
        let errors = Arc::new(Mutex::new(VecDeque::new()));
        let kept = errors.clone();
        let threads = vec![
            // A process that doesn't read would block whoever writes to it.
            std::thread::spawn(move || {
                for bytes in requests {
                    if stdin.write_all(&bytes).and_then(|()| stdin.flush()).is_err() {
                        break;
                    }
                }
            }),
            std::thread::spawn(move || read(stdout, sender)),
            std::thread::spawn(move || each_line(stderr, |line| remember(&kept, line))),
        ];
        Ok(Process { child, input: Some(input), replies, errors, threads })
    }

    /// Sends `bytes`; whether they arrive shows in the reply.
    pub fn send(&self, bytes: Vec<u8>) {
        if let Some(input) = &self.input {
            let _ = input.send(bytes);
        }
    }

    /// Waits for a reply, at most `limit`, or until `stop` is set.
    pub fn wait(&self, limit: Option<Duration>, stop: &AtomicBool) -> Waited<T> {
        let started = Instant::now();
        loop {
            let left = limit.map(|limit| limit.saturating_sub(started.elapsed()));
            match self.replies.recv_timeout(left.map_or(LOOK_EVERY, |left| left.min(LOOK_EVERY))) {
                Ok(reply) => return Waited::Reply(reply),
                Err(RecvTimeoutError::Disconnected) => return Waited::Gone,
                Err(RecvTimeoutError::Timeout)
                    if stop.load(Ordering::Relaxed) || INTERRUPTED.load(Ordering::Relaxed) =>
                {
                    return Waited::Stopped;
                }
                Err(RecvTimeoutError::Timeout) if left.is_some_and(|left| left.is_zero()) => {
                    return Waited::TimedOut;
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Ends it, and says how it ended and the last it said on standard error.
    pub fn last_words(mut self) -> String {
        self.input = None;
        let how = self.part();
        self.threads.drain(..).for_each(|thread| drop(thread.join()));
        let errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        let said: Vec<String> =
            errors.iter().map(|line| without_numbers_of_threads(line)).collect();
        if said.is_empty() { how } else { format!("{how}: {}", said.join(" ")) }
    }

    /// Waits a moment for its own end, so that this and not our kill is what it is remembered by.
    fn part(&mut self) -> String {
        let started = Instant::now();
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return describe(&status),
                Ok(None) if started.elapsed() < PARTING => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Ok(None) => {
                    let _ = self.child.kill();
                    let _ = self.child.wait();
                    return "it closed its output and had to be killed".into();
                }
                Err(error) => return error.to_string(),
            }
        }
    }
}

impl<T> Drop for Process<T> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Hands over a stream's lines, without their ends.
pub fn each_line(stream: impl Read, mut take: impl FnMut(String)) {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        take(String::from_utf8_lossy(&line).trim_end().to_owned());
        line.clear();
    }
}

fn remember(errors: &Mutex<VecDeque<String>>, line: String) {
    let trimmed = line.trim_start();
    // Backtraces say where, not what, and depend on the build.
    let backtrace = trimmed.starts_with(|c: char| c.is_ascii_digit()) || trimmed.starts_with("at ");
    let noise = ["stack backtrace:", "note:"].iter().any(|start| trimmed.starts_with(start));
    if trimmed.is_empty() || backtrace || noise {
        return;
    }
    let mut errors = errors.lock().unwrap_or_else(PoisonError::into_inner);
    if errors.len() == LAST_LINES {
        errors.pop_front();
    }
    errors.push_back(line);
}

/// The runtime's messages name threads as `'main' (4711)`; the number is another on every run.
fn without_numbers_of_threads(line: &str) -> String {
    let number = |word: &&str| {
        let inner = word.strip_prefix('(').and_then(|word| word.strip_suffix(')'));
        inner.is_some_and(|inner| !inner.is_empty() && inner.bytes().all(|b| b.is_ascii_digit()))
    };
    line.split_whitespace().filter(|word| !number(word)).collect::<Vec<_>>().join(" ")
}

#[cfg(unix)]
fn describe(status: &ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match status.signal() {
        Some(signal) => format!("signal {signal}"),
        None => status.to_string(),
    }
}

#[cfg(not(unix))]
fn describe(status: &ExitStatus) -> String {
    status.to_string()
}
