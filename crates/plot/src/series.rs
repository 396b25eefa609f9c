//! Curves in the units of a panel, ready to be drawn.

use crate::style::Look;

/// One estimate with its interval, in the units of the panel's y-axis.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    pub(crate) n: u32,
    pub(crate) y: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) trials: Vec<f64>,
}

/// One curve; its points grow in n.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) label: String,
    /// Index of colour, marker and dash.
    pub(crate) look: Look,
    pub(crate) marks: Vec<Mark>,
}

impl Series {
    /// The same curve with every number mapped by `f`, which must be monotone.
    pub(crate) fn map(&self, f: impl Fn(f64) -> f64) -> Self {
        let mark = |mark: &Mark| {
            let (a, b) = (f(mark.low), f(mark.high));
            let trials = mark.trials.iter().copied().map(&f).collect();
            Mark { n: mark.n, y: f(mark.y), low: a.min(b), high: a.max(b), trials }
        };
        Self {
            label: self.label.clone(),
            look: self.look,
            marks: self.marks.iter().map(mark).collect(),
        }
    }
}

/// All points of all curves.
pub(crate) fn marks(series: &[Series]) -> impl Iterator<Item = &Mark> {
    series.iter().flat_map(|s| &s.marks)
}

/// All sizes of all curves, each once, growing.
pub(crate) fn sizes(series: &[Series]) -> Vec<u32> {
    let mut sizes: Vec<u32> = marks(series).map(|m| m.n).collect();
    sizes.sort_unstable();
    sizes.dedup();
    sizes
}
