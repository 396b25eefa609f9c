//! From results to the study's tables: the first arrow.

use std::path::Path;

use bench::error::Result;

use crate::answer::{self, Answer, ErrorRow};
use crate::causes::{self, Cause};
use crate::equal_steps::{self, Budget};
use crate::fit::{self, FitRow};
use crate::published::{self, Point};
use crate::study::Studies;
use crate::table;

/// All tables of the study.
#[derive(Clone, Debug, PartialEq)]
pub struct Tables {
    /// `answer.csv`.
    pub answers: Vec<Answer>,
    /// `errors.csv`.
    pub errors: Vec<ErrorRow>,
    /// `causes.csv`.
    pub causes: Vec<Cause>,
    /// `fit.csv`.
    pub fits: Vec<FitRow>,
    /// `training.csv`.
    pub training: Vec<FitRow>,
    /// `equal-steps.csv`.
    pub budgets: Vec<Budget>,
    /// `published.csv`.
    pub published: Vec<Point>,
}

impl Tables {
    /// Computes them from results.
    ///
    /// # Errors
    /// If results are missing or damaged.
    pub fn measure(studies: &Studies) -> Result<Tables> {
        let (answers, errors) = answer::measure(studies)?;
        Ok(Tables {
            answers,
            errors,
            causes: causes::measure(studies)?,
            fits: fit::measure(studies)?,
            training: fit::training(studies)?,
            budgets: equal_steps::measure(studies)?,
            published: published::measure(studies)?,
        })
    }

    /// Reads them from `folder`.
    ///
    /// # Errors
    /// If one is missing or damaged.
    pub fn read(folder: &Path) -> Result<Tables> {
        Ok(Tables {
            answers: table::read(&folder.join("answer.csv"))?,
            errors: table::read(&folder.join("errors.csv"))?,
            causes: table::read(&folder.join("causes.csv"))?,
            fits: table::read(&folder.join("fit.csv"))?,
            training: table::read(&folder.join("training.csv"))?,
            budgets: table::read(&folder.join("equal-steps.csv"))?,
            published: table::read(&folder.join("published.csv"))?,
        })
    }

    /// Writes them into `folder`.
    ///
    /// # Errors
    /// If one can't be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        table::write(&folder.join("answer.csv"), &self.answers)?;
        table::write(&folder.join("errors.csv"), &self.errors)?;
        table::write(&folder.join("causes.csv"), &self.causes)?;
        table::write(&folder.join("fit.csv"), &self.fits)?;
        table::write(&folder.join("training.csv"), &self.training)?;
        table::write(&folder.join("equal-steps.csv"), &self.budgets)?;
        table::write(&folder.join("published.csv"), &self.published)
    }
}
