//! A sweep's status in words and as a table.

use std::fmt::Write;

use crate::progress::duration;
use crate::status::{Row, SILENT_AFTER, Sign, State, Status};

/// No more shards are shown unless all are asked for.
const SHOWN: usize = 40;

impl Status {
    /// A row per shard. Where there are many, those that are done are only counted, and so are those beyond the first
    /// few of the others, unless `all` are asked for.
    pub fn table(&self, all: bool) -> String {
        let everything = all || self.rows.len() <= SHOWN;
        let open = |row: &&Row| everything || row.state != State::Done;
        let shown = if everything { self.rows.len() } else { SHOWN };
        let mut text = String::from(
            "shard   state            done   not ok        rate           left   attempts   last sign of life\n",
        );
        for row in self.rows.iter().filter(open).take(shown) {
            text.push_str(&line(row));
        }
        let open = self.rows.iter().filter(open).count();
        let (hidden, done) = (open.saturating_sub(shown), self.rows.len() - open);
        let more = [(hidden, "more that are not done"), (done, "that are done")];
        let more: Vec<String> = more
            .iter()
            .filter(|m| m.0 > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        if !more.is_empty() {
            let _ = writeln!(text, "and {} (--all shows them)", more.join(", "));
        }
        text
    }

    /// The whole in one line.
    pub fn total(&self) -> String {
        let (planned, done, not_ok) = (self.planned(), self.done(), self.not_ok());
        let mut text = format!("{done} of {planned} trials are done");
        if not_ok > 0 {
            let _ = write!(text, ", {not_ok} of them not ok");
        }
        if let Some(rate) = self.per_second() {
            let _ = write!(text, "; {}", frequency(rate));
        }
        if let Some(seconds) = self.seconds_left() {
            let slowest = if self.rows.len() > 1 { " in the slowest shard" } else { "" };
            let _ = write!(text, ", {} left{slowest}", duration(seconds));
        }
        text.push('\n');
        text
    }

    /// What to do next; `again` is what sees to shards that nobody works on, and `merged` says that there are tables of
    /// all that is there.
    pub fn advice(&self, again: &str, merged: bool) -> String {
        let mut text = String::new();
        let under_way = self.count(State::Running) + self.count(State::Queued);
        let idle: Vec<Option<u32>> =
            self.rows.iter().filter(|row| row.state.is_idle()).map(|row| row.shard).collect();
        if self.count(State::Silent) > 0 {
            let _ = writeln!(
                text,
                "silent: no clean end, and no sign of life for {}: a lost node, or a killed process; what it wrote is kept",
                duration(SILENT_AFTER.as_secs_f64())
            );
        }
        if !idle.is_empty() {
            let which: Option<Vec<u32>> = idle.into_iter().collect();
            let which = which.map_or_else(String::new, |which| match &which[..] {
                [one] => format!(" on shard {one}"),
                several => format!(" on shards {}", ranges(several)),
            });
            let _ = writeln!(text, "nobody works{which}: {again}");
        } else if under_way > 0 {
            let _ = writeln!(text, "all that is missing is under way");
        } else if merged {
            let _ = writeln!(text, "all trials are there, and tables of them");
        } else {
            let _ = writeln!(text, "all trials are there: `bench merge` writes the tables");
        }
        let again: u64 = self.rows.iter().map(|row| row.circumstances).sum();
        if again > 0 {
            let _ = writeln!(
                text,
                "a time limit or a death decided {again} of those that are not ok: --retry runs them again"
            );
        }
        text
    }

    /// The rows for programs: seconds, and nothing where nothing is known.
    pub fn csv(&self) -> String {
        let mut text = String::from(
            "shard,state,planned,done,not_ok,per_second,seconds_left,attempts,seconds_since_sign,host,pid\n",
        );
        for row in &self.rows {
            let Row { planned, done, not_ok, attempts, .. } = row;
            let number = |value: Option<f64>| value.map_or_else(String::new, |v| v.to_string());
            let sign = row.last_sign.as_ref().map_or(",,".into(), |Sign { age, host, pid }| {
                format!("{},{host},{pid}", age.as_secs())
            });
            let (per_second, left) = (number(row.per_second), number(row.seconds_left));
            let _ = writeln!(
                text,
                "{},{},{planned},{done},{not_ok},{per_second},{left},{attempts},{sign}",
                name(row),
                row.state.name()
            );
        }
        text
    }
}

fn name(row: &Row) -> String {
    row.shard.map_or("whole".into(), |shard| shard.to_string())
}

fn line(row: &Row) -> String {
    let missing = || String::from("–");
    let sign = row.last_sign.as_ref().map_or_else(missing, |Sign { age, host, pid }| {
        let ago = format!("{} ago", duration(age.as_secs_f64()));
        if host.is_empty() { ago } else { format!("{ago} on {host}, process {pid}") }
    });
    format!(
        "{:<5}   {:<7}   {:>11}   {:>6}   {:>9}   {:>12}   {:>8}   {sign}\n",
        name(row),
        row.state.name(),
        format!("{}/{}", row.done, row.planned),
        row.not_ok,
        row.per_second.map_or_else(missing, frequency),
        row.seconds_left.map_or_else(missing, duration),
        row.attempts,
    )
}

/// How often, in the unit that fits.
fn frequency(per_second: f64) -> String {
    match per_second {
        s if s >= 1.0 => format!("{s:.1}/s"),
        s if s * 60.0 >= 1.0 => format!("{:.1}/min", s * 60.0),
        s => format!("{:.1}/h", s * 3600.0),
    }
}

/// Ascending numbers as `0-3, 5`.
fn ranges(numbers: &[u32]) -> String {
    crate::launch::ranges::ranges(numbers).replace(',', ", ")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn row(shard: u32, state: State) -> Row {
        Row {
            shard: Some(shard),
            state,
            planned: 80,
            done: if state == State::Done { 80 } else { 34 },
            not_ok: 0,
            circumstances: 0,
            per_second: None,
            seconds_left: None,
            attempts: 1,
            last_sign: None,
        }
    }

    #[test]
    fn a_table_a_total_and_what_to_do() {
        let running = Row {
            per_second: Some(0.5),
            seconds_left: Some(92.0),
            last_sign: Some(Sign { age: Duration::from_secs(9), host: "n7".into(), pid: 12 }),
            not_ok: 2,
            circumstances: 1,
            ..row(1, State::Running)
        };
        let status = Status {
            rows: vec![
                row(0, State::Done),
                running,
                row(2, State::Silent),
                Row { done: 0, attempts: 0, ..row(3, State::Waiting) },
                row(4, State::Queued),
            ],
        };
        assert_eq!(
            status.table(false),
            "\
shard   state            done   not ok        rate           left   attempts   last sign of life
0       done            80/80        0           –              –          1   –
1       running         34/80        2    30.0/min     1 min 32 s          1   9 s ago on n7, process 12
2       silent          34/80        0           –              –          1   –
3       waiting          0/80        0           –              –          0   –
4       queued          34/80        0           –              –          1   –
"
        );
        assert_eq!(
            status.total(),
            "182 of 400 trials are done, 2 of them not ok; 30.0/min, 1 min 32 s left in the slowest shard\n"
        );
        let advice = status.advice("`bench launch` again submits them", false);
        assert!(
            advice.contains("\nnobody works on shards 2-3: `bench launch` again submits them\n"),
            "{advice}"
        );
        assert!(advice.ends_with("1 of those that are not ok: --retry runs them again\n"));
        assert!(advice.starts_with("silent: no clean end, and no sign of life for 2 min 00 s"));
        assert_eq!(
            status.csv().lines().nth(2),
            Some("1,running,80,34,2,0.5,92,1,9,n7,12"),
            "{}",
            status.csv()
        );
        assert_eq!(status.csv().lines().nth(4), Some("3,waiting,80,0,0,,,0,,,"));
    }

    #[test]
    fn of_many_shards_those_that_are_open_are_shown() {
        let state = |shard| if shard < 50 { State::Done } else { State::Stopped };
        let status = Status { rows: (0..100).map(|shard| row(shard, state(shard))).collect() };
        let table = status.table(false);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 42, "{table}");
        assert!(lines[1].starts_with("50 ") && lines[40].starts_with("89 "), "{table}");
        assert_eq!(lines[41], "and 10 more that are not done, 50 that are done (--all shows them)");
        assert_eq!(status.table(true).lines().count(), 101);
        assert_eq!(ranges(&[0, 1, 2, 3, 5, 7, 8]), "0-3, 5, 7-8");
    }

    #[test]
    fn what_is_done_is_said_to_be() {
        let done = |shards| Status { rows: (0..shards).map(|i| row(i, State::Done)).collect() };
        assert!(done(2).advice("", false).contains("`bench merge`"));
        assert_eq!(done(1).advice("", true), "all trials are there, and tables of them\n");
        let under_way = Status { rows: vec![row(0, State::Done), row(1, State::Queued)] };
        assert_eq!(under_way.advice("", true), "all that is missing is under way\n");
        for (per_second, said) in [(12.34, "12.3/s"), (0.02, "1.2/min"), (0.001, "3.6/h")] {
            assert_eq!(frequency(per_second), said);
        }
    }
}
