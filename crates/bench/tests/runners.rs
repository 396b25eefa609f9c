//! Models in other languages, and models that misbehave there, on the real command line.
//!
//! Python and Node are asked for; a test without its interpreter says that it was skipped.

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use common::{bench, code, example, root, skipped, stable_files, stderr};
use tempfile::TempDir;

/// An interpreter that runs `code` without complaint; says so where there is none.
fn interpreter(program: &str, code: &str) -> bool {
    let option = if program == "node" { "-e" } else { "-c" };
    let silent = |command: &mut Command| {
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
    };
    let there = silent(Command::new(program).args([option, code]));
    if !there {
        skipped(&format!("no {program} that runs {code:?} here"));
    }
    there
}

/// A study of two quick models, and a file of contenders to add.
struct Study(TempDir);

impl Study {
    fn new(contenders: &str) -> Study {
        let folder = TempDir::new().expect("a folder");
        let study = "name = \"study\"\nseed = 3\n[dataset]\nname = \"csv\"\npath = \"tables/iris.csv\"\n\
             target = \"target\"\n[protocol]\nsizes = [9, 30]\nrepeats = 2\nfolds = 2\n\
             [[model]]\nname = \"floor\"\nkind = \"majority\"\n[[model]]\nname = \"knn\"\nkind = \"knn\"\n";
        fs::write(folder.path().join("study.toml"), study).expect("written");
        fs::write(folder.path().join("more.toml"), contenders).expect("written");
        Study(folder)
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().expect("a path").to_owned()
    }

    fn sweep(&self, out: &str, options: &[&str]) -> Output {
        let (study, more, out) = (self.path("study.toml"), self.path("more.toml"), self.path(out));
        let mut arguments = vec!["sweep", &study, "--with", &more, "--out", &out];
        arguments.extend(options);
        bench(&arguments)
    }

    fn scores(&self, out: &str, model: &str) -> Vec<csv::StringRecord> {
        let path = Path::new(&self.path(out)).join("scores").join(format!("{model}.csv"));
        let mut reader = csv::Reader::from_path(path).expect("scores");
        reader.records().map(|row| row.expect("a row")).collect()
    }
}

fn contender(name: &str, command: &[&str], more: &str) -> String {
    format!(
        "[[model]]\nname = {name:?}\nkind = \"runner\"\ncommand = {command:?}\nversion = [{:?}, \"--version\"]\n{more}\n",
        command[0]
    )
}

#[test]
fn three_languages_agree_on_the_nearest_mean_to_the_last_item() {
    if !interpreter("python3", "import json, struct, array") {
        return;
    }
    let mut contenders = contender("py", &["python3", "scripts/runners/minimal_runner.py"], "");
    let node = interpreter("node", "Buffer.alloc(1)");
    if node {
        let file = "scripts/runners/nearest_mean_runner.mjs";
        contenders += &contender("js", &["node", file], "");
    }
    let study = Study::new(&contenders);
    let first = study.sweep("out", &[]);
    assert_eq!(code(&first), 0, "{}", stderr(&first));
    let columns = |model: &str| -> Vec<Vec<String>> {
        // n, repeat, fold, status, n_correct, train_accuracy: what doesn't name the model.
        let pick =
            |row: &csv::StringRecord| [1, 2, 3, 5, 8, 12].map(|i| row[i].to_owned()).to_vec();
        study.scores("out", model).iter().map(pick).collect()
    };
    assert_eq!(columns("py").len(), 8);
    assert!(
        columns("py")
            .iter()
            .all(|row| row[3] == "ok" && row[4].parse::<u32>().is_ok_and(|n| n > 50))
    );
    if node {
        assert_eq!(columns("py"), columns("js"));
        let losses = study.scores("out", "js");
        assert!(losses.iter().all(|row| row[10].parse::<f64>().is_ok()), "it has probabilities");
    }

    // In one process or in several, the same bytes; and the lock alone is enough to check them.
    let isolated = study.sweep("isolated", &["--isolate", "--jobs", "3"]);
    assert_eq!(code(&isolated), 0, "{}", stderr(&isolated));
    let folder = |out: &str| stable_files(Path::new(&study.path(out)));
    assert_eq!(folder("out"), folder("isolated"));
    let verified = bench(&["verify", &study.path("out"), "--all"]);
    assert_eq!(code(&verified), 0, "{}{}", common::stdout(&verified), stderr(&verified));
}

