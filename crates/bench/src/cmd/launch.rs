//! `bench launch`: a study's missing trials as jobs of a cluster's queue, in shards, and a merge behind them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::ValueEnum;
use models::Registry;

use crate::cli::{Cluster, Common, LaunchArgs, Selection, SweepArgs};
use crate::cmd::Exit;
use crate::cmd::sweep::{Prepared, added_any};
use crate::data::data_folder_for;
use crate::environment;
use crate::error::{Error, Result};
use crate::experiment::Experiment;
use crate::launch::hq::{self, HqOptions};
use crate::launch::quote;
use crate::launch::ranges::ranges;
use crate::launch::script::{self, SlurmOptions, Work};
use crate::launch::slurm::{self, HandedIn, Queue};
use crate::launch::{Manifest, Submitted, absolute, freeze, job_name, program_copy};
use crate::output;
use crate::plan::plan;
use crate::shard::{Shards, splits};
use crate::store::{self, Lock};

/// A trial that was under way in so many deaths of its task is given up: one may be the machine's fault.
const CRASH_LIMIT: u32 = 2;

/// How often jobs are handed in that Slurm has accepted and lost.
const ROUNDS: usize = 4;

/// Before a controller that did not answer is asked again.
const PAUSE: Duration = Duration::from_secs(3);

/// Runs the verb: everything that a sweep would refuse is refused before anything is written or handed in.
///
/// # Errors
/// Bad input, a file that can't be used, or a queue that refuses.
pub fn run(common: &Common, arguments: &LaunchArgs, registry: &Registry) -> Result<Exit> {
    let (cluster, selection) = chosen(arguments)?;
    let launch = Launch::new(common, arguments, selection, registry)?;
    match (cluster, arguments.dry_run) {
        (Cluster::Slurm, true) => launch.print_slurm()?,
        (Cluster::Slurm, false) => launch.on_slurm()?,
        (Cluster::Hq, true) => launch.print_hq()?,
        (Cluster::Hq, false) => launch.on_hq()?,
    }
    Ok(Exit::Done)
}

/// The cluster that was meant, and the selection: where `--on` names the cluster, the first word may be the experiment.
fn chosen(arguments: &LaunchArgs) -> Result<(Cluster, Selection)> {
    let mut selection = arguments.selection.clone();
    let word = arguments.cluster.as_deref();
    let named = word.and_then(|word| Cluster::from_str(word, false).ok());
    let cluster = match (arguments.on, named, word) {
        (Some(on), None, Some(word)) if selection.experiment.is_none() => {
            selection.experiment = Some(word.into());
            on
        }
        (_, None, Some(word)) => {
            return Err(Error::input(format!(
                "launch where? {word:?} is neither slurm nor hq: `bench launch slurm {word} --shards …`"
            )));
        }
        (Some(on), ..) => on,
        (None, Some(named), _) => named,
        (None, None, None) => {
            return Err(Error::input(
                "launch where? `bench launch slurm EXPERIMENT --shards …`, or hq",
            ));
        }
    };
    if cluster == Cluster::Hq {
        let of_slurm = [
            ("--partition", arguments.partition.is_some()),
            ("--account", arguments.account.is_some()),
            ("--max-parallel", arguments.max_parallel.is_some()),
            ("--sbatch", !arguments.sbatch.is_empty()),
        ];
        if let Some((option, _)) = of_slurm.iter().find(|(_, given)| *given) {
            return Err(Error::input(format!(
                "{option} is Slurm's and would do nothing on hq, leave it out"
            )));
        }
    }
    Ok((cluster, selection))
}

/// A launch, ready to be handed in.
struct Launch<'a> {
    arguments: &'a LaunchArgs,
    experiment: Experiment,
    lock: Lock,
    shards: Shards,
    work: Work,
    /// Where the copy of this program belongs, if that is what the jobs run.
    copy: Option<PathBuf>,
}

