//! A cluster of stand-ins: a queue's programs on the path that write down what they are told, and a study to launch.
#![cfg(unix)]
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use crate::common::{self, Study, code, command, root, stderr, stdout};

/// Four splits, of two trials each.
pub const SMALL: &str = "name = \"study\"\nseed = 3\n[dataset]\nname = \"mnist\"\nclasses = [4, 9]\n\
    [protocol]\nsizes = [10, 20]\nrepeats = 2\nfolds = 2\ntest_size = 50\n\
    [[model]]\nname = \"floor\"\nkind = \"majority\"\n";

/// A path that scripts must quote.
pub const OUT: &str = "it's the \"results\" $HOME";

pub fn study() -> Study {
    Study::new(|_| SMALL.to_owned())
}

pub fn launch_command(study: &Study, words: &[&str], options: &[&str]) -> Command {
    let mut launch = command(&root(), &["launch"]);
    launch.args(words).arg(study.path("study.toml")).arg("--out").arg(study.path(OUT));
    launch.args(["--watch", "0"]).args(options).env_remove("SLURM_CONF");
    launch
}

/// Slurm's programs, as far as a launch needs them: they write down what they were told and keep a queue in a file.
pub const SBATCH: &str = r#"
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
pub const SQUEUE: &str = "cat \"$state/queue\"";
pub const SCONTROL: &str = r#"
case "$1 $2" in
  "show config") echo "MaxArraySize            = $(cat "$state/max")" ;;
  "show job") name=$(grep -m1 "^$3|" "$state/queue" | cut -d'|' -f4)
    [ "$name" ] || { echo "slurm_load_jobs error: Invalid job id specified" >&2; exit 1; }
    echo "JobId=$3 JobName=$name" ;;
  requeue*) [ "$(wc -l < "$state/requeued" 2>/dev/null || echo 0)" -ge "$(cat "$state/deaf")" ]; code=$?; echo >> "$state/requeued"; exit $code ;;
esac
"#;
pub const SCANCEL: &str =
    r#"grep -v "^$1|" "$state/queue" > "$state/rest"; mv "$state/rest" "$state/queue""#;

/// What the job script waits for, and no test.
pub const WAITS: &str = "\nPARTING=60\nGRACE=1\nPATIENCE=15\n";

/// A cluster of stand-ins, and a study to launch.
pub struct Cluster {
    pub study: Study,
}

impl Cluster {
    pub fn new() -> Cluster {
        let cluster = Cluster { study: study() };
        fs::create_dir_all(cluster.study.path("state")).expect("a folder");
        for (name, text) in
            [("last", "0"), ("lose", "0"), ("max", "1001"), ("queue", ""), ("deaf", "0")]
        {
            cluster.set(name, text);
        }
        for (name, body) in
            [("sbatch", SBATCH), ("squeue", SQUEUE), ("scontrol", SCONTROL), ("scancel", SCANCEL)]
        {
            cluster.program(name, body);
        }
        cluster
    }

    pub fn program(&self, name: &str, body: &str) {
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

    pub fn set(&self, name: &str, text: &str) {
        fs::write(self.study.path("state").join(name), text).expect("written");
    }

    pub fn state(&self, name: &str) -> String {
        fs::read_to_string(self.study.path("state").join(name)).unwrap_or_default()
    }

    /// What was asked since the last time.
    pub fn calls(&self, of: &str) -> Vec<String> {
        let calls = self.state("calls");
        let own = calls.lines().filter_map(|line| line.strip_prefix(of)?.strip_prefix(' '));
        own.map(str::to_owned).collect()
    }

    pub fn forget_calls(&self) {
        self.set("calls", "");
    }

    pub fn path(&self) -> std::ffi::OsString {
        let mut path = self.study.path("bin").into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        path
    }

    pub fn launch(&self, cluster: &str, options: &[&str]) -> Output {
        let mut launch = launch_command(&self.study, &[cluster], options);
        launch.env("PATH", self.path()).output().expect("it runs")
    }

    pub fn in_launch(&self, name: &str) -> PathBuf {
        self.study.path(OUT).join("launch").join(name)
    }

    /// The job script of the launch, as task `index` of array 7; without the seconds that Slurm is given.
    pub fn job(&self, index: u32, offset: &str) -> Command {
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

pub fn fine(output: &Output) -> String {
    assert_eq!(code(output), 0, "{}{}", stdout(output), stderr(output));
    stdout(output)
}
