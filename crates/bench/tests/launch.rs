//! `bench launch` on the real binary: what it prints, what it hands to a queue (stand-ins on the path that write down what
//! they are told), and what its job script does when a task is killed, cancelled or out of time. `scripts/slurm-test.sh`
//! does the same on a real Slurm.

mod common;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use common::{Study, code, command, root, stderr, stdout};

/// Four splits, of two trials each.
const SMALL: &str = "name = \"study\"\nseed = 3\n[dataset]\nname = \"mnist\"\nclasses = [4, 9]\n\
    [protocol]\nsizes = [10, 20]\nrepeats = 2\nfolds = 2\ntest_size = 50\n\
    [[model]]\nname = \"floor\"\nkind = \"majority\"\n";

/// A path that scripts must quote.
const OUT: &str = "it's the \"results\" $HOME";

fn study() -> Study {
    Study::new(|_| SMALL.to_owned())
}

fn launch_command(study: &Study, words: &[&str], options: &[&str]) -> Command {
    let mut launch = command(&root(), &["launch"]);
    launch.args(words).arg(study.path("study.toml")).arg("--out").arg(study.path(OUT));
    launch.args(["--watch", "0"]).args(options).env_remove("SLURM_CONF");
    launch
}

fn dry(study: &Study, options: &[&str]) -> Output {
    let mut launch = launch_command(study, &["slurm"], options);
    // Without Slurm, and without anything else.
    launch.arg("--dry-run").env("PATH", "").output().expect("it runs")
}

#[test]
fn a_dry_run_prints_the_scripts_and_the_commands_and_writes_nothing() {
    let study = study();
    let options = [
        "--shards",
        "3",
        "--partition",
        "gpu",
        "--time",
        "4:00:00",
        "--gpus",
        "a100:1",
        "--account",
        "a b",
        "--cpus",
        "4",
        "--max-parallel",
        "2",
        "--sbatch",
        "--mem=4G",
        "--sbatch",
        "#SBATCH --qos=low",
        "--requeues",
        "7",
        "--warning",
        "90",
        "--time-limit",
        "30",
        "--retry",
        "--program",
        "apptainer exec 'my bench.sif' bench",
    ];
    let printed = dry(&study, &options);
    assert_eq!(code(&printed), 0, "{}", stderr(&printed));
    let text = stdout(&printed);
    for line in [
        "#SBATCH --requeue",
        "#SBATCH --partition=gpu",
        "#SBATCH --time=4:00:00",
        "#SBATCH --gpus=a100:1",
        "#SBATCH --account=\"a b\"",
        "#SBATCH --cpus-per-task=4",
        "#SBATCH --mem=4G",
        "#SBATCH --qos=low",
        "#SBATCH --signal=B:USR1@90",
        "SHARDS=3",
        "REQUEUES=7",
        "PROGRAM=(apptainer exec 'my bench.sif' bench)",
        "RETRY=(--retry)",
    ] {
        assert!(text.lines().any(|found| found == line), "no {line:?} in {text}");
    }
    let sweep = text.lines().find(|line| line.starts_with("SWEEP=(")).expect("a sweep");
    for part in ["--isolate", "--time-limit 30", "--crash-limit 2", "--device cpu", ".lock.toml"] {
        assert!(sweep.contains(part), "no {part} in {sweep}");
    }
    assert!(!sweep.contains("--data"), "a container has data of its own: {sweep}");
    assert!(text.contains(" --array=0-2%2 "), "{text}");
    assert!(text.contains("sbatch --parsable --dependency=afterany:$array_0 "), "{text}");
    assert!(!study.path(OUT).exists(), "nothing is written");

    let own = stdout(&dry(&study, &["--shards", "4", "--no-isolate"]));
    let sweep = own.lines().find(|line| line.starts_with("SWEEP=(")).expect("a sweep");
    assert!(sweep.contains(" --data ") && !sweep.contains("--isolate"), "{sweep}");
    assert!(
        own.lines().any(|l| l.starts_with("PROGRAM=(") && l.contains("launch/bench-")),
        "{own}"
    );
}

