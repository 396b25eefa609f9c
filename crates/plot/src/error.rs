//! What can go wrong with a figure: almost always its data.

/// Why a figure could not be drawn or converted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlotError {
    /// There is nothing to draw.
    #[error("no points to draw: give at least one curve with at least one point")]
    Empty,
    /// More curves than can be told apart.
    #[error("{given} curves in one figure, at most {most} can be told apart: draw two figures")]
    TooManyCurves {
        /// Curves given.
        given: usize,
        /// The limit.
        most: usize,
    },
    /// A curve without a name could not be labelled.
    #[error("curve {index} has an empty label: give every curve its model's name")]
    EmptyLabel {
        /// Position of the curve, from 0.
        index: usize,
    },
    /// Two curves of one name could not be told apart.
    #[error("two curves are labelled `{label}`: make the labels unique")]
    DuplicateLabel {
        /// The label.
        label: String,
    },
    /// A curve has two points at one size.
    #[error("curve `{label}` has two points at n = {n}: give one point per size")]
    DuplicateSize {
        /// The curve.
        label: String,
        /// The size.
        n: u32,
    },
    /// A size of 0 has no place on a logarithmic axis.
    #[error("curve `{label}` has a point at n = 0: sizes start at 1")]
    ZeroSize {
        /// The curve.
        label: String,
    },
    /// A number is NaN, infinite or out of its range.
    #[error(
        "curve `{label}` at n = {n}: {what} is {value}, outside [{low}, {high}]: leave out points without a score"
    )]
    OutOfRange {
        /// The curve.
        label: String,
        /// The size.
        n: u32,
        /// Which number.
        what: &'static str,
        /// Its value.
        value: f64,
        /// The smallest value allowed.
        low: f64,
        /// The largest value allowed.
        high: f64,
    },
    /// An interval ends before it starts.
    #[error(
        "curve `{label}` at n = {n}: the interval [{low}, {high}] is upside down: swap its ends"
    )]
    UpsideDown {
        /// The curve.
        label: String,
        /// The size.
        n: u32,
        /// Lower end.
        low: f64,
        /// Upper end.
        high: f64,
    },
    /// A row of a table has too few or too many cells.
    #[error(
        "row `{label}` has {cells} cells for {columns} columns: give one for each, or none in it"
    )]
    Ragged {
        /// The row.
        label: String,
        /// Its cells.
        cells: usize,
        /// The columns.
        columns: usize,
    },
    /// A setting of the whole figure is NaN, infinite or out of its range.
    #[error("{what} is {value}, outside [{low}, {high}]")]
    Setting {
        /// Which setting.
        what: &'static str,
        /// Its value.
        value: f64,
        /// The smallest value allowed.
        low: f64,
        /// The largest value allowed.
        high: f64,
    },
    /// The picture would be too large to hold in memory.
    #[error(
        "a picture of {width} by {height} pixels is larger than {most} a side: use a smaller scale"
    )]
    TooLarge {
        /// Pixels across.
        width: f64,
        /// Pixels down.
        height: f64,
        /// The limit for either.
        most: u32,
    },
    /// The drawing backend, the renderer or the font refused: a defect of this crate, not of the
    /// data.
    #[error("could not draw the figure: {0}")]
    Draw(String),
}
