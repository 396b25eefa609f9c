//! Shards of a sweep as jobs of a cluster's queue.
//!
//! Everything that a launch keeps is in the folder `launch/` of the results: the manifest `launch.toml`, the frozen
//! settings, the scripts that the jobs run, a copy of the program and their logs.

pub(crate) mod client;
mod folder;
pub mod hq;
mod manifest;
pub(crate) mod names;
mod order;
pub mod quote;
pub(crate) mod ranges;
pub mod script;
pub mod slurm;

use folder::freeze;
pub use folder::{absolute, job_name, program_copy};
pub use manifest::{FOLDER, Manifest, Submitted};
pub use order::Order;
