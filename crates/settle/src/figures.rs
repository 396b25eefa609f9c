//! The study's figures, drawn from its tables.

use std::path::Path;

use bench::error::{Error, Result};
use bench::files;
use plot::{
    Curve, Effect, EffectRow, Effects, FitCurve, Fits, LearningCurves, Map, Maps, PlotError, Point,
    Svg, accuracy_vs_n, effects, feature_maps, fit_vs_steps,
};

use crate::answer::{ErrorRow, TASKS};
use crate::causes::Cause;
use crate::fit::FitRow;
use crate::maps::{DRAWS, Pixel, size};
use crate::published;
use crate::tables::Tables;

/// Pixels of the PNG per unit of the SVG.
const PNG_SCALE: f32 = 2.0;

/// Draws all figures but the maps into `folder`.
///
/// # Errors
/// If one can't be drawn or written.
pub fn draw(folder: &Path, tables: &Tables) -> Result<()> {
    save(folder, "answer", accuracy_vs_n(&answer(tables)))?;
    save(folder, "causes", effects(&causes(&tables.causes)))?;
    save(folder, "training", fit_vs_steps(&training(&tables.training)))?;
    save(folder, "equal-steps", effects(&equal_steps(tables)))?;
    for (study, title) in [
        ("leek-2017", "Leek's figure of 2017 and ours"),
        ("beam-2017", "Beam's study of 2017, run as it was meant"),
    ] {
        save(
            folder,
            &format!("published-{study}"),
            accuracy_vs_n(&published(tables, study, title)),
        )?;
    }
    Ok(())
}

/// Draws the maps of one task into `folder`.
///
/// # Errors
/// If they can't be drawn or written.
pub fn draw_maps(folder: &Path, task: &str, pixels: &[Pixel]) -> Result<()> {
    save(folder, &format!("maps-{task}"), feature_maps(&maps(task, pixels)))
}

fn save(folder: &Path, name: &str, drawn: std::result::Result<Svg, PlotError>) -> Result<()> {
    let failed = |error: PlotError| Error::input(format!("figure {name}: {error}"));
    let svg = drawn.map_err(failed)?;
    let path = |ending: &str| folder.join("figures").join(format!("{name}.{ending}"));
    files::write_whole(&path("svg"), svg.as_str().as_bytes())?;
    files::write_whole(&path("png"), &svg.to_png_at_most(PNG_SCALE).map_err(failed)?)?;
    files::write_whole(&path("pdf"), &svg.to_pdf().map_err(failed)?)
}

/// The models of the figure that answers: those of the argument, and the best of their kinds.
const SHOWN: [&str; 6] = ["cnn", "mlp", "leekasso", "logistic", "svm-rbf", "extra-trees"];

fn answer(tables: &Tables) -> LearningCurves {
    let task = TASKS[0].0;
    let of = |model: &str| {
        let rows = tables.errors.iter().filter(|row| row.task == task && row.model == model);
        (model.to_owned(), rows.map(point).collect::<Vec<Point>>())
    };
    let mut curves: Vec<(String, Vec<Point>)> = SHOWN.iter().map(|model| of(model)).collect();
    // Leek's net as Beam re-created it, and with h2o's own defaults, from the table of causes.
    for (net, label) in
        [("leek-h2o", "Leek's net"), ("leek-as-posted", "Leek's net, as Beam posted it")]
    {
        let rows = tables.fits.iter().filter(|row| row.net == net);
        let points = rows.map(|row| accuracy_point(row.n, row.test_accuracy, (row.low, row.high)));
        curves.push((label.to_owned(), points.collect()));
    }
    let curves = looking_apart(curves);
    LearningCurves {
        title: "0 against 1: the argument of 2017, on equal terms".into(),
        caption: vec![
            "Thirty nested, stratified training draws, the same for every model, scored on MNIST's official test set. \
             Bars: 95 % Wilson intervals at the effective sample size, covering new draws and new items. They are \
             marginal: differences between models are in the tables, paired."
                .into(),
        ],
        curves,
        chance: None,
    }
}

