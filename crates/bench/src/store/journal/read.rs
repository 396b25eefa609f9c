//! Reading journal files: block by block, damage told by file and byte.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use rayon::prelude::*;

use super::{HEADER, LONGEST_LINE, decode, paths};
use crate::error::{Error, Result};
use crate::record::Record;

/// So much of a file is read and decoded at a time.
const BLOCK: usize = 16 << 20;

/// Reads all files of the journal at `folder`, in the order of their names, and hands each record with its id and the
/// file it stands in to `keep`.
///
/// # Errors
/// [`Error::Io`] naming file and byte for damage, or a file of another format; what `keep` returns.
pub(in crate::store) fn read(
    folder: &Path,
    keep: impl FnMut(&Path, &str, Record) -> Result<()>,
) -> Result<()> {
    read_some(folder, |_| true, keep)
}

/// As [`read`], of the files alone that are `wanted`.
///
/// # Errors
/// As [`read`].
pub(in crate::store) fn read_some(
    folder: &Path,
    wanted: impl Fn(&Path) -> bool,
    mut keep: impl FnMut(&Path, &str, Record) -> Result<()>,
) -> Result<()> {
    for path in paths(folder)?.into_iter().filter(|path| wanted(path)) {
        read_up_to(&path, u64::MAX, |_, id, record| keep(&path, id, record))?;
    }
    Ok(())
}

/// Reads the first `length` bytes of the journal file at `path`, and hands each whole line, without its newline, with id
/// and record to `keep`.
///
/// # Errors
/// As [`read`].
pub(in crate::store) fn read_up_to(
    path: &Path,
    length: u64,
    keep: impl FnMut(&[u8], &str, Record) -> Result<()>,
) -> Result<()> {
    let mut file = File::open(path).map_err(|error| Error::io(path, error))?.take(length);
    read_file(&mut file, BLOCK, keep).map_err(|why| match why {
        Trouble::System(error) => Error::io(path, error),
        Trouble::Damage(at, why) => Error::io(path, format!("byte {at}: {why}")),
        Trouble::Refused(error) => error,
    })
}

/// Why a file could not be read to its end.
#[derive(Debug)]
pub(super) enum Trouble {
    System(std::io::Error),
    /// Where, and what.
    Damage(u64, String),
    Refused(Error),
}

/// Reads block by block, decoding the lines of a block side by side.
pub(super) fn read_file(
    file: &mut impl Read,
    block: usize,
    mut keep: impl FnMut(&[u8], &str, Record) -> Result<()>,
) -> std::result::Result<(), Trouble> {
    let mut header = Vec::new();
    file.by_ref().take(HEADER.len() as u64).read_to_end(&mut header).map_err(Trouble::System)?;
    if !HEADER.as_bytes().starts_with(&header) {
        return Err(Trouble::Damage(
            0,
            format!(
                "no journal of this version, expected {:?}; move the file away, its trials run again",
                HEADER.trim_end()
            ),
        ));
    }
    let mut at = HEADER.len() as u64;
    let mut pending: Vec<u8> = Vec::new();
    loop {
        let read =
            file.by_ref().take(block as u64).read_to_end(&mut pending).map_err(Trouble::System)?;
        let Some(end) = pending.iter().rposition(|&byte| byte == b'\n') else {
            if read == 0 {
                return Ok(()); // the rest, if any, is a line that a kill cut short
            }
            if pending.len() > LONGEST_LINE + block {
                return Err(Trouble::Damage(at, "no end of line where a record must end".into()));
            }
            continue;
        };
        let lines: Vec<&[u8]> = pending[..end].split(|&byte| byte == b'\n').collect();
        let decoded: Vec<_> = lines.par_iter().map(|line| decode(line)).collect();
        for (line, decoded) in lines.iter().zip(decoded) {
            let (id, record) = decoded.map_err(|why| Trouble::Damage(at, why))?;
            keep(line, id, record).map_err(Trouble::Refused)?;
            at += line.len() as u64 + 1;
        }
        pending.drain(..=end);
    }
}
