//! `mlp` and `cnn` end to end through the [`Classifier`] trait, on images of bars that stand or lie.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use models::{
    Classifier, Features, Fit, FitContext, FitError, Settings, Shape, TrainingSet, Value, find_kind,
};
use nn::Device;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const SHAPE: Shape = Shape { height: 16, width: 16, channels: 1 };

static NEVER: AtomicBool = AtomicBool::new(false);

fn context(seed: u64) -> FitContext<'static> {
    FitContext { seed, device: Device::Cpu, stop: &NEVER }
}

/// Images of a bar three pixels wide, standing (class 0) or lying (1), anywhere, under noise.
fn bars(rows: usize, seed: u64) -> (Vec<f32>, Vec<u32>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let labels: Vec<u32> = (0..rows as u32).map(|i| i % 2).collect();
    let mut values = Vec::new();
    for &label in &labels {
        let at = rng.random_range(0..14);
        for y in 0..16 {
            for x in 0..16 {
                let across = if label == 0 { x } else { y };
                let bar = if (at..at + 3).contains(&across) { 0.7 } else { 0.0 };
                values.push(bar + rng.random_range(0.0..0.3));
            }
        }
    }
    (values, labels)
}

fn classifier(kind: &str, given: &[(&str, Value)]) -> Box<dyn Classifier> {
    let kind = find_kind(kind).unwrap();
    let given: BTreeMap<String, Value> =
        given.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    (kind.build)(&Settings::resolve(kind.params, &given).unwrap()).unwrap()
}

fn fit(
    classifier: &dyn Classifier,
    rows: usize,
    context: &FitContext<'_>,
) -> Result<Fit, FitError> {
    let (values, labels) = bars(rows, 1);
    classifier.fit(&TrainingSet::new(Features::new(&values, SHAPE), &labels, 2)?, context)
}

fn accuracy(fit: &Fit) -> f64 {
    let (values, labels) = bars(400, 2);
    let predicted = fit.model.predict(&Features::new(&values, SHAPE)).unwrap().labels;
    predicted.iter().zip(&labels).filter(|(a, b)| a == b).count() as f64 / 400.0
}

#[test]
fn nets_learn_and_count_their_steps() {
    let cnn = fit(classifier("cnn", &[]).as_ref(), 70, &context(1)).unwrap();
    assert_eq!(cnn.steps, Some(60 * 3));
    let right = accuracy(&cnn);
    assert!(right > 0.97, "cnn: {right}");
    let steps = [("steps", Value::Int(250)), ("dropout", Value::Float(0.1))];
    let mlp = fit(classifier("mlp", &steps).as_ref(), 200, &context(1)).unwrap();
    assert_eq!(mlp.steps, Some(250));
    let right = accuracy(&mlp);
    assert!(right > 0.9, "mlp: {right}");
}

/// The mean of single nets' probabilities is the ensemble's, and its steps are their sum.
#[test]
fn ensembles_average_nets_of_seeds_of_their_own() {
    let (values, _) = bars(30, 3);
    let features = Features::new(&values, SHAPE);
    for kind in ["mlp", "cnn"] {
        let predict = |nets: i64| {
            let given = [("ensemble", Value::Int(nets)), ("epochs", Value::Int(2))];
            let fit = fit(classifier(kind, &given).as_ref(), 33, &context(1)).unwrap();
            assert_eq!(fit.steps, Some(nets as u64 * 2 * 2), "{kind}");
            fit.model.predict(&features).unwrap().probabilities.unwrap()
        };
        let (one, two, three) = (predict(1), predict(2), predict(3));
        let alone = fit(classifier(kind, &[("epochs", Value::Int(2))]).as_ref(), 33, &context(1));
        let alone = alone.unwrap().model.predict(&features).unwrap().probabilities.unwrap();
        assert_eq!(one, alone, "{kind}: an ensemble of one is the net itself");
        assert!(one != two && two != three);
        for row in three.chunks(2) {
            assert!((row[0] + row[1] - 1.0).abs() < 1e-6);
        }
        // The second net's own probabilities, from both sides: 2 · two - one, inside [0, 1].
        let second: Vec<f32> = two.iter().zip(&one).map(|(two, one)| 2.0 * two - one).collect();
        assert!(second.iter().all(|p| (-1e-5..=1.0 + 1e-5).contains(p)), "{kind}");
    }
}

#[test]
fn dropout_at_prediction_is_seeded_and_averaged() {
    let (values, _) = bars(30, 3);
    let features = Features::new(&values, SHAPE);
    let dropout =
        [("mlp", ("dropout", Value::Float(0.5))), ("cnn", ("flatten_dropout", Value::Float(0.5)))];
    for (kind, rate) in dropout {
        let predict = |passes: Option<i64>| {
            let mut given = vec![rate.clone(), ("epochs", Value::Int(3))];
            given.extend(passes.map(|passes| ("mc_dropout", Value::Int(passes))));
            let fit = fit(classifier(kind, &given).as_ref(), 33, &context(1)).unwrap();
            assert_eq!(fit.steps, Some(6));
            fit.model.predict(&features).unwrap().probabilities.unwrap()
        };
        let (off, once, often) = (predict(None), predict(Some(1)), predict(Some(200)));
        assert_eq!(once, predict(Some(1)), "{kind}");
        let off_by = |p: &[f32]| -> f32 { p.iter().zip(&off).map(|(a, b)| (a - b).abs()).sum() };
        assert!(off_by(&often) > 0.0 && off_by(&often) < off_by(&once), "{kind}");
    }
}

