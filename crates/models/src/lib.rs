//! The [`Classifier`] trait, the registry of model kinds, and every model, one file each.
//!
//! Slices of `f32` go in, labels and probabilities come out: this crate knows no files and no experiments.
//! linfa, and every other learning library, is wrapped here and nowhere else.

pub mod check;
pub mod classifier;
pub mod registry;
pub mod settings;

mod cnn;
mod kernel;
mod knn;
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

pub use classifier::{
    Classifier, Features, Fit, FitContext, FitError, FittedClassifier, Predictions, Shape,
    TrainingSet,
};
pub use registry::{Kind, find_kind, kinds};
pub use settings::{Default, Domain, Param, SettingError, Settings, Value};

/// Raised whenever a change makes any model give other numbers from the same data and seed, so that results of
/// different code are never mixed in one folder.
pub const CODE_VERSION: u32 = 1;
