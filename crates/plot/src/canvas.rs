//! The drawing surface: a few shapes in pixels, through plotters' SVG backend.
//!
//! Plotters' coordinates are whole numbers, so the canvas counts in tenths of a pixel and the
//! document's `viewBox` scales them back. That also fixes the decimals, and so the bytes.

use crate::{PlotError, Svg, text};
use plotters::coord::Shift;
use plotters::element::{Circle, PathElement, Polygon, Text};
use plotters::prelude::{
    DrawingArea, FontDesc, FontFamily, FontStyle, IntoDrawingArea, RGBColor, SVGBackend,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, ShapeStyle, TextStyle};
use std::fmt::Display;

/// Units of the document per pixel.
const UNITS: f64 = 10.0;
/// Plotters writes `font-size` as the size divided by this.
const PLOTTERS_FONT_SCALE: f64 = 1.24;
/// Plotters puts the baseline of top-anchored text this far below the position, in font sizes.
const PLOTTERS_TOP_TO_BASELINE: f64 = 0.76;

/// A place on the canvas in px: x to the right, y down.
pub(crate) type Place = (f64, f64);

/// How a line is drawn.
#[derive(Clone, Copy)]
pub(crate) struct Stroke {
    pub(crate) colour: RGBColor,
    /// In [0, 1].
    pub(crate) alpha: f64,
    /// In px.
    pub(crate) width: f64,
}

impl Stroke {
    pub(crate) fn new(colour: RGBColor, width: f64) -> Self {
        Self { colour, alpha: 1.0, width }
    }

    fn style(self) -> ShapeStyle {
        let stroke_width = (self.width * UNITS).round().max(1.0) as u32;
        ShapeStyle { color: self.colour.mix(self.alpha), filled: false, stroke_width }
    }
}

/// How a text is set; `x` and the baseline are given where it is drawn.
#[derive(Clone, Copy)]
pub(crate) struct Font {
    /// In px.
    pub(crate) size: f64,
    pub(crate) bold: bool,
    pub(crate) colour: RGBColor,
    pub(crate) align: HPos,
}

impl Font {
    pub(crate) fn new(size: f64, colour: RGBColor) -> Self {
        Self { size, bold: false, colour, align: HPos::Left }
    }

    pub(crate) fn bold(self) -> Self {
        Self { bold: true, ..self }
    }

    pub(crate) fn align(self, align: HPos) -> Self {
        Self { align, ..self }
    }
}

/// A drawing surface in pixels.
pub(crate) struct Canvas<'a> {
    area: DrawingArea<SVGBackend<'a>, Shift>,
}

fn units(length: f64) -> i32 {
    (length * UNITS).round() as i32
}

fn place((x, y): Place) -> (i32, i32) {
    (units(x), units(y))
}

fn failed(error: impl Display) -> PlotError {
    PlotError::Draw(error.to_string())
}

impl Canvas<'_> {
    /// A figure of `width` by `height` px that `draw` fills; `title` and `description` are for
    /// screen readers.
    pub(crate) fn figure(
        (width, height): (f64, f64),
        (title, description): (&str, &str),
        draw: impl FnOnce(&Canvas<'_>) -> Result<(), PlotError>,
    ) -> Result<Svg, PlotError> {
        let (width, height) = (width.ceil(), height.ceil());
        let mut drawn = String::new();
        {
            let size = (units(width) as u32, units(height) as u32);
            let canvas =
                Canvas { area: SVGBackend::with_string(&mut drawn, size).into_drawing_area() };
            canvas.polygon(
                &rectangle((0.0, 0.0), (width, height)),
                RGBColor(255, 255, 255),
                1.0,
            )?;
            draw(&canvas)?;
            canvas.area.present().map_err(failed)?;
        }
        // The backend's own first line says that the figure is ten times as large as it is, and
        // can't hold a font.
        let body = tidy(drawn.split_once(">\n").map_or("", |(_, body)| body));
        let document = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {} {}\" role=\"img\">\n<title>{}</title>\n<desc>{}</desc>\n\
             <style>\n{}polyline{{stroke-linejoin:round;stroke-linecap:round}}\n</style>\n{body}",
            units(width),
            units(height),
            text::escape(title),
            text::escape(description),
            text::WEB_FONT_CSS,
        );
        Ok(Svg::new(document, title))
    }

    /// A line through all the places.
    pub(crate) fn path(&self, places: &[Place], stroke: Stroke) -> Result<(), PlotError> {
        let places: Vec<_> = places.iter().copied().map(place).collect();
        self.area.draw(&PathElement::new(places, stroke.style())).map_err(failed)
    }

    /// A line in dashes; `pattern` holds lengths drawn and left out in turn, in px; an empty one
    /// draws it whole.
    pub(crate) fn dashed(
        &self,
        places: &[Place],
        pattern: &[f64],
        stroke: Stroke,
    ) -> Result<(), PlotError> {
        if pattern.is_empty() {
            return self.path(places, stroke);
        }
        for dash in dashes(places, pattern) {
            self.path(&dash, stroke)?;
        }
        Ok(())
    }

    /// A filled shape.
    pub(crate) fn polygon(
        &self,
        corners: &[Place],
        colour: RGBColor,
        alpha: f64,
    ) -> Result<(), PlotError> {
        let corners: Vec<_> = corners.iter().copied().map(place).collect();
        self.area.draw(&Polygon::new(corners, colour.mix(alpha))).map_err(failed)
    }

    /// A filled circle of `radius` px.
    pub(crate) fn disc(
        &self,
        centre: Place,
        radius: f64,
        colour: RGBColor,
        alpha: f64,
    ) -> Result<(), PlotError> {
        let style = ShapeStyle { color: colour.mix(alpha), filled: true, stroke_width: 0 };
        self.area.draw(&Circle::new(place(centre), units(radius), style)).map_err(failed)
    }

    /// One line of text; `at` is the left end, middle or right end of its baseline, as the font's
    /// alignment says.
    pub(crate) fn text(
        &self,
        text: &str,
        (x, baseline): Place,
        font: Font,
    ) -> Result<(), PlotError> {
        let style = if font.bold { FontStyle::Bold } else { FontStyle::Normal };
        let size = font.size * UNITS;
        let desc = FontDesc::new(FontFamily::Name(text::FAMILY), size * PLOTTERS_FONT_SCALE, style);
        let style = TextStyle::from(desc).color(&font.colour).pos(Pos::new(font.align, VPos::Top));
        let top = baseline - PLOTTERS_TOP_TO_BASELINE * font.size;
        self.area.draw(&Text::new(text::printable(text), place((x, top)), style)).map_err(failed)
    }
}

