//! One record for each trial: of all that were read, in plan order, bucket by bucket.

use std::io::Write;
use std::path::Path;

use rayon::prelude::*;

use super::buckets::{Entry, entries};
use super::sources::Origin;
use super::{Missing, Watch};
use crate::error::{Error, Result};
use crate::files::Unfinished;
use crate::plan::{ModelName, Plan};
use crate::record::{Record, Status};
use crate::store::journal::HEADER;
use crate::store::tables::ModelWriter;
use crate::store::{Lock, Twin, decode};

/// So many records are decoded and written at a time.
const BATCH: usize = 4096;

/// What is there when all buckets have gone by.
#[derive(Debug)]
pub(super) struct Settled {
    /// What the target's journal lacks, if anything.
    pub(super) journal: Option<Unfinished>,
    pub(super) tables: Vec<Unfinished>,
    pub(super) missing: Missing,
    pub(super) not_ok: u64,
    pub(super) duplicates: u64,
}

/// Settles bucket after bucket.
#[derive(Debug)]
pub(super) struct Settling<'a> {
    target: &'a Path,
    plan: &'a Plan,
    origins: &'a [Origin],
    /// By model: whether two runs of it are the same.
    reproducible: Vec<(ModelName, bool)>,
    model: Option<(ModelName, ModelWriter)>,
    /// The place behind the last record.
    next: u64,
    settled: Settled,
}

/// A record as it was read.
struct Found<'a> {
    record: Record,
    entry: Entry<'a>,
}

