//! Learning curves invented for tests and the gallery: shaped like real ones, but measured nowhere.

use plot::{
    Curve, Difference, DifferenceCurve, Differences, Effect, EffectRow, Effects, Examples,
    FitCurve, Fits, LearningCurves, Map, Maps, NeededExamples, NeededPanel, NeededRow, Outcome,
    Point, Ranks, TrustCurve, TrustCurves, TrustPoint, VerdictCell, VerdictRow, Verdicts,
    WrongShare,
};

/// Sizes that double, as in most studies.
pub(crate) const SIZES: [u32; 8] = [10, 20, 40, 80, 160, 320, 640, 1280];

/// A sequence of numbers in [-1, 1] that looks random and is the same everywhere (Weyl's, with the
/// golden ratio).
pub(crate) struct Wobble(f64);

impl Wobble {
    pub(crate) fn new(start: usize) -> Self {
        Self(start as f64 * 0.137)
    }

    pub(crate) fn next(&mut self) -> f64 {
        self.0 = (self.0 + 0.618_033_988_749_894_9).fract();
        2.0 * self.0 - 1.0
    }
}

/// A curve whose error falls from `first` by `slope` per doubling down to `floor`, with trials
/// around it.
///
/// The trials are rounded to whole errors among `tests` test examples.
pub(crate) fn falling(
    label: &str,
    sizes: &[u32],
    (first, slope, floor): (f64, f64, f64),
    tests: f64,
) -> Curve {
    let mut wobble = Wobble::new(label.len() + label.bytes().map(usize::from).sum::<usize>());
    let points = sizes.iter().map(|&n| {
        let doublings = (f64::from(n) / f64::from(sizes[0])).log2();
        let error = floor + (first - floor) * slope.powf(doublings);
        let trial = |_| {
            1.0 - (error * (1.0 + 0.7 * wobble.next()) * tests).round().clamp(0.0, tests) / tests
        };
        point(n, (0..25).map(trial).collect())
    });
    Curve { label: label.to_owned(), look: 0, points: points.collect() }
}

/// The mean of some trials with plus or minus two standard errors.
pub(crate) fn point(n: u32, trials: Vec<f64>) -> Point {
    let count = trials.len() as f64;
    let estimate = trials.iter().sum::<f64>() / count;
    let variance =
        trials.iter().map(|t| (t - estimate).powi(2)).sum::<f64>() / (count - 1.0).max(1.0);
    let half = 2.0 * (variance / count).sqrt();
    Point { n, estimate, low: (estimate - half).max(0.0), high: (estimate + half).min(1.0), trials }
}

/// The curves with looks in their order.
pub(crate) fn looked(mut curves: Vec<Curve>) -> Vec<Curve> {
    curves.iter_mut().enumerate().for_each(|(look, curve)| curve.look = look);
    curves
}

fn caption(data: &str) -> Vec<String> {
    vec![
        format!("{data}; invented numbers. Mean accuracy of 25 trials (5 repeats of 5-fold cross-validation)."),
        "Bars: the mean plus or minus two standard errors over the trials; they don't compare models.".to_owned(),
    ]
}

/// Nine models on two easy classes, the commonest of which makes up 53.2 %.
pub(crate) fn two_classes() -> LearningCurves {
    let shapes = [
        ("leekasso", (0.11, 0.52, 0.004)),
        ("logistic", (0.012, 0.66, 0.0012)),
        ("svm-linear", (0.0125, 0.63, 0.0015)),
        ("svm-rbf", (0.009, 0.6, 0.0008)),
        ("random-forest", (0.035, 0.48, 0.0018)),
        ("knn", (0.022, 0.55, 0.0014)),
        ("mlp", (0.010, 0.72, 0.0011)),
        ("cnn", (0.0105, 0.55, 0.0003)),
    ];
    let majority = SIZES.map(|n| point(n, vec![0.532; 25])).to_vec();
    let mut curves = vec![Curve { label: "majority".to_owned(), look: 0, points: majority }];
    curves.extend(shapes.map(|(label, shape)| falling(label, &SIZES, shape, 2115.0)));
    let title = "MNIST, 0 against 1: accuracy with few examples".to_owned();
    LearningCurves {
        title,
        caption: caption("MNIST digits 0 and 1"),
        curves: looked(curves),
        chance: Some(0.532),
    }
}

/// The same with a net that starts at chance, a model that ends without errors and one that ends
/// with next to none.
pub(crate) fn undertrained() -> LearningCurves {
    let mut figure = two_classes();
    let cnn = &mut figure.curves[8].points;
    cnn[0] = point(10, vec![0.5, 0.53, 0.61, 0.55]);
    cnn[1] = point(20, vec![0.6, 0.53, 0.81, 0.65]);
    cnn[2] = point(40, vec![0.8, 0.83, 0.91, 0.95]);
    figure.curves[3].points[5..].iter_mut().for_each(|p| *p = point(p.n, vec![1.0; 25]));
    let mut nearly = vec![1.0; 23];
    nearly.extend([0.9995, 0.9995]);
    figure.curves[4].points[6..].iter_mut().for_each(|p| *p = point(p.n, nearly.clone()));
    figure
}