#[test]
fn what_a_sweep_would_refuse_is_refused_before_anything_is_written() {
    let study = study();
    for (options, why) in [
        (&["--shards", "5"][..], "at most --shards 4"),
        (
            &["--shards", "2", "--models", "flour"],
            "has no model \"flour\", did you mean \"floor\"?",
        ),
        (&["--shards", "2", "--sbatch", "--mem=4G\n#SBATCH --qos=high"], "must be one line"),
        (&["--shards", "2", "--partition", "a\nb"], "must be one line"),
        (
            &["--shards", "2", "--program", "bench 'half"],
            "--program: \"bench 'half\": the quote ' is not closed",
        ),
        (&["--shards", "2", "--device", "cuda:0"], "build it with --features cuda"),
    ] {
        let refused = dry(&study, options);
        assert_eq!(code(&refused), 2, "{options:?}");
        assert!(stderr(&refused).contains(why), "{options:?}: {}", stderr(&refused));
    }
    let no_slurm = launch_command(&study, &["slurm"], &["--shards", "2"]).env("PATH", "").output();
    let no_slurm = no_slurm.expect("it runs");
    assert_eq!(code(&no_slurm), 2);
    let said = stderr(&no_slurm);
    assert!(said.contains("no sbatch on the path") && said.contains("--shard I/N"), "{said}");
    let cuda = dry(&study, &["--shards", "2", "--device", "cuda:0", "--program", "bench-cuda"]);
    assert_eq!(code(&cuda), 0, "another program may have it: {}", stderr(&cuda));
    assert!(!study.path(OUT).exists(), "nothing is written");
}

#[test]
fn the_cluster_is_a_word_or_an_option_which_wins() {
    let study = study();
    let is = |words: &[&str], options: &[&str], sign: &str| {
        let mut launch = launch_command(&study, words, options);
        let said = launch.args(["--shards", "2", "--dry-run"]).output().expect("it runs");
        assert_eq!(code(&said), 0, "{}", stderr(&said));
        assert!(stdout(&said).contains(sign), "{words:?}, {options:?}: {}", stdout(&said));
    };
    is(&["slurm"], &[], "\nsbatch --parsable");
    is(&["hq"], &[], "\nhq --output-mode=quiet submit --array=0-1");
    is(&["slurm"], &["--on", "hq"], "\nhq --output-mode=quiet submit");
    is(&[], &["--on", "hq"], "\nhq --output-mode=quiet submit");
    for (words, options, why) in [
        (&["slrum"][..], &[][..], "\"slrum\" is neither slurm nor hq"),
        (&[], &[], "is neither slurm nor hq"),
        (&["hq"], &["--partition", "gpu"], "--partition is Slurm's"),
    ] {
        let mut launch = launch_command(&study, words, options);
        let said = launch.args(["--shards", "2", "--dry-run"]).output().expect("it runs");
        assert_eq!(code(&said), 2);
        assert!(stderr(&said).contains(why), "{words:?}: {}", stderr(&said));
    }
}

#[cfg(unix)]
mod with_stand_ins {
    use std::os::unix::fs::PermissionsExt;
    use std::process::{Child, Stdio};
    use std::time::{Duration, Instant};

    use super::*;

    /// Slurm's programs, as far as a launch needs them: they write down what they were told and keep a queue in a file.
    const SBATCH: &str = r#"
if [ -e "$state/refuse" ]; then cat "$state/refuse" >&2; exit 1; fi
id=$(($(cat "$state/last") + 1)); echo $id > "$state/last"
array='' name=''
for argument in "$@"; do
  case $argument in
    --array=*) array=${argument#--array=}; array=${array%\%*} ;;
    --job-name=*) name=${argument#--job-name=} ;;
    *.sh) [ "$name" ] || name=$(sed -n 's/^#SBATCH --job-name=//p' "$argument") ;;
  esac
done
left=$(cat "$state/lose")
if [ "$array" ] && [ "$left" -gt 0 ]; then
  echo $((left - 1)) > "$state/lose"
  [ ! -e "$state/reuse" ] || echo "$id|0|RUNNING|of-somebody-else|None" >> "$state/queue"
  echo $id; exit
fi
[ "$array" ] || echo "$id|N/A|PENDING|$name|Dependency" >> "$state/queue"
for part in $(echo "$array" | tr , ' '); do
  for index in $(seq "${part%-*}" "${part#*-}"); do echo "$id|$index|PENDING|$name|Resources" >> "$state/queue"; done
done
echo "$id;cluster"
"#;
    const SQUEUE: &str = "cat \"$state/queue\"";
    const SCONTROL: &str = r#"
