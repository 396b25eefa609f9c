//! Reads back what a figure says and where: just enough SVG for the one shape of document that this
//! crate writes.

use plot::Svg;
use ttf_parser::Face;

/// The texts of a figure and its size in px.
pub(crate) struct Document {
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) texts: Vec<Text>,
}

/// One text as it is placed.
pub(crate) struct Text {
    pub(crate) content: String,
    x: f64,
    baseline: f64,
    anchor: String,
    size: f64,
    bold: bool,
}

/// The rectangle that a text's letters take up, px.
#[derive(Debug)]
pub(crate) struct Bounds {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) right: f64,
    pub(crate) bottom: f64,
}

impl Document {
    pub(crate) fn of(svg: &Svg) -> Self {
        let head = svg.as_str().lines().next().unwrap();
        let texts =
            svg.as_str().lines().filter(|line| line.starts_with("<text")).map(Text::of).collect();
        Self { width: number(head, "width"), height: number(head, "height"), texts }
    }

    /// How many texts say exactly this.
    pub(crate) fn count(&self, content: &str) -> usize {
        self.texts.iter().filter(|text| text.content == content).count()
    }

    /// All texts in order, joined by spaces: a paragraph in one piece, wherever its lines were
    /// broken.
    pub(crate) fn prose(&self) -> String {
        self.texts.iter().map(|text| text.content.as_str()).collect::<Vec<_>>().join(" ")
    }
}

impl Text {
    fn of(line: &str) -> Self {
        let content = line.split_once('>').unwrap().1.trim_end_matches("</text>");
        let size = number(line, "font-size") / 10.0;
        Self {
            content: content.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"),
            x: number(line, "x") / 10.0,
            baseline: number(line, "y") / 10.0 + 0.76 * size,
            anchor: attribute(line, "text-anchor").unwrap().to_owned(),
            size,
            bold: attribute(line, "font-weight") == Some("bold"),
        }
    }

    /// Measured with the embedded font: advances across, cap height and a short descent up and
    /// down.
    pub(crate) fn bounds(&self) -> Bounds {
        let regular: &[u8] = include_bytes!("../../fonts/inter-regular.ttf");
        let bold: &[u8] = include_bytes!("../../fonts/inter-semibold.ttf");
        let face = Face::parse(if self.bold { bold } else { regular }, 0).unwrap();
        let advance = |c| {
            face.glyph_index(c)
                .and_then(|g| face.glyph_hor_advance(g))
                .unwrap_or(face.units_per_em())
        };
        let units: f64 = self.content.chars().map(|c| f64::from(advance(c))).sum();
        let width = units * self.size / f64::from(face.units_per_em());
        let left = match self.anchor.as_str() {
            "start" => self.x,
            "middle" => self.x - width / 2.0,
            _ => self.x - width,
        };
        let (top, bottom) = (self.baseline - 0.73 * self.size, self.baseline + 0.2 * self.size);
        Bounds { left, top, right: left + width, bottom }
    }
}

impl Bounds {
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }
}

/// Half-way between the lowest and the highest corner of a polygon, px.
pub(crate) fn middle_height(polygon: &str) -> f64 {
    let corners = attribute(polygon, "points").unwrap().split(' ');
    let heights: Vec<f64> =
        corners.map(|c| c.split_once(',').unwrap().1.parse::<f64>().unwrap() / 10.0).collect();
    let (low, high) =
        heights.iter().fold((f64::MAX, f64::MIN), |(low, high), y| (low.min(*y), high.max(*y)));
    (low + high) / 2.0
}

fn attribute<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = element.split_once(&format!(" {name}=\""))?;
    rest.split_once('"').map(|(value, _)| value)
}

fn number(element: &str, name: &str) -> f64 {
    attribute(element, name).unwrap().parse().unwrap()
}
