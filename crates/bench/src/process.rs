//! A long-lived child process that is asked and answers: its output read by a thread, its last words on standard error
//! kept, killed with all that it started and reaped when dropped.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two looks at the stop flag.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// So many lines of standard error are kept.
const LAST_LINES: usize = 5;

/// So much of a line of standard error is kept, in bytes.
const LONGEST_LINE: usize = 64 << 10;

/// Replies that may wait to be taken: whoever says more must wait to be heard.
const QUEUE: usize = 2;

/// How long a process that has closed its output may take to end by itself.
const PARTING: Duration = Duration::from_secs(2);

/// How long the last words of a process that has ended are listened for. Some descendant of it may hold the stream
/// open for ever.
const LISTENING: Duration = Duration::from_millis(500);

/// Set once the user has interrupted this program: whoever waits for a process gives up.
pub static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// A running process whose replies are of type `T`, at the head of a group of its own: what it started ends with it.
#[derive(Debug)]
pub struct Process<T> {
    child: Child,
    input: Option<Sender<Vec<u8>>>,
    replies: Receiver<T>,
    errors: Arc<Mutex<VecDeque<String>>>,
    listener: JoinHandle<()>,
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
        read: impl FnOnce(ChildStdout, SyncSender<T>) + Send + 'static,
    ) -> io::Result<Self> {
        lead_a_group(command);
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn()?;
        let streams = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(mut stdin), Some(stdout), Some(stderr)) = streams else {
            return Err(io::Error::other("it has no standard streams"));
        };
        let (input, requests) = channel::<Vec<u8>>();
        let (sender, replies) = sync_channel(QUEUE);
        let errors = Arc::new(Mutex::new(VecDeque::new()));
        let kept = errors.clone();
        // A process that doesn't read would block whoever writes to it. Nobody waits for this thread, nor for the
        // reader's: they end when the pipes do.
        std::thread::spawn(move || {
            for bytes in requests {
                if stdin.write_all(&bytes).and_then(|()| stdin.flush()).is_err() {
                    break;
                }
            }
        });
        std::thread::spawn(move || read(stdout, sender));
        let listener = std::thread::spawn(move || {
            each_line(stderr, LONGEST_LINE, |line| remember(&kept, line))
        });
        Ok(Process { child, input: Some(input), replies, errors, listener })
    }

    /// Sends `bytes`; whether they arrive shows in the reply.
    pub fn send(&self, bytes: Vec<u8>) {
        if let Some(input) = &self.input {
            let _ = input.send(bytes);
        }
    }

    /// What it said without having been asked, if it did.
    pub fn unasked(&self) -> Option<T> {
        self.replies.try_recv().ok()
    }

    /// Waits for a reply, at most `limit`, or until `stop` is set.
    pub fn wait(&mut self, limit: Option<Duration>, stop: &AtomicBool) -> Waited<T> {
        let started = Instant::now();
        let mut ended = false;
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
                // What it started may hold its output open for ever: it has had time to say the last of it.
                Err(RecvTimeoutError::Timeout) if ended => return Waited::Gone,
                Err(RecvTimeoutError::Timeout) => {
                    ended = self.child.try_wait().is_ok_and(|status| status.is_some());
                }
            }
        }
    }

    /// Says how it ended, for which it gets a moment, and the last it said on standard error.
    pub fn last_words(mut self) -> String {
        self.input = None;
        let how = self.part();
        let said = self.dismiss();
        if said.is_empty() { how } else { format!("{how}: {said}") }
    }

    /// Ends it at once, and gives the last it said on standard error; empty if it said nothing.
    pub fn dismiss(mut self) -> String {
        self.end();
        wait_for(&self.listener, LISTENING);
        let errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        let said: Vec<String> =
            errors.iter().map(|line| without_numbers_of_threads(line)).collect();
        said.join(" ")
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
                Ok(None) => return "it closed its output and had to be killed".into(),
                Err(error) => return error.to_string(),
            }
        }
    }
}

impl<T> Process<T> {
    fn end(&mut self) {
        kill_group(&mut self.child);
        let _ = self.child.wait();
    }
}

impl<T> Drop for Process<T> {
    fn drop(&mut self) {
        self.end();
    }
}

/// Puts the process to be at the head of a group of its own: an interrupt from the terminal reaches a whole group, and
/// this program decides what becomes of its children.
pub(crate) fn lead_a_group(command: &mut Command) {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    #[cfg(not(unix))]
    let _ = command;
}

/// Kills a process that leads a group, and all that it has started, even if it has ended by itself just now.
pub(crate) fn kill_group(child: &mut Child) {
    #[cfg(unix)]
    if let Ok(id) = i32::try_from(child.id()) {
        use nix::sys::signal::{Signal, killpg};
        let _ = killpg(nix::unistd::Pid::from_raw(id), Signal::SIGKILL);
    }
    let _ = child.kill();
}