case "$1 $2" in
  "show config") echo "MaxArraySize            = $(cat "$state/max")" ;;
  "show job") name=$(grep -m1 "^$3|" "$state/queue" | cut -d'|' -f4)
    [ "$name" ] || { echo "slurm_load_jobs error: Invalid job id specified" >&2; exit 1; }
    echo "JobId=$3 JobName=$name" ;;
  requeue*) [ "$(wc -l < "$state/requeued" 2>/dev/null || echo 0)" -ge "$(cat "$state/deaf")" ]; code=$?; echo >> "$state/requeued"; exit $code ;;
esac
"#;
    const SCANCEL: &str =
        r#"grep -v "^$1|" "$state/queue" > "$state/rest"; mv "$state/rest" "$state/queue""#;

    /// What the job script waits for, and no test.
    const WAITS: &str = "\nPARTING=60\nGRACE=1\nPATIENCE=15\n";

    /// A cluster of stand-ins, and a study to launch.
    struct Cluster {
        study: Study,
    }

    impl Cluster {
        fn new() -> Cluster {
            let cluster = Cluster { study: study() };
            fs::create_dir_all(cluster.study.path("state")).expect("a folder");
            for (name, text) in
                [("last", "0"), ("lose", "0"), ("max", "1001"), ("queue", ""), ("deaf", "0")]
            {
                cluster.set(name, text);
            }
            for (name, body) in [
                ("sbatch", SBATCH),
                ("squeue", SQUEUE),
                ("scontrol", SCONTROL),
                ("scancel", SCANCEL),
            ] {
                cluster.program(name, body);
            }
            cluster
        }

        fn program(&self, name: &str, body: &str) {
            let state = self.study.path("state");
            let text = format!(
                "#!/bin/sh\nstate='{}'\n{{ printf '{name}'; printf ' %s' \"$@\"; echo; }} >> \"$state/calls\"\n{body}\n",
                state.display()
            );
            let path = self.study.path("bin").join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(&path, text).expect("written");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a program");
        }

        fn set(&self, name: &str, text: &str) {
            fs::write(self.study.path("state").join(name), text).expect("written");
        }

        fn state(&self, name: &str) -> String {
            fs::read_to_string(self.study.path("state").join(name)).unwrap_or_default()
        }

        /// What was asked since the last time.
        fn calls(&self, of: &str) -> Vec<String> {
            let calls = self.state("calls");
            let own = calls.lines().filter_map(|line| line.strip_prefix(of)?.strip_prefix(' '));
            own.map(str::to_owned).collect()
        }

        fn forget_calls(&self) {
            self.set("calls", "");
        }

        fn path(&self) -> std::ffi::OsString {
            let mut path = self.study.path("bin").into_os_string();
            path.push(":");
            path.push(std::env::var_os("PATH").unwrap_or_default());
            path
        }

        fn launch(&self, cluster: &str, options: &[&str]) -> Output {
            let mut launch = launch_command(&self.study, &[cluster], options);
            launch.env("PATH", self.path()).output().expect("it runs")
        }

        fn in_launch(&self, name: &str) -> PathBuf {
            self.study.path(OUT).join("launch").join(name)
        }

        /// The job script of the launch, as task `index` of array 7; without the seconds that Slurm is given.
        fn job(&self, index: u32, offset: &str) -> Command {
            let script = common::read(&self.in_launch("job.sh"));
            assert!(script.contains(WAITS), "{script}");
            let script = script.replace(WAITS, "\nPARTING=0\nGRACE=0\nPATIENCE=0\n");
            let path = self.study.path("job.sh");
            fs::write(&path, script).expect("written");
            let mut job = Command::new("bash");
            job.arg(path).arg(offset).env("PATH", self.path()).env_remove("BENCH_DATA");
            job.env("SLURM_ARRAY_JOB_ID", "7").env("SLURM_ARRAY_TASK_ID", index.to_string());
            // In the last task of an array this is the array's own number.
            job.env("SLURM_JOB_ID", "7").stdout(Stdio::piped()).stderr(Stdio::piped());
            job
        }
    }

    fn fine(output: &Output) -> String {
        assert_eq!(code(output), 0, "{}{}", stdout(output), stderr(output));
        stdout(output)
    }

    #[test]
    fn one_array_and_a_merge_behind_it_and_later_only_what_is_missing() {
        let cluster = Cluster::new();
        let said = fine(&cluster.launch("slurm", &["--shards", "4", "--max-parallel", "2"]));
        assert!(said.contains("array 1: shards 0-3\n"), "{said}");
        let (job, merge) = (cluster.in_launch("job.sh"), cluster.in_launch("merge.sh"));
        let handed_in = cluster.calls("sbatch");
        let name = handed_in[0].split(' ').nth(1).expect("a name").to_owned();
        assert!(name.starts_with("--job-name=bench-study-"), "{name}");
        assert_eq!(
            handed_in,
            [
                format!("--parsable {name} --array=0-3%2 {} 0", job.display()),
                format!("--parsable --dependency=afterany:1 {}", merge.display())
            ]
        );
        let manifest = bench::launch::Manifest::read(&cluster.study.path(OUT)).expect("readable");
        let manifest = manifest.expect("a manifest");
        assert_eq!((&*manifest.engine, manifest.shards), ("slurm", 4));
        assert_eq!(format!("--job-name={}", manifest.job_name), name);
        let submitted: Vec<_> =
            manifest.submitted.iter().map(|s| (s.id.as_str(), s.shards.as_str())).collect();
        assert_eq!(submitted, [("1", "0-3"), ("2", "merge")]);

        // All are in the queue: no array, and a new merge takes the place of the one that waits.
        cluster.forget_calls();
        let said = fine(&cluster.launch("slurm", &["--shards", "4"]));
        assert!(said.contains("left out: shards 0-3, which are in the queue already"), "{said}");
        assert_eq!(
            cluster.calls("sbatch"),
            [format!("--parsable --dependency=afterany:1 {}", merge.display())]
        );
        assert_eq!(cluster.calls("scancel"), ["2"]);

        // A shard is through, another is still in the queue, the rest got lost.
        let ran = cluster.job(1, "0").output().expect("bash");
        assert!(fine(&ran).contains("shard 1, slurm-7_1-r0 on "), "{}", stdout(&ran));
        let queue: Vec<String> = cluster
            .state("queue")
            .lines()
            .filter(|l| l.starts_with("1|2|"))
            .map(str::to_owned)
            .collect();
        cluster.set("queue", &format!("{}\n", queue.join("\n")));
        cluster.forget_calls();
        let said = fine(&cluster.launch("slurm", &["--shards", "4"]));
        assert!(said.contains("left out: shards 1, which are through"), "{said}");
        assert!(said.contains("left out: shards 2, which are in the queue already"), "{said}");
        let handed_in = cluster.calls("sbatch");
        assert!(handed_in[0].contains(" --array=0,3 "), "{handed_in:?}");
        assert!(handed_in[1].contains(" --dependency=afterany:1:4 "), "{handed_in:?}");

        // Other settings under jobs that wait are refused; so is another number of shards.
        for options in [&["--shards", "3"][..], &["--shards", "4", "--sizes", "10"]] {
            let refused = cluster.launch("slurm", options);
            assert_eq!(code(&refused), 2);
            assert!(stderr(&refused).contains("scancel 1 4"), "{}", stderr(&refused));
        }

        // When all is through, the merge alone, and then nothing.
        cluster.set("queue", "");
        for shard in [0, 2, 3] {
            fine(&cluster.job(shard, "0").output().expect("bash"));
        }
        cluster.forget_calls();
        let said = fine(&cluster.launch("slurm", &["--shards", "4"]));
        assert!(said.contains("left out: shards 0-3, which are through"), "{said}");
        assert_eq!(cluster.calls("sbatch"), [format!("--parsable {}", merge.display())]);
        cluster.set("queue", "");
        fine(&Command::new("bash").arg(&merge).output().expect("bash"));
        cluster.forget_calls();
        let said = fine(&cluster.launch("slurm", &["--shards", "4"]));
        assert!(said.contains("nothing to do"), "{said}");
        assert!(cluster.calls("sbatch").is_empty());

        let whole = cluster.study.sweep("whole", &[]);
        assert_eq!(code(&whole), 0, "{}", stderr(&whole));
        let mut launched = common::stable_files(&cluster.study.path(OUT));
        launched.retain(|(name, _)| !name.starts_with("launch/"));
        assert_eq!(launched, common::stable_files(&cluster.study.path("whole")));
    }

    #[test]
    fn arrays_are_parted_where_their_numbers_would_be_too_large() {
        let cluster = Cluster::new();
        cluster.set("max", "3");
        let said = fine(&cluster.launch("slurm", &["--shards", "4"]));
        assert!(said.contains("array 1: shards 0-2\narray 2: shards 3\n"), "{said}");
        let handed_in = cluster.calls("sbatch");
        assert!(
            handed_in[1].contains("+3 --array=0 ") && handed_in[1].ends_with("job.sh 3"),
            "{handed_in:?}"
        );
        assert!(handed_in[2].contains(" --dependency=afterany:1:2 "), "{handed_in:?}");
        cluster.forget_calls();
        let said = fine(&cluster.launch("slurm", &["--shards", "4"]));
        assert!(said.contains("left out: shards 0-3, which are in the queue"), "{said}");
        assert!(fine(&cluster.job(0, "3").output().expect("bash")).contains("shard 3, "));
        let logs = common::journals(&cluster.study.path(OUT));
        assert_eq!(logs, 1);
        assert!(
            fs::read_dir(cluster.study.path(OUT).join("journal"))
                .expect("a journal")
                .flatten()
                .any(|entry| entry
                    .file_name()
                    .to_string_lossy()
                    .starts_with("shard-00003-of-00004.slurm-7_0-r0."))
        );
    }

    #[test]
    fn what_the_controller_has_lost_is_handed_in_again() {
        let cluster = Cluster::new();
        cluster.set("lose", "1");
        let said = fine(&cluster.launch("slurm", &["--shards", "4"]));
        assert!(
            said.contains("Slurm has accepted and lost 1: once more\narray 3: shards 0-3\n"),
            "{said}"
        );
        assert_eq!(cluster.calls("scancel"), ["2"], "the merge behind the lost array");
        assert!(cluster.state("queue").starts_with("3|0|"), "{}", cluster.state("queue"));

        // The number of what was lost may be another's by now.
        let cluster = Cluster::new();
        cluster.set("lose", "1");
        cluster.set("reuse", "");
        let said = fine(&cluster.launch("slurm", &["--shards", "4"]));
        assert!(said.contains("accepted and lost 1: once more"), "{said}");

        let cluster = Cluster::new();
        cluster.set("lose", "1000");
        let given_up = cluster.launch("slurm", &["--shards", "4"]);
        assert_eq!(code(&given_up), 2);
        assert!(
            stderr(&given_up).contains("did not keep what it was given, 4 times"),
            "{}",
            stderr(&given_up)
        );
    }

    #[test]
    fn refusals_of_slurm_are_passed_on_with_a_remedy() {
        for (said, expected) in [
            ("sbatch: error: invalid partition specified: gpu", "invalid partition specified: gpu"),
            ("fatal: Could not establish a configuration source", "set SLURM_CONF"),
        ] {
            let cluster = Cluster::new();
            cluster.set("refuse", said);
            let refused = cluster.launch("slurm", &["--shards", "4"]);
            assert_eq!(code(&refused), 2);
            assert!(stderr(&refused).contains(expected), "{}", stderr(&refused));
        }
        let cluster = Cluster::new();
        cluster.set("max", "0");
        let refused = cluster.launch("slurm", &["--shards", "4"]);
        assert!(stderr(&refused).contains("takes no job arrays"), "{}", stderr(&refused));
    }

    /// A cluster whose jobs run a stand-in for bench: it leaves what an attempt leaves, and then does as `body` says.
    fn with_program(body: &str, options: &[&str]) -> Cluster {
        let cluster = Cluster::new();
        let out = cluster.study.path(OUT).display().to_string().replace('\'', "'\\''");
        let leaves = format!(
            "out='{out}'\nstem=\"$out/journal/shard-00000-of-00004.$BENCH_ATTEMPT.host.$$.abc\"\n\
             mkdir -p \"$out/journal\"\n: > \"$stem.started\"\nwrite() {{ printf 'bench-journal 1\\nrecord\\n' > \"$stem.log\"; }}\n"
        );
        cluster.program("stand in", &format!("{leaves}{body}"));
        let program = format!("'{}'", cluster.study.path("bin").join("stand in").display());
        let mut all = vec!["--shards", "4", "--program", &program];
        all.extend(options);
        fine(&cluster.launch("slurm", &all));
        cluster.forget_calls();
        cluster
    }

    fn requeued(cluster: &Cluster) -> usize {
        let requeued: Vec<String> = cluster
            .calls("scontrol")
            .into_iter()
            .filter(|call| call.starts_with("requeue"))
            .collect();
        assert!(requeued.iter().all(|call| call == "requeue 7_0"), "{requeued:?}");
        requeued.len()
    }

    fn died(cluster: &Cluster) -> Vec<String> {
        let journal = fs::read_dir(cluster.study.path(OUT).join("journal")).expect("a journal");
        let mut names: Vec<String> = journal
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.retain(|name| name.ends_with(".died"));
        names.sort();
        names
    }

    fn failures(cluster: &Cluster) -> usize {
        fs::read_to_string(cluster.in_launch("failures/7_0")).unwrap_or_default().lines().count()
    }

    /// Sends `signal` to the job once its program is at work, and waits for its end.
    fn signalled(cluster: &Cluster, signal: &str) -> Output {
        let mut job = cluster.job(0, "0");
        let child: Child = job.spawn().expect("bash");
        wait_until_ready(cluster);
        send(signal, &child.id().to_string());
        child.wait_with_output().expect("reaped")
    }

    fn wait_until_ready(cluster: &Cluster) {
        let started = Instant::now();
        while !cluster.study.path("state/ready").exists() {
            assert!(started.elapsed() < Duration::from_secs(20), "the program does not start");
            std::thread::sleep(Duration::from_millis(10));
        }
        fs::remove_file(cluster.study.path("state/ready")).expect("removed");
    }

    fn send(signal: &str, process: &str) {
        let sent = Command::new("kill").args([signal, process]).status();
        assert!(sent.expect("kill").success());
    }

    #[test]
    fn a_merge_that_lacks_trials_looks_once_more() {
        let counts = "[ $1 = sweep ] || echo . >> \"$out/merges\"\n";
        let merges = |cluster: &Cluster| {
            let script = cluster.in_launch("merge.sh");
            let ended = Command::new("bash").arg(script).output().expect("bash");
            let counted = fs::read_to_string(cluster.study.path(OUT).join("merges"));
            (code(&ended), counted.unwrap_or_default().lines().count())
        };
        let late = format!("{counts}[ $(wc -l < \"$out/merges\") = 1 ] && exit 3; exit 0");
        assert_eq!(merges(&with_program(&late, &["--settle", "1"])), (0, 2));
        let never = format!("{counts}exit 3");
        assert_eq!(merges(&with_program(&never, &["--settle", "1"])), (3, 2));
        assert_eq!(merges(&with_program(&never, &["--settle", "0"])), (3, 1));
        let conflict = format!("{counts}exit 2");
        assert_eq!(merges(&with_program(&conflict, &["--settle", "1"])), (2, 1));
    }

    #[test]
    fn a_death_by_signal_is_marked_and_requeued_so_often_and_no_more() {
        let cluster = with_program("kill -9 $$", &["--requeues", "2"]);
        for (restart, requeues) in [("0", 1), ("1", 2), ("2", 2)] {
            let mut job = cluster.job(0, "0");
            let ended = job.env("SLURM_RESTART_COUNT", restart).output().expect("bash");
            assert_eq!(code(&ended), 137, "{}", stdout(&ended));
            assert_eq!(requeued(&cluster), requeues, "{}", stdout(&ended));
        }
        assert_eq!(failures(&cluster), 3);
        let died = died(&cluster);
        assert_eq!(died.len(), 3, "{died:?}");
        assert!(died[2].starts_with("shard-00000-of-00004.slurm-7_0-r2.host."), "{died:?}");
    }

    #[test]
    fn a_controller_that_does_not_answer_is_asked_again() {
        let cluster = with_program("kill -9 $$", &[]);
        cluster.set("deaf", "1");
        assert_eq!(code(&cluster.job(0, "0").output().expect("bash")), 137);
        assert_eq!(requeued(&cluster), 2);
    }

    #[test]
    fn the_codes_of_bench_decide() {
        for (does, expected) in
            [("exit 0", 0), ("exit 1", 0), ("exit 2", 2), ("exit 130", 130), ("kill -15 $$", 143)]
        {
            let cluster = with_program(does, &[]);
            let ended = cluster.job(0, "0").output().expect("bash");
            assert_eq!(code(&ended), expected, "{does}: {}", stdout(&ended));
            assert_eq!(requeued(&cluster), 0, "{does}: {}", stdout(&ended));
            assert!(died(&cluster).is_empty(), "{does}");
        }
    }

    /// Runs until it is asked to stop, as bench does.
    const UNTIL_TERM: &str =
        "trap 'kill $!; exit 130' TERM\nsleep 20 &\n: > \"$state/ready\"\nwait";

    #[test]
    fn a_cancelled_task_stays_cancelled() {
        let cluster = with_program(UNTIL_TERM, &[]);
        let ended = signalled(&cluster, "-TERM");
        assert_eq!(code(&ended), 130, "{}", stdout(&ended));
        assert!(stdout(&ended).contains("signal to stop (cancel)"), "{}", stdout(&ended));
        assert_eq!((requeued(&cluster), failures(&cluster)), (0, 0));
    }

    #[test]
    fn a_bench_that_slurm_has_told_to_stop_is_not_told_again_at_once() {
        let counts = "echo $$ > \"$state/pid\"\nasked=0\ntrap 'asked=$((asked + 1))' TERM\n: > \"$state/ready\"\n\
            while [ $asked = 0 ]; do sleep 0.1; done\nsleep 1\necho \"asked $asked times\"\nexit 130";
        let cluster = with_program(counts, &[]);
        let mut job = cluster.job(0, "0");
        let script = common::read(&cluster.study.path("job.sh"));
        let patient = script.replace("\nPATIENCE=0\n", "\nPATIENCE=15\n");
        fs::write(cluster.study.path("job.sh"), patient).expect("written");
        let child = job.spawn().expect("bash");
        wait_until_ready(&cluster);
        // As scancel does: every process of the task.
        send("-TERM", &child.id().to_string());
        send("-TERM", cluster.state("pid").trim());
        let ended = child.wait_with_output().expect("reaped");
        assert_eq!(code(&ended), 130, "{}", stdout(&ended));
        assert!(stdout(&ended).contains("asked 1 times"), "{}", stdout(&ended));
        assert!(stdout(&ended).contains("signal to stop (cancel)"), "{}", stdout(&ended));
    }

    #[test]
    fn at_its_time_limit_a_task_with_progress_goes_on_for_ever_and_one_without_does_not() {
        let cluster = with_program(&format!("write\n{UNTIL_TERM}"), &["--requeues", "1"]);
        for slot in 1..4 {
            let ended = signalled(&cluster, "-USR1");
            assert_eq!(code(&ended), 130, "{}", stdout(&ended));
            assert!(stdout(&ended).contains("signal to stop (limit)"), "{}", stdout(&ended));
            assert_eq!((requeued(&cluster), failures(&cluster)), (slot, 0), "{}", stdout(&ended));
        }
        let cluster = with_program(UNTIL_TERM, &["--requeues", "1"]);
        for (requeues, failed) in [(1, 1), (1, 2)] {
            let ended = signalled(&cluster, "-USR1");
            assert_eq!(
                (requeued(&cluster), failures(&cluster)),
                (requeues, failed),
                "{}",
                stdout(&ended)
            );
        }
        assert!(died(&cluster).is_empty());
        // What is through at the signal has nothing to go on with.
        let through = UNTIL_TERM.replace("exit 130", "exit 0");
        let cluster = with_program(&through, &[]);
        assert_eq!(code(&signalled(&cluster, "-USR1")), 0);
        assert_eq!(requeued(&cluster), 0);
    }

    #[test]
    fn failed_trials_run_again_in_the_first_slot_alone() {
        let cluster = with_program("echo \"told: $*\"", &["--retry"]);
        let told = |restart| {
            let mut job = cluster.job(0, "0");
            fine(
                &job.env("SLURM_RESTART_COUNT", restart)
                    .env("SLURM_CPUS_PER_TASK", "3")
                    .output()
                    .expect("bash"),
            )
        };
        let (first, second) = (told("0"), told("1"));
        assert!(first.contains(" --retry --jobs 3 --shard 0/4\n"), "{first}");
        assert!(
            !second.contains("--retry") && second.contains(" --jobs 3 --shard 0/4\n"),
            "{second}"
        );
    }

    const HQ: &str = r#"
