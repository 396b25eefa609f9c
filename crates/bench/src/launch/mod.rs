//! Shards of a sweep as jobs of a cluster's queue.
//!
//! Everything that a launch keeps is in the folder `launch/` of the results: the manifest `launch.toml`, the frozen
//! settings, the scripts that the jobs run, a copy of the program and their logs.

mod manifest;

pub use manifest::{FOLDER, Manifest, Submitted};
