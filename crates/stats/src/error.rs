//! What can be wrong with the numbers handed in.

use std::fmt;

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Input for which the asked quantity is not defined; the message says what is missing.
#[derive(Debug, Clone, PartialEq)]
pub enum Error {
    /// Fewer observations than the formula needs.
    TooFew {
        /// What there is too little of, in the plural.
        what: &'static str,
        /// The least number that works.
        needed: usize,
        /// The number found.
        found: usize,
    },
    /// Two inputs that belong together differ in length.
    Lengths {
        /// Which inputs.
        what: &'static str,
        /// The length that was expected.
        expected: usize,
        /// The length found.
        found: usize,
    },
    /// A value outside its range.
    OutOfRange {
        /// Which value.
        what: &'static str,
        /// The range, in words.
        range: &'static str,
        /// The value found.
        found: f64,
    },
    /// A value that is NaN or infinite.
    NotFinite {
        /// Which input.
        what: &'static str,
        /// Its position.
        at: usize,
    },
    /// Anything else, said in words.
    Invalid(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::TooFew { what, needed, found } => {
                write!(f, "{found} {what} where at least {needed} are needed")
            }
            Error::Lengths { what, expected, found } => {
                write!(f, "{what}: {found} values where {expected} were expected")
            }
            Error::OutOfRange { what, range, found } => {
                write!(f, "{what} is {found} and must be {range}")
            }
            Error::NotFinite { what, at } => {
                write!(f, "value {at} of {what} is not finite: leave failed trials out before")
            }
            Error::Invalid(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Error {}

/// Refuses a confidence level outside (0, 1).
pub(crate) fn check_level(level: f64) -> Result<()> {
    if level > 0.0 && level < 1.0 {
        Ok(())
    } else {
        Err(Error::OutOfRange {
            what: "the confidence level",
            range: "between 0 and 1, both excluded, as in 0.95",
            found: level,
        })
    }
}

/// Refuses fewer than `needed` values.
pub(crate) fn check_count(what: &'static str, found: usize, needed: usize) -> Result<()> {
    if found < needed { Err(Error::TooFew { what, needed, found }) } else { Ok(()) }
}

/// Refuses inputs of unlike length.
pub(crate) fn check_lengths(what: &'static str, expected: usize, found: usize) -> Result<()> {
    if expected == found { Ok(()) } else { Err(Error::Lengths { what, expected, found }) }
}

/// Refuses NaN and infinities.
pub(crate) fn check_finite(what: &'static str, values: &[f64]) -> Result<()> {
    match values.iter().position(|v| !v.is_finite()) {
        Some(at) => Err(Error::NotFinite { what, at }),
        None => Ok(()),
    }
}
