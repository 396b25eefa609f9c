//! A figure as a one-page PDF: the few things that our SVG holds (filled and stroked paths, lines
//! of text), in order.
//!
//! svg2pdf 0.13 would do it, but it writes fonts and graphics states in the order of hash maps with
//! random keys, so that no two files are alike, and sets each letter and each opacity apart.

use crate::PlotError;
use crate::pdf_font::PdfFont;
use crate::text::{REGULAR, SEMIBOLD};
use flate2::{Compression, write::ZlibEncoder};
use pdf_writer::types::{LineCapStyle, LineJoinStyle};
use pdf_writer::{Content, Filter, Finish, Name, Pdf, Rect, Ref, Str, TextStr};
use resvg::usvg::tiny_skia_path::PathSegment;
use resvg::usvg::{
    Color, Group, LineCap, LineJoin, Node, Paint, Path, Text, Transform, Tree, layout,
};
use std::collections::BTreeSet;
use std::io::Write;

/// A CSS pixel is 1/96 inch, a point 1/72.
const POINTS_PER_PIXEL: f32 = 0.75;

const CATALOG: Ref = Ref::new(1);
const PAGES: Ref = Ref::new(2);
const PAGE: Ref = Ref::new(3);
const CONTENT: Ref = Ref::new(4);
const INFO: Ref = Ref::new(5);
/// Each font takes five numbers from here.
const FONTS: i32 = 6;

/// Writes the figure as a PDF.
pub(crate) fn write(tree: &Tree, title: &str) -> Result<Vec<u8>, PlotError> {
    let (width, height) =
        (tree.size().width() * POINTS_PER_PIXEL, tree.size().height() * POINTS_PER_PIXEL);
    let fonts = [(REGULAR, "Inter-Regular"), (SEMIBOLD, "Inter-SemiBold")];
    let fonts =
        fonts.iter().zip(0..).map(|(&(bytes, name), i)| PdfFont::new(bytes, name, FONTS + 5 * i));
    let mut page = Page {
        tree,
        content: Content::new(),
        opacities: BTreeSet::new(),
        fonts: fonts.collect::<Result<_, _>>()?,
    };
    // from px downwards to points upwards
    page.content.transform([POINTS_PER_PIXEL, 0.0, 0.0, -POINTS_PER_PIXEL, 0.0, height]);
    page.group(tree.root());

    let mut pdf = Pdf::new();
    pdf.catalog(CATALOG).pages(PAGES);
    pdf.pages(PAGES).kids([PAGE]).count(1);
    pdf.document_info(INFO).title(TextStr(title));
    let content = deflated(&page.content.finish())?;
    pdf.stream(CONTENT, &content).filter(Filter::FlateDecode);
    for font in &page.fonts {
        font.write(&mut pdf)?;
    }
    let mut written = pdf.page(PAGE);
    written.parent(PAGES).media_box(Rect::new(0.0, 0.0, width, height)).contents(CONTENT);
    let mut resources = written.resources();
    let mut dictionary = resources.fonts();
    for font in &page.fonts {
        dictionary.pair(Name(font.name.as_bytes()), font.reference());
    }
    dictionary.finish();
    let mut states = resources.ext_g_states();
    for &percent in &page.opacities {
        let alpha = f32::from(percent) / 100.0;
        let mut state = states
            .insert(Name(state_name(percent).as_bytes()))
            .start::<pdf_writer::writers::ExtGraphicsState<'_>>();
        state.stroking_alpha(alpha).non_stroking_alpha(alpha);
    }
    states.finish();
    resources.finish();
    written.finish();
    Ok(pdf.finish())
}

/// The page while it is filled.
struct Page<'a> {
    tree: &'a Tree,
    content: Content,
    /// Opacities in use, in percent.
    opacities: BTreeSet<u8>,
    fonts: Vec<PdfFont>,
}

