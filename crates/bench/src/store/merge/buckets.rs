//! Records on their way through the disk: dealt into files by their place in the plan, and read back file by file.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::files::Unfinished;

/// A bucket is of at least so many trials of the plan: some ten MiB, at 200 scored items a trial.
pub(super) const LEAST: u64 = 1 << 15;

/// There are at most so many, all of them open for writing: a process may have some 250 files open on any system.
const MOST: u64 = 200;

/// One record as it is dealt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    /// The trial's place in the plan.
    pub(super) position: u64,
    /// Which file it was read from.
    pub(super) origin: u32,
    /// False if the file had no timing, which a journal line can't say.
    pub(super) is_timed: bool,
    /// The journal line, without its newline.
    pub(super) line: &'a [u8],
}

/// The bytes before a line.
const HEAD: usize = 8 + 4 + 1 + 4;

/// The bucket files of one merge; they are gone once they were read, or all together when this is dropped.
#[derive(Debug)]
pub(super) struct Buckets {
    folder: PathBuf,
    /// Trials of the plan to a bucket.
    trials: u64,
    files: Vec<Option<Unfinished>>,
}

impl Buckets {
    /// Buckets in `folder` for so many `planned` trials, at least `least` to each.
    pub(super) fn new(folder: &Path, planned: u64, least: u64) -> Buckets {
        let trials = planned.div_ceil(MOST).max(least);
        let files = (0..planned.div_ceil(trials)).map(|_| None).collect();
        Buckets { folder: folder.to_owned(), trials, files }
    }

    pub(super) fn len(&self) -> usize {
        self.files.len()
    }

    /// Deals a record; its position must be in the plan.
    pub(super) fn put(&mut self, entry: Entry<'_>) -> Result<()> {
        let number = (entry.position / self.trials) as usize;
        let path = self.folder.join(format!("bucket-{number:05}"));
        let file = match &mut self.files[number] {
            Some(file) => file,
            empty => empty.insert(Unfinished::create(&path)?),
        };
        let mut head = [0; HEAD];
        head[..8].copy_from_slice(&entry.position.to_le_bytes());
        head[8..12].copy_from_slice(&entry.origin.to_le_bytes());
        head[12] = u8::from(entry.is_timed);
        head[13..].copy_from_slice(&(entry.line.len() as u32).to_le_bytes());
        let written = file.write_all(&head).and_then(|()| file.write_all(entry.line));
        written.map_err(|error| Error::io(&path, error))
    }

    /// The content of a bucket, for [`entries`]; its file is gone then.
    pub(super) fn take(&mut self, number: usize) -> Result<Vec<u8>> {
        self.files[number].take().map_or(Ok(Vec::new()), Unfinished::into_bytes)
    }
}

/// The records of a bucket by position; of one position, in the order in which they were dealt.
pub(super) fn entries(bytes: &[u8]) -> Vec<Entry<'_>> {
    let mut entries = Vec::new();
    let mut rest = bytes;
    while let Some((entry, after)) = split_first(rest) {
        entries.push(entry);
        rest = after;
    }
    entries.sort_by_key(|entry: &Entry<'_>| entry.position);
    entries
}

fn split_first(bytes: &[u8]) -> Option<(Entry<'_>, &[u8])> {
    let (position, rest) = bytes.split_first_chunk::<8>()?;
    let (origin, rest) = rest.split_first_chunk::<4>()?;
    let (timed, rest) = rest.split_first()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (line, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    let entry = Entry {
        position: u64::from_le_bytes(*position),
        origin: u32::from_le_bytes(*origin),
        is_timed: *timed == 1,
        line,
    };
    Some((entry, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_dealt_comes_back_by_position_and_leaves_no_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut buckets = Buckets::new(folder.path(), 10, 4);
        assert_eq!(buckets.len(), 3);
        let dealt = [(5, "e"), (9, "j"), (4, "first"), (4, ""), (7, "h")];
        for (origin, (position, line)) in dealt.iter().enumerate() {
            let (origin, is_timed) = (origin as u32, origin % 2 == 0);
            buckets
                .put(Entry { position: *position, origin, is_timed, line: line.as_bytes() })
                .expect("dealt");
        }
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 2);
        assert!(buckets.take(0).expect("empty").is_empty());
        let bytes = buckets.take(1).expect("a bucket");
        let places: Vec<_> =
            entries(&bytes).iter().map(|e| (e.position, e.origin, e.is_timed, e.line)).collect();
        let expected: [(u64, u32, bool, &[u8]); 4] =
            [(4, 2, true, b"first"), (4, 3, false, b""), (5, 0, true, b"e"), (7, 4, true, b"h")];
        assert_eq!(places, expected);
        drop(buckets);
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0);
    }

    #[test]
    fn there_are_never_more_than_can_be_open() {
        let buckets = Buckets::new(Path::new(""), 100_000_000, LEAST);
        assert_eq!((buckets.len(), buckets.trials), (200, 500_000));
    }
}
