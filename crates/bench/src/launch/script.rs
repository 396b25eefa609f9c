//! The scripts that the jobs of a launch run: a heading of options and settings, and a body that is the same for all.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::FOLDER;
use super::quote::{one_line, path, sbatch, split, words};
use crate::error::Result;

/// Seconds that a task waits for Slurm to end it once it has been requeued.
const PARTING: u32 = 60;

/// Seconds in which the signal that killed bench may reach the script, too.
const GRACE: u32 = 1;

/// Seconds after which a bench that was asked to stop, and has not, is asked by the script. Slurm ends it at once half a
/// minute after it asked, as a rule.
const PATIENCE: u32 = 15;

/// What the jobs of a launch run.
#[derive(Clone, Debug)]
pub struct Work {
    /// The results folder, absolute.
    pub folder: PathBuf,
    /// Where the launch was typed: paths in settings are looked for from there.
    pub here: PathBuf,
    /// The command that is bench on the machines, as words.
    pub program: Vec<String>,
    /// Arguments of `sweep`, the verb first, without shard, jobs and `--retry`.
    pub sweep: Vec<String>,
    /// Whether the first slot of a task runs failed trials again.
    pub retry: bool,
    /// Arguments of `merge`, the verb first.
    pub merge: Vec<String>,
    /// How many shards there are.
    pub shards: u32,
    /// The jobs' name, of this results folder alone.
    pub name: String,
    /// Slots that may end badly before a task is given up.
    pub requeues: u32,
    /// Cores of a task.
    pub cpus: u32,
}

/// What Slurm is asked for.
#[derive(Clone, Debug, Default)]
pub struct SlurmOptions {
    /// `--partition`.
    pub partition: Option<String>,
    /// `--time`.
    pub time: Option<String>,
    /// `--gpus`.
    pub gpus: Option<String>,
    /// `--account`.
    pub account: Option<String>,
    /// Further lines, as typed.
    pub lines: Vec<String>,
    /// Seconds before the time limit at which a task checkpoints.
    pub warning: u32,
    /// So many tasks at a time.
    pub max_parallel: Option<u32>,
    /// How long Slurm must still know what it has accepted.
    pub watch: Duration,
    /// Seconds after which a merge that lacks trials looks again.
    pub settle: u32,
}

impl Work {
    /// The folder of everything that the launch keeps.
    pub fn launch_folder(&self) -> PathBuf {
        self.folder.join(FOLDER)
    }

    /// Where the jobs' output goes.
    pub fn log_folder(&self) -> PathBuf {
        self.launch_folder().join("log")
    }

    /// The script of a task.
    pub fn job_script(&self) -> PathBuf {
        self.launch_folder().join("job.sh")
    }

    /// The script of the merge.
    pub fn merge_script(&self) -> PathBuf {
        self.launch_folder().join("merge.sh")
    }

    /// The frozen settings.
    pub fn lock_file(&self) -> PathBuf {
        self.launch_folder().join(crate::store::LOCK_FILE)
    }

    /// The name of the job that merges.
    pub fn merge_name(&self) -> String {
        format!("{}-merge", self.name)
    }

    /// The script of a task under Slurm, whose argument is the shard of the array's number 0.
    ///
    /// # Errors
    /// If a value can't stand in a script.
    pub fn slurm_job(&self, options: &SlurmOptions) -> Result<String> {
        let log = self.log_folder().join("%A_%a.log");
        let mut lines = options.common(&self.name, &log, self.cpus)?;
        lines.push(format!("--signal=B:USR1@{}", options.warning));
        if let Some(gpus) = &options.gpus {
            lines.push(format!("--gpus={}", sbatch(gpus)?));
        }
        self.script("One shard of a sweep, a task of a Slurm array.", &lines, SLURM_BODY)
    }

    /// The script that joins the shards under Slurm.
    ///
    /// # Errors
    /// If a value can't stand in a script.
    pub fn slurm_merge(&self, options: &SlurmOptions) -> Result<String> {
        let lines =
            options.common(&self.merge_name(), &self.log_folder().join("merge-%j.log"), 1)?;
        let here = words([path(&self.here)?])?;
        let merge = self.program.iter().chain(&self.merge).map(String::as_str);
        Ok(format!(
            "#!/bin/bash\n# Joins the shards of a sweep. Written by `bench launch`.\n{}\
             cd {here} || exit 2\nMERGE=({})\nSETTLE={}\n{MERGE_BODY}",
            directives(&lines),
            words(merge)?,
            options.settle
        ))
    }

    /// The script of a task under HyperQueue.
    ///
    /// # Errors
    /// If a value can't stand in a script.
    pub fn hq_job(&self) -> Result<String> {
        self.script("One shard of a sweep, a task of HyperQueue's.", &[], HQ_BODY)
    }

    fn script(&self, what: &str, lines: &[String], body: &str) -> Result<String> {
        let retry = if self.retry { "--retry" } else { "" };
        Ok(format!(
            "#!/bin/bash\n# {what} Written by `bench launch`.\n{}\
             RESULTS={}\nHERE={}\nSHARDS={}\nREQUEUES={}\nCPUS={}\nPARTING={PARTING}\nGRACE={GRACE}\nPATIENCE={PATIENCE}\n\
             PROGRAM=({})\nSWEEP=({})\nRETRY=({retry})\n{TASK}{body}",
            directives(lines),
            words([path(&self.folder)?])?,
            words([path(&self.here)?])?,
            self.shards,
            self.requeues,
            self.cpus,
            words(self.program.iter().map(String::as_str))?,
            words(self.sweep.iter().map(String::as_str))?,
        ))
    }
}

/// What tasks of every queue share.
const TASK: &str = include_str!("task.sh");
const SLURM_BODY: &str = include_str!("slurm/job.sh");
const MERGE_BODY: &str = include_str!("slurm/merge.sh");
const HQ_BODY: &str = include_str!("hq/job.sh");

impl SlurmOptions {
    fn common(&self, name: &str, log: &Path, cpus: u32) -> Result<Vec<String>> {
        let mut lines = vec![
            format!("--job-name={}", sbatch(name)?),
            "--requeue".to_owned(),
            "--open-mode=append".to_owned(),
            format!("--output={}", sbatch(&pattern(log)?)?),
            format!("--cpus-per-task={cpus}"),
        ];
        for (option, value) in
            [("partition", &self.partition), ("time", &self.time), ("account", &self.account)]
        {
            if let Some(value) = value {
                lines.push(format!("--{option}={}", sbatch(value)?));
            }
        }
        for line in &self.lines {
            one_line(line, "--sbatch")?;
            lines.push(line.trim().trim_start_matches("#SBATCH").trim().to_owned());
        }
        Ok(lines)
    }
}

/// A file's name for Slurm, which replaces `%…` in it: only what the last part says is meant so.
fn pattern(log: &Path) -> Result<String> {
    let folder = path(log.parent().unwrap_or(Path::new("")))?.replace('%', "%%");
    let name = log.file_name().map(|name| name.to_string_lossy().into_owned());
    Ok(format!("{folder}/{}", name.unwrap_or_default()))
}

fn directives(lines: &[String]) -> String {
    lines.iter().map(|line| format!("#SBATCH {line}\n")).collect()
}

/// The words of `--program`.
///
/// # Errors
/// [`crate::error::Error::Input`] if they are no command.
pub fn program(text: &str) -> Result<Vec<String>> {
    split(text).map_err(|error| crate::error::Error::input(format!("--program: {error}")))
}