/// Seven models on ten classes.
pub(crate) fn ten_classes() -> LearningCurves {
    let shapes = [
        ("logistic", (0.40, 0.72, 0.06)),
        ("svm-rbf", (0.41, 0.66, 0.02)),
        ("random-forest", (0.42, 0.68, 0.03)),
        ("knn", (0.38, 0.73, 0.03)),
        ("naive-bayes", (0.45, 0.78, 0.12)),
        ("mlp", (0.41, 0.70, 0.035)),
        ("cnn", (0.44, 0.62, 0.012)),
    ];
    let curves = shapes.map(|(label, shape)| falling(label, &SIZES, shape, 10_000.0)).to_vec();
    let title = "MNIST, ten classes: accuracy with few examples".to_owned();
    LearningCurves {
        title,
        caption: caption("MNIST, all digits"),
        curves: looked(curves),
        chance: Some(0.1135),
    }
}

/// Sixteen models, at sizes that neither double nor keep their distance.
pub(crate) fn sixteen_curves() -> LearningCurves {
    let curve = |i: usize| {
        let spread = i as f64 / 15.0;
        let shape = (
            0.08 + 0.22 * spread,
            0.55 + 0.2 * (spread * 9.7).fract(),
            0.004 + 0.05 * (spread * 5.3).fract(),
        );
        falling(
            &format!("model-{:02}", i + 1),
            &[10, 15, 20, 25, 30, 40, 60, 80, 160, 320],
            shape,
            1000.0,
        )
    };
    let curves = (0..16).map(curve).collect();
    let title = "Sixteen models at irregular sizes".to_owned();
    LearningCurves {
        title,
        caption: caption("No data set"),
        curves: looked(curves),
        chance: Some(0.5),
    }
}

/// Paired differences of every curve but `baseline` to it, with a band of two standard errors.
pub(crate) fn differences(figure: &LearningCurves, baseline: &str) -> Differences {
    let base = figure.curves.iter().find(|c| c.label == baseline).expect("a curve of that name");
    let difference = |(a, b): (&Point, &Point)| {
        let paired = a.trials.iter().zip(&b.trials).map(|(x, y)| (x - y + 1.0) / 2.0).collect();
        let half = point(a.n, paired); // of (d + 1) / 2, which lies in [0, 1]
        let back = |value: f64| 2.0 * value - 1.0;
        Difference {
            n: a.n,
            estimate: back(half.estimate),
            low: back(half.low),
            high: back(half.high),
        }
    };
    let curve = |(look, c): (usize, &Curve)| DifferenceCurve {
        label: c.label.clone(),
        look,
        points: c.points.iter().zip(&base.points).map(difference).collect(),
    };
    let others = figure.curves.iter().enumerate().filter(|(_, c)| c.label != baseline);
    Differences {
        title: "Difference in accuracy to logistic regression".to_owned(),
        caption: vec![
            "Invented numbers. Band: two standard errors over 25 paired trials.".to_owned(),
        ],
        baseline: baseline.to_owned(),
        equivalence: 0.002,
        curves: others.map(curve).collect(),
    }
}

/// Three nets: one that fits well, one that overfits, one that is hardly trained.
pub(crate) fn fits() -> Fits {
    let net = |label: &str, look, train, test| FitCurve {
        label: label.to_owned(),
        look,
        train: falling(label, &SIZES, train, 1000.0).points,
        test: falling(label, &SIZES, test, 1000.0).points,
        train_loss: SIZES.map(|n| (n, 0.7 * train.0.max(0.003) / f64::from(n).sqrt())).to_vec(),
        steps: SIZES.map(|n| (n, 60.0 * (f64::from(n) / 32.0).ceil())).to_vec(),
    };
    Fits {
        title: "Do the nets fit?".to_owned(),
        caption: vec!["Invented numbers. Bars: two standard errors over 25 trials.".to_owned()],
        curves: vec![
            net("cnn", 8, (0.0, 1.0, 0.0), (0.09, 0.6, 0.003)),
            net("mlp", 7, (0.0, 1.0, 0.0), (0.2, 0.8, 0.02)),
            net("mlp (20 steps)", 0, (0.42, 0.9, 0.02), (0.45, 0.91, 0.03)),
        ],
        chance: Some(0.532),
    }
}

/// Verdicts of every kind, and a cell without one.
pub(crate) fn verdicts() -> Verdicts {
    let outcomes = [Outcome::Better, Outcome::Equivalent, Outcome::Worse, Outcome::Undecided];
    let cell = |i: usize| {
        let text = ["+1.20", "\u{2212}0.03", "\u{2212}12.45", "+0.60"][i % 4].to_owned();
        (i != 11).then(|| VerdictCell { outcome: outcomes[i % 4], text })
    };
    let labels = ["logistic", "random-forest", "cnn"];
    let row = |(r, label): (usize, &&str)| VerdictRow {
        label: (*label).to_owned(),
        cells: (0..9).map(|c| cell(r * 4 + c + r)).collect(),
    };
    let mut columns: Vec<String> = SIZES.map(|n| format!("n = {n}")).to_vec();
    columns.push("all n".to_owned());
    Verdicts {
        title: "Is it better than the baseline?".to_owned(),
        caption: vec!["Invented numbers.".to_owned()],
        columns,
        rows: labels.iter().enumerate().map(row).collect(),
    }
}

