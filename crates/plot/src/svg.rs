//! A finished figure, and its conversion to PNG and PDF.

use crate::text::{REGULAR, SEMIBOLD};
use crate::{PlotError, pdf};
use resvg::usvg::{self, fontdb};
use resvg::{tiny_skia, usvg::Transform};
use std::sync::Arc;

/// Largest side of a PNG, in pixels: a quarter of a gigabyte when both sides have it.
const MAX_SIDE: u32 = 8192;

/// A finished figure: an SVG document in UTF-8, with text as text.
///
/// The document embeds its font (22 kB), so that browsers show it as it was measured, also through
/// `<img>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Svg {
    document: String,
    title: String,
}

impl Svg {
    pub(crate) fn new(document: String, title: &str) -> Self {
        Self { document, title: title.to_owned() }
    }

    /// The SVG document.
    pub fn as_str(&self) -> &str {
        &self.document
    }

    /// The figure as an opaque 8-bit PNG; `scale` is in pixels per CSS pixel (1 for the screen, 2
    /// to 4 for print).
    ///
    /// # Errors
    /// When `scale` isn't a positive number, or a side would exceed 8192 pixels.
    pub fn to_png(&self, scale: f32) -> Result<Vec<u8>, PlotError> {
        if !(scale.is_finite() && scale > 0.0) {
            let (low, high) = (f64::from(f32::MIN_POSITIVE), f64::from(MAX_SIDE));
            return Err(PlotError::Setting {
                what: "the scale of the PNG",
                value: f64::from(scale),
                low,
                high,
            });
        }
        let tree = self.tree()?;
        let side = |length: f32| (f64::from(length) * f64::from(scale)).ceil().max(1.0);
        let (width, height) = (side(tree.size().width()), side(tree.size().height()));
        if width.max(height) > f64::from(MAX_SIDE) {
            return Err(PlotError::TooLarge { width, height, most: MAX_SIDE });
        }
        let mut pixmap = tiny_skia::Pixmap::new(width as u32, height as u32)
            .ok_or_else(|| PlotError::Draw(format!("no memory for {width} by {height} pixels")))?;
        pixmap.fill(tiny_skia::Color::WHITE);
        resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixmap.as_mut());
        pixmap.encode_png().map_err(|e| PlotError::Draw(e.to_string()))
    }

    /// As [`Svg::to_png`], at `scale` or, where a side would exceed 8192 pixels, at the largest that fits.
    ///
    /// # Errors
    /// When `scale` isn't a positive number, or the figure doesn't fit at any scale.
    pub fn to_png_at_most(&self, scale: f32) -> Result<Vec<u8>, PlotError> {
        let size = self.tree()?.size();
        let largest = MAX_SIDE as f32 / size.width().max(size.height());
        // A little less, since sides are rounded up.
        self.to_png(if scale > largest { 0.999 * largest } else { scale })
    }

    /// The figure as a one-page PDF of vector graphics, 0.75 points per CSS pixel, with text as
    /// text and its font embedded.
    ///
    /// # Errors
    /// Only on a defect of this crate.
    pub fn to_pdf(&self) -> Result<Vec<u8>, PlotError> {
        pdf::write(&self.tree()?, &self.title)
    }

    /// Parses the document with the embedded faces as the only fonts.
    fn tree(&self) -> Result<usvg::Tree, PlotError> {
        let mut options =
            usvg::Options { font_family: "Inter".to_owned(), ..usvg::Options::default() };
        for face in [REGULAR, SEMIBOLD] {
            options.fontdb_mut().load_font_source(fontdb::Source::Binary(Arc::new(face)));
        }
        usvg::Tree::from_str(&self.document, &options).map_err(|e| PlotError::Draw(e.to_string()))
    }
}
