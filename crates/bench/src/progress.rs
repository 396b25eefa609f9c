//! Progress of a sweep: a bar on a terminal, a plain line now and then elsewhere. Goes to standard error.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::plan::{ModelName, TrialKey};
use crate::record::{Record, Status};

/// Between plain lines.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// What is shown while trials run.
pub struct Progress {
    bar: ProgressBar,
    /// Plain lines, where there is no terminal.
    lines: bool,
    last_line: Instant,
    started: Instant,
    jobs: usize,
    total: usize,
    done: usize,
    not_ok: usize,
    /// Trials that are still to run, by cell.
    open: BTreeMap<(ModelName, u32), usize>,
    /// Trials that have run, by cell: how many, and their seconds.
    seen: BTreeMap<(ModelName, u32), (usize, f64)>,
}

impl Progress {
    /// Shows progress over `trials` on `jobs` workers; nothing if `quiet`.
    pub fn new(trials: &[TrialKey], jobs: usize, quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let target = if terminal && !quiet {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(Some(trials.len() as u64), target);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} trials  {msg}") {
            bar.set_style(style);
        }
        let mut open = BTreeMap::new();
        for trial in trials {
            *open.entry((trial.model.clone(), trial.n)).or_default() += 1;
        }
        Progress {
            bar,
            lines: !terminal && !quiet,
            last_line: Instant::now(),
            started: Instant::now(),
            jobs,
            total: trials.len(),
            done: 0,
            not_ok: 0,
            open,
            seen: BTreeMap::new(),
        }
    }

    /// Counts a finished trial.
    pub fn finished(&mut self, record: &Record) {
        self.done += 1;
        self.not_ok += usize::from(record.outcome.status != Status::Ok);
        let cell = (record.key.model.clone(), record.key.n);
        let seconds = record.timing.map_or(0.0, |t| t.fit + t.predict);
        if let Some(open) = self.open.get_mut(&cell) {
            *open -= 1;
        }
        let (count, sum) = self.seen.entry(cell).or_default();
        *count += 1;
        *sum += seconds;
        self.show(&record.key);
    }

    /// Clears the bar.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }

    fn show(&mut self, latest: &TrialKey) {
        let message = self.message();
        self.bar.set_position(self.done as u64);
        self.bar.set_message(format!("{message}  {} n={}", latest.model, latest.n));
        let due = self.last_line.elapsed() >= LINE_EVERY || self.done == self.total;
        if self.lines && due {
            self.last_line = Instant::now();
            crate::say!("{}/{} trials  {message}", self.done, self.total);
        }
    }

    fn message(&self) -> String {
        let elapsed = self.started.elapsed().as_secs_f64();
        let rate = self.done as f64 / elapsed.max(1e-9);
        let failures =
            if self.not_ok > 0 { format!("  {} not ok", self.not_ok) } else { String::new() };
        let left = duration(self.seconds_left(elapsed));
        format!("{rate:.1}/s  {left} left{failures}")
    }

    /// The expected time of what is open. A cell not seen yet counts as the same model's nearest larger or smaller n in
    /// proportion to n, a model not seen yet as the mean of all.
    fn seconds_left(&self, elapsed: f64) -> f64 {
        let measured: f64 = self.seen.values().map(|(_, sum)| sum).sum();
        let mean = measured / self.done.max(1) as f64;
        let open: f64 =
            self.open.iter().map(|(cell, &count)| count as f64 * self.expected(cell, mean)).sum();
        // Splitting, scoring and waiting count too: scale by what the trials seen took on the clock.
        let overhead = if measured > 0.0 { elapsed * self.jobs as f64 / measured } else { 1.0 };
        open * overhead / self.jobs as f64
    }

    fn expected(&self, cell: &(ModelName, u32), mean: f64) -> f64 {
        if let Some((count, sum)) = self.seen.get(cell) {
            return sum / *count as f64;
        }
        self.seen
            .iter()
            .filter(|((model, _), _)| *model == cell.0)
            .min_by_key(|((_, n), _)| n.abs_diff(cell.1))
            .map_or(mean, |((_, n), (count, sum))| {
                sum / *count as f64 * f64::from(cell.1) / f64::from(*n)
            })
    }
}

/// Seconds as a person would say them.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole / 60 % 60),
    }
}
