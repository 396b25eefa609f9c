//! The founding study: what settled, or did not, the argument of 2017 over deep nets on tiny samples.
//!
//! ```text
//! results/<experiment>/ -> tables (results/settle-2017/*.csv) -> figures, README.md, the first lines of the repository's README
//! ```
//!
//! The first arrow is [`tables`], the second [`text`] and [`figures`]. Every number in prose is read from the tables, and
//! a test makes both arrows again and compares.

pub mod answer;
pub mod causes;
pub mod equal_steps;
pub mod figures;
pub mod fit;
pub mod maps;
pub mod published;
pub mod study;
pub mod table;
pub mod tables;
pub mod text;