#[test]
fn any_estimator_of_scikit_learn_is_a_contender() {
    if !interpreter("python3", "import sklearn") {
        return;
    }
    let runner = "scripts/runners/sklearn_runner.py";
    let estimator = "sklearn.neighbors.KNeighborsClassifier";
    let contenders = format!(
        "[[model]]\nname = \"sk\"\nkind = \"runner\"\ncommand = [\"python3\", {runner:?}, {estimator:?}]\n\
         version = [\"python3\", {runner:?}, \"--version\"]\nparams = {{ n_neighbors = 1, algorithm = \"brute\" }}\n"
    );
    let study = Study::new(&contenders);
    let ended = study.sweep("out", &[]);
    assert_eq!(code(&ended), 0, "{}", stderr(&ended));
    let right = |model: &str| -> Vec<String> {
        study.scores("out", model).iter().map(|row| row[8].to_owned()).collect()
    };
    assert_eq!(right("sk"), right("knn"), "one nearest neighbour is one nearest neighbour");
    let lock = fs::read_to_string(Path::new(&study.path("out")).join("experiment.lock.toml"));
    assert!(lock.expect("a lock").contains("found_version = \"scikit-learn "));
    let ran_on = fs::read_to_string(Path::new(&study.path("out")).join("environment.toml"));
    assert!(ran_on.expect("an environment").contains("[runners]\nsk = \"scikit-learn "));
}

#[test]
fn nets_in_pytorch_are_contenders() {
    if !interpreter("python3", "import torch, numpy") {
        return;
    }
    let runner = "scripts/runners/torch_runner.py";
    let contenders = format!(
        "[[model]]\nname = \"torch\"\nkind = \"runner\"\ncommand = [\"python3\", {runner:?}, \"mlp\"]\n\
         version = [\"python3\", {runner:?}, \"--version\"]\nparams = {{ hidden = [16], epochs = 30 }}\n"
    );
    let study = Study::new(&contenders);
    let ended = study.sweep("out", &[]);
    assert_eq!(code(&ended), 0, "{}", stderr(&ended));
    let rows = study.scores("out", "torch");
    assert_eq!(rows.len(), 8);
    assert!(rows.iter().all(|row| row[10].parse::<f64>().is_ok()), "it has probabilities");
    // Batches of 32: one step an epoch at either size.
    assert!(rows.iter().all(|row| &row[14] == "30"), "{:?}", rows[0]);
}

/// A runner that does what it is told when it is to predict for 9 training rows, and well otherwise. It writes its
/// process's number into a file beside it.
const MISBEHAVING: &str = r#"
import json, os, struct, subprocess, sys, time
def read():
    lengths = sys.stdin.buffer.read(12)
    if len(lengths) < 12: sys.exit(0)
    header, payload = struct.unpack("<IQ", lengths)
    return json.loads(sys.stdin.buffer.read(header)), sys.stdin.buffer.read(payload)
def write(header, payload=b""):
    header = json.dumps(header).encode()
    sys.stdout.buffer.write(struct.pack("<IQ", len(header), len(payload)) + header + payload)
    sys.stdout.buffer.flush()
def say(text): print(text, file=sys.stderr, flush=True)
does, rows = sys.argv[1], 0
with open(sys.argv[0] + "." + does.replace(" ", "-"), "a") as log: log.write(f"{os.getpid()}\n")
while True:
    header, payload = read()
    if header["op"] == "hello":
        if does == "greets as text": print("hello"); sys.stdout.flush(); time.sleep(60)
        if does == "never greets": time.sleep(600)
        hello = {"protocol": 7 if does == "speaks another protocol" else 1, "name": "x", "version": "1"}
        if does == "tells two apart": hello["can"] = {"classes": 2}
        if does == "promises": hello["can"] = {"classes": 3, "probabilities": True}
        if does == "claims": hello["can"] = "everything"
        write(hello)
    elif header["op"] == "fit":
        assert "labels" not in header and len(payload) == 4 * header["rows"] * (header["columns"] + 1)
        rows = header["rows"]
        if does == "dawdles": time.sleep(0.7 if rows == 9 else 0)
        write({"steps": 5})
        if does == "chats" and rows == 9: write({}, b"\0" * 8); time.sleep(0.5)
    else:
        # What is to be predicted, and nothing that tells its labels.
        assert sorted(header) == ["columns", "op", "rows"] and len(payload) == 4 * header["rows"] * header["columns"]
        zeros = b"\0" * (4 * header["rows"])
        if rows != 9: write({"probabilities": True}, zeros + struct.pack("<fff", 1, 0, 0) * header["rows"])
        elif does == "dies":
            # A descendant that would hold the streams for ever.
            subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
            say("out of luck"); sys.exit(3)
        elif does == "hangs": say("10%\r20%"); time.sleep(600)
        elif does == "dawdles": time.sleep(0.7); write({}, zeros)
        elif does == "prints": say("chatty"); print("predicting now, please wait"); sys.stdout.flush()
        elif does == "miscounts": say("can't count"); write({}, b"\0" * 4)
        elif does == "overdoes": write({}, b"\0" * (64 * header["rows"]))
        elif does == "invents": write({}, struct.pack("<I", 99) * header["rows"])
        elif does == "fails": write({"error": "ValueError: no idea"})
        elif does == "overflows": write({"probabilities": True}, zeros + struct.pack("<fff", float("nan"), 0, 0) * header["rows"])
        elif does == "hoards": hoard = b"x" * (1 << 30); write({}, zeros)
        else: write({}, zeros)
