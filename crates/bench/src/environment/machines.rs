//! The machines that results were computed on, each once.

use std::path::Path;

use toml::{Table, Value};

use super::{FILE, HEADING};
use crate::error::{Error, Result};
use crate::files;

/// What differs from one sweep to the next on one machine.
const OF_A_SWEEP: [&str; 4] = ["jobs", "started", "ended", "runners"];

/// The keys in the order in which they are written; others come behind, and tables last.
const ORDER: [&str; 19] = [
    "version",
    "commit",
    "dirty",
    "source",
    "cargo_lock",
    "rustc",
    "target",
    "profile",
    "features",
    "os",
    "cpu",
    "vector_features",
    "cores",
    "memory_mib",
    "device",
    "driver",
    "jobs",
    "started",
    "ended",
];

/// Descriptions of machines, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Machines(Vec<Table>);

impl Machines {
    /// Adds what the description at `path` names, if there is one.
    pub(super) fn read(&mut self, path: &Path) -> Result<()> {
        let Some(text) = files::read_if_there(path)? else { return Ok(()) };
        let mut table: Table = text.parse().map_err(|error| Error::io(path, error))?;
        match table.remove("machine") {
            Some(Value::Array(list)) => {
                list.into_iter()
                    .filter_map(|machine| machine.try_into().ok())
                    .for_each(|m| self.add(m));
            }
            _ => self.add(table),
        }
        Ok(())
    }

    /// Adds what lies beside the journal's files.
    pub(super) fn read_journal(&mut self, folder: &Path) -> Result<()> {
        for log in crate::store::journal_files(folder)? {
            self.read(&log.with_extension("toml"))?;
        }
        Ok(())
    }

    /// Adds one; sweeps on one machine are told as one, from the first start to the last end.
    fn add(&mut self, machine: Table) {
        let twin = self.0.iter_mut().find(|known| is_same(known, &machine));
        match twin {
            Some(known) => unite(known, machine),
            None => self.0.push(machine),
        }
    }

    /// Writes them, if there are any: one as it is, several as a list.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let body = match &self.0[..] {
            [] => return Ok(()),
            [only] => text(only, ""),
            several => {
                let each = several.iter().map(|m| format!("[[machine]]\n{}", text(m, "machine.")));
                each.collect::<Vec<_>>().join("\n")
            }
        };
        files::write_whole(&folder.join(FILE), format!("{HEADING}{body}").as_bytes())
    }
}

fn is_same(a: &Table, b: &Table) -> bool {
    let lasting = |table: &Table| -> Table {
        let of_a_sweep = |key: &str| OF_A_SWEEP.contains(&key);
        table
            .iter()
            .filter(|(key, _)| !of_a_sweep(key))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect()
    };
    let runners = |table: &Table| table.get("runners").and_then(Value::as_table).cloned();
    let (ours, theirs) = (runners(a).unwrap_or_default(), runners(b).unwrap_or_default());
    let agree = ours.iter().all(|(name, version)| theirs.get(name).is_none_or(|v| v == version));
    lasting(a) == lasting(b) && agree
}

/// Adds a sweep to those of its machine.
fn unite(known: &mut Table, machine: Table) {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    for (key, value) in machine {
        let before = known.get(&key);
        let stays = match &*key {
            // Both are written so that their order is that of time.
            "started" => before.and_then(text) <= text(&value) && before.is_some(),
            "ended" => before.and_then(text) >= text(&value),
            "runners" => {
                if let (Some(Value::Table(all)), Value::Table(more)) =
                    (known.get_mut("runners"), &value)
                {
                    all.extend(more.clone());
                    true
                } else {
                    false
                }
            }
            _ => false,
        };
        if !stays {
            known.insert(key, value);
        }
    }
}

/// A machine's keys, in order; `path` is what its tables' names begin with.
fn text(machine: &Table, path: &str) -> String {
    let place = |key: &str| ORDER.iter().position(|known| *known == key).unwrap_or(ORDER.len());
    let mut keys: Vec<&String> = machine.keys().filter(|key| !machine[*key].is_table()).collect();
    keys.sort_by_key(|key| (place(key), key.as_str()));
    let line = |key: &String| Table::from_iter([(key.clone(), machine[key].clone())]).to_string();
    let mut text: String = keys.into_iter().map(line).collect();
    for (key, value) in machine {
        if let Value::Table(inner) = value {
            text += &format!("\n[{path}{key}]\n{inner}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(
        cpu: &str,
        started: &str,
        ended: Option<&str>,
        runner: Option<(&str, &str)>,
    ) -> Table {
        let mut table = Table::from_iter([
            ("cpu".to_owned(), cpu.into()),
            ("version".to_owned(), "1".into()),
            ("started".to_owned(), started.into()),
        ]);
        table.extend(ended.map(|at| ("ended".to_owned(), at.into())));
        let runners =
            |(name, version): (&str, &str)| Table::from_iter([(name.to_owned(), version.into())]);
        table.extend(runner.map(|r| ("runners".to_owned(), runners(r).into())));
        table
    }

    #[test]
    fn sweeps_on_one_machine_are_one_entry_and_other_machines_stay() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut machines = Machines::default();
        for each in [
            machine("a", "2", None, Some(("x", "1"))),
            machine("a", "1", Some("3"), Some(("y", "1"))),
            machine("b", "4", Some("5"), None),
            machine("a", "6", Some("7"), Some(("x", "2"))),
        ] {
            machines.add(each);
        }
        machines.write(folder.path()).expect("written");
        let text = std::fs::read_to_string(folder.path().join(FILE)).expect("a file");
        let expected = "[[machine]]\nversion = \"1\"\ncpu = \"a\"\nstarted = \"1\"\nended = \"3\"\n\n\
            [machine.runners]\nx = \"1\"\ny = \"1\"\n\n\
            [[machine]]\nversion = \"1\"\ncpu = \"b\"\nstarted = \"4\"\nended = \"5\"\n\n\
            [[machine]]\nversion = \"1\"\ncpu = \"a\"\nstarted = \"6\"\nended = \"7\"\n\n\
            [machine.runners]\nx = \"2\"\n";
        assert_eq!(text, format!("{HEADING}{expected}"), "another version of x makes it another");
        let mut again = Machines::default();
        again.read(&folder.path().join(FILE)).expect("readable");
        assert_eq!(again.0, machines.0);
    }
}
