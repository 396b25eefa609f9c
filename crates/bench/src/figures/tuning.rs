//! Default against tuned: for every model that an experiment holds twice, the two differing in `tune` alone, the paired
//! difference in accuracy by n.

use plot::{DifferenceCurve, Differences};

use super::looks::{Looks, twins};
use super::{compared, percent, title};
use crate::compare::Comparison;
use crate::store::Lock;
use crate::summary::Summary;

/// The figure's content, whatever the protocol; `None` if no model stands there by default and tuned, or the two never
/// have a complete pair.
pub fn differences(comparison: &Comparison, summary: &Summary, lock: &Lock) -> Option<Differences> {
    let looks = Looks::of(summary, lock);
    let place = |label: &str| comparison.models.iter().position(|model| model == label);
    let curve = |(plain, tuned): (&str, &str)| {
        let pair = comparison.against(place(tuned)?, place(plain)?)?;
        let points = compared::points(&pair);
        let curve = DifferenceCurve { label: tuned.to_owned(), look: looks.look(tuned), points };
        (!curve.points.is_empty()).then_some(curve)
    };
    let pairs =
        twins(lock).into_iter().map(|(plain, tuned)| (plain.name.as_str(), tuned.name.as_str()));
    let curves: Vec<DifferenceCurve> = pairs.filter_map(curve).collect();
    (!curves.is_empty()).then(|| Differences {
        title: title(lock, "what tuning changes"),
        caption: vec![format!(
            "Accuracy of each tuned model minus that of the same model by default, by pairs of the same split and item; \
             parameters are chosen inside each training set. Bands: {} %, simultaneous over n for each model (max-t), \
             covering new training sets and new items.",
            percent(comparison.options.level)
        )],
        baseline: "the same model by default".into(),
        equivalence: comparison.options.rope,
        curves,
    })
}
