//! The embedded font: its bytes, the width of a text in it, and wrapping by that width.

use crate::PlotError;
use ttf_parser::Face;

/// Inter Regular, subset (see `fonts/subset.sh`).
pub(crate) const REGULAR: &[u8] = include_bytes!("../fonts/inter-regular.ttf");
/// Inter SemiBold, subset: what stands for bold.
pub(crate) const SEMIBOLD: &[u8] = include_bytes!("../fonts/inter-semibold.ttf");
/// `@font-face` rules holding the same two faces as WOFF2, so that a browser shows what was
/// measured here.
pub(crate) const WEB_FONT_CSS: &str = include_str!("../fonts/inter-web.css");
/// Family list written into the SVG; the fallbacks are for signs that the subset lacks.
pub(crate) const FAMILY: &str = "Inter, Helvetica, Arial, sans-serif";

/// Distance between baselines, in multiples of the font size.
pub(crate) const LINE_HEIGHT: f64 = 1.35;

/// Widths of text in the embedded font.
pub(crate) struct Metrics {
    regular: Face<'static>,
    semibold: Face<'static>,
}

impl Metrics {
    /// Parses the embedded faces.
    pub(crate) fn new() -> Result<Self, PlotError> {
        let face = |bytes| {
            Face::parse(bytes, 0).map_err(|e| PlotError::Draw(format!("embedded font: {e}")))
        };
        Ok(Self { regular: face(REGULAR)?, semibold: face(SEMIBOLD)? })
    }

    /// Width of `text` at `size` px, in px: the sum of the advances.
    ///
    /// Kerning is left out; in this font it all but always pulls letters together, so the sum errs
    /// on the wide side. A sign that the font lacks counts as one em, the width of most fallback
    /// glyphs or more.
    pub(crate) fn width(&self, text: &str, size: f64, bold: bool) -> f64 {
        let face = if bold { &self.semibold } else { &self.regular };
        let em = f64::from(face.units_per_em());
        let advance = |c| {
            face.glyph_index(c)
                .and_then(|glyph| face.glyph_hor_advance(glyph))
                .map_or(em, f64::from)
        };
        text.chars().map(advance).sum::<f64>() * size / em
    }

    /// Breaks `text` into lines of at most `width` px, at spaces; a single word that is wider is
    /// cut.
    pub(crate) fn wrap(&self, text: &str, size: f64, bold: bool, width: f64) -> Vec<String> {
        let mut lines = Vec::new();
        let mut line = String::new();
        for word in text.split_whitespace() {
            let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
            if self.width(&longer, size, bold) <= width {
                line = longer;
                continue;
            }
            if !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            }
            for c in word.chars() {
                line.push(c);
                if self.width(&line, size, bold) > width && line.chars().count() > 1 {
                    line.pop();
                    lines.push(std::mem::replace(&mut line, c.to_string()));
                }
            }
        }
        if !line.is_empty() {
            lines.push(line);
        }
        lines
    }
}

/// `text` on one line and free of the control characters that XML forbids.
pub(crate) fn printable(text: &str) -> String {
    let allowed = |c: char| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}');
    text.chars().map(|c| if allowed(c) { c } else { ' ' }).collect()
}

/// `text` with the five characters escaped that XML gives a meaning.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in printable(text).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_the_fonts_advances() {
        let metrics = Metrics::new().unwrap();
        // hmtx of Inter 4.001: space 576, M 1850, 0 1292 units of 2048 (fontTools 4.68,
        // `font["hmtx"]`).
        for (text, units) in [(" ", 576.0), ("M", 1850.0), ("00", 2.0 * 1292.0)] {
            assert!((metrics.width(text, 20.48, false) - units / 100.0).abs() < 1e-9, "{text:?}");
        }
        assert!(metrics.width("majority", 12.0, true) > metrics.width("majority", 12.0, false));
    }

    #[test]
    fn a_sign_that_the_font_lacks_counts_as_one_em() {
        assert!((Metrics::new().unwrap().width("語", 12.0, false) - 12.0).abs() < 1e-9);
    }

    #[test]
    fn wrapped_lines_fit_and_lose_nothing() {
        let metrics = Metrics::new().unwrap();
        let text = "bars: 95 % t intervals over 25 trials; an-unbreakable-word-that-is-longer-than-the-line is cut";
        let lines = metrics.wrap(text, 12.0, false, 120.0);
        assert!(lines.iter().all(|line| metrics.width(line, 12.0, false) <= 120.0), "{lines:?}");
        let squeezed = |s: &str| s.replace(' ', "");
        assert_eq!(squeezed(&lines.concat()), squeezed(text));
        assert!(metrics.wrap("  ", 12.0, false, 120.0).is_empty());
    }

    #[test]
    fn control_characters_become_spaces() {
        assert_eq!(escape("a\u{0}<b>\n&\"'"), "a &lt;b&gt; &amp;&quot;&apos;");
    }
}