#[test]
fn batches_of_one_row_are_refused_for_batch_normalisation() {
    let given = [("normalization", Value::Text("batch".into()))];
    let refused = fit(classifier("mlp", &given).as_ref(), 33, &context(1)).err();
    let Some(FitError::Refused(why)) = refused else { panic!("{refused:?}") };
    assert!(why.contains("33 rows in batches of 32 leave a batch of one"), "{why}");
    assert!(fit(classifier("cnn", &given).as_ref(), 33, &context(1)).is_ok());
}

#[test]
fn the_seed_decides_every_bit_of_the_probabilities() {
    let (values, _) = bars(50, 3);
    let features = Features::new(&values, SHAPE);
    for kind in ["mlp", "cnn"] {
        let classifier = classifier(kind, &[("epochs", Value::Int(3))]);
        let predict = |seed| {
            let fit = fit(classifier.as_ref(), 33, &context(seed)).unwrap();
            fit.model.predict(&features).unwrap()
        };
        assert_eq!(predict(1), predict(1), "{kind}");
        assert_ne!(predict(1), predict(2), "{kind}");
    }
}

#[test]
fn a_row_s_probabilities_do_not_depend_on_its_company() {
    let (values, _) = bars(130, 3);
    for kind in ["mlp", "cnn"] {
        let fit = fit(classifier(kind, &[]).as_ref(), 20, &context(1)).unwrap();
        let together = fit.model.predict(&Features::new(&values, SHAPE)).unwrap();
        let probabilities = together.probabilities.unwrap();
        for row in [0, 1, 63, 64, 129] {
            let alone = &values[row * 256..(row + 1) * 256];
            let alone = fit.model.predict(&Features::new(alone, SHAPE)).unwrap();
            assert_eq!(alone.labels, [together.labels[row]], "{kind}");
            assert_eq!(alone.probabilities.unwrap(), probabilities[row * 2..row * 2 + 2], "{kind}");
        }
        for row in probabilities.chunks(2) {
            assert!((row[0] + row[1] - 1.0).abs() < 1e-6, "{kind}: {row:?}");
        }
    }
}

/// Two executors, one arithmetic: after a few steps rounding is all that tells them apart.
#[test]
fn executors_agree_after_a_few_steps() {
    let (values, _) = bars(40, 3);
    for kind in ["mlp", "cnn"] {
        let classifier = classifier(kind, &[("steps", Value::Int(8))]);
        let [native, candle] = [Device::Cpu, Device::CandleCpu].map(|device| {
            let context = FitContext { device, ..context(1) };
            let fit = fit(classifier.as_ref(), 40, &context).unwrap();
            fit.model.predict(&Features::new(&values, SHAPE)).unwrap().probabilities.unwrap()
        });
        for (a, b) in native.iter().zip(&candle) {
            assert!((a - b).abs() < 1e-4, "{kind}: {a} and {b}");
        }
    }
}

#[test]
fn what_cannot_be_fitted_says_why() {
    let (values, labels) = bars(20, 1);
    // The same values as a table.
    let table = Features::new(&values, Shape::table(256));
    let train = TrainingSet::new(table, &labels, 2).unwrap();
    let refused = classifier("cnn", &[]).fit(&train, &context(1)).err();
    let Some(FitError::Refused(why)) = refused else { panic!("{refused:?}") };
    assert!(why.contains("needs images"), "{why}");
    assert!(classifier("mlp", &[("epochs", Value::Int(1))]).fit(&train, &context(1)).is_ok());

    let deep = Value::List(vec![Value::Int(4); 3]);
    let refused = fit(classifier("cnn", &[("conv", deep)]).as_ref(), 20, &context(1)).err();
    let Some(FitError::Refused(why)) = refused else { panic!("{refused:?}") };
    assert!(why.contains("16×16×1 are too small"), "{why}");

    let wild = [("optimizer", Value::Text("sgd".into())), ("learning_rate", Value::Float(1e30))];
    let diverged = fit(classifier("mlp", &wild).as_ref(), 20, &context(1)).err();
    assert!(matches!(diverged, Some(FitError::Diverged(_))), "{diverged:?}");

    let stop = AtomicBool::new(true);
    let stopped = FitContext { stop: &stop, ..context(1) };
    assert_eq!(fit(classifier("mlp", &[]).as_ref(), 20, &stopped).err(), Some(FitError::Stopped));

    let fit = fit(classifier("mlp", &[("epochs", Value::Int(1))]).as_ref(), 20, &context(1));
    let other = Features::new(&values, Shape { height: 8, width: 32, channels: 1 });
    assert!(matches!(fit.unwrap().model.predict(&other), Err(FitError::Refused(_))));
}

