//! The [`Classifier`] trait, the registry of model kinds, and every model, one file each.
//!
//! Slices of `f32` go in, labels and probabilities come out: this crate knows no files and no experiments.
//! linfa, and every other learning library, is wrapped here and nowhere else.

pub mod check;
pub mod classifier;
pub mod registry;
pub mod settings;
pub mod tuning;

mod calibration;
mod cholesky;
mod cnn;
mod gaussian_process;
mod kernel;
mod knn;
mod lda;
mod linear;
mod linear_regression;
mod logistic_regression;
mod majority;
mod mlp;
mod naive_bayes;
mod net;
mod newton;
mod select;
mod smo;
mod svm;
mod trees;
mod whitening;
mod wide;

pub use classifier::{
    Classifier, Coefficients, Cost, Features, Fit, FitContext, FitError, FittedClassifier,
    Predictions, Shape, TrainingSet, argmax,
};
pub use registry::{Kind, Registry, find_kind, kinds};
pub use settings::{Default, Domain, Param, SettingError, Settings, Value};
pub use tuning::{Grid, Tuner, Tuning};

/// Raised whenever a change makes any model give other numbers from the same data and seed, so that results of
/// different code are never mixed in one folder.
pub const CODE_VERSION: u32 = 2;