/// The backend's elements (one a line, a text three) with what they say in vain left out.
///
/// Plotters gives every shape an `opacity`, that of a group; renderers make a layer of it, and a
/// PDF four times the size. A shape that is only filled or only stroked looks the same with the
/// opacity of its fill or stroke.
fn tidy(body: &str) -> String {
    let mut out = String::with_capacity(body.len());
    for line in body.lines() {
        if !line.starts_with('<') {
            out.push_str(line); // what a text says
            continue;
        }
        let line =
            line.replace(" opacity=\"1\"", "").replace(" stroke=\"none\" stroke-width=\"0\"", "");
        let kind =
            if line.starts_with("<polyline") { " stroke-opacity=" } else { " fill-opacity=" };
        out.push_str(&whole_font_size(&line).replace(" opacity=", kind).replace(" \"/>", "\"/>"));
        if !line.starts_with("<text") {
            out.push('\n');
        }
    }
    out
}

/// Undoes the rounding that plotters' scaling of font sizes leaves, as in `120.00000000000001`.
fn whole_font_size(element: &str) -> String {
    let key = " font-size=\"";
    let size = element.split_once(key).and_then(|(head, rest)| {
        let (number, tail) = rest.split_once('"')?;
        let number: f64 = number.parse().ok()?;
        Some(format!("{head}{key}{}\"{tail}", number.round()))
    });
    size.unwrap_or_else(|| element.to_owned())
}

/// The corners of the rectangle between two opposite ones.
pub(crate) fn rectangle((left, top): Place, (right, bottom): Place) -> [Place; 4] {
    [(left, top), (right, top), (right, bottom), (left, bottom)]
}

/// Cuts a line into the dashes of a pattern of lengths drawn and left out, in px, which goes on
/// around corners.
fn dashes(places: &[Place], pattern: &[f64]) -> Vec<Vec<Place>> {
    let mut out = Vec::new();
    let (mut part, mut left) = (0, pattern[0]);
    let mut dash: Vec<Place> = places.first().copied().into_iter().collect();
    for pair in places.windows(2) {
        let (mut from, to) = (pair[0], pair[1]);
        loop {
            let length = (to.0 - from.0).hypot(to.1 - from.1);
            if length <= left {
                left -= length;
                if part % 2 == 0 {
                    dash.push(to);
                }
                break;
            }
            let share = left / length;
            from = (from.0 + share * (to.0 - from.0), from.1 + share * (to.1 - from.1));
            if part % 2 == 0 {
                dash.push(from);
                out.push(std::mem::take(&mut dash));
            } else {
                dash.push(from);
            }
            part = (part + 1) % pattern.len();
            left = pattern[part];
        }
    }
    if part % 2 == 0 && dash.len() > 1 {
        out.push(dash);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_go_on_around_a_corner() {
        let cut = dashes(&[(0.0, 0.0), (4.0, 0.0), (4.0, 4.0)], &[3.0, 2.0]);
        assert_eq!(cut, vec![vec![(0.0, 0.0), (3.0, 0.0)], vec![(4.0, 1.0), (4.0, 4.0)]]);
        let cut = dashes(&[(0.0, 0.0), (2.0, 0.0), (2.0, 5.0)], &[3.0, 2.0]);
        assert_eq!(cut[0], vec![(0.0, 0.0), (2.0, 0.0), (2.0, 1.0)]);
    }

    #[test]
    fn the_document_counts_in_tenths_and_sets_text_on_its_baseline() {
        let font = Font::new(12.0, RGBColor(0, 0, 0));
        let svg = Canvas::figure((40.0, 30.0), ("a & b", ""), |canvas| {
            canvas.text("<x>", (5.04, 20.0), font)?;
            canvas.path(&[(1.0, 2.0), (3.25, 4.0)], Stroke::new(RGBColor(0, 0, 0), 1.5))
        })
        .unwrap();
        let document = svg.as_str();
        for part in [
            "width=\"40\" height=\"30\" viewBox=\"0 0 400 300\"",
            "<title>a &amp; b</title>",
            "x=\"50\" y=\"109\" dy=\"0.76em\" text-anchor=\"start\"",
            "font-size=\"120\"",
            ">&lt;x&gt;</text>",
            "stroke-width=\"15\" points=\"10,20 33,40\"/>",
        ] {
            let body = document.split_once("</style>").unwrap().1;
            assert!(document.contains(part), "{part} in {body}");
        }
        assert!(document.ends_with("</svg>\n"));
    }
}
