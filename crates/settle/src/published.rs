//! The published figures beside ours.

use bench::error::{Error, Result};
use bench::summary::Summary;
use serde::{Deserialize, Serialize};

use crate::study::Studies;
use crate::table::rounded;

/// One point of a published figure and ours: `published.csv`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The study.
    pub study: String,
    /// The model, as we call it.
    pub model: String,
    /// Training-set size.
    pub n: u32,
    /// Accuracy read off the published figure; empty where it shows no point that could be read.
    pub published: Option<f64>,
    /// Our mean over as many draws.
    pub ours: f64,
    /// The 10th percentile of our draws: the lower end of a bar as Leek drew it.
    pub p10: f64,
    /// The 90th percentile.
    pub p90: f64,
    /// Is the published mean inside our bar, the error of reading it off ([`READ_TO`]) allowed for?
    pub inside: Option<bool>,
}

/// The published points were read off a picture to this.
pub const READ_TO: f64 = 0.005;

/// Read off the figure of Leek's post of 31 May 2017.
const LEEK: &str = include_str!("../data/leek-2017-figure.csv");

#[derive(Deserialize)]
struct Digitised {
    n: u32,
    leekasso: f64,
    net: f64,
}

/// Both originals.
///
/// # Errors
/// If results are missing or damaged.
pub fn measure(studies: &Studies) -> Result<Vec<Point>> {
    let mut reader = csv::Reader::from_reader(LEEK.as_bytes());
    let digitised: Vec<Digitised> = reader
        .deserialize()
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| Error::input(format!("leek-2017-figure.csv: {error}")))?;
    let leek = |model: &str, n: u32| {
        let point = digitised.iter().find(|point| point.n == n)?;
        Some(if model == "leekasso" { point.leekasso } else { point.net })
    };
    let mut points = of(studies, "leek-2017", leek)?;
    // Beam's points were not read off: his bars are broken, and his claim is one sentence.
    points.extend(of(studies, "beam-2017", |_, _| None)?);
    Ok(points)
}

fn of(
    studies: &Studies,
    study: &str,
    published: impl Fn(&str, u32) -> Option<f64>,
) -> Result<Vec<Point>> {
    let summary = Summary::new(&studies.read(study)?)?;
    let point = |cell: &bench::summary::Cell| {
        let ours = cell.accuracy.as_ref()?.mean;
        let (p10, p90) = (quantile(&cell.by_trial, 0.1), quantile(&cell.by_trial, 0.9));
        let published = published(&cell.model, cell.n);
        Some(Point {
            study: study.to_owned(),
            model: cell.model.clone(),
            n: cell.n,
            published,
            ours: rounded(ours, 4),
            p10: rounded(p10, 4),
            p90: rounded(p90, 4),
            inside: published.map(|p| p >= p10 - READ_TO && p <= p90 + READ_TO),
        })
    };
    Ok(summary.cells.iter().filter_map(point).collect())
}

/// R's `quantile` (type 7, Hyndman and Fan 1996): linear between order statistics.
fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = share * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    low + (at - at.floor()) * (high - low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_r() {
        // quantile(c(.1, .2, .4, .5, .9), c(.1, .9)) in R 4: 0.14 and 0.74.
        let values = [0.9, 0.1, 0.4, 0.2, 0.5];
        assert!((quantile(&values, 0.1) - 0.14).abs() < 1e-12);
        assert!((quantile(&values, 0.9) - 0.74).abs() < 1e-12);
    }
}