impl<'a> Launch<'a> {
    fn new(
        common: &Common,
        arguments: &'a LaunchArgs,
        selection: Selection,
        registry: &Registry,
    ) -> Result<Self> {
        let added = added_any(&selection);
        let sweep = as_sweep(arguments, selection);
        let Prepared { bench, mut lock, device, folder, .. } =
            Prepared::elsewhere(common, &sweep, registry)?;
        let mut experiment = bench.experiment().clone();
        check_device(arguments, device)?;
        let most = splits(&experiment);
        if u64::from(arguments.shards) > most {
            return Err(Error::input(format!(
                "--shards {}: the study has {most} splits, and a shard is one at least: at most --shards {most}",
                arguments.shards
            )));
        }
        let folder = absolute(&folder)?;
        if added {
            leave_out_standing(&folder, &mut experiment, &mut lock)?;
        }
        store::join_lock(&folder, &lock)?;
        let copy = match arguments.program {
            Some(_) => None,
            None => Some(program_copy(&folder)?),
        };
        let work = work(common, arguments, &experiment, device, folder, copy.as_deref())?;
        let shards = Shards::new(&experiment, arguments.shards);
        Ok(Launch { arguments, experiment, lock, shards, work, copy })
    }

    /// The shards that miss trials, ascending.
    fn due(&self) -> Result<Vec<u32>> {
        let survey = store::survey(&self.work.folder, &self.lock, &self.experiment, &self.shards)?;
        let due = survey.shards.iter().zip(0..).filter(|(shard, _)| {
            shard.done < shard.planned || (self.work.retry && shard.circumstances > 0)
        });
        Ok(due.map(|(_, index)| index).collect())
    }

    /// Refuses to change settings under jobs of an earlier launch that wait for them.
    fn refuse_others(&self, cluster: &str, cancel: &str) -> Result<()> {
        let there = fs::read_to_string(self.work.lock_file()).ok();
        let same = Manifest::read(&self.work.folder)?.is_some_and(|manifest| {
            manifest.engine == cluster && manifest.shards == self.work.shards
        });
        if same && there == Some(self.lock.to_text()?) {
            return Ok(());
        }
        Err(Error::input(format!(
            "jobs of an earlier launch of {} are in the queue, of other settings or another number of shards: wait for \
             them, or take them back ({cancel})",
            self.work.folder.display()
        )))
    }

    /// Writes all that the jobs read, and gives the manifest.
    fn write(
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
        let manifest = earlier.unwrap_or_else(|| Manifest::new(cluster, *shards, name));
        manifest.write(folder)?;
        Ok(manifest)
    }

    fn note(&self, manifest: &mut Manifest, id: &str, shards: String) -> Result<()> {
        let at = environment::utc(environment::now());
        manifest.submitted.push(Submitted { id: id.to_owned(), shards, at });
        manifest.write(&self.work.folder)
    }

