//! Pictures of what models look at: one small image a model, from weights, importance or occlusion.

use crate::canvas::{Canvas, Font, Stroke, rectangle};
use crate::check::{self, At, setting};
use crate::notes::{MARGIN, Prose};
use crate::style::{GRID, INK, SOFT_INK};
use crate::text::Metrics;
use crate::{PlotError, Svg};
use plotters::prelude::RGBColor;

/// One image of numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    /// The model, not empty and unique in the figure.
    pub label: String,
    /// What the numbers are, in a few words.
    pub note: String,
    /// Rows of the image.
    pub height: usize,
    /// Columns of the image.
    pub width: usize,
    /// The numbers, row after row, finite; each map is scaled by its own largest size.
    pub values: Vec<f64>,
}

/// Everything that the figure of maps says.
#[derive(Clone, Debug, PartialEq)]
pub struct Maps {
    /// Set in bold at the top; may be empty.
    pub title: String,
    /// Paragraphs below.
    pub caption: Vec<String>,
    /// At least one and at most 36 maps, row by row.
    pub maps: Vec<Map>,
}

/// Side of an image, px.
const SIDE: f64 = 168.0;
const BETWEEN: f64 = 22.0;
/// Above each image: its model and what it shows, px.
const HEADING: f64 = 40.0;
const COLUMNS: usize = 5;
/// Shades on each side of 0: few enough that neighbouring pixels of one shade are drawn as one.
const SHADES: f64 = 16.0;
/// Where numbers are above 0: Okabe and Ito's vermillion; below 0: their blue.
const ABOVE: RGBColor = RGBColor(0xd5, 0x5e, 0x00);
const BELOW: RGBColor = RGBColor(0x00, 0x72, 0xb2);

/// Draws the maps, five in a row: white for 0, vermillion above it, blue below.
///
/// # Errors
/// Without maps or with more than 36; with labels that are empty or not unique; with numbers that are not finite, or not
/// as many as the image has pixels.
pub fn feature_maps(figure: &Maps) -> Result<Svg, PlotError> {
    checked(figure)?;
    let metrics = Metrics::new()?;
    let columns = figure.maps.len().min(COLUMNS);
    let rows = figure.maps.len().div_ceil(columns);
    let width = 2.0 * MARGIN + columns as f64 * (SIDE + BETWEEN) - BETWEEN;
    let mut caption = figure.caption.clone();
    caption.push(
        "White: 0; vermillion: above; blue: below. Each map by its own largest number.".to_owned(),
    );
    let prose = Prose::new(&figure.title, &caption, &metrics, width);
    let row_height = HEADING + SIDE + BETWEEN / 2.0;
    let caption_top = prose.above() + rows as f64 * row_height + 8.0;
    let size = (width, caption_top + prose.below());
    Canvas::figure(size, (&figure.title, &caption.join(" ")), |canvas| {
        for (at, map) in figure.maps.iter().enumerate() {
            let left = MARGIN + (at % columns) as f64 * (SIDE + BETWEEN);
            let top = prose.above() + (at / columns) as f64 * row_height;
            canvas.text(&map.label, (left, top + 16.0), Font::new(12.5, INK).bold())?;
            canvas.text(&map.note, (left, top + 32.0), Font::new(10.5, SOFT_INK))?;
            draw_map(canvas, map, (left, top + HEADING))?;
        }
        prose.draw(canvas, caption_top)
    })
}

fn draw_map(canvas: &Canvas<'_>, map: &Map, (left, top): (f64, f64)) -> Result<(), PlotError> {
    let largest = map.values.iter().fold(0.0, |most: f64, v| most.max(v.abs()));
    let pixel = SIDE / map.height.max(map.width) as f64;
    for (y, row) in map.values.chunks_exact(map.width).enumerate() {
        let shades: Vec<i32> = row.iter().map(|&value| shade(value, largest)).collect();
        for (from, to) in runs(&shades) {
            let at = |x: usize, y: usize| (left + x as f64 * pixel, top + y as f64 * pixel);
            if let Some(colour) = colour(shades[from]) {
                canvas.polygon(&rectangle(at(from, y), at(to, y + 1)), colour, 1.0)?;
            }
        }
    }
    let (right, bottom) = (left + map.width as f64 * pixel, top + map.height as f64 * pixel);
    let mut frame = rectangle((left, top), (right, bottom)).to_vec();
    frame.push(frame[0]);
    canvas.path(&frame, Stroke::new(GRID, 1.0))
}

/// From -[`SHADES`] to [`SHADES`].
fn shade(value: f64, largest: f64) -> i32 {
    if largest > 0.0 { (value / largest * SHADES).round() as i32 } else { 0 }
}

/// Stretches of equal shades: from, to.
fn runs(shades: &[i32]) -> Vec<(usize, usize)> {
    let mut starts: Vec<usize> =
        (0..shades.len()).filter(|&i| i == 0 || shades[i] != shades[i - 1]).collect();
    starts.push(shades.len());
    starts.windows(2).map(|pair| (pair[0], pair[1])).collect()
}

/// White is not drawn.
fn colour(shade: i32) -> Option<RGBColor> {
    let RGBColor(r, g, b) = if shade > 0 { ABOVE } else { BELOW };
    let share = f64::from(shade.abs()) / SHADES;
    let mixed = |channel: u8| (255.0 + share * (f64::from(channel) - 255.0)).round() as u8;
    (shade != 0).then(|| RGBColor(mixed(r), mixed(g), mixed(b)))
}

fn checked(figure: &Maps) -> Result<(), PlotError> {
    check::labels(figure.maps.iter().map(|map| map.label.as_str()))?;
    for map in &figure.maps {
        let pixels = (map.height * map.width) as f64;
        setting("the number of pixels of a map", pixels, (1.0, 1e6))?;
        setting("the number of values of a map", map.values.len() as f64, (pixels, pixels))?;
        for &value in &map.values {
            At { label: &map.label, n: 0 }.within("a value", value, (f64::MIN, f64::MAX))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(values: &[f64]) -> Map {
        Map { label: "a".into(), note: String::new(), height: 2, width: 2, values: values.to_vec() }
    }

    fn figure(map: Map) -> Maps {
        Maps { title: String::new(), caption: vec![], maps: vec![map] }
    }

    #[test]
    fn pixels_of_one_shade_are_drawn_as_one_and_white_is_left_out() {
        assert_eq!(runs(&[0, 0, 3, 3, 3, 1]), [(0, 2), (2, 5), (5, 6)]);
        assert_eq!(runs(&[7]), [(0, 1)]);
        assert_eq!(colour(0), None);
        assert_eq!(colour(16), Some(ABOVE));
        assert_eq!(colour(-16), Some(BELOW));
        let polygons = |values: &[f64]| {
            let svg = feature_maps(&figure(map(values))).unwrap();
            svg.as_str().matches("<polygon").count()
        };
        let (empty, full) = (polygons(&[0.0; 4]), polygons(&[1.0, 1.0, 1.0, -1.0]));
        assert_eq!(full - empty, 3, "one run above, two pixels below it");
    }

    #[test]
    fn what_is_no_image_is_refused() {
        assert!(feature_maps(&figure(map(&[1.0; 3]))).is_err());
        assert!(feature_maps(&figure(map(&[1.0, f64::NAN, 0.0, 0.0]))).is_err());
        assert!(feature_maps(&Maps { maps: vec![], ..figure(map(&[0.0; 4])) }).is_err());
    }
}
