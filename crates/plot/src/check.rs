//! Checks of the data before anything is drawn.

use crate::PlotError;
use crate::style::MAX_CURVES;

/// Refuses empty figures, too many curves, and labels that are empty or not unique.
pub(crate) fn labels<'a>(labels: impl Iterator<Item = &'a str>) -> Result<(), PlotError> {
    let labels: Vec<&str> = labels.collect();
    if labels.is_empty() {
        return Err(PlotError::Empty);
    }
    if labels.len() > MAX_CURVES {
        return Err(PlotError::TooManyCurves { given: labels.len(), most: MAX_CURVES });
    }
    for (index, label) in labels.iter().enumerate() {
        if label.trim().is_empty() {
            return Err(PlotError::EmptyLabel { index });
        }
        if labels[..index].contains(label) {
            return Err(PlotError::DuplicateLabel { label: (*label).to_owned() });
        }
    }
    Ok(())
}

/// Refuses a size of 0 and a size that occurs twice; `sizes` grow.
pub(crate) fn sizes(label: &str, sizes: impl Iterator<Item = u32>) -> Result<(), PlotError> {
    let mut before = None;
    for n in sizes {
        if n == 0 {
            return Err(PlotError::ZeroSize { label: label.to_owned() });
        }
        if before == Some(n) {
            return Err(PlotError::DuplicateSize { label: label.to_owned(), n });
        }
        before = Some(n);
    }
    Ok(())
}

/// The point that numbers belong to, for messages.
#[derive(Clone, Copy)]
pub(crate) struct At<'a> {
    pub(crate) label: &'a str,
    pub(crate) n: u32,
}

impl At<'_> {
    /// Refuses a number that is NaN, infinite or outside [low, high].
    pub(crate) fn within(
        self,
        what: &'static str,
        value: f64,
        (low, high): (f64, f64),
    ) -> Result<(), PlotError> {
        if (low..=high).contains(&value) {
            return Ok(());
        }
        Err(PlotError::OutOfRange {
            label: self.label.to_owned(),
            n: self.n,
            what,
            value,
            low,
            high,
        })
    }

    /// Refuses an interval whose ends are out of [low, high] or in the wrong order.
    pub(crate) fn interval(
        self,
        (from, to): (f64, f64),
        range: (f64, f64),
    ) -> Result<(), PlotError> {
        self.within("the lower end of the interval", from, range)?;
        self.within("the upper end of the interval", to, range)?;
        if from > to {
            return Err(PlotError::UpsideDown {
                label: self.label.to_owned(),
                n: self.n,
                low: from,
                high: to,
            });
        }
        Ok(())
    }
}

/// Refuses a setting of the figure that is NaN, infinite or outside [low, high].
pub(crate) fn setting(
    what: &'static str,
    value: f64,
    (low, high): (f64, f64),
) -> Result<(), PlotError> {
    if (low..=high).contains(&value) {
        Ok(())
    } else {
        Err(PlotError::Setting { what, value, low, high })
    }
}