"#;

/// The misbehaving runner in a folder of its own, as file.
fn misbehaving(folder: &TempDir) -> String {
    let script = folder.path().join("runner.py");
    fs::write(&script, MISBEHAVING).expect("written");
    script.to_str().expect("a path").to_owned()
}

/// How many processes of it were started to do this.
fn started(file: &str, does: &str) -> usize {
    let log = format!("{file}.{}", does.replace(' ', "-"));
    fs::read_to_string(log).unwrap_or_default().lines().count()
}

#[test]
fn what_goes_wrong_in_a_runner_costs_its_trial_and_says_why() {
    if !interpreter("python3", "import json, struct") {
        return;
    }
    let folder = TempDir::new().expect("a folder");
    let file = &*misbehaving(&folder);
    let cases = [
        ("dies", "failed", "process died: exit status: 3: out of luck"),
        ("hangs", "timeout", "no result within 4 s: 10% 20%"),
        ("prints", "failed", "runner: no reply, but output that begins with \"pred\": chatty"),
        ("miscounts", "failed", "runner: 4 bytes of predictions for "),
        ("overdoes", "failed", "runner: no reply, but a reply that announces "),
        ("invents", "failed", "predicted label 99 of 3 classes"),
        ("promises", "failed", "runner: no probabilities, which its greeting promised"),
        // Before the next request or instead of a reply, as it happens.
        ("chats", "failed", ""),
        ("fails", "failed", "runner: ValueError: no idea"),
        ("overflows", "diverged", "diverged: a predicted probability is not finite"),
    ];
    let contenders: String = cases
        .iter()
        .map(|(does, ..)| contender(does, &["python3", file, does], "seconds = 4"))
        .collect();
    let study = Study::new(&contenders);
    let ended = study.sweep("out", &["--jobs", "1"]);
    assert_eq!(code(&ended), 1, "{}", stderr(&ended));
    for (model, status, reason) in cases {
        for row in study.scores("out", model) {
            if &row[1] == "9" {
                assert_eq!(&row[5], status, "{model}: {}", &row[15]);
                assert!(row[15].starts_with(reason), "{model}: {:?} is not {reason:?}", &row[15]);
                assert!(model != "miscounts" || row[15].ends_with(": can't count"), "{}", &row[15]);
            } else {
                assert_eq!((&row[5], &row[14]), ("ok", "5"), "{model} goes on: {}", &row[15]);
            }
        }
        match model {
            // Errors and diverged fits are outcomes, after which the process goes on.
            "fails" | "overflows" => assert_eq!(started(file, model), 1, "{model}: one per worker"),
            _ => assert!(started(file, model) > 1, "{model}: not to be trusted again"),
        }
    }
    assert!(study.scores("out", "knn").iter().all(|row| &row[5] == "ok"));
}

#[test]
fn the_experiments_time_limit_is_on_the_whole_trial() {
    if !interpreter("python3", "import json, struct") {
        return;
    }
    let folder = TempDir::new().expect("a folder");
    let file = misbehaving(&folder);
    let study = Study::new(&contender("slow", &["python3", &file, "dawdles"], ""));
    // Three replies of .7 s each, none of which takes longer by itself.
    let ended = study.sweep("out", &["--time-limit", "2"]);
    assert_eq!(code(&ended), 1, "{}", stderr(&ended));
    for row in study.scores("out", "slow").iter().filter(|row| &row[1] == "9") {
        assert_eq!((&row[5], &row[15]), ("timeout", "no result within 2 s"));
    }
}

