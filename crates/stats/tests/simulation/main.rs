//! Simulated studies with known truth: what intervals cover, how often tests of equal models reject.

#![expect(clippy::print_stdout, reason = "the measured shares are what a reader wants to see")]

mod band;
mod coverage;
mod type_one_error;
mod world;
