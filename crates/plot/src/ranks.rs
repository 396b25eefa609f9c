//! The critical-difference diagram: mean ranks of models over data sets, and which are not told
//! apart (Demšar, JMLR 7, 2006).

use crate::canvas::{Canvas, Font, Stroke};
use crate::notes::{MARGIN, Prose};
use crate::style::{INK, SOFT_INK};
use crate::text::Metrics;
use crate::{PlotError, Svg, check};
use plotters::style::text_anchor::HPos;

/// Everything that the diagram says.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranks {
    /// Set in bold at the top; may be empty.
    pub title: String,
    /// Paragraphs below.
    pub caption: Vec<String>,
    /// Models with their mean ranks, best (smallest) first; at least two and at most 36.
    pub models: Vec<(String, f64)>,
    /// The critical difference of ranks, positive.
    pub critical_difference: f64,
    /// First and last place of each run of models that are not told apart.
    pub cliques: Vec<(usize, usize)>,
}

/// Length of the axis, px.
const AXIS: f64 = 460.0;
/// Height of a line with a label, px.
const LINE: f64 = 24.0;
/// Height of a clique's bar with its space, px.
const BAR: f64 = 10.0;
const FONT: f64 = 13.0;

/// Draws the axis of ranks, best on the left, a leader from each model's rank to its name, and a bar
/// over each run of models that are not told apart.
///
/// # Errors
/// As [`accuracy_vs_n`](crate::accuracy_vs_n) for labels; with fewer than two models, ranks that are
/// outside 1 to their number or not growing, a critical difference that is not positive, or a clique
/// that is none.
pub fn rank_diagram(figure: &Ranks) -> Result<Svg, PlotError> {
    checked(figure)?;
    let metrics = Metrics::new()?;
    let count = figure.models.len();
    let half = count.div_ceil(2);
    let name = |width: f64, (label, rank): &(String, f64)| {
        width.max(metrics.width(&named(label, *rank), FONT, false))
    };
    let side = figure.models.iter().fold(60.0, name) + 26.0;
    let left = MARGIN + side;
    let width = left + AXIS + side + MARGIN;
    let prose = Prose::new(&figure.title, &figure.caption, &metrics, width);
    let axis = prose.above() + 56.0;
    let bars = axis + 14.0;
    let names = bars + figure.cliques.len() as f64 * BAR + 12.0;
    let caption_top = names + half as f64 * LINE + 6.0;
    let at = |rank: f64| left + AXIS * (rank - 1.0) / (count as f64 - 1.0);
    let size = (width, caption_top + prose.below());
    Canvas::figure(size, (&figure.title, &figure.caption.join(" ")), |canvas| {
        draw_axis(canvas, (count, figure.critical_difference), axis, at)?;
        for (place, (label, rank)) in figure.models.iter().enumerate() {
            let on_left = place < half;
            let line = if on_left { place } else { count - 1 - place };
            let y = names + (line as f64 + 0.5) * LINE;
            let (end, text, align) = match on_left {
                true => (left - 10.0, left - 14.0, HPos::Right),
                false => (left + AXIS + 10.0, left + AXIS + 14.0, HPos::Left),
            };
            let x = at(*rank);
            canvas.path(&[(x, axis), (x, y), (end, y)], Stroke::new(SOFT_INK, 1.0))?;
            let font = Font::new(FONT, INK).align(align);
            canvas.text(&named(label, *rank), (text, y + 0.36 * FONT), font)?;
        }
        for (level, &(first, last)) in figure.cliques.iter().enumerate() {
            let y = bars + level as f64 * BAR;
            let ends = [first, last].map(|place| at(figure.models[place].1));
            canvas.path(&[(ends[0] - 4.0, y), (ends[1] + 4.0, y)], Stroke::new(INK, 4.0))?;
        }
        prose.draw(canvas, caption_top)
    })
}

fn named(label: &str, rank: f64) -> String {
    format!("{label}  {rank:.2}")
}

fn draw_axis(
    canvas: &Canvas<'_>,
    (count, critical_difference): (usize, f64),
    y: f64,
    at: impl Fn(f64) -> f64,
) -> Result<(), PlotError> {
    let ink = Stroke::new(INK, 1.2);
    canvas.path(&[(at(1.0), y), (at(count as f64), y)], ink)?;
    for rank in 1..=count {
        let x = at(rank as f64);
        canvas.path(&[(x, y - 6.0), (x, y)], ink)?;
        let font = Font::new(11.5, INK).align(HPos::Center);
        canvas.text(&rank.to_string(), (x, y - 11.0), font)?;
    }
    // The critical difference, as long as it is on this axis or as the axis allows.
    let shown = critical_difference.min(count as f64 - 1.0);
    let (from, to, height) = (at(1.0), at(1.0 + shown), y - 34.0);
    canvas.path(&[(from, height), (to, height)], ink)?;
    for x in [from, to] {
        canvas.path(&[(x, height - 4.0), (x, height + 4.0)], ink)?;
    }
    let text = format!("critical difference {critical_difference:.2}");
    canvas.text(&text, (to + 8.0, height + 4.0), Font::new(11.5, INK))
}

fn checked(figure: &Ranks) -> Result<(), PlotError> {
    check::labels(figure.models.iter().map(|(label, _)| label.as_str()))?;
    let count = figure.models.len();
    if count < 2 {
        return Err(PlotError::Empty);
    }
    let mut before = 1.0;
    for &(_, rank) in &figure.models {
        check::setting("a mean rank", rank, (before, count as f64))?;
        before = rank;
    }
    check::setting("the critical difference", figure.critical_difference, (1e-9, f64::MAX))?;
    for &(first, last) in &figure.cliques {
        let (first, last) = (first as f64, last as f64);
        check::setting("a clique's first place", first, (0.0, count as f64 - 1.0))?;
        check::setting("a clique's last place", last, (first, count as f64 - 1.0))?;
    }
    Ok(())
}
