//! The statistics of the harness: slices in, numbers out.
//!
//! Nothing here knows files, models or experiments, and nothing draws a random number without being handed a
//! generator. Every public function documents its formula and where it is from; degenerate input (empty, no
//! variation, a single trial, all correct) has a stated result or an [`Error`] that says what is missing, never NaN.
//!
//! Where to look:
//! - one model's accuracy: [`binomial`] for a single test set, [`effective`] over training draws and test items;
//! - two models: [`crossed`] and [`unbalanced`] (draws × items), [`paired`] and [`bayes`] (cross-validation inside a
//!   small sample), [`mcnemar`] (one draw), [`wilcoxon`] and [`permutation`] (independent pairs), read by [`fn@verdict`];
//! - several models or data sets: [`friedman`], [`multiplicity`], [`aggregate`] with
//!   intervals from [`stratified`];
//! - learning curves: [`curve`], [`fit`], and [`band`] with replicates from [`joint`], [`pigeonhole`] or
//!   [`bootstrap`];
//! - cross-validation's own error: [`cross_validation`];
//! - one trial: [`metrics`].

pub mod aggregate;
pub mod band;
pub mod bayes;
pub mod binomial;
pub mod bootstrap;
pub mod cross_validation;
pub mod crossed;
pub mod curve;
pub mod dist;
pub mod effective;
mod error;
pub mod estimate;
pub mod fit;
pub mod five_by_two;
pub mod friedman;
pub mod generator;
mod incomplete_beta;
pub mod joint;
mod least_squares;
pub mod mcnemar;
pub mod metrics;
pub mod multiplicity;
pub mod paired;
pub mod permutation;
pub mod pigeonhole;
mod qr;
pub mod quantile;
mod rank;
pub mod stratified;
pub mod studentized_range;
pub mod unbalanced;
mod verdict;
pub mod wilcoxon;

pub use error::{Error, Result};
pub use estimate::{Estimate, Interval, LEAST_DF};
pub use verdict::{Verdict, unseen, verdict};
