//! How curves look: colours, marker shapes and dashes that tell them apart, in print and for the
//! colour-blind.

use crate::canvas::{Canvas, Place};
use crate::{PlotError, canvas::Stroke};
use plotters::prelude::RGBColor;

/// Text and axes.
pub(crate) const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);
/// Captions and secondary text.
pub(crate) const SOFT_INK: RGBColor = RGBColor(0x55, 0x55, 0x55);
/// Grid lines.
pub(crate) const GRID: RGBColor = RGBColor(0xe3, 0xe3, 0xe3);
/// The columns behind the points of one size.
pub(crate) const COLUMN: RGBColor = RGBColor(0xf6, 0xf6, 0xf6);
/// The region of equivalence.
pub(crate) const EQUIVALENT: RGBColor = RGBColor(0xe4, 0xe4, 0xe4);
/// Paper.
pub(crate) const WHITE: RGBColor = RGBColor(0xff, 0xff, 0xff);

/// The palette of M. Okabe and K. Ito, "Color Universal Design" (2008), the ones that carry best on
/// white first, and a grey behind them.
const PALETTE: [RGBColor; 9] = [
    RGBColor(0x00, 0x72, 0xb2), // blue
    RGBColor(0xd5, 0x5e, 0x00), // vermillion
    RGBColor(0x00, 0x9e, 0x73), // bluish green
    RGBColor(0xe6, 0x9f, 0x00), // orange
    RGBColor(0xcc, 0x79, 0xa7), // reddish purple
    RGBColor(0x56, 0xb4, 0xe9), // sky blue
    RGBColor(0x00, 0x00, 0x00), // black
    RGBColor(0xf0, 0xe4, 0x42), // yellow
    RGBColor(0x80, 0x80, 0x80), // grey
];

/// Dashes in px: one pattern for each pass through the palette.
const DASHES: [&[f64]; 4] = [&[], &[6.0, 4.0], &[1.5, 3.5], &[9.0, 3.5, 1.5, 3.5]];

/// The most curves that stay distinguishable: nine colours times four dashes.
pub(crate) const MAX_CURVES: usize = PALETTE.len() * DASHES.len();

/// The look of one curve; each index up to [`MAX_CURVES`] has its own combination.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    index: usize,
}

impl Look {
    pub(crate) fn new(index: usize) -> Self {
        Self { index }
    }

    pub(crate) fn colour(self) -> RGBColor {
        PALETTE[self.index % PALETTE.len()]
    }

    pub(crate) fn dash(self) -> &'static [f64] {
        DASHES[self.index / PALETTE.len() % DASHES.len()]
    }

    /// Outlines are darker than the fill, so that yellow and sky blue keep their shape on white.
    pub(crate) fn outline(self) -> RGBColor {
        let RGBColor(r, g, b) = self.colour();
        let darker = |c: u8| (u16::from(c) * 11 / 20) as u8;
        RGBColor(darker(r), darker(g), darker(b))
    }

    /// Draws the curve's marker; an open one (white inside) stands for "no errors observed".
    ///
    /// `radius` (px) is that of a disc of about the same area.
    pub(crate) fn marker(
        self,
        canvas: &Canvas<'_>,
        at: Place,
        radius: f64,
        open: bool,
    ) -> Result<(), PlotError> {
        let (fill, edge) =
            if open { (WHITE, self.colour()) } else { (self.colour(), self.outline()) };
        let width = if open { 1.4 } else { 0.6 };
        let mut corners = outline(self.shape(), at, radius);
        canvas.polygon(&corners, fill, 1.0)?;
        corners.push(corners[0]);
        corners.push(corners[1]); // overlaps the first side, so that the outline closes with a join
        canvas.path(&corners, Stroke::new(edge, width))
    }

    /// The second pass through the palette starts elsewhere in the shapes: same colour, other
    /// shape.
    fn shape(self) -> Shape {
        SHAPES[(self.index + 2 * (self.index / PALETTE.len())) % SHAPES.len()]
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Disc,
    Square,
    Up,
    Diamond,
    Down,
    Plus,
    Cross,
    Star,
}

const SHAPES: [Shape; 8] = [
    Shape::Disc,
    Shape::Square,
    Shape::Up,
    Shape::Diamond,
    Shape::Down,
    Shape::Plus,
    Shape::Cross,
    Shape::Star,
];

/// The corners of a shape around a place.
fn outline(shape: Shape, (x, y): Place, radius: f64) -> Vec<Place> {
    // (radius, turns clockwise from the top) of each corner
    let around = |corners: usize, radius: f64, turn: f64| {
        let corner = move |i: usize| {
            let angle = std::f64::consts::TAU * (i as f64 / corners as f64 + turn);
            (x + radius * libm::sin(angle), y - radius * libm::cos(angle))
        };
        (0..corners).map(corner).collect::<Vec<_>>()
    };
    match shape {
        Shape::Disc => around(20, radius, 0.0),
        Shape::Square => around(4, 1.25 * radius, 0.125),
        Shape::Diamond => around(4, 1.3 * radius, 0.0),
        Shape::Up => around(3, 1.45 * radius, 0.0),
        Shape::Down => around(3, 1.45 * radius, 0.5),
        Shape::Plus => plus(1.35 * radius, 0.0).map(|(dx, dy)| (x + dx, y + dy)).to_vec(),
        Shape::Cross => plus(1.4 * radius, 0.125).map(|(dx, dy)| (x + dx, y + dy)).to_vec(),
        Shape::Star => {
            let (tips, dents) = (around(5, 1.55 * radius, 0.0), around(5, 0.72 * radius, 0.1));
            tips.into_iter().zip(dents).flat_map(|(tip, dent)| [tip, dent]).collect()
        }
    }
}

/// A thick plus sign, turned by a share of a whole turn.
fn plus(arm: f64, turn: f64) -> [Place; 12] {
    let half = 0.36 * arm;
    let (sin, cos) = (std::f64::consts::TAU * turn).sin_cos();
    let quarter = [(-half, -half), (-half, -arm), (half, -arm)];
    std::array::from_fn(|i| {
        let (mut dx, mut dy) = quarter[i % 3];
        for _ in 0..i / 3 {
            (dx, dy) = (-dy, dx);
        }
        (cos * dx - sin * dy, sin * dx + cos * dy)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_look_is_its_own() {
        let looks: Vec<_> = (0..MAX_CURVES).map(Look::new).collect();
        for (i, a) in looks.iter().enumerate() {
            for b in &looks[..i] {
                assert!(
                    a.colour() != b.colour() || (a.dash() != b.dash() && a.shape() != b.shape()),
                    "{i}"
                );
            }
        }
    }

    #[test]
    fn every_shape_stays_near_its_place() {
        for shape in SHAPES {
            let corners = outline(shape, (10.0, 20.0), 4.0);
            assert!(corners.len() >= 3);
            for (x, y) in corners {
                assert!((x - 10.0).hypot(y - 20.0) <= 1.6 * 4.0, "{shape:?}");
            }
        }
    }
}