case "$*" in
  *"job list"*) cat "$state/jobs" ;;
  *"task-ids"*) echo 1-2 ;;
  *submit*) echo 12 ;;
esac
"#;

    #[test]
    fn hyperqueue_gets_an_array_of_what_is_missing() {
        let cluster = Cluster::new();
        cluster.program("hq", HQ);
        cluster.set("jobs", "[]");
        let said = fine(&cluster.launch("hq", &["--shards", "4", "--cpus", "2", "--time", "4h"]));
        assert!(
            said.contains("job 12: shards 0-3\nwhen it has ended (`hq job wait 12`): "),
            "{said}"
        );
        let submitted = |cluster: &Cluster| {
            let calls = cluster.calls("hq").into_iter().filter(|call| call.contains(" submit "));
            calls.collect::<Vec<_>>()
        };
        let call = submitted(&cluster).remove(0);
        for part in [
            " --array=0-3 ",
            " --cpus=2 ",
            " --time-request=4h ",
            " --crash-limit=5 ",
            "_%{TASK_ID}-",
        ] {
            assert!(call.contains(part), "no {part:?} in {call}");
        }
        assert!(call.ends_with("launch/job.sh"), "{call}");

        let manifest = bench::launch::Manifest::read(&cluster.study.path(OUT)).expect("readable");
        let name = manifest.expect("a manifest").job_name;
        cluster.set(
            "jobs",
            &format!("[{{\"id\": 12, \"name\": {name:?}}}, {{\"id\": 13, \"name\": \"other\"}}]"),
        );
        cluster.forget_calls();
        let said = fine(&cluster.launch("hq", &["--shards", "4", "--cpus", "2"]));
        assert!(said.contains("left out: shards 1-2, which are in the queue already"), "{said}");
        assert!(submitted(&cluster)[0].contains(" --array=0,3 "), "{:?}", submitted(&cluster));
    }

    /// The script of a task under HyperQueue, as its task 2.
    fn hq_task(cluster: &Cluster) -> Output {
        let mut job = Command::new("bash");
        job.arg(cluster.in_launch("job.sh")).env_remove("BENCH_DATA");
        job.envs([("HQ_JOB_ID", "12"), ("HQ_TASK_ID", "2"), ("HQ_INSTANCE_ID", "1")])
            .output()
            .expect("bash")
    }

    #[test]
    fn under_hyperqueue_the_script_itself_starts_a_killed_bench_again() {
        let cluster = Cluster::new();
        cluster.program("hq", HQ);
        cluster.set("jobs", "[]");
        fine(&cluster.launch("hq", &["--shards", "4"]));
        assert!(fine(&hq_task(&cluster)).contains("shard 2, hq-12_2-r1-0 on "));
        assert_eq!(common::journals(&cluster.study.path(OUT)), 1);

        cluster.program("stand in", "[ \"$(grep -c '^stand' \"$state/calls\")\" -gt 2 ] || kill -9 $$\necho \"$BENCH_ATTEMPT\"");
        let program = format!("'{}'", cluster.study.path("bin").join("stand in").display());
        for (requeues, expected) in [("1", 137), ("2", 0)] {
            cluster.forget_calls();
            fine(
                &cluster.launch(
                    "hq",
                    &["--shards", "4", "--program", &program, "--requeues", requeues],
                ),
            );
            let ended = hq_task(&cluster);
            assert_eq!(code(&ended), expected, "{}", stdout(&ended));
            assert_eq!(
                stdout(&ended).contains("\nhq-12_2-r1-2\n"),
                expected == 0,
                "{}",
                stdout(&ended)
            );
        }
    }

    #[test]
    fn a_real_hyperqueue_runs_a_study() {
        if Command::new("hq").arg("--version").output().is_err() {
            common::skipped("no hq on the path: HyperQueue itself is not tested");
            return;
        }
        let study = study();
        let home = study.path("hq");
        let hq = |arguments: &[&str]| {
            let mut command = Command::new("hq");
            command.arg("--server-dir").arg(&home).args(arguments);
            command
        };
        let mut server = hq(&["server", "start"]).stdout(Stdio::null()).spawn().expect("a server");
        let started = Instant::now();
        while !hq(&["server", "info"]).output().expect("hq").status.success() {
            assert!(started.elapsed() < Duration::from_secs(20), "the server does not start");
            std::thread::sleep(Duration::from_millis(100));
        }
        let mut worker = hq(&["worker", "start"]).stdout(Stdio::null()).spawn().expect("a worker");
        let mut launch = launch_command(&study, &["hq"], &["--shards", "4"]);
        let said = fine(&launch.env("HQ_SERVER_DIR", &home).output().expect("it runs"));
        let waited = hq(&["job", "wait", "all"]).status().expect("hq");
        let _ = hq(&["server", "stop"]).status();
        let _ = (worker.kill(), worker.wait(), server.kill(), server.wait());
        assert!(waited.success(), "{said}");
        let merged = common::bench(&["merge", study.path(OUT).to_str().expect("text"), "--quiet"]);
        assert_eq!(code(&merged), 0, "{}", stderr(&merged));
    }
}