/// Waits until `thread` has ended, at most `limit`.
pub(crate) fn wait_for(thread: &JoinHandle<()>, limit: Duration) {
    let started = Instant::now();
    while !thread.is_finished() && started.elapsed() < limit {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Hands over a stream's lines, without their ends and no longer than `longest` bytes; what is beyond that is dropped,
/// and so are empty lines. A carriage return ends a line, too: progress bars use nothing else.
pub fn each_line(stream: impl Read, longest: usize, mut take: impl FnMut(String)) {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    let mut flush = |line: &mut Vec<u8>| {
        if !line.is_empty() {
            take(String::from_utf8_lossy(line).trim_end().to_owned());
            line.clear();
        }
    };
    loop {
        let read = match reader.fill_buf() {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        if read.is_empty() {
            break;
        }
        let end = read.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let part = &read[..end.unwrap_or(read.len())];
        line.extend(&part[..part.len().min(longest - line.len())]);
        let used = part.len() + usize::from(end.is_some());
        reader.consume(used);
        if end.is_some() {
            flush(&mut line);
        }
    }
    flush(&mut line);
}

fn remember(errors: &Mutex<VecDeque<String>>, line: String) {
    let trimmed = line.trim_start();
    // Backtraces say where, not what, and depend on the build.
    let frame = trimmed.split_once(": ").is_some_and(|(number, _)| {
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    });
    let backtrace = frame || trimmed.starts_with("at ");
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_with_either_sign_and_are_cut_where_they_are_too_long() {
        let mut lines = Vec::new();
        let text = [b"a\r\n\n 10%\r 20%\r".as_slice(), &[b'x'; 20_000], b"\nlast"].concat();
        each_line(&text[..], 9, |line| lines.push(line));
        assert_eq!(lines, ["a", " 10%", " 20%", "xxxxxxxxx", "last"]);
    }

    #[cfg(unix)]
    fn shell(script: &str) -> Process<String> {
        let read = |out, lines: SyncSender<String>| each_line(out, 99, |l| drop(lines.send(l)));
        Process::start(Command::new("sh").args(["-c", script]), read).expect("sh")
    }

    #[test]
    #[cfg(unix)]
    fn a_descendant_that_holds_the_streams_neither_blocks_nor_survives() {
        let stop = AtomicBool::new(false);
        // It tells its child's number and dies; the child holds both streams, and would for a long time.
        let mut process = shell("sleep 1000 & echo $!; echo why >&2; exit 3");
        let Waited::Reply(child) = process.wait(None, &stop) else { panic!("no number") };
        assert!(matches!(process.wait(None, &stop), Waited::Gone));
        assert_eq!(process.last_words(), "exit status: 3: why");
        let alive = || {
            // A zombie that nobody reaps is dead, too.
            let state = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
            let state = state.rsplit(") ").next().unwrap_or_default().chars().next();
            let there = Command::new("kill").args(["-0", &child]).stderr(Stdio::null()).status();
            there.is_ok_and(|s| s.success()) && state != Some('Z')
        };
        let started = Instant::now();
        while alive() {
            assert!(started.elapsed() < Duration::from_secs(60), "the child lives on");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    #[cfg(unix)]
    fn last_words_are_not_waited_for_without_limit() {
        // In a session of its own the sleeper escapes the kill, and holds the streams.
        if Command::new("setsid").arg("true").status().is_err() {
            return;
        }
        let mut process = shell("setsid sleep 30 & echo up; sleep 0.3; echo why >&2; exit 3");
        assert!(matches!(process.wait(None, &AtomicBool::new(false)), Waited::Reply(_)));
        std::thread::sleep(Duration::from_millis(600));
        let started = Instant::now();
        assert_eq!(process.last_words(), "exit status: 3: why");
        assert!(started.elapsed() < Duration::from_secs(20), "not until the sleeper ends");
    }

    #[test]
    #[cfg(unix)]
    fn who_talks_without_end_is_not_stored_without_end() {
        let count = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let said = count.clone();
        let read = move |out, lines: SyncSender<String>| {
            each_line(out, 99, |line| {
                said.fetch_add(1, Ordering::Relaxed);
                let _ = lines.send(line);
            });
        };
        let mut process = Process::start(&mut Command::new("yes"), read).expect("yes");
        assert!(matches!(process.wait(None, &AtomicBool::new(false)), Waited::Reply(_)));
        std::thread::sleep(Duration::from_millis(300));
        assert!(count.load(Ordering::Relaxed) <= QUEUE + 2, "one taken, one in hand");
    }
}
