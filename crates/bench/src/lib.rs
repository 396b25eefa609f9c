//! The benchmark harness: plans an experiment's trials, runs them, keeps their records, and shows what came out.
//!
//! ```text
//! experiment file -> Experiment -> plan -> minus what the store holds -> split -> fit -> predict -> Record -> store
//!   -> tables -> Summary -> figures, README
//! ```
//!
//! `plan`, `shard`, `cost`, `split`, `stratify`, `seed`, `summary` and the analyses of `compare` are pure; only `store` touches a results folder's journal and
//! tables.

pub mod app;
pub mod cli;
pub mod cmd;
pub mod compare;
pub mod cost;
pub mod data;
pub mod device;
pub mod environment;
pub mod error;
pub mod experiment;
pub mod experiment_file;
pub mod figures;
pub mod files;
pub mod forecast;
pub mod isolate;
pub mod launch;
pub mod output;
mod overlap;
pub mod panics;
pub mod plan;
pub mod process;
pub mod progress;
pub mod publish;
pub mod record;
pub mod report;
pub mod runner;
pub mod seed;
pub mod shard;
pub mod show;
mod source;
pub mod split;
pub mod status;
pub mod store;
pub mod stratify;
pub mod summary;
pub mod sweep;
pub mod toml_section;
pub mod trial;
pub mod verify;
pub mod workspace;