#[cfg(not(any(feature = "cuda", feature = "metal")))]
#[test]
fn an_absent_device_is_an_error_not_another_device() {
    for device in [Device::Cuda(0), Device::Metal(0)] {
        let context = FitContext { device, ..context(1) };
        let failed = fit(classifier("mlp", &[]).as_ref(), 20, &context).err();
        let Some(FitError::Failed(why)) = failed else { panic!("{failed:?}") };
        assert!(why.contains("this binary has cpu, candle-cpu"), "{why}");
    }
}

#[test]
fn deviations_from_the_defaults_train_too() {
    let text = |word: &str| Value::Text(word.into());
    let variants: [&[(&str, Value)]; 7] = [
        &[("optimizer", text("adadelta")), ("init", text("keras")), ("padding", text("same"))],
        &[("optimizer", text("adamw")), ("schedule", text("cosine")), ("pool", text("average"))],
        &[
            ("optimizer", text("sgd")),
            ("momentum", Value::Float(0.9)),
            ("nesterov", Value::Bool(true)),
            ("activation", text("tanh")),
            ("learning_rate", Value::Float(0.05)),
        ],
        &[
            ("kernel", Value::Int(3)),
            ("convs_per_block", Value::Int(2)),
            ("conv", Value::List(vec![Value::Int(8)])),
            ("dense", Value::List(vec![Value::Int(16)])),
            ("dropout", Value::Float(0.3)),
            ("flatten_dropout", Value::Float(0.2)),
        ],
        &[("normalization", text("batch")), ("max_steps", Value::Int(90))],
        &[
            ("normalization", text("layer")),
            ("schedule", text("step")),
            ("step_every", Value::Int(40)),
        ],
        &[
            ("shift", Value::Int(1)),
            ("rotation", Value::Float(8.0)),
            ("elastic_alpha", Value::Float(6.0)),
            ("elastic_sigma", Value::Float(3.0)),
        ],
    ];
    for given in variants {
        let right = accuracy(&fit(classifier("cnn", given).as_ref(), 60, &context(1)).unwrap());
        assert!(right > 0.9, "{given:?}: {right}");
    }
}

/// Leek's net as Beam's script and h2o's defaults describe it: five tanh layers of 160, Keras's initial parameters.
fn leek(training: &[(&str, Value)]) -> Box<dyn Classifier> {
    let hidden = Value::List(vec![Value::Int(160); 5]);
    let own = [("hidden", hidden), ("activation", Value::Text("tanh".into()))];
    let more = [("init", Value::Text("keras".into())), ("epochs", Value::Int(10))];
    classifier("mlp", &[&own[..], &more, training].concat())
}

/// The probabilities on the training rows after a fit to 30 of them, and its steps.
fn outcome(classifier: &dyn Classifier) -> (Vec<f32>, Option<u64>) {
    let fit = fit(classifier, 30, &context(1)).unwrap();
    let (values, _) = bars(30, 1);
    let predicted = fit.model.predict(&Features::new(&values, SHAPE)).unwrap();
    (predicted.probabilities.unwrap(), fit.steps)
}

/// SGD with Nesterov's momentum of 0, a decay of .99 at every update, batches of one. The steps then add up to
/// .005 · Σ 1 / (1 + .99 t) = .032 over 300 updates, in place of 1.5: next to nothing is learnt.
#[test]
fn leek_s_net_with_decay_hardly_moves() {
    let word = |word: &str| Value::Text(word.into());
    let sgd = [
        ("optimizer", word("sgd")),
        ("learning_rate", Value::Float(0.005)),
        ("nesterov", Value::Bool(true)),
        ("batch_size", Value::Int(1)),
    ];
    let decay = ("decay", Value::Float(0.99));
    let (decayed, steps) = outcome(&*leek(&[&sgd[..], &[decay]].concat()));
    let (steady, _) = outcome(&*leek(&sgd));
    let still = [&sgd[..1], &[("learning_rate", Value::Float(1e-30))], &sgd[2..]].concat();
    let (untrained, _) = outcome(&*leek(&still));
    assert_eq!(steps, Some(300));
    let moved = |of: &[f32]| -> f32 { of.iter().zip(&untrained).map(|(a, b)| (a - b).abs()).sum() };
    assert!(moved(&decayed) > 0.0 && 2.0 * moved(&decayed) < moved(&steady));
}

/// h2o's ADADELTA: rho .99, epsilon 1e-8.
#[test]
fn leek_s_net_by_h2o_s_adadelta_learns() {
    let word = |word: &str| Value::Text(word.into());
    let rule = [("optimizer", word("adadelta")), ("batch_size", Value::Int(1))];
    let h2o = [("rho", Value::Float(0.99)), ("epsilon", Value::Float(1e-8))];
    let (ours, steps) = outcome(&*leek(&[&rule[..], &h2o].concat()));
    assert_eq!(steps, Some(300));
    assert!(ours.iter().all(|p| p.is_finite()));
    assert_ne!(ours, outcome(&*leek(&rule)).0, "the numbers reach the rule");
}
