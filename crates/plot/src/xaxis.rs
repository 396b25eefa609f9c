//! The axis of training sizes: log2, the sizes themselves as ticks, curves side by side at each.

use crate::canvas::{Canvas, Place, Stroke, rectangle};
use crate::frame::Frame;
use crate::style::{COLUMN, INK};
use crate::text::Metrics;
use crate::{PlotError, canvas::Font, ticks};
use plotters::style::text_anchor::HPos;

/// Font size of tick labels, px.
pub(crate) const TICK_FONT: f64 = 11.5;
/// The least space between two tick labels, in multiples of their font size.
const LABEL_GAP: f64 = 0.42;
/// Distance of neighbouring curves where there is room, px.
const WIDEST_STEP: f64 = 7.5;
/// The share of the distance between two sizes that their points may take: more, and a point could be read as one of
/// the next size.
const COLUMN_SHARE: f64 = 0.45;
/// Font sizes tried, px, until every size is labelled; the first where none does it.
const FONTS: [f64; 3] = [TICK_FONT, 10.5, 9.5];

/// Where each size, and each curve at it, stands.
pub(crate) struct XAxis {
    sizes: Vec<u32>,
    centres: Vec<f64>,
    /// Distance of neighbouring curves at each size, px.
    steps: Vec<f64>,
    curves: usize,
}

impl XAxis {
    /// The axis of `sizes` (growing, none twice, not empty) for `curves` curves side by side.
    pub(crate) fn new(sizes: Vec<u32>, curves: usize, frame: &Frame) -> Self {
        let log = |n: u32| libm::log2(f64::from(n));
        let (first, last) = (log(sizes[0]), log(sizes[sizes.len() - 1]));
        let padding = (frame.width() / (2 * sizes.len()) as f64).clamp(14.0, 34.0);
        let room = frame.width() - 2.0 * padding;
        let centre = |&n: &u32| match last > first {
            true => frame.left + padding + room * (log(n) - first) / (last - first),
            false => (frame.left + frame.right) / 2.0,
        };
        let centres: Vec<f64> = sizes.iter().map(centre).collect();
        let nearest = |i: usize| {
            let before = if i > 0 { centres[i] - centres[i - 1] } else { 2.0 * padding };
            let after =
                if i + 1 < centres.len() { centres[i + 1] - centres[i] } else { 2.0 * padding };
            before.min(after)
        };
        let step = |i| (COLUMN_SHARE * nearest(i) / curves as f64).min(WIDEST_STEP);
        let steps = (0..centres.len()).map(step).collect();
        Self { sizes, centres, steps, curves }
    }

    /// Where the curve with this index stands at size `n`.
    pub(crate) fn px(&self, n: u32, curve: usize) -> f64 {
        let i = self.sizes.partition_point(|&size| size < n).min(self.sizes.len() - 1);
        self.centres[i] + self.steps[i] * (curve as f64 - (self.curves as f64 - 1.0) / 2.0)
    }

    /// The step between neighbouring curves at size `n`, px.
    pub(crate) fn step(&self, n: u32) -> f64 {
        self.steps[self.sizes.partition_point(|&size| size < n).min(self.sizes.len() - 1)]
    }

    /// The light columns behind the points of each size, which show what belongs together.
    pub(crate) fn draw_columns(&self, canvas: &Canvas<'_>, frame: &Frame) -> Result<(), PlotError> {
        for (centre, step) in self.centres.iter().zip(&self.steps) {
            let half = (step * self.curves as f64 / 2.0).max(1.5);
            let corners = rectangle((centre - half, frame.top), (centre + half, frame.bottom));
            canvas.polygon(&corners, COLUMN, 1.0)?;
        }
        Ok(())
    }

    /// The axis line, a tick at every size, and the labels that have room.
    pub(crate) fn draw(
        &self,
        canvas: &Canvas<'_>,
        metrics: &Metrics,
        frame: &Frame,
    ) -> Result<(), PlotError> {
        let stroke = Stroke::new(INK, 1.0);
        canvas.path(&[(frame.left, frame.bottom), (frame.right, frame.bottom)], stroke)?;
        for &x in &self.centres {
            canvas.path(&[(x, frame.bottom), (x, frame.bottom + 4.0)], stroke)?;
        }
        let (font, labels) = self.labels(metrics);
        for (i, label) in labels {
            let at: Place = (self.centres[i], frame.bottom + 17.0);
            canvas.text(&label, at, Font::new(font, INK).align(HPos::Center))?;
        }
        Ok(())
    }