/// Curves with a look each, in order.
fn looking_apart(curves: Vec<(String, Vec<Point>)>) -> Vec<Curve> {
    let curve = |(look, (label, points))| Curve { label, look, points };
    curves.into_iter().enumerate().map(curve).collect()
}

fn point(row: &ErrorRow) -> Point {
    let accuracy = |errors: f64| 1.0 - errors / 1000.0;
    accuracy_point(row.n, accuracy(row.errors), (accuracy(row.high), accuracy(row.low)))
}

fn accuracy_point(n: u32, estimate: f64, (low, high): (f64, f64)) -> Point {
    let unit = |value: f64| value.clamp(0.0, 1.0);
    Point { n, estimate: unit(estimate), low: unit(low), high: unit(high), trials: vec![] }
}

fn causes(causes: &[Cause]) -> Effects {
    let sizes = sizes(causes.iter().map(|cause| cause.n));
    let mut rows: Vec<EffectRow> = Vec::new();
    for cause in causes {
        let effect = Effect { estimate: cause.effect, low: cause.low, high: cause.high };
        let at = sizes.iter().position(|&n| n == cause.n).unwrap_or_default();
        place(&mut rows, &cause.change, sizes.len(), at, effect);
    }
    let chain = causes.iter().filter(|cause| cause.part != "side step" && cause.n == sizes[0]);
    Effects {
        title: "From Leek's net to Beam's, one change at a time".into(),
        caption: vec![
            "Above the line, the chain: each change is made to what the changes above it left (convolution: to the MLP \
             without dropout). Below it, side steps. 0 against 1, thirty paired draws; bars: 95 % bands, simultaneous \
             over n, for new draws and new items."
                .into(),
        ],
        panels: sizes.iter().map(|n| format!("n = {n}")).collect(),
        unit: "change in errors per thousand; left of 0 the change helps".into(),
        divide_after: chain.count(),
        rows,
    }
}

/// Puts an effect into the row called `label`, which is made if it isn't there.
fn place(rows: &mut Vec<EffectRow>, label: &str, panels: usize, at: usize, effect: Effect) {
    let row = rows.iter().position(|row| row.label == label).unwrap_or_else(|| {
        rows.push(EffectRow { label: label.to_owned(), effects: vec![None; panels] });
        rows.len() - 1
    });
    rows[row].effects[at] = Some(effect);
}

fn sizes(all: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut sizes: Vec<u32> = all.collect();
    sizes.sort_unstable();
    sizes.dedup();
    sizes
}

fn equal_steps(tables: &Tables) -> Effects {
    let panels = ["cnn-20-epochs", "mlp-20-epochs", "cnn-30-epochs-64"];
    let mut rows = Vec::new();
    for row in &tables.budgets {
        let Some(at) = panels.iter().position(|name| *name == row.by_epochs) else { continue };
        let task = TASKS.iter().find(|(task, _)| *task == row.task).map_or("", |(_, name)| name);
        let effect = Effect { estimate: row.cost, low: row.low, high: row.high };
        place(&mut rows, &format!("{task}, n = {}", row.n), panels.len(), at, effect);
    }
    Effects {
        title: "What a fixed number of epochs costs at small n".into(),
        caption: vec![
            "Errors of a net trained for so many epochs less those of the same net trained for 600 steps. Thirty paired \
             draws; bars: 95 % bands, simultaneous over n."
                .into(),
        ],
        panels: ["CNN, 20 epochs", "MLP, 20 epochs", "CNN, 30 epochs, batches of 64"]
            .map(str::to_owned)
            .to_vec(),
        unit: "more errors per thousand than with 600 steps".into(),
        divide_after: rows.len() / 2,
        rows,
    }
}