impl<'a> Settling<'a> {
    pub(super) fn new(
        target: &'a Path,
        lock: &Lock,
        plan: &'a Plan,
        origins: &'a [Origin],
    ) -> Settling<'a> {
        let reproducible =
            plan.models().iter().map(|name| (name.clone(), lock.is_reproducible(name))).collect();
        let settled = Settled {
            journal: None,
            tables: Vec::new(),
            missing: Missing::default(),
            not_ok: 0,
            duplicates: 0,
        };
        Settling { target, plan, origins, reproducible, model: None, next: 0, settled }
    }

    /// Settles the records of the next bucket.
    ///
    /// # Errors
    /// [`Error::Io`]; a trial with two outcomes, by name.
    pub(super) fn bucket(&mut self, bytes: &[u8], watch: &mut dyn Watch) -> Result<()> {
        let entries = entries(bytes);
        let mut rest = &entries[..];
        while !rest.is_empty() {
            let mut count = BATCH.min(rest.len());
            while rest.get(count).is_some_and(|e| e.position == rest[count - 1].position) {
                count += 1;
            }
            let (batch, after) = rest.split_at(count);
            let found = batch
                .par_iter()
                .map(|&entry| read(entry))
                .collect::<std::result::Result<Vec<_>, String>>()
                .map_err(|why| Error::io(self.target, format!("{SPOILT}: {why}")))?;
            let records = self.settle(found)?;
            records.iter().for_each(|record| watch.record(record));
            for of_model in records.chunk_by(|a, b| a.key.model == b.key.model) {
                self.tables(of_model)?;
            }
            rest = after;
        }
        Ok(())
    }

    /// What stays of the records, one for each trial. What the target's journal lacks of it is written there.
    fn settle(&mut self, found: Vec<Found<'_>>) -> Result<Vec<Record>> {
        let mut stays = Vec::new();
        for group in found.chunk_by(|a, b| a.entry.position == b.entry.position) {
            let position = group[0].entry.position;
            self.settled.missing.add(self.plan, self.next, position);
            self.next = position + 1;
            self.settled.duplicates += group.len() as u64 - 1;
            let (winner, own) = self.winner(group)?;
            let is_new = own.is_none_or(|own| {
                own.record.outcome.is_circumstance() && own.record.outcome != winner.record.outcome
            });
            if is_new {
                self.keep(winner.entry.line)?;
            }
            self.settled.not_ok += u64::from(winner.record.outcome.status != Status::Ok);
            stays.push(winner.record.clone());
        }
        Ok(stays)
    }

    /// The record of one trial that stays, and the one that the target's journal holds: first each folder is settled, then
    /// the folders among each other.
    fn winner<'f, 'b>(
        &self,
        group: &'f [Found<'b>],
    ) -> Result<(&'f Found<'b>, Option<&'f Found<'b>>)> {
        let origin = |found: &Found<'_>| &self.origins[found.entry.origin as usize];
        let (mut winner, mut own) = (None, None);
        for of_folder in group.chunk_by(|a, b| origin(a).folder == origin(b).folder) {
            let mut stays = &of_folder[0];
            for next in &of_folder[1..] {
                stays = self.later(stays, next)?;
            }
            if origin(stays).is_own_journal {
                own = Some(stays);
            }
            winner = Some(match winner {
                Some(before) => self.later(before, stays)?,
                None => stays,
            });
        }
        Ok((winner.unwrap_or(&group[0]), own))
    }

    /// Which of two records of a trial stays.
    fn later<'f, 'b>(&self, first: &'f Found<'b>, next: &'f Found<'b>) -> Result<&'f Found<'b>> {
        let key = &first.record.key;
        let reproducible = || {
            let of = self.reproducible.iter().find(|(name, _)| *name == key.model);
            of.is_none_or(|(_, is)| *is)
        };
        match Twin::of(&first.record.outcome, &next.record.outcome, reproducible) {
            Twin::Stays => Ok(first),
            Twin::GivesWay => Ok(next),
            Twin::Contradicts => {
                let path = |found: &Found<'_>| &self.origins[found.entry.origin as usize].path;
                Err(Error::io(
                    path(next),
                    format!(
                        "the trial {key} has another outcome there than in {}: two kinds of machine or two builds \
                         computed it; remove one of the files, its trials run again",
                        path(first).display()
                    ),
                ))
            }
        }
    }

    /// Adds a line to what the target's journal is to have.
    fn keep(&mut self, line: &[u8]) -> Result<()> {
        let journal = &mut self.settled.journal;
        let path = self.target.join("journal").join("merged");
        let file = match journal {
            Some(file) => file,
            none => {
                let file = none.insert(Unfinished::create(&path)?);
                file.write_all(HEADER.as_bytes()).map_err(|error| Error::io(&path, error))?;
                file
            }
        };
        let written = file.write_all(line).and_then(|()| file.write_all(b"\n"));
        written.map_err(|error| Error::io(&path, error))
    }

    /// Adds records of one model to its tables.
    fn tables(&mut self, records: &[Record]) -> Result<()> {
        let name = &records[0].key.model;
        if self.model.as_ref().is_none_or(|(open, _)| open != name) {
            self.end_model()?;
            self.model = Some((name.clone(), ModelWriter::create(self.target, name)?));
        }
        self.model.as_mut().map_or(Ok(()), |(_, writer)| writer.push(records))
    }

    fn end_model(&mut self) -> Result<()> {
        if let Some((_, writer)) = self.model.take() {
            self.settled.tables.extend(writer.close()?);
        }
        Ok(())
    }

    /// Everything, on the disk and yet to be put in its place.
    pub(super) fn end(mut self) -> Result<Settled> {
        self.end_model()?;
        self.settled.missing.add(self.plan, self.next, self.plan.len());
        self.settled.journal.as_mut().map_or(Ok(()), Unfinished::close)?;
        Ok(self.settled)
    }
}

/// What happens on a failing disk alone.
const SPOILT: &str = "a bucket of the merge does not read back as it was written";

/// Reads a record back.
fn read(entry: Entry<'_>) -> std::result::Result<Found<'_>, String> {
    let (_, mut record) = decode(entry.line)?;
    if !entry.is_timed {
        record.timing = None;
    }
    Ok(Found { record, entry })
}
