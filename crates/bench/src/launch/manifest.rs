//! The manifest of a launch, `launch/launch.toml`: which queue has the shards of this folder, and under which numbers.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::files;

/// The folder of everything that a launch keeps, in a results folder.
pub const FOLDER: &str = "launch";

/// The file's name in that folder.
const FILE: &str = "launch.toml";

/// The version of the file (FORMAT.md).
const FORMAT: u32 = 1;

/// What was launched from a results folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the file.
    format: u32,
    /// Who runs the jobs: `slurm` or `hq`.
    pub engine: String,
    /// In how many parts the plan is.
    pub shards: u32,
    /// The name of the jobs, which no other results folder has.
    pub job_name: String,
    /// Whether results in older tables stand, though no journal has them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keep_tables: bool,
    /// What was handed in, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub submitted: Vec<Submitted>,
}

/// One job that was handed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submitted {
    /// The number that the queue gave it.
    pub id: String,
    /// Its shards as ranges, such as `0-3,5`, or `merge`.
    pub shards: String,
    /// When (UTC).
    pub at: String,
}

impl Manifest {
    /// A launch of which nothing was handed in yet.
    pub fn new(engine: &str, shards: u32, job_name: &str) -> Self {
        Manifest {
            format: FORMAT,
            engine: engine.to_owned(),
            shards,
            job_name: job_name.to_owned(),
            keep_tables: false,
            submitted: Vec::new(),
        }
    }

    /// Reads the manifest of the results in `folder`; `None` if nothing was launched from it.
    ///
    /// # Errors
    /// [`Error::Io`] if it can't be read, or is of a format that this version doesn't know.
    pub fn read(folder: &Path) -> Result<Option<Manifest>> {
        let path = Self::path(folder);
        let Some(text) = files::read_if_there(&path)? else { return Ok(None) };
        let manifest: Manifest = toml::from_str(&text).map_err(|error| {
            let what = error.message();
            Error::io(
                &path,
                format!(
                    "{what}; remove the file: `bench launch` makes it anew, nothing else needs it"
                ),
            )
        })?;
        if manifest.format != FORMAT {
            return Err(Error::io(
                &path,
                format!("format {} is not {FORMAT}, which this version reads", manifest.format),
            ));
        }
        Ok(Some(manifest))
    }

    /// Writes it, whole.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, folder: &Path) -> Result<()> {
        let text = toml::to_string(self).map_err(|error| Error::input(error.to_string()))?;
        let heading = "# What `bench launch` handed in from this folder.\n";
        files::write_whole(&Self::path(folder), format!("{heading}{text}").as_bytes())
    }

    fn path(folder: &Path) -> PathBuf {
        folder.join(FOLDER).join(FILE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_reads_back_and_another_format_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(Manifest::read(folder.path()).expect("readable"), None);
        let mut manifest = Manifest::new("slurm", 8, "bench-study-0123abcd");
        let at = "2017-06-04T00:00:00Z".to_owned();
        manifest.submitted.push(Submitted { id: "17".into(), shards: "0-3,5".into(), at });
        manifest.write(folder.path()).expect("written");
        assert_eq!(Manifest::read(folder.path()).expect("readable"), Some(manifest));

        let path = folder.path().join("launch/launch.toml");
        let text = std::fs::read_to_string(&path).expect("text");
        std::fs::write(&path, text.replace("format = 1", "format = 2")).expect("written");
        let error = Manifest::read(folder.path()).expect_err("another format").to_string();
        assert!(error.contains("launch.toml: format 2 is not 1"), "{error}");
    }
}