fn training(rows: &[FitRow]) -> Fits {
    let mut curves: Vec<FitCurve> = Vec::new();
    for n in sizes(rows.iter().map(|row| row.n)) {
        let mut nets: Vec<&str> = Vec::new();
        for row in rows.iter().filter(|row| row.n == n) {
            if !nets.contains(&&*row.net) {
                nets.push(&row.net);
            }
        }
        for (look, net) in nets.into_iter().enumerate() {
            let of = || rows.iter().filter(|row| row.n == n && row.net == net);
            let at = |row: &FitRow| u32::try_from(row.steps).unwrap_or(u32::MAX);
            let train = |row: &FitRow| {
                accuracy_point(
                    at(row),
                    row.train_accuracy,
                    (row.train_accuracy, row.train_accuracy),
                )
            };
            let test =
                |row: &FitRow| accuracy_point(at(row), row.test_accuracy, (row.low, row.high));
            curves.push(FitCurve {
                label: format!("{net}, n = {n}"),
                look,
                train: of().map(train).collect(),
                test: of().map(test).collect(),
                train_loss: vec![],
                steps: vec![],
            });
        }
    }
    Fits {
        title: "Overfitted, or hardly trained?".into(),
        caption: vec![
            "0 against 1: accuracy after so many gradient steps, each point thirty nets trained anew. Low on both: \
             underfitted. High on the training examples alone: overfitted. Bars: 95 % Wilson intervals at the effective \
             sample size."
                .into(),
        ],
        curves,
        chance: None,
    }
}

fn published(tables: &Tables, study: &str, title: &str) -> LearningCurves {
    let rows: Vec<_> = tables.published.iter().filter(|point| point.study == study).collect();
    let mut models: Vec<&str> = rows.iter().map(|row| &*row.model).collect();
    models.dedup();
    let mut curves = Vec::new();
    for model in &models {
        let of = || rows.iter().filter(|row| row.model == *model);
        let ours = of().map(|row| {
            let bar = (row.p10.min(row.ours), row.p90.max(row.ours));
            accuracy_point(row.n, row.ours, bar)
        });
        curves.push((format!("{model}, ours"), ours.collect()));
        let theirs = of().filter_map(|row| {
            let at = row.published?;
            Some(accuracy_point(row.n, at, (at - published::READ_TO, at + published::READ_TO)))
        });
        let points: Vec<Point> = theirs.collect();
        if !points.is_empty() {
            curves.push((format!("{model}, published"), points));
        }
    }
    let curves = looking_apart(curves);
    let bars = "Ours: bars from the 10th to the 90th percentile of five draws, as Leek drew them.";
    let theirs = match study {
        "leek-2017" => "Published: read off his figure, to ±.005.",
        _ => {
            "His own bars can't be read, since all upper ends fell on one value; his claim was \"essentially perfect \
              accuracy for all sample sizes\"."
        }
    };
    LearningCurves {
        title: title.into(),
        caption: vec![format!("{bars} {theirs}")],
        curves,
        chance: None,
    }
}

fn maps(task: &str, pixels: &[Pixel]) -> Maps {
    let side =
        |of: fn(&Pixel) -> u32| pixels.iter().map(of).max().map_or(0, |most| most as usize + 1);
    let (height, width) = (side(|p| p.row), side(|p| p.column));
    let maps = pixels.chunks(height.max(1) * width.max(1)).map(|map| Map {
        label: format!("{}, {}", map[0].model, map[0].method),
        note: note(&map[0].method).to_owned(),
        height,
        width,
        values: map.iter().map(|pixel| pixel.value).collect(),
    });
    let name = TASKS.iter().find(|(key, _)| *key == task).map_or(task, |(_, name)| name);
    let n = size(if task == "10" { 10 } else { 2 });
    Maps {
        title: format!("MNIST, {name}: what models look at, n = {n}"),
        caption: vec![format!(
            "Means over {DRAWS} training draws. Weights: of the score that speaks for the second class; with more than \
             two classes, the root of the sum of squares. Permutation: accuracy lost when a block of 4 x 4 pixels is \
             exchanged between test images. Occlusion: probability of the true class lost when a square of 6 x 6 pixels \
             is painted over."
        )],
        maps: maps.collect(),
    }
}

fn note(method: &str) -> &'static str {
    match method {
        "chosen" => "share of draws that chose it",
        "weights" => "weight of each pixel",
        "importance" => "mean decrease in impurity",
        "permutation" => "accuracy lost by exchange",
        _ => "probability lost by occlusion",
    }
}
