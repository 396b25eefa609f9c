//! Tuning inside a training set: what is chosen, when nothing can be, and that the shared way chooses what fitting every
//! candidate by itself would.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use models::check::{CheckOptions, check_classifier};
use models::tuning::{MAX_CANDIDATES, inner_folds};
use models::{
    Classifier, Domain, Features, Fit, FitContext, FitError, Grid, Kind, Param, SettingError,
    Shape, TrainingSet, Tuner, Value, find_kind, kinds,
};

static NEVER: AtomicBool = AtomicBool::new(false);

fn context(seed: u64) -> FitContext<'static> {
    FitContext { seed, device: Default::default(), stop: &NEVER }
}

fn text(word: &str) -> Value {
    Value::Text(word.to_owned())
}

fn floats(values: &[f64]) -> Vec<Value> {
    values.iter().map(|&v| Value::Float(v)).collect()
}

fn ints(values: &[i64]) -> Vec<Value> {
    values.iter().map(|&v| Value::Int(v)).collect()
}

type Given<'a> = &'a [(&'a str, Value)];
type Axis<'a> = (&'a str, Vec<Value>);
type Wanted<'a> = &'a [Axis<'a>];

fn map<T: Clone>(pairs: &[(&str, T)]) -> BTreeMap<String, T> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
}

/// The tuner of `kind` with `given` set outright, over the `wanted` grid, or the kind's own if that is empty.
fn tuner(kind: &str, given: Given<'_>, wanted: Wanted<'_>) -> Result<Tuner, SettingError> {
    let kind = find_kind(kind).unwrap_or_else(|| panic!("no kind {kind}"));
    let given = map(given);
    let grid = match wanted {
        [] => Grid::auto(kind, &given)?,
        _ => Grid::new(kind, &given, &map(wanted))?,
    };
    Tuner::new(kind, &given, grid)
}

/// `rows` rows of two classes that lie apart on a line, ten apart within a class: nearly everything is right on them.
fn apart(rows: usize) -> (Vec<f32>, Vec<u32>) {
    let labels: Vec<u32> = (0..rows as u32).map(|i| i % 2).collect();
    let value = |(i, &l): (usize, &u32)| i as f32 * 0.01 + if l == 1 { 5.0 } else { 0.0 };
    (labels.iter().enumerate().map(value).collect(), labels)
}

fn choose(tuner: &Tuner, values: &[f32], labels: &[u32], seed: u64) -> (String, u64) {
    let columns = values.len() / labels.len();
    let classes = labels.iter().max().map_or(0, |&l| l as usize + 1);
    let features = Features::new(values, Shape::table(columns));
    let train = TrainingSet::new(features, labels, classes).unwrap();
    let choice = tuner.choose(&train, &context(seed)).unwrap();
    (choice.text(), choice.inner_fits)
}

#[test]
fn ties_go_to_the_simpler_model_however_the_grid_is_listed() {
    let (values, labels) = apart(20);
    let cases: [(&str, Given<'_>, Wanted<'_>, &str); 10] = [
        ("svm", &[("kernel", text("linear"))], &[("c", floats(&[1.0, 0.1, 10.0]))], "c=0.1"),
        ("logistic-regression", &[], &[("l2", floats(&[0.1, 1.0, 0.5]))], "l2=1.0"),
        ("knn", &[], &[("k", ints(&[1, 5, 3]))], "k=5"),
        // The parameter that the kind names first tells most, whatever its place in the list of parameters.
        (
            "knn",
            &[],
            &[("k", ints(&[1, 3])), ("weights", vec![text("distance"), text("uniform")])],
            "k=3; weights=distance",
        ),
        (
            "random-forest",
            &[("max_features", text("all"))],
            &[("trees", ints(&[9, 7])), ("min_samples_leaf", ints(&[1, 2]))],
            "trees=7; min_samples_leaf=2",
        ),
        ("naive-bayes", &[], &[("var_smoothing", floats(&[0.01, 0.1]))], "var_smoothing=0.1"),
        ("linear-regression", &[], &[("l2", floats(&[0.01, 0.1]))], "l2=0.1"),
        // The default, then from the most shrinkage down.
        ("lda", &[], &[], "shrinkage=auto"),
        ("lda", &[], &[("shrinkage", floats(&[0.1, 0.9, 0.3]))], "shrinkage=0.9"),
        // Words have no size: as listed.
        ("svm", &[], &[("gamma", vec![text("scale"), Value::Float(0.1)])], "gamma=scale"),
    ];
    for (kind, given, wanted, expected) in cases {
        let tuner = tuner(kind, given, wanted).unwrap();
        let (chosen, fits) = choose(&tuner, &values, &labels, 1);
        assert_eq!(chosen, expected, "{kind}");
        assert_eq!(fits, 5 * tuner.candidates() as u64, "{kind}");
    }
}

#[test]
fn the_better_candidate_wins_over_the_simpler() {
    // Labels alternate along a line: one neighbour of each row is of its class only two steps away, so that three or
    // five neighbours are wrong where the rows come in pairs.
    let labels: Vec<u32> = (0..40).map(|i| (i / 2) % 2).collect();
    let values: Vec<f32> = (0..40u8).map(|i| f32::from(i / 2) * 10.0 + f32::from(i % 2)).collect();
    let tuner = tuner("knn", &[], &[("k", ints(&[3, 5, 1]))]).unwrap();
    assert_eq!(choose(&tuner, &values, &labels, 1).0, "k=1");
}

#[test]
fn a_class_with_one_example_means_the_defaults_and_says_so() {
    let tuner = tuner("knn", &[("weights", text("distance"))], &[("k", ints(&[2, 3]))]).unwrap();
    let (values, labels) = ([0.0, 1.0, 2.0, 9.0], [0, 0, 0, 1]);
    let (chosen, fits) = choose(&tuner, &values, &labels, 1);
    assert_eq!((&*chosen, fits), ("defaults: a class has a single example", 0));
    assert_eq!(tuner.defaults().int("k"), Some(1));
    assert_eq!(tuner.defaults().text("weights"), Some("distance"), "what is set stays set");
}

#[test]
fn fewer_folds_where_the_smallest_class_is_smaller() {
    let tuner = tuner("knn", &[], &[("k", ints(&[1, 2]))]).unwrap();
    let values: Vec<f32> = (0..12u8).map(f32::from).collect();
    let labels = [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1];
    assert_eq!(choose(&tuner, &values, &labels, 1).1, 2 * 3);
}

#[test]
fn a_candidate_that_cannot_be_fitted_is_not_chosen() {
    let (values, labels) = apart(10);
    let some = tuner("knn", &[], &[("k", ints(&[1, 3, 9, 50]))]).unwrap();
    assert_eq!(choose(&some, &values, &labels, 1).0, "k=3", "inner folds hold eight rows");
    let none = tuner("knn", &[], &[("k", ints(&[9, 50]))]).unwrap();
    let (chosen, fits) = choose(&none, &values, &labels, 1);
    assert_eq!((&*chosen, fits), ("defaults: no candidate could be fitted", 10));
}

#[test]
fn a_parameter_that_does_nothing_in_a_combination_is_left_out_of_it() {
    let wanted = [
        ("kernel", vec![text("linear"), text("rbf")]),
        ("c", floats(&[0.1, 1.0, 10.0])),
        ("gamma", vec![text("scale"), Value::Float(0.01)]),
    ];
    assert_eq!(tuner("svm", &[], &wanted).unwrap().candidates(), 3 + 3 * 2);
    let never = tuner("svm", &[("kernel", text("linear"))], &[("gamma", floats(&[0.1, 1.0]))]);
    let error = never.unwrap_err().to_string();
    assert_eq!(error, "`gamma` does nothing in any combination of `tune`: leave it out");
}

#[test]
fn errors_name_the_parameter_and_the_remedy() {
    let many: Vec<f64> = (1..=MAX_CANDIDATES + 1).map(|i| i as f64).collect();
    let cases: [(&str, Given<'_>, Wanted<'_>, &str); 9] = [
        ("svm", &[], &[("cc", floats(&[1.0]))], "unknown key `cc`, did you mean `c`?"),
        ("svm", &[], &[("c", floats(&[1.0, 0.0]))], "`c` is 0.0, expected a number > 0"),
        ("svm", &[], &[("c", floats(&[]))], "`c` is [], expected a list of different values"),
        ("svm", &[], &[("c", vec![Value::Int(1), Value::Float(1.0)])], "different values"),
        ("svm", &[("c", Value::Float(1.0))], &[("c", floats(&[1.0]))], "both set and tuned"),
        ("svm", &[], &[("c", floats(&many))], "65 candidates, at most 64 are allowed"),
        ("majority", &[], &[], "nothing to tune by itself: leave `tune` out"),
        (
            "linear-regression",
            &[("top_k", Value::Int(9)), ("l2", Value::Float(1.0))],
            &[],
            "nothing to tune by itself beside",
        ),
        (
            "mlp",
            &[("steps", Value::Int(5))],
            &[("epochs", ints(&[1, 2]))],
            "`tune` combines epochs = 1: `epochs` and `steps` are both set",
        ),
    ];
    for (kind, given, wanted, expected) in cases {
        let error = tuner(kind, given, wanted).unwrap_err().to_string();
        assert!(error.contains(expected), "{kind}: {error}");
    }
}

#[test]
fn every_kind_s_own_grid_is_sound() {
    for kind in kinds().iter().filter(|kind| !kind.tuning.auto.is_empty()) {
        let tuner = tuner(kind.name, &[], &[]).unwrap_or_else(|e| panic!("{}: {e}", kind.name));
        assert!(tuner.candidates() > 1, "{}", kind.name);
        for (name, _) in kind.tuning.simpler {
            let known = kinds().iter().flat_map(|k| k.params).any(|p| p.name == *name);
            assert!(known, "{}: `{name}` orders nothing", kind.name);
        }
    }
    let net = tuner("mlp", &[("optimizer", text("adadelta"))], &[]).unwrap();
    let rates = net.grid().axes().iter().find(|axis| axis.name == "learning_rate").unwrap();
    assert_eq!(rates.values, floats(&[0.3, 1.0, 3.0]), "by the optimiser's own");
}

#[test]
fn one_candidate_is_the_untuned_model_bit_for_bit() {
    let data = Data::load("mnist-3v8");
    let (values, labels) = data.rows(0, 20);
    let train = TrainingSet::new(Features::new(&values, data.shape), &labels, 2).unwrap();
    for (kind, wanted) in [
        ("random-forest", ("trees", ints(&[10]))),
        ("mlp", ("epochs", ints(&[3]))),
        ("svm", ("c", floats(&[2.0]))),
    ] {
        let tuned = tuner(kind, &[], std::slice::from_ref(&wanted)).unwrap();
        let kind = find_kind(kind).unwrap();
        let given = BTreeMap::from([(wanted.0.to_owned(), wanted.1[0].clone())]);
        let settings = models::Settings::resolve(kind.params, &given).unwrap();
        let plain = (kind.build)(&settings).unwrap();
        let predict = |classifier: &dyn Classifier| {
            let fit = classifier.fit(&train, &context(7)).unwrap();
            fit.model.predict(&data.held_out()).unwrap()
        };
        assert_eq!(predict(&tuned), predict(&*plain), "{}", kind.name);
    }
}

#[test]
fn the_choice_depends_on_the_seed_and_the_rows_alone() {
    let data = Data::load("mnist-3v8");
    let (values, labels) = data.rows(0, 40);
    let wanted = ("max_depth", ints(&[1, 2, 3, 4]));
    let ascending = tuner("decision-tree", &[], std::slice::from_ref(&wanted)).unwrap();
    let reversed = ("max_depth", ints(&[4, 3, 2, 1]));
    let descending = tuner("decision-tree", &[], std::slice::from_ref(&reversed)).unwrap();
    let choices: Vec<String> =
        (0..12).map(|seed| choose(&ascending, &values, &labels, seed).0).collect();
    for (seed, chosen) in choices.iter().enumerate() {
        assert_eq!(&choose(&ascending, &values, &labels, seed as u64).0, chosen, "seed {seed}");
        // A tree draws its ties: were seeds dealt out candidate by candidate, the order would matter.
        assert_eq!(&choose(&descending, &values, &labels, seed as u64).0, chosen, "seed {seed}");
    }
    assert!(choices.iter().any(|c| *c != choices[0]), "the seed decides the folds: {choices:?}");
}

#[test]
fn a_stop_is_heeded_between_candidates() {
    let (values, labels) = apart(10);
    let features = Features::new(&values, Shape::table(1));
    let train = TrainingSet::new(features, &labels, 2).unwrap();
    let stop = AtomicBool::new(true);
    let stopped = FitContext { stop: &stop, ..context(1) };
    for kind in ["svm", "knn", "logistic-regression", "naive-bayes"] {
        let tuner = tuner(kind, &[], &[]).unwrap();
        assert_eq!(tuner.choose(&train, &stopped).err(), Some(FitError::Stopped), "{kind}");
    }
}

#[test]
fn tuned_kinds_keep_the_contract() {
    // Renaming classes turns decisions that tie the other way, and one inner row can then move the choice.
    let options = CheckOptions { renamed_agreement: 0.9, ..CheckOptions::default() };
    let net = ("epochs", ints(&[10, 20]));
    let (trees, features) =
        (("trees", ints(&[10, 20])), ("max_features", vec![text("sqrt"), Value::Float(0.3)]));
    let forest = [trees.clone(), features];
    let cases: [(&str, Wanted<'_>); 12] = [
        ("linear-regression", &[]),
        ("lda", &[]),
        ("random-forest", &forest),
        ("extra-trees", &forest),
        ("gradient-boosting", std::slice::from_ref(&trees)),
        ("adaboost", std::slice::from_ref(&trees)),
        ("logistic-regression", &[]),
        ("svm", &[]),
        ("knn", &[]),
        ("naive-bayes", &[]),
        ("decision-tree", &[]),
        ("mlp", std::slice::from_ref(&net)),
    ];
    for (kind, wanted) in cases {
        let build = || -> Box<dyn Classifier> { Box::new(tuner(kind, &[], wanted).unwrap()) };
        if let Err(failure) = check_classifier(&build, &options) {
            panic!("tuned {kind}: {failure}");
        }
    }
}

/// What the classifiers of [`TOLD`] were told.
static LIMITS: Mutex<Vec<Duration>> = Mutex::new(Vec::new());

/// A kind that runs outside of this process, as far as its time limit goes.
static TOLD: Kind = Kind::new(
    "told",
    "remembers its time limit",
    &[Param { name: "k", domain: Domain::COUNT, default: models::Default::Int(1), doc: "nothing" }],
    |_| Ok(Box::new(Told)),
);

#[derive(Debug)]
struct Told;

impl Classifier for Told {
    fn set_time_limit(&self, limit: Duration) {
        LIMITS.lock().unwrap().push(limit);
    }

    fn fit(&self, _: &TrainingSet<'_>, _: &FitContext<'_>) -> Result<Fit, FitError> {
        Err(FitError::TimedOut("no answer within the limit".into()))
    }
}

#[test]
fn a_model_outside_of_this_process_keeps_its_time_limit_when_tuned() {
    let grid = Grid::new(&TOLD, &BTreeMap::new(), &map(&[("k", ints(&[2, 3]))])).unwrap();
    let tuner = Tuner::new(&TOLD, &BTreeMap::new(), grid).unwrap();
    tuner.set_time_limit(Duration::from_secs(7));
    assert_eq!(*LIMITS.lock().unwrap(), [Duration::from_secs(7); 3], "two candidates and defaults");
    let (values, labels) = apart(10);
    let chosen = choose(&tuner, &values, &labels, 1).0;
    assert_eq!(chosen, "defaults: no candidate could be fitted", "a timeout is no choice");
}

/// The shared way must choose what fitting every candidate by itself chooses, on the fixtures of the comparison with
/// scikit-learn, binary and ten-class.
#[test]
fn sharing_changes_no_choice() {
    let kernels = ["linear", "rbf", "polynomial", "histogram-intersection"];
    let c = ("c", floats(&[0.01, 0.1, 1.0, 10.0, 100.0]));
    let gamma = ("gamma", vec![text("scale/4"), text("scale"), Value::Float(0.05)]);
    let every = ("kernel", kernels.map(text).to_vec());
    let neighbours = ("k", ints(&[1, 3, 5, 9, 15, 40]));
    let metric = ("metric", vec![text("euclidean"), text("mahalanobis")]);
    let weights = ("weights", vec![text("uniform"), text("distance")]);
    let l2 = ("l2", floats(&[1e-6, 0.01, 1.0, 100.0]));
    let cases: [(&str, Given<'_>, Vec<Axis<'_>>); 5] = [
        ("svm", &[], vec![every, c.clone(), gamma]),
        ("svm", &[("solver", text("linfa")), ("kernel", text("linear"))], vec![c]),
        ("knn", &[], vec![neighbours, metric, weights]),
        ("logistic-regression", &[], vec![l2.clone()]),
        ("logistic-regression", &[("top_k", Value::Int(10))], vec![l2]),
    ];
    let mut compared = 0;
    for name in ["mnist-3v8", "digits"] {
        let data = Data::load(name);
        for (kind, given, wanted) in &cases {
            let tuner = tuner(kind, given, wanted).unwrap();
            for (draw, n) in [(0, 20), (1, 20), (2, 41), (0, 80), (1, 160)] {
                let (values, labels) = data.rows(draw, n);
                let features = Features::new(&values, data.shape);
                let train = TrainingSet::new(features, &labels, data.classes).unwrap();
                let context = context(draw as u64);
                let shared = tuner.choose(&train, &context).unwrap();
                let alone = tuner.choose_unshared(&train, &context).unwrap();
                assert_eq!(shared.text(), alone.text(), "{name} {kind} n = {n} draw {draw}");
                assert_eq!(shared.inner_fits, alone.inner_fits);
                compared += usize::from(inner_folds(&train, 0).is_some());
            }
        }
    }
    assert_eq!(compared, 2 * cases.len() * 5, "every training set has inner folds");
}

/// One data set of the fixtures that scripts/fixtures/make_sklearn_fixtures.py made.
struct Data {
    values: Vec<f32>,
    labels: Vec<u32>,
    shape: Shape,
    classes: usize,
    draws: Vec<Vec<usize>>,
}

impl Data {
    fn load(name: &str) -> Self {
        let fixture = |name: &str| {
            let path = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
            std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
        };
        let (top, side, classes) = if name == "digits" { (16.0, 8, 10) } else { (255.0, 14, 2) };
        let draws = String::from_utf8(fixture("draws.csv")).unwrap();
        let rows = |line: &str| -> Vec<usize> {
            let rows = line.rsplit(',').next().unwrap();
            rows.split(' ').map(|row| row.parse().unwrap()).collect()
        };
        Data {
            values: fixture(&format!("{name}.pixels"))
                .iter()
                .map(|&p| f32::from(p) / top)
                .collect(),
            labels: fixture(&format!("{name}.labels")).iter().map(|&l| u32::from(l)).collect(),
            shape: Shape { height: side, width: side, channels: 1 },
            classes,
            draws: draws
                .lines()
                .filter(|line| line.starts_with(name) && !line.contains(",held-out,"))
                .map(rows)
                .collect(),
        }
    }

    /// The first `n` rows of a draw.
    fn rows(&self, draw: usize, n: usize) -> (Vec<f32>, Vec<u32>) {
        let rows = &self.draws[draw][..n];
        let d = self.shape.len();
        let values = rows.iter().flat_map(|&i| &self.values[i * d..(i + 1) * d]).copied().collect();
        (values, rows.iter().map(|&i| self.labels[i]).collect())
    }

    /// The last rows, which no draw of the fixtures holds.
    fn held_out(&self) -> Features<'_> {
        Features::new(&self.values[1000 * self.shape.len()..], self.shape)
    }
}
