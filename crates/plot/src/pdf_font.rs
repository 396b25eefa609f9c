//! One embedded font in a PDF: a CID font of TrueType outlines whose character codes are its glyph
//! numbers.
//!
//! The five objects and their entries are those of ISO 32000-1, 9.7 (composite fonts) and 9.8 (font
//! descriptors).

use crate::PlotError;
use crate::pdf::deflated;
use pdf_writer::types::{CidFontType, FontFlags, SystemInfo, UnicodeCmap};
use pdf_writer::{Filter, Finish, Name, Pdf, Rect, Ref, Str};
use std::collections::BTreeMap;
use ttf_parser::{Face, GlyphId};

const SYSTEM: SystemInfo<'static> =
    SystemInfo { registry: Str(b"Adobe"), ordering: Str(b"Identity"), supplement: 0 };

/// A font and what a document has used of it.
pub(crate) struct PdfFont {
    bytes: &'static [u8],
    face: Face<'static>,
    /// PostScript name, which is also the name in the page's resources.
    pub(crate) name: &'static str,
    pub(crate) units_per_em: f32,
    first: i32,
    /// The text that each glyph stands for: what a reader copies and searches.
    used: BTreeMap<u16, String>,
}

impl PdfFont {
    /// A font whose five objects are numbered from `first`.
    pub(crate) fn new(
        bytes: &'static [u8],
        name: &'static str,
        first: i32,
    ) -> Result<Self, PlotError> {
        let face =
            Face::parse(bytes, 0).map_err(|e| PlotError::Draw(format!("embedded font: {e}")))?;
        let units_per_em = f32::from(face.units_per_em());
        Ok(Self { bytes, face, name, units_per_em, first, used: BTreeMap::new() })
    }

    /// The number of the font's first object.
    pub(crate) fn reference(&self) -> Ref {
        Ref::new(self.first)
    }

    /// Notes that a glyph is shown for `text`; gives back its width in thousandths of the font
    /// size.
    pub(crate) fn used(&mut self, glyph: u16, text: &str) -> f32 {
        self.used.entry(glyph).or_insert_with(|| text.to_owned());
        self.width(glyph)
    }

    fn width(&self, glyph: u16) -> f32 {
        let advance = self.face.glyph_hor_advance(GlyphId(glyph)).unwrap_or(0);
        self.thousandths(f32::from(advance))
    }

    fn thousandths(&self, units: f32) -> f32 {
        (units / self.units_per_em * 1000.0).round()
    }

    /// Writes the font's objects.
    pub(crate) fn write(&self, pdf: &mut Pdf) -> Result<(), PlotError> {
        let [font, cid, descriptor, file, unicode] =
            [0, 1, 2, 3, 4].map(|i| Ref::new(self.first + i));
        let name = Name(self.name.as_bytes());
        pdf.type0_font(font)
            .base_font(name)
            .encoding_predefined(Name(b"Identity-H"))
            .descendant_font(cid)
            .to_unicode(unicode);

        let mut cid_font = pdf.cid_font(cid);
        cid_font
            .subtype(CidFontType::Type2)
            .base_font(name)
            .system_info(SYSTEM)
            .font_descriptor(descriptor);
        cid_font.default_width(0.0).cid_to_gid_map_predefined(Name(b"Identity"));
        let mut widths = cid_font.widths();
        for &glyph in self.used.keys() {
            widths.consecutive(glyph, [self.width(glyph)]);
        }
        widths.finish();
        cid_font.finish();

        let corners = self.face.global_bounding_box();
        let [x0, y0, x1, y1] = [corners.x_min, corners.y_min, corners.x_max, corners.y_max]
            .map(|c| self.thousandths(f32::from(c)));
        let height = |units: i16| self.thousandths(f32::from(units));
        pdf.font_descriptor(descriptor)
            .name(name)
            .flags(FontFlags::NON_SYMBOLIC)
            .bbox(Rect::new(x0, y0, x1, y1))
            .italic_angle(0.0)
            .ascent(height(self.face.ascender()))
            .descent(height(self.face.descender()))
            .cap_height(height(self.face.capital_height().unwrap_or(0)))
            .stem_v(80.0) // required, used by no reader when the font is embedded
            .font_file2(file);

        let program = deflated(self.bytes)?;
        let length = i32::try_from(self.bytes.len()).map_err(|e| PlotError::Draw(e.to_string()))?;
        pdf.stream(file, &program).filter(Filter::FlateDecode).pair(Name(b"Length1"), length);

        let mut cmap = UnicodeCmap::new(Name(b"Adobe-Identity-UCS"), SYSTEM);
        for (&glyph, text) in &self.used {
            cmap.pair_with_multiple(glyph, text.chars());
        }
        let cmap = deflated(&cmap.finish())?;
        pdf.stream(unicode, &cmap).filter(Filter::FlateDecode);
        Ok(())
    }
}