    /// Says what was left out and why.
    fn say_left_out(&self, due: &[u32], queued: &BTreeSet<u32>) {
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

/// Slurm.
impl Launch<'_> {
    fn slurm_scripts(&self) -> Result<Vec<(PathBuf, String)>> {
        let LaunchArgs { partition, time, gpus, account, sbatch, warning, .. } = self.arguments;
        let options = SlurmOptions {
            partition: partition.clone(),
            time: time.clone(),
            gpus: gpus.clone(),
            account: account.clone(),
            lines: sbatch.clone(),
            warning: *warning,
        };
        Ok(vec![
            (self.work.job_script(), self.work.slurm_job(&options)?),
            (self.work.merge_script(), self.work.slurm_merge(&options)?),
        ])
    }

    fn print_slurm(&self) -> Result<()> {
        let chunks = slurm::chunks(&self.due()?, slurm::USUAL_ARRAY);
        let arrays = slurm::array_arguments(&self.work, &chunks, self.arguments.max_parallel)?;
        let mut text = shown(&self.slurm_scripts()?);
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
        let script = quote::words([quote::path(&self.work.merge_script())?])?;
        text.push_str(&format!("sbatch --parsable {behind}{script}\n"));
        output::print(&text);
        Ok(())
    }

    fn on_slurm(&self) -> Result<()> {
        slurm::check()?;
        let scripts = self.slurm_scripts()?;
        let mut queue = slurm::queue(&self.work)?;
        if !queue.tasks.is_empty() {
            let arrays: Vec<String> = queue.arrays().into_iter().collect();
            self.refuse_others("slurm", &format!("scancel {}", arrays.join(" ")))?;
        }
        let limit = slurm::array_limit()?;
        let mut manifest = self.write("slurm", scripts, queue.tasks.is_empty())?;
        let mut due = self.due()?;
        self.say_left_out(&due, &queue.shards());
        if due.is_empty() && queue.tasks.is_empty() && !tables_are_old(&self.work.folder) {
            say("all shards are through, and the tables are newer than the journal: nothing to do");
            return Ok(());
        }
        for round in 0..ROUNDS {
            if round > 0 {
                queue = slurm::queue(&self.work)?;
                due = self.due()?;
            }
            let handed_in = self.hand_in(&due, &queue, limit, &mut manifest)?;
            let watch = Duration::from_secs(u64::from(self.arguments.watch));
            let lost = match handed_in {
                Some(ids) => slurm::lost(&ids, watch)?,
                None => {
                    std::thread::sleep(PAUSE);
                    continue;
                }
            };
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
        let chunks = slurm::chunks(&new, limit);
        let (mut ids, mut behind) = (Vec::new(), queue.arrays());
        let arrays = slurm::array_arguments(&self.work, &chunks, self.arguments.max_parallel)?;
        for (chunk, arguments) in chunks.iter().zip(&arrays) {
            let Some(id) = number(slurm::submit(arguments)?) else { return Ok(None) };
            self.note(manifest, &id, ranges(&chunk.shards))?;
            say(&format!("array {id}: shards {}", ranges(&chunk.shards)));
            behind.insert(id.clone());
            ids.push(id);
        }
        let merge = slurm::merge_arguments(&self.work, &behind)?;
        let Some(id) = number(slurm::submit(&merge)?) else { return Ok(None) };
        self.note(manifest, &id, "merge".to_owned())?;
        let when =
            if behind.is_empty() { "now" } else { "when these have ended, however they end" };
        say(&format!("merge {id}: {when}"));
        ids.push(id);
        // After the new one is there: there is always one.
        for (old, _) in queue.merges.iter().filter(|(_, waits)| *waits) {
            slurm::cancel(old)?;
        }
        Ok(Some(ids))
    }

    /// Tells of tasks that wait until somebody releases them.
    fn say_held(&self) -> Result<()> {
        let queue = slurm::queue(&self.work)?;
        for task in queue.tasks.iter().filter(|task| task.reason.to_lowercase().contains("held")) {
            let (id, reason) = (format!("{}_{}", task.array, task.index), &task.reason);
            say(&format!("note: shard {} is held ({reason}): scontrol release {id}", task.shard));
        }
        Ok(())
    }
}

/// HyperQueue.
impl Launch<'_> {
    fn hq_options(&self) -> HqOptions {
        HqOptions { time: self.arguments.time.clone(), gpus: self.arguments.gpus.clone() }
    }

    fn hq_scripts(&self) -> Result<Vec<(PathBuf, String)>> {
        Ok(vec![(self.work.job_script(), self.work.hq_job()?)])
    }

    fn print_hq(&self) -> Result<()> {
        let arguments = hq::submit_arguments(&self.work, &self.hq_options(), &self.due()?)?;
        let mut text = shown(&self.hq_scripts()?);
        text.push_str(&format!("# handed in by\n{}\n", command("hq", &arguments)?));
        text.push_str(&format!("# and when all have ended\n{}\n", self.merge_command()?));
        output::print(&text);
        Ok(())
    }

    fn merge_command(&self) -> Result<String> {
        quote::words(self.work.program.iter().chain(&self.work.merge).map(String::as_str))
    }

    fn on_hq(&self) -> Result<()> {
        hq::check()?;
        let scripts = self.hq_scripts()?;
        let queued = hq::queued(&self.work)?;
        if !queued.is_empty() {
            self.refuse_others("hq", "hq job cancel")?;
        }
        let mut manifest = self.write("hq", scripts, queued.is_empty())?;
        let due = self.due()?;
        self.say_left_out(&due, &queued);
        let new: Vec<u32> = due.iter().copied().filter(|shard| !queued.contains(shard)).collect();
        if !new.is_empty() {
            let id = hq::submit(&hq::submit_arguments(&self.work, &self.hq_options(), &new)?)?;
            self.note(&mut manifest, &id, ranges(&new))?;
            say(&format!("job {id}: shards {}", ranges(&new)));
            say(&format!("when it has ended (`hq job wait {id}`): {}", self.merge_command()?));
        } else if queued.is_empty() {
            say(&format!("all shards are through: {}", self.merge_command()?));
        }
        Ok(())
    }
}

/// What a sweep would be told.
fn as_sweep(arguments: &LaunchArgs, selection: Selection) -> SweepArgs {
    SweepArgs {
        selection,
        out: arguments.out.clone(),
        jobs: Some(arguments.cpus),
        device: arguments.device,
        engine: arguments.engine,
        shard: None,
        crash_limit: Some(CRASH_LIMIT),
        isolate: !arguments.no_isolate,
        time_limit: arguments.time_limit,
        memory_limit: arguments.memory_limit,
        retry: arguments.retry,
        quiet: true,
    }
}

/// A GPU need not be here, but the program that the jobs run must be built for it.
fn check_device(arguments: &LaunchArgs, device: nn::Device) -> Result<()> {
    let class = crate::device::class(device);
    match arguments.program {
        None if !nn::Device::supported().contains(class) => Err(Error::input(format!(
            "--device {device}: this binary has {} (features: {}); build it with --features {class}, or name one that \
             has it by --program",
            nn::Device::supported(),
            nn::Device::features()
        ))),
        _ => Ok(()),
    }
}

/// New contenders beside old results: models whose trials are all in the tables are no part of the launch.
fn leave_out_standing(folder: &Path, experiment: &mut Experiment, lock: &mut Lock) -> Result<()> {
    let all = plan(experiment);
    let standing = store::standing(folder, lock, &all)?;
    let missing: BTreeSet<String> =
        all.iter().filter(|key| !standing.contains(key)).map(|key| key.model.to_string()).collect();
    experiment.models.retain(|model| missing.contains(&model.name));
    lock.models.retain(|model| missing.contains(&model.name));
    Ok(())
}

fn work(
    common: &Common,
    arguments: &LaunchArgs,
    experiment: &Experiment,
    device: nn::Device,
    folder: PathBuf,
    copy: Option<&Path>,
) -> Result<Work> {
    let here = std::env::current_dir().map_err(|error| Error::io(Path::new("."), error))?;
    let program = match (&arguments.program, copy) {
        (Some(command), _) => script::program(command)?,
        (None, Some(copy)) => vec![quote::path(copy)?.to_owned()],
        (None, None) => vec!["bench".to_owned()],
    };
    let places = places(common, arguments, experiment)?;
    let mut merge =
        vec!["merge".to_owned(), quote::path(&folder)?.to_owned(), "--quiet".to_owned()];
    merge.extend(places.clone());
    let mut work = Work {
        name: job_name(&experiment.name, &folder),
        folder,
        here,
        program,
        sweep: Vec::new(),
        retry: arguments.retry,
        merge,
        shards: arguments.shards,
        requeues: arguments.requeues,
        cpus: arguments.cpus,
    };
    let (lock, out) = (work.lock_file(), quote::path(&work.folder)?.to_owned());
    let mut sweep = vec!["sweep".to_owned(), quote::path(&lock)?.to_owned()];
    sweep.extend(["--out".to_owned(), out, "--quiet".to_owned()]);
    sweep.extend(["--device".to_owned(), device.to_string()]);
    sweep.extend(["--crash-limit".to_owned(), CRASH_LIMIT.to_string()]);
    if !arguments.no_isolate {
        sweep.push("--isolate".to_owned());
    }
    // Limits are no part of what identifies results, so that the frozen settings have none.
    if let Some(seconds) = experiment.limits.seconds {
        sweep.extend(["--time-limit".to_owned(), seconds.to_string()]);
    }
    if let Some(mib) = experiment.limits.memory_mib {
        sweep.extend(["--memory-limit".to_owned(), mib.to_string()]);
    }
    sweep.extend(places);
    work.sweep = sweep;
    Ok(work)
}

/// Where the data is, from the root: jobs may start elsewhere. A container has its own, unless it is told.
fn places(common: &Common, arguments: &LaunchArgs, experiment: &Experiment) -> Result<Vec<String>> {
    let mut places = Vec::new();
    if arguments.program.is_none() || common.data.is_some() {
        let data = absolute(&data_folder_for(&experiment.dataset, common.data.as_deref())?)?;
        places.extend(["--data".to_owned(), quote::path(&data)?.to_owned()]);
    }
    if let Some(table) = &experiment.dataset.table {
        let beside =
            if table.beside.as_os_str().is_empty() { Path::new(".") } else { &table.beside };
        let beside = absolute(beside)?;
        places.extend(["--beside".to_owned(), quote::path(&beside)?.to_owned()]);
    }
    Ok(places)
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

fn shown(scripts: &[(PathBuf, String)]) -> String {
    scripts.iter().map(|(path, text)| format!("# {}\n{text}\n", path.display())).collect()
}

fn command(program: &str, arguments: &[String]) -> Result<String> {
    Ok(format!("{program} {}", quote::words(arguments.iter().map(String::as_str))?))
}

fn say(line: &str) {
    output::print(&format!("{line}\n"));
}
