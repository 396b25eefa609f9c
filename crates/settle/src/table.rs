//! The study's own tables: CSV, numbers rounded to what they are worth, the same bytes from the same rows.

use std::path::Path;

use bench::error::{Error, Result};
use bench::files;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The bytes of a table.
///
/// # Errors
/// [`Error::Io`] naming `path` if a row can't be written.
pub fn text<R: Serialize>(path: &Path, rows: &[R]) -> Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.serialize(row).map_err(|error| Error::io(path, error))?;
    }
    writer.into_inner().map_err(|error| Error::io(path, error))
}

/// Writes a table.
///
/// # Errors
/// [`Error::Io`] if it can't be written.
pub fn write<R: Serialize>(path: &Path, rows: &[R]) -> Result<()> {
    files::write_whole(path, &text(path, rows)?)
}

/// Reads a table.
///
/// # Errors
/// [`Error::Io`] if it is missing or a row is not what it should be.
pub fn read<R: DeserializeOwned>(path: &Path) -> Result<Vec<R>> {
    if !path.is_file() {
        return Err(Error::io(path, "is not there: run `cargo run -p settle` first"));
    }
    let mut reader = csv::Reader::from_path(path).map_err(|error| Error::io(path, error))?;
    reader
        .deserialize()
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| Error::io(path, error))
}

/// `value` to `places` decimals, never -0.
pub fn rounded(value: f64, places: i32) -> f64 {
    let scale = 10f64.powi(places);
    (value * scale).round() / scale + 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_and_zero_has_no_sign() {
        assert_eq!(rounded(1.23456, 2), 1.23);
        assert!(rounded(-0.001, 2).is_sign_positive());
    }
}
