//! Classification trees and what is made of them.
//!
//! The trees are our own: at small samples most splits of a node tie, and what breaks the ties decides the accuracy.
//! `linfa.rs` keeps linfa's trees beside them, for comparison.

pub(crate) mod adaboost;
mod appearance;
mod buckets;
mod cart;
mod columns;
pub(crate) mod decision_tree;
mod gini;
pub(crate) mod gradient_boosting;
pub(crate) mod linfa;
pub(crate) mod random_forest;
mod squares;
mod tree;
