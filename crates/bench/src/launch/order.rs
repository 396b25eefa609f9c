//! A launch, ready to be handed in, and what it needs whoever runs the jobs.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use super::ranges::ranges;
use super::script::Work;
use super::{Manifest, Submitted, freeze, quote};
use crate::environment;
use crate::error::{Error, Result};
use crate::experiment::Experiment;
use crate::output;
use crate::plan::TrialKey;
use crate::shard::Shards;
use crate::store::{self, Guard, Lock};

/// A launch, ready to be handed in.
#[derive(Debug)]
pub struct Order {
    /// What is asked.
    pub experiment: Experiment,
    /// The same, frozen.
    pub lock: Lock,
    /// The parts of it.
    pub shards: Shards,
    /// Trials that stand in tables.
    pub standing: BTreeSet<TrialKey>,
    /// Whether any may.
    pub keeps_tables: bool,
    /// What the jobs run.
    pub work: Work,
    /// Where the copy of this program belongs, if that is what the jobs run.
    pub copy: Option<PathBuf>,
}

impl Order {
    /// Waits until no other launch of the folder is under way on this machine.
    pub(super) fn guard(&self) -> Result<Guard> {
        Guard::of_launch(&self.work.launch_folder(), &self.work.folder)
    }

    /// The shards that miss trials, ascending.
    pub(super) fn due(&self) -> Result<Vec<u32>> {
        let Order { experiment, lock, shards, standing, work, .. } = self;
        let survey = store::survey(&work.folder, lock, experiment, shards, standing)?;
        let due = survey.shards.iter().zip(0..).filter(|(shard, _)| {
            shard.done < shard.planned || (self.work.retry && shard.circumstances > 0)
        });
        Ok(due.map(|(_, index)| index).collect())
    }

    /// Refuses to change settings under jobs of an earlier launch that wait for them.
    pub(super) fn refuse_others(&self, cluster: &str, cancel: &str) -> Result<()> {
        let there = fs::read_to_string(self.work.lock_file()).ok();
        let manifest = Manifest::read(&self.work.folder)?;
        let differs = match (&manifest, &there) {
            (None, _) | (_, None) => "and what they were told is gone from launch/",
            (Some(manifest), _) if manifest.engine != cluster => "of another queue",
            (Some(manifest), _) if manifest.shards != self.work.shards => {
                "of another number of shards"
            }
            (_, Some(there)) if *there != self.lock.to_text()? => "of other settings",
            _ => return Ok(()),
        };
        Err(Error::input(format!(
            "jobs of an earlier launch of {} are in the queue, {differs}: wait for them, or take them back ({cancel})",
            self.work.folder.display()
        )))
    }

    /// Writes all that the jobs read, and gives the manifest.
    pub(super) fn write(
        &self,
        cluster: &str,
        scripts: Vec<(PathBuf, String)>,
        nobody_waits: bool,
    ) -> Result<Manifest> {
        store::settle_lock(&self.work.folder, &self.lock)?;
        let mut files = scripts;
        files.push((self.work.lock_file(), self.lock.to_text()?));
        freeze(&self.work.folder, &files, self.copy.as_deref(), nobody_waits)?;
        let Work { folder, shards, name, .. } = &self.work;
        let earlier = Manifest::read(folder)?
            .filter(|manifest| manifest.engine == cluster && manifest.shards == *shards);
        let mut manifest = earlier.unwrap_or_else(|| Manifest::new(cluster, *shards, name));
        manifest.keep_tables = self.keeps_tables;
        manifest.write(folder)?;
        Ok(manifest)
    }

    pub(super) fn note(&self, manifest: &mut Manifest, id: &str, shards: String) -> Result<()> {
        let at = environment::utc(environment::now());
        manifest.submitted.push(Submitted { id: id.to_owned(), shards, at });
        manifest.write(&self.work.folder)
    }

    /// Says what was left out and why.
    pub(super) fn say_left_out(&self, due: &[u32], queued: &BTreeSet<u32>) {
        let through: Vec<u32> =
            (0..self.work.shards).filter(|shard| due.binary_search(shard).is_err()).collect();
        if !through.is_empty() {
            say(&format!("left out: shards {}, which are through", ranges(&through)));
        }
        if !queued.is_empty() {
            let queued: Vec<u32> = queued.iter().copied().collect();
            say(&format!("left out: shards {}, which are in the queue already", ranges(&queued)));
        }
    }
}

/// Scripts as a dry run shows them.
pub(super) fn shown(scripts: &[(PathBuf, String)]) -> String {
    scripts.iter().map(|(path, text)| format!("# {}\n{text}\n", path.display())).collect()
}

/// A command as one would type it.
pub(super) fn command(program: &str, arguments: &[String]) -> Result<String> {
    Ok(format!("{program} {}", quote::words(arguments.iter().map(String::as_str))?))
}

/// Says a line of what was done.
pub(super) fn say(line: &str) {
    output::print(&format!("{line}\n"));
}