/// Models that reach an accuracy, reach it at once, never reach it, and have no score.
pub(crate) fn needed() -> NeededExamples {
    let row = |look: usize, label: &str, examples, low, high| NeededRow {
        label: label.to_owned(),
        look,
        examples,
        low,
        high,
    };
    let panel = |accuracy, scale: f64| NeededPanel {
        accuracy,
        rows: vec![
            row(0, "logistic", Some(Examples::Exactly(50.0 * scale)), 40.0 * scale, 70.0 * scale),
            row(1, "cnn", Some(Examples::AtMost(10.0)), 0.0, 14.0),
            row(2, "leekasso", Some(Examples::MoreThan(1280.0)), 900.0, f64::INFINITY),
            row(3, "gaussian-process", Some(Examples::Exactly(600.0)), 310.0, f64::INFINITY),
            row(4, "majority", None, 0.0, f64::INFINITY),
        ],
    };
    NeededExamples {
        title: "Training examples needed".to_owned(),
        caption: vec!["Invented numbers.".to_owned()],
        sizes: SIZES.to_vec(),
        panels: vec![panel(0.9, 1.0), panel(0.95, 3.0)],
    }
}

/// Three models whose cross-validation is off by less and less.
pub(crate) fn trust() -> TrustCurves {
    let curve = |(look, label): (usize, &str)| {
        let mut wobble = Wobble::new(look + 3);
        let points = SIZES[..6].iter().map(|&n| {
            let spread = 0.5 / f64::from(n).sqrt();
            let bias = -0.2 / f64::from(n).sqrt() * (look as f64 - 0.5);
            let samples = (0..20).map(|_| bias + 1.7 * spread * wobble.next()).collect();
            TrustPoint {
                n,
                bias,
                interval: (bias - 0.3 * spread, bias + 0.3 * spread),
                spread,
                samples,
            }
        });
        TrustCurve { label: label.to_owned(), look, points: points.collect() }
    };
    TrustCurves {
        title: "How far to trust cross-validation".to_owned(),
        caption: vec!["Invented numbers.".to_owned()],
        curves: ["logistic", "cnn", "random-forest"].into_iter().enumerate().map(curve).collect(),
        wrong: [(10, 0.8), (20, 0.7), (40, 0.55), (80, 0.5), (160, 0.4), (320, 0.35)]
            .map(|(n, share)| WrongShare { n, share, low: share - 0.15, high: share + 0.15 })
            .to_vec(),
    }
}

/// Seven models over data sets, three runs of which are not told apart.
pub(crate) fn ranks() -> Ranks {
    let models = [
        ("cnn", 1.6),
        ("svm-rbf", 2.1),
        ("random-forest", 2.9),
        ("logistic", 4.0),
        ("knn", 4.8),
        ("leekasso", 5.9),
        ("majority", 6.7),
    ];
    Ranks {
        title: "Mean ranks over 12 experiments".to_owned(),
        caption: vec!["Invented numbers.".to_owned()],
        models: models.map(|(label, rank)| (label.to_owned(), rank)).to_vec(),
        critical_difference: 2.6,
        cliques: vec![(0, 3), (2, 4), (4, 6)],
    }
}

/// What three changes do at two sizes, one of them not measured at the first.
pub(crate) fn changes() -> Effects {
    let effect = |estimate: f64, half: f64| {
        Some(Effect { estimate, low: estimate - half, high: estimate + half })
    };
    let row = |label: &str, effects| EffectRow { label: label.into(), effects };
    Effects {
        title: "One change at a time".into(),
        caption: vec!["Made-up numbers.".into()],
        panels: vec!["n = 10".into(), "n = 80".into()],
        unit: "change in errors per thousand".into(),
        rows: vec![
            row("a constant rate", vec![effect(-400.0, 50.0), effect(-60.0, 20.0)]),
            row("dropout", vec![effect(0.4, 0.9), effect(-2.0, 1.5)]),
            row("convolution", vec![None, effect(12.0, 3.0)]),
        ],
        divide_after: 2,
    }
}

/// Two maps, one of them of zeros alone.
pub(crate) fn maps() -> Maps {
    let map = |label: &str, value: fn(usize) -> f64| Map {
        label: label.into(),
        note: "made up".into(),
        height: 6,
        width: 5,
        values: (0..30).map(value).collect(),
    };
    Maps {
        title: "What models look at".into(),
        caption: vec!["Made-up numbers.".into()],
        maps: vec![map("waves", |i| libm::sin(i as f64)), map("nothing", |_| 0.0)],
    }
}
