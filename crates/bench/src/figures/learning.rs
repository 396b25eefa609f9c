//! Figure 1: accuracy over n; and figure 5: do the nets fit?

use plot::{Curve, FitCurve, Fits, LearningCurves, Point};

use super::looks::Looks;
use super::title;
use crate::store::Lock;
use crate::summary::{Cell, DOTS, LEVEL, Summary, coverage, thinned};

/// The learning curves of the `shown` models that have a score; `what` follows the task in the title.
pub(super) fn learning_curves(
    summary: &Summary,
    lock: &Lock,
    what: &str,
    shown: impl Fn(&str) -> bool,
) -> LearningCurves {
    let looks = Looks::of(summary, lock);
    let curves = summary
        .models()
        .into_iter()
        .filter(|model| shown(model))
        .map(|model| Curve {
            label: model.to_owned(),
            look: looks.look(model),
            points: summary.cells.iter().filter(|c| c.model == model).filter_map(point).collect(),
        })
        .filter(|curve: &Curve| !curve.points.is_empty())
        .collect();
    LearningCurves {
        title: title(lock, what),
        caption: caption(summary, lock),
        curves,
        chance: None,
    }
}

fn point(cell: &Cell) -> Option<Point> {
    let accuracy = cell.accuracy.as_ref()?;
    Some(Point {
        n: cell.n,
        estimate: accuracy.mean,
        low: accuracy.interval.lo,
        high: accuracy.interval.hi,
        trials: thinned(&cell.by_trial),
    })
}

fn caption(summary: &Summary, lock: &Lock) -> Vec<String> {
    let protocol = &lock.protocol;
    let trials = summary.cells.iter().map(|cell| cell.ok).max().unwrap_or(0);
    let design = match protocol.kind.as_str() {
        "holdout" => format!("{trials} training draws, scored on the official test set"),
        "small-sample-cv" => {
            format!("{trials} samples of n examples, scored on the official test set")
        }
        _ => format!(
            "{trials} trials a point ({} × {}-fold cross-validation, training parts cut to n)",
            protocol.repeats, protocol.folds
        ),
    };
    let covers = match summary.cells.iter().find_map(|cell| cell.accuracy.as_ref()) {
        Some(a) if coverage(a.covers) == "items" => "new test items",
        _ => "new training draws and new test items",
    };
    let mut lines = vec![
        format!("Mean over {design}. Points of one n stand side by side."),
        format!(
            "Bars: {:.0} % Wilson intervals at the effective sample size, covering {covers}. \
             They are marginal: models share their splits, so compare models by paired differences, not by overlap.",
            LEVEL * 100.0
        ),
    ];
    if trials > DOTS {
        lines.push(format!("Dots: {DOTS} evenly spaced quantiles of the single trials."));
    }
    let (not_ok, all) = summary.not_ok();
    if not_ok > 0 {
        lines.push(format!(
            "{not_ok} of {all} trials are not ok and not in the means; see scores/."
        ));
    }
    lines
}

/// The models that take gradient steps: are they under- or overfitted? `None` if there are none.
pub(super) fn fits(summary: &Summary, lock: &Lock) -> Option<Fits> {
    let looks = Looks::of(summary, lock);
    let curve = |model: &str| {
        let cells = || summary.cells.iter().filter(|cell| cell.model == model);
        let steps: Vec<(u32, f64)> = cells().filter_map(|c| Some((c.n, c.steps?))).collect();
        let mut test: Vec<Point> = cells().filter_map(point).collect();
        test.iter_mut().for_each(|point| point.trials.clear());
        let on_train = |cell: &Cell| {
            let estimate = cell.train_accuracy?;
            Some(Point { n: cell.n, estimate, low: estimate, high: estimate, trials: vec![] })
        };
        (!steps.is_empty()).then(|| FitCurve {
            label: model.to_owned(),
            look: looks.look(model),
            train: cells().filter_map(on_train).collect(),
            test,
            train_loss: cells().filter_map(|c| Some((c.n, c.train_loss?))).collect(),
            steps,
        })
    };
    let curves: Vec<FitCurve> = summary.models().into_iter().filter_map(curve).collect();
    (!curves.is_empty()).then(|| Fits {
        title: title(lock, "do the nets fit?"),
        caption: vec![
            "Low on both: underfitted, trained too little. High on the training examples alone: overfitted. \
             Bars: as in the figure of accuracy; means over the training examples have none. Steps: median."
                .to_owned(),
        ],
        curves,
        chance: None,
    })
}