#[test]
fn a_runner_is_started_once_for_every_worker_and_asked_once_for_its_version() {
    if !interpreter("python3", "import json, struct") {
        return;
    }
    let folder = TempDir::new().expect("a folder");
    let file = misbehaving(&folder);
    let asked = folder.path().join("asked");
    let study = |does: &str| {
        let tell = format!("open({asked:?}, 'a').write('x'); print('version 1 ' * 100000)");
        Study::new(&format!(
            "[[model]]\nname = \"x\"\nkind = \"runner\"\ncommand = [\"python3\", {file:?}, {does:?}]\n\
             version = [\"python3\", \"-c\", {tell:?}]\n"
        ))
    };
    let alone = study("alone").sweep("out", &["--jobs", "1"]);
    assert_eq!(code(&alone), 0, "a long version is no reason to hang: {}", stderr(&alone));
    assert_eq!(started(&file, "alone"), 1);
    assert_eq!(fs::read(&asked).expect("asked"), b"x");
    let three = study("three").sweep("out", &["--jobs", "3"]);
    assert_eq!(code(&three), 0, "{}", stderr(&three));
    assert!((1..=3).contains(&started(&file, "three")), "{}", started(&file, "three"));
    let isolated = study("isolated").sweep("out", &["--jobs", "1", "--isolate"]);
    assert_eq!(code(&isolated), 0, "{}", stderr(&isolated));
    assert_eq!(started(&file, "isolated"), 1, "workers of other models start none");
    assert_eq!(fs::read(&asked).expect("asked"), b"xxx", "and don't ask again");
}

#[test]
#[cfg(target_os = "linux")]
fn the_memory_limit_is_on_runners_too() {
    if !interpreter("python3", "import json, struct") {
        return;
    }
    let folder = TempDir::new().expect("a folder");
    let file = misbehaving(&folder);
    let study = Study::new(&contender("x", &["python3", &file, "hoards"], ""));
    let limited = study.sweep("out", &["--memory-limit", "800", "--models", "floor"]);
    assert_eq!(code(&limited), 1, "{}", stderr(&limited));
    for row in study.scores("out", "x") {
        let expected = if &row[1] == "9" { "failed" } else { "ok" };
        assert_eq!(&row[5], expected, "{}", &row[15]);
        assert!(expected == "ok" || row[15].contains("MemoryError"), "{}", &row[15]);
    }
}

