//! Several experiments at once: do some models rank above others over data sets?

use std::fmt::Write;

use stats::friedman::Friedman;

use super::statistics;
use crate::error::{Error, Result};
use crate::store::{Lock, Results};
use crate::summary::Summary;

/// The fewest experiments that ranks are compared over.
pub const LEAST: usize = 10;

/// Ranks of the models that all experiments have.
#[derive(Clone, Debug, PartialEq)]
pub struct Across {
    /// The experiments.
    pub studies: Vec<String>,
    /// The models, best mean rank first.
    pub models: Vec<String>,
    /// Their mean ranks; 1 is best.
    pub ranks: Vec<f64>,
    /// Mean accuracy over log n: by experiment, then model as in `models`.
    pub scores: Vec<Vec<f64>>,
    /// Friedman's p of "all models rank alike", after Iman and Davenport; `None` where all experiments rank alike.
    pub p: Option<f64>,
    /// Nemenyi's critical difference of mean ranks.
    pub critical_difference: f64,
    /// 1 minus the level.
    pub alpha: f64,
    /// Runs of models, by first and last place, that do not differ: longest ones only.
    pub cliques: Vec<(usize, usize)>,
}

impl Across {
    /// Ranks the models of the named experiments.
    ///
    /// # Errors
    /// [`Error::Input`] below ten experiments, with two of the same data, with fewer than two models in common, or
    /// where a model has no score at all.
    pub fn of(studies: &[(String, Results)], level: f64) -> Result<Across> {
        check(studies)?;
        let common = common_models(studies)?;
        let rows = studies
            .iter()
            .map(|(name, results)| scores(name, results, &common))
            .collect::<Result<Vec<_>>>()?;
        let friedman = Friedman::of(&rows, true).map_err(statistics)?;
        let alpha = 1.0 - level;
        let critical_difference = friedman.critical_difference(alpha).map_err(statistics)?;
        let mut order: Vec<usize> = (0..common.len()).collect();
        let by_rank = |x: &usize, y: &usize| {
            friedman.average_ranks[*x].total_cmp(&friedman.average_ranks[*y])
        };
        order.sort_by(by_rank);
        let ranks: Vec<f64> = order.iter().map(|&at| friedman.average_ranks[at]).collect();
        Ok(Across {
            studies: studies.iter().map(|(name, _)| name.clone()).collect(),
            models: order.iter().map(|&at| common[at].clone()).collect(),
            scores: rows.iter().map(|row| order.iter().map(|&at| row[at]).collect()).collect(),
            p: friedman.iman_davenport().map(|test| test.p),
            cliques: cliques(&ranks, critical_difference),
            ranks,
            critical_difference,
            alpha,
        })
    }

    /// The ranks as a table and what follows from them, for the terminal.
    pub fn terminal(&self) -> String {
        let width = self.models.iter().map(|m| m.chars().count()).max().unwrap_or(0).max(5);
        let mut text = format!("{:width$}  mean rank\n", "model");
        for (model, rank) in self.models.iter().zip(&self.ranks) {
            let _ = writeln!(text, "{model:width$}  {rank:>9.2}");
        }
        let p = match self.p {
            Some(p) => format!("p = {}", super::words::p_value(p)),
            None => "all experiments rank alike".to_owned(),
        };
        let _ = writeln!(
            text,
            "\n{} experiments; Friedman's test with Iman and Davenport's F: {p}. Nemenyi's critical difference at \
             {:.0} %: {:.2} ranks.",
            self.studies.len(),
            100.0 * (1.0 - self.alpha),
            self.critical_difference
        );
        for &(first, last) in &self.cliques {
            let names = self.models[first..=last].join(", ");
            let _ = writeln!(text, "- not told apart: {names}");
        }
        text
    }

    /// The table `ranks.csv`: mean ranks, then one row per experiment and model.
    pub fn csv(&self) -> String {
        let mut text = String::from("experiment,model,score,mean_rank\n");
        for (study, scores) in self.studies.iter().zip(&self.scores) {
            for ((model, score), rank) in self.models.iter().zip(scores).zip(&self.ranks) {
                let _ = writeln!(text, "{study},{model},{score:.8},{rank:.4}");
            }
        }
        text
    }
}

fn check(studies: &[(String, Results)]) -> Result<()> {
    if studies.len() < LEAST {
        return Err(Error::input(format!(
            "ranks over experiments need at least {LEAST} of them, and these are {}: with fewer, Friedman's test has \
             hardly any power and its distribution is not the one that p-values come from; give more results folders, \
             or compare the models of one with `bench compare RESULTS`, or of two on the same data with --other",
            studies.len()
        )));
    }
    let same = |x: &Lock, y: &Lock| x.dataset == y.dataset;
    for (at, (name, results)) in studies.iter().enumerate() {
        let twin = studies[..at].iter().find(|(_, other)| same(&results.lock, &other.lock));
        if let Some((twin, _)) = twin {
            return Err(Error::input(format!(
                "{twin} and {name} are of the same data, and ranks need experiments that are independent: leave one out"
            )));
        }
    }
    Ok(())
}

/// The models that every experiment has, in the order of the first.
fn common_models(studies: &[(String, Results)]) -> Result<Vec<String>> {
    let has = |results: &Results, name: &str| results.lock.models.iter().any(|m| m.name == name);
    let first = studies.first().map(|(_, results)| results.lock.models.as_slice()).unwrap_or(&[]);
    let common: Vec<String> = first
        .iter()
        .map(|model| model.name.clone())
        .filter(|name| studies.iter().all(|(_, results)| has(results, name)))
        .collect();
    if common.len() < 2 {
        return Err(Error::input(format!(
            "these experiments have {} models in common, by their labels, and ranks need two",
            common.len()
        )));
    }
    Ok(common)
}

/// The mean accuracy over log n of each model, at the sizes that all of them have.
fn scores(study: &str, results: &Results, models: &[String]) -> Result<Vec<f64>> {
    let summary = Summary::new(results)?;
    let mean = |model: &str, n: u32| Some(summary.cell(model, n)?.accuracy.as_ref()?.mean);
    let sizes: Vec<u32> = summary
        .sizes()
        .into_iter()
        .filter(|&n| models.iter().all(|model| mean(model, n).is_some()))
        .collect();
    let at: Vec<f64> = sizes.iter().map(|&n| f64::from(n)).collect();
    let score = |model: &String| {
        let curve: Vec<f64> = sizes.iter().filter_map(|&n| mean(model, n)).collect();
        match curve.as_slice() {
            [] => Err(Error::input(format!(
                "{study}: at no n do all of {} have a score, so they can't be ranked",
                models.join(", ")
            ))),
            [only] => Ok(*only),
            _ => stats::curve::area(&at, &curve).map_err(statistics),
        }
    };
    models.iter().map(score).collect()
}

/// Runs of ranks (ascending) no longer than the critical difference, of two or more, none inside another.
fn cliques(ranks: &[f64], critical_difference: f64) -> Vec<(usize, usize)> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    for first in 0..ranks.len() {
        let last = ranks.partition_point(|&rank| rank - ranks[first] <= critical_difference) - 1;
        let longer = found.last().is_none_or(|&(_, before)| last > before);
        if last > first && longer {
            found.push((first, last));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cliques_are_the_longest_runs() {
        assert_eq!(cliques(&[1.0, 1.5, 2.4, 4.0], 1.0), [(0, 1), (1, 2)]);
        assert_eq!(cliques(&[1.0, 1.5, 2.0, 4.0], 1.0), [(0, 2)]);
        assert_eq!(cliques(&[1.0, 3.0, 5.0], 1.0), []);
    }
}