impl Page<'_> {
    fn group(&mut self, group: &Group) {
        for node in group.children() {
            match node {
                Node::Group(group) => self.group(group),
                Node::Path(path) => self.path(path),
                Node::Text(text) => self.text(text),
                Node::Image(_) => {} // our figures hold none
            }
        }
    }

    fn path(&mut self, path: &Path) {
        let Some(data) = path.data().clone().transform(path.abs_transform()) else { return };
        let (fill, stroke) = (path.fill(), path.stroke());
        if let Some((Paint::Color(colour), opacity)) = fill.map(|f| (f.paint(), f.opacity().get()))
        {
            self.set_opacity(opacity);
            let [r, g, b] = components(colour);
            self.content.set_fill_rgb(r, g, b);
        }
        if let Some((stroke, Paint::Color(colour))) = stroke.map(|s| (s, s.paint())) {
            self.set_opacity(stroke.opacity().get());
            let [r, g, b] = components(colour);
            self.content.set_stroke_rgb(r, g, b);
            self.content
                .set_line_width(rounded(stroke.width().get() * path.abs_transform().get_scale().0));
            self.content.set_line_cap(match stroke.linecap() {
                LineCap::Butt => LineCapStyle::ButtCap,
                LineCap::Round => LineCapStyle::RoundCap,
                LineCap::Square => LineCapStyle::ProjectingSquareCap,
            });
            self.content.set_line_join(match stroke.linejoin() {
                LineJoin::Round => LineJoinStyle::RoundJoin,
                LineJoin::Bevel => LineJoinStyle::BevelJoin,
                LineJoin::Miter | LineJoin::MiterClip => LineJoinStyle::MiterJoin,
            });
        }
        let mut last = (0.0, 0.0);
        for segment in data.segments() {
            last = self.segment(segment, last);
        }
        match (fill.is_some(), stroke.is_some()) {
            (true, true) => self.content.fill_nonzero_and_stroke(),
            (true, false) => self.content.fill_nonzero(),
            (false, true) => self.content.stroke(),
            (false, false) => self.content.end_path(),
        };
    }

    /// Adds one segment that starts at `from`; gives back where it ends.
    fn segment(&mut self, segment: PathSegment, from: (f32, f32)) -> (f32, f32) {
        match segment {
            PathSegment::MoveTo(p) => self.content.move_to(rounded(p.x), rounded(p.y)),
            PathSegment::LineTo(p) => self.content.line_to(rounded(p.x), rounded(p.y)),
            PathSegment::QuadTo(c, p) => {
                // the same curve with two control points
                let toward = |end: f32, control: f32| rounded(end + 2.0 / 3.0 * (control - end));
                let (x1, y1) = (toward(from.0, c.x), toward(from.1, c.y));
                let (x2, y2) = (toward(p.x, c.x), toward(p.y, c.y));
                self.content.cubic_to(x1, y1, x2, y2, rounded(p.x), rounded(p.y))
            }
            PathSegment::CubicTo(a, b, p) => {
                let [x1, y1, x2, y2] = [a.x, a.y, b.x, b.y].map(rounded);
                self.content.cubic_to(x1, y1, x2, y2, rounded(p.x), rounded(p.y))
            }
            PathSegment::Close => self.content.close_path(),
        };
        match segment {
            PathSegment::MoveTo(p) | PathSegment::LineTo(p) => (p.x, p.y),
            PathSegment::QuadTo(_, p) | PathSegment::CubicTo(_, _, p) => (p.x, p.y),
            PathSegment::Close => from,
        }
    }

    fn text(&mut self, text: &Text) {
        for span in text.layouted().iter().filter(|span| span.visible) {
            if let Some((Paint::Color(colour), opacity)) =
                span.fill.as_ref().map(|f| (f.paint(), f.opacity().get()))
            {
                self.set_opacity(opacity);
                let [r, g, b] = components(colour);
                self.content.set_fill_rgb(r, g, b);
            }
            // letters of one font at a time: signs that a font lacks may come from the other
            for run in span.positioned_glyphs.chunk_by(|a, b| a.font == b.font) {
                self.run(run, text.abs_transform());
            }
        }
    }

    /// Letters of one font on one baseline, each moved to where the layout (with its kerning) has
    /// put it.
    fn run(&mut self, glyphs: &[layout::PositionedGlyph], transform: Transform) {
        let face = self.tree.fontdb().face(glyphs[0].font);
        let name = face.map_or("", |face| face.post_script_name.as_str());
        let Some(font) = self.fonts.iter_mut().find(|font| font.name == name) else { return };
        let place =
            |glyph: &layout::PositionedGlyph| transform.pre_concat(glyph.outline_transform());
        let start = place(&glyphs[0]);
        let size = rounded(start.sx * font.units_per_em);
        self.content.begin_text().set_font(Name(font.name.as_bytes()), size);
        self.content.set_text_matrix([1.0, 0.0, 0.0, -1.0, rounded(start.tx), rounded(start.ty)]);
        let mut positioned = self.content.show_positioned();
        let mut items = positioned.items();
        let mut reached = 0.0; // from the start, in thousandths of the size
        for glyph in glyphs {
            let wished = (place(glyph).tx - start.tx) / size * 1000.0;
            if (wished - reached).abs() >= 1.0 {
                items.adjust((reached - wished).round());
                reached -= (reached - wished).round();
            }
            let id = u16::try_from(glyph.id.0).unwrap_or(0);
            items.show(Str(&id.to_be_bytes()));
            reached += font.used(id, &glyph.text);
        }
        items.finish();
        positioned.finish();
        self.content.end_text();
    }

    fn set_opacity(&mut self, opacity: f32) {
        let percent = (opacity * 100.0).round() as u8;
        self.opacities.insert(percent);
        self.content.set_parameters(Name(state_name(percent).as_bytes()));
    }
}

fn state_name(percent: u8) -> String {
    format!("A{percent}")
}

fn components(colour: &Color) -> [f32; 3] {
    [colour.red, colour.green, colour.blue]
        .map(|c| (f32::from(c) / 255.0 * 1000.0).round() / 1000.0)
}

/// To hundredths: the figure counts in tenths of a pixel.
fn rounded(length: f32) -> f32 {
    (length * 100.0).round() / 100.0
}

/// `bytes` compressed as PDF's FlateDecode reads them.
pub(crate) fn deflated(bytes: &[u8]) -> Result<Vec<u8>, PlotError> {
    let failed = |e: std::io::Error| PlotError::Draw(e.to_string());
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).map_err(failed)?;
    encoder.finish().map_err(failed)
}
