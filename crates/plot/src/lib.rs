//! Figures: pure data in, SVG text, PNG bytes and PDF bytes out.
//!
//! The crate knows no files, no models and no experiments. It draws these figures:
//!
//! - [`accuracy_vs_n`]: learning curves, accuracy over the number of training examples, with a
//!   second panel in errors per thousand wherever a curve passes .95;
//! - [`difference_vs_n`]: paired differences to a baseline, with their band and the region of
//!   equivalence;
//! - [`fit_vs_n`]: accuracy on the training set beside accuracy on the test set, with training loss
//!   and steps, to tell underfit from overfit;
//! - [`verdict_map`]: better, equivalent, worse or undecided, for models by sizes;
//! - [`needed_examples`]: how many examples each model takes to reach an accuracy;
//! - [`cv_trust`]: what cross-validation inside n examples says against the truth;
//! - [`fit_vs_steps`]: the same two accuracies over the gradient steps taken;
//! - [`effects`]: what each of several changes does, with intervals;
//! - [`feature_maps`]: what models look at, as small images;
//! - [`rank_diagram`]: mean ranks over data sets with their critical difference.
//!
//! The bytes depend on the data alone: coordinates are whole tenths of a pixel, nothing is drawn at
//! random, and the only font is the one embedded here (a subset of Inter 4, SIL Open Font License,
//! see `fonts/`). The one thing taken from the platform is its logarithm, whose last bit could move a
//! coordinate only across the border between two tenths.
//!
//! ```
//! use plot::{Curve, LearningCurves, Point, accuracy_vs_n};
//!
//! let points = [(10, 0.91, 0.88, 0.94), (20, 0.96, 0.94, 0.97)]
//!     .map(|(n, estimate, low, high)| Point { n, estimate, low, high, trials: vec![] });
//! let figure = LearningCurves {
//!     title: "MNIST, 0 against 1".into(),
//!     caption: vec!["Bars: 95 % intervals over 25 draws of the training set.".into()],
//!     curves: vec![Curve { label: "logistic".into(), look: 0, points: points.to_vec() }],
//!     chance: Some(0.53),
//! };
//! let svg = accuracy_vs_n(&figure)?;
//! assert!(svg.as_str().contains("logistic"));
//! assert_eq!(&svg.to_png(1.0)?[1..4], b"PNG");
//! # Ok::<(), plot::PlotError>(())
//! ```

mod canvas;
mod check;
mod clip;
mod difference;
mod effects;
mod error;
mod fit;
mod frame;
mod labels;
mod learning;
mod maps;
mod multiples;
mod needed;
mod notes;
mod panel;
mod pdf;
mod pdf_font;
mod range;
mod ranks;
mod series;
mod style;
mod svg;
mod text;
mod ticks;
mod trust;
mod verdicts;
mod xaxis;
mod yaxis;

pub use difference::{Difference, DifferenceCurve, Differences, difference_vs_n};
pub use effects::{Effect, EffectRow, Effects, effects};
pub use error::PlotError;
pub use fit::{FitCurve, Fits, fit_vs_n, fit_vs_steps};
pub use learning::{Curve, LearningCurves, Point, accuracy_vs_n};
pub use maps::{Map, Maps, feature_maps};
pub use needed::{Examples, NeededExamples, NeededPanel, NeededRow, needed_examples};
pub use ranks::{Ranks, rank_diagram};
pub use svg::Svg;
pub use trust::{TrustCurve, TrustCurves, TrustPoint, WrongShare, cv_trust};
pub use verdicts::{Outcome, VerdictCell, VerdictRow, Verdicts, verdict_map};