    /// The font size and the labels: all, if need be in smaller letters, or as many as there is room for.
    fn labels(&self, metrics: &Metrics) -> (f64, Vec<(usize, String)>) {
        let all = FONTS.into_iter().map(|font| (font, self.labels_at(font, metrics)));
        all.into_iter()
            .find(|(_, labels)| labels.len() == self.sizes.len())
            .unwrap_or_else(|| (TICK_FONT, self.labels_at(TICK_FONT, metrics)))
    }

    /// The labelled sizes: first and last always, then those that collide with none before them.
    fn labels_at(&self, font: f64, metrics: &Metrics) -> Vec<(usize, String)> {
        let last = self.sizes.len() - 1;
        let mut kept: Vec<(usize, String)> = Vec::new();
        let half = |label: &str| metrics.width(label, font, false) / 2.0;
        let fits = |(i, a): (usize, &str), (j, b): (usize, &str)| {
            (self.centres[i] - self.centres[j]).abs() >= half(a) + half(b) + LABEL_GAP * font
        };
        for i in std::iter::once(0).chain((last > 0).then_some(last)).chain(self.by_preference()) {
            let label = ticks::grouped(self.sizes[i]);
            if kept.iter().all(|(j, other)| fits((i, &label), (*j, other))) {
                kept.push((i, label));
            }
        }
        kept.sort_unstable_by_key(|&(i, _)| i);
        kept
    }

    /// The sizes between the ends: doublings of the first size before the others, so that thinning
    /// keeps the rhythm.
    fn by_preference(&self) -> impl Iterator<Item = usize> {
        let inner = 1..self.sizes.len().max(2) - 1;
        let doubling = |&i: &usize| {
            let ratio = self.sizes[i] / self.sizes[0];
            ratio * self.sizes[0] == self.sizes[i] && ratio.is_power_of_two()
        };
        let (doublings, others): (Vec<usize>, Vec<usize>) = inner.partition(doubling);
        doublings.into_iter().chain(others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Frame = Frame { left: 0.0, top: 0.0, right: 420.0, bottom: 100.0 };

    fn labelled(sizes: &[u32]) -> Vec<String> {
        let axis = XAxis::new(sizes.to_vec(), 9, &FRAME);
        axis.labels(&Metrics::new().unwrap()).1.into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn small_panels_label_every_doubling_in_smaller_letters() {
        let frame = Frame { left: 0.0, top: 0.0, right: 230.0, bottom: 100.0 };
        let sizes = [5, 10, 20, 40, 80, 160, 320, 640, 1280];
        let (font, labels) = XAxis::new(sizes.to_vec(), 1, &frame).labels(&Metrics::new().unwrap());
        assert!(labels.len() == sizes.len() && font < TICK_FONT, "{font}: {labels:?}");
        let one = XAxis::new(vec![40], 1, &frame);
        assert_eq!(one.labels(&Metrics::new().unwrap()).0, TICK_FONT);
    }

    #[test]
    fn the_points_of_one_size_keep_clear_of_the_next() {
        let axis = XAxis::new(vec![10, 20, 40], 30, &FRAME);
        let span = axis.px(20, 29) - axis.px(20, 0);
        assert!(span <= 0.45 * (axis.px(40, 0) - axis.px(20, 0)), "{span}");
    }

    #[test]
    fn doublings_are_all_labelled() {
        let sizes = [10, 20, 40, 80, 160, 320, 640, 1280];
        assert_eq!(labelled(&sizes), sizes.map(|n| n.to_string()));
    }

    #[test]
    fn colliding_labels_are_thinned_but_never_lost() {
        let sizes: Vec<u32> = (2..=17).map(|i| 5 * i).collect(); // 10, 15 … 85, as in Leek's figure
        let labels = labelled(&sizes);
        assert_eq!((labels[0].as_str(), labels[labels.len() - 1].as_str()), ("10", "85"));
        assert!(labels.len() > 5 && labels.len() < sizes.len(), "{labels:?}");
        assert!(["20", "40"].iter().all(|n| labels.contains(&(*n).to_owned())), "{labels:?}");
        assert_eq!(
            labelled(&[10, 60_000, 60_001]),
            ["10", "60\u{a0}001"],
            "one of two that collide"
        );
    }

    #[test]
    fn one_size_stands_in_the_middle() {
        let axis = XAxis::new(vec![40], 3, &FRAME);
        assert_eq!(axis.px(40, 1), 210.0);
        assert_eq!(axis.px(40, 2) - axis.px(40, 1), axis.step(40));
    }

    #[test]
    fn groups_of_neighbouring_sizes_do_not_touch() {
        let axis = XAxis::new(vec![10, 20, 80, 85], 16, &FRAME);
        for pair in [10, 20, 80, 85].windows(2) {
            assert!(axis.px(pair[0], 15) < axis.px(pair[1], 0));
        }
    }
}