#[test]
#[cfg(unix)]
fn an_interrupt_while_a_runner_starts_is_an_interrupt() {
    if !interpreter("python3", "import json, struct") {
        return;
    }
    let folder = TempDir::new().expect("a folder");
    let file = misbehaving(&folder);
    let study = Study::new(&contender("x", &["python3", &file, "never greets"], ""));
    let (study_file, more, out) =
        (study.path("study.toml"), study.path("more.toml"), study.path("out"));
    let arguments = ["sweep", &study_file, "--with", &more, "--out", &out];
    let mut sweep =
        common::command(&root(), &arguments).stderr(Stdio::null()).spawn().expect("runs");
    while started(&file, "never greets") == 0 {
        assert!(sweep.try_wait().expect("a child").is_none(), "it waits for the greeting");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let sent = Command::new("kill").args(["-INT", &sweep.id().to_string()]).status();
    assert!(sent.expect("kill runs").success());
    assert_eq!(sweep.wait().expect("reaped").code(), Some(130));
    assert!(!Path::new(&out).exists(), "nothing is written");
}

#[test]
fn a_runner_that_cannot_be_used_is_refused_before_anything_runs() {
    if !interpreter("python3", "import json, struct") {
        return;
    }
    let folder = TempDir::new().expect("a folder");
    let file = &*misbehaving(&folder);
    let greets =
        format!("runner \"python3 {file} greets as text\": no reply, but output that begins");
    let cases = [
        (
            contender("x", &["no-such-program", "x"], ""),
            "version command \"no-such-program --version\": ",
        ),
        (
            "[[model]]\nname = \"x\"\nkind = \"runner\"\ncommand = [\"no-such-program\"]\n\
             version = [\"python3\", \"--version\"]\n"
                .to_owned(),
            "model \"x\": runner \"no-such-program\": ",
        ),
        (
            "[[model]]\nname = \"x\"\nkind = \"runner\"\ncommand = [\"python3\"]\n".to_owned(),
            "`version` is missing",
        ),
        (
            "[[model]]\nname = \"x\"\nkind = \"runner\"\ncommand = [\"python3\"]\n\
             version = [\"python3\", \"-c\", \"\"]\n"
                .to_owned(),
            "it says nothing; without a version nothing is measured",
        ),
        (
            "[[model]]\nname = \"x\"\nkind = \"runner\"\ncommand = [\"python3\"]\n\
             version = [\"python3\", \"-c\", \"raise SystemExit('broken')\"]\n"
                .to_owned(),
            "exit status: 1: broken",
        ),
        (
            contender("x", &["python3", file, "speaks another protocol"], ""),
            "it speaks version 7 of the runner protocol, this program version 1",
        ),
        (contender("x", &["python3", file, "greets as text"], ""), &*greets),
        (
            contender("x", &["python3", file, "tells two apart"], ""),
            "its greeting says that it can tell 2 classes apart, the data has 3",
        ),
        (contender("x", &["python3", file, "claims"], ""), "its greeting has can = \"everything\""),
        (
            contender("x", &["python3", file], "found_version = \"1\""),
            "`found_version` is filled in by the harness",
        ),
        (contender("knn", &["python3", file], ""), "the experiment has a model \"knn\" already"),
        (contender("x", &["python3", file], "params = 3"), "`params`"),
    ];
    for (contenders, expected) in cases {
        let study = Study::new(&contenders);
        let refused = study.sweep("out", &[]);
        assert_eq!(code(&refused), 2, "{expected}: {}", stderr(&refused));
        assert!(stderr(&refused).contains(expected), "{expected}: {}", stderr(&refused));
        assert!(!Path::new(&study.path("out")).exists(), "{expected}: nothing is written");
    }
}

#[test]
fn contenders_are_added_without_editing_and_the_others_stand() {
    let study = Study::new("[[model]]\nname = \"tree\"\nkind = \"decision-tree\"\n");
    let (file, out) = (study.path("study.toml"), study.path("out"));
    assert_eq!(code(&bench(&["sweep", &file, "--out", &out])), 0);
    // As in a fresh clone: tables without a journal.
    fs::remove_dir_all(Path::new(&out).join("journal")).expect("removed");
    let before = study.scores("out", "knn");
    let added = study.sweep("out", &["--model", "name=three,kind=knn,k=3"]);
    assert_eq!(code(&added), 0, "{}", stderr(&added));
    assert!(stderr(&added).contains("16 trials in"), "only the new ones ran: {}", stderr(&added));
    assert_eq!(before, study.scores("out", "knn"));
    for model in ["tree", "three"] {
        assert_eq!(study.scores("out", model).len(), 8, "{model}");
    }
    let wrong = study.sweep("out", &["--model", "name=x,kind=knn,k=none"]);
    assert_eq!(code(&wrong), 2);
    assert!(
        stderr(&wrong).contains("--model name=x,kind=knn,k=none:4: `k` is \"none\""),
        "{}",
        stderr(&wrong)
    );
}

#[test]
fn a_program_with_a_kind_of_its_own_has_the_whole_command_line() {
    let program = example("my_model");
    let study = Study::new("[[model]]\nname = \"mine\"\nkind = \"nearest-centroid\"\n");
    let out = study.path("out");
    let arguments =
        ["sweep", &study.path("study.toml"), "--with", &study.path("more.toml"), "--out", &out];
    let run = |more: &[&str]| {
        let mut command = Command::new(&program);
        command.args(more).current_dir(root()).output().expect("it runs")
    };
    let ended = run(&arguments);
    assert_eq!(code(&ended), 0, "{}", stderr(&ended));
    assert_eq!(study.scores("out", "mine").len(), 8);
    assert_eq!(code(&run(&["verify", &out, "--all"])), 0);
    let unknown = study.sweep("elsewhere", &[]);
    assert_eq!(code(&unknown), 2);
    assert!(
        stderr(&unknown).contains("unknown model kind \"nearest-centroid\""),
        "{}",
        stderr(&unknown)
    );
}
