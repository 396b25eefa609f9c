//! Shards as an array of Slurm's jobs.

mod check;
mod talk;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::order::{Order, command, say, shown};
use super::ranges::ranges;
use super::script::SlurmOptions;
use super::{Manifest, quote};
use crate::error::{Error, Result};
use crate::output;
use crate::store;
use talk::{HandedIn, Queue};

/// How often jobs are handed in that Slurm has accepted and lost.
const ROUNDS: usize = 4;

/// Before a controller that did not answer is asked again.
const PAUSE: Duration = Duration::from_secs(3);

/// A launch on Slurm.
#[derive(Debug)]
pub struct OnSlurm<'a> {
    /// What is handed in.
    pub order: &'a Order,
    /// How.
    pub options: SlurmOptions,
}

impl OnSlurm<'_> {
    fn scripts(&self) -> Result<Vec<(PathBuf, String)>> {
        check::options(&self.options)?;
        let work = &self.order.work;
        Ok(vec![
            (work.job_script(), work.slurm_job(&self.options)?),
            (work.merge_script(), work.slurm_merge(&self.options)?),
        ])
    }

    /// Prints scripts and commands; asks nobody.
    ///
    /// # Errors
    /// If a value can't stand in a script, or the journal can't be read.
    pub fn print(&self) -> Result<()> {
        let chunks = talk::chunks(&self.order.due()?, talk::USUAL_ARRAY);
        let arrays = talk::array_arguments(&self.order.work, &chunks, self.options.max_parallel)?;
        let mut text = shown(&self.scripts()?);
        text.push_str("# handed in by\n");
        let mut names = Vec::new();
        for (chunk, arguments) in chunks.iter().zip(&arrays) {
            let name = format!("array_{}", chunk.offset);
            text.push_str(&format!("{name}=$({})\n", command("sbatch", arguments)?));
            names.push(format!("${name}"));
        }
        let behind = match names.is_empty() {
            true => String::new(),
            false => format!("--dependency=afterany:{} ", names.join(":")),
        };
        let script = quote::words([quote::path(&self.order.work.merge_script())?])?;
        text.push_str(&format!("sbatch --parsable {behind}{script}\n"));
        output::print(&text);
        Ok(())
    }

    /// Hands in what is missing and not in the queue, and sees to it that Slurm keeps it.
    ///
    /// # Errors
    /// If a file can't be written, or Slurm refuses or does not answer.
    pub fn run(&self) -> Result<()> {
        talk::check()?;
        let scripts = self.scripts()?;
        let _guard = self.order.guard()?;
        let mut queue = talk::queue(&self.order.work)?;
        if !queue.tasks.is_empty() {
            let arrays: Vec<String> = queue.arrays().into_iter().collect();
            self.order.refuse_others("slurm", &format!("scancel {}", arrays.join(" ")))?;
        }
        let limit = talk::array_limit()?;
        let mut due = self.order.due()?;
        self.order.say_left_out(&due, &queue.shards());
        if due.is_empty() && queue.tasks.is_empty() && !tables_are_old(&self.order.work.folder) {
            say("all shards are through, and the tables are newer than the journal: nothing to do");
            return Ok(());
        }
        let mut manifest = self.order.write("slurm", scripts, queue.tasks.is_empty())?;
        for round in 0..ROUNDS {
            if round > 0 {
                queue = talk::queue(&self.order.work)?;
                due = self.order.due()?;
            }
            let handed_in = self.hand_in(&due, &queue, limit, &mut manifest)?;
            let Some(ids) = handed_in else {
                std::thread::sleep(PAUSE);
                continue;
            };
            let lost = talk::lost(&self.order.work, &ids, self.options.watch)?;
            if lost.is_empty() {
                self.say_held()?;
                return Ok(());
            }
            say(&format!("Slurm has accepted and lost {}: once more", lost.join(", ")));
        }
        Err(Error::input(format!(
            "Slurm did not keep what it was given, {ROUNDS} times: see the controller's log, then launch again, which \
             hands in what is missing"
        )))
    }

    /// Hands in the shards of `due` that are not in the queue, and a merge behind all that are then; gives the numbers of
    /// the jobs, or `None` if Slurm fell silent meanwhile.
    fn hand_in(
        &self,
        due: &[u32],
        queue: &Queue,
        limit: u32,
        manifest: &mut Manifest,
    ) -> Result<Option<Vec<String>>> {
        let queued = queue.shards();
        let new: Vec<u32> = due.iter().copied().filter(|shard| !queued.contains(shard)).collect();
        let chunks = talk::chunks(&new, limit);
        let (mut ids, mut behind) = (Vec::new(), queue.arrays());
        let arrays = talk::array_arguments(&self.order.work, &chunks, self.options.max_parallel)?;
        for (chunk, arguments) in chunks.iter().zip(&arrays) {
            let Some(id) = number(talk::submit(arguments)?) else { return Ok(None) };
            self.order.note(manifest, &id, ranges(&chunk.shards))?;
            say(&format!("array {id}: shards {}", ranges(&chunk.shards)));
            behind.insert(id.clone());
            ids.push(id);
        }
        let merge = talk::merge_arguments(&self.order.work, &behind)?;
        let Some(id) = number(talk::submit(&merge)?) else { return Ok(None) };
        self.order.note(manifest, &id, "merge".to_owned())?;
        let when =
            if behind.is_empty() { "now" } else { "when these have ended, however they end" };
        say(&format!("merge {id}: {when}"));
        ids.push(id);
        // After the new one is there: there is always one.
        for (old, _) in queue.merges.iter().filter(|(_, waits)| *waits) {
            talk::cancel(old)?;
        }
        Ok(Some(ids))
    }

    /// Tells of tasks that wait until somebody releases them.
    fn say_held(&self) -> Result<()> {
        let queue = talk::queue(&self.order.work)?;
        for task in queue.tasks.iter().filter(|task| task.reason.to_lowercase().contains("held")) {
            let (id, reason) = (format!("{}_{}", task.array, task.index), &task.reason);
            say(&format!("note: shard {} is held ({reason}): scontrol release {id}", task.shard));
        }
        Ok(())
    }
}

fn number(handed_in: HandedIn) -> Option<String> {
    match handed_in {
        HandedIn::As(id) => Some(id),
        HandedIn::Unheard(why) => {
            say(&format!("Slurm's controller did not answer ({why}): looking again"));
            None
        }
    }
}

/// True if the journal is newer than the tables, or there are none.
fn tables_are_old(folder: &Path) -> bool {
    let written = |path: &Path| fs::metadata(path).and_then(|m| m.modified()).ok();
    let newest: Option<SystemTime> = store::journal_files(folder)
        .unwrap_or_default()
        .iter()
        .filter_map(|log| written(log))
        .max();
    written(&folder.join("summary.csv")).is_none_or(|tables| newest.is_some_and(|log| log > tables))
}
