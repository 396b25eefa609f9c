//! Which models a figure shows, and that a model looks the same in all of them.

use crate::store::{Lock, LockedModel, SET, TUNE};
use crate::summary::Summary;

/// The models that have a score, each with the number of its colour, marker and dash.
#[derive(Clone, Debug)]
pub(super) struct Looks {
    models: Vec<(String, usize)>,
    /// The tuned models that stand there by default, too.
    tuned: Vec<String>,
    /// Those that stand there tuned, too.
    plain: Vec<String>,
}

impl Looks {
    /// Looks in the order of the lock; a tuned model has that of the same model by default.
    pub(super) fn of(summary: &Summary, lock: &Lock) -> Looks {
        let scored = |model: &str| {
            summary.cells.iter().any(|cell| cell.model == model && cell.accuracy.is_some())
        };
        let mut looks = Looks { models: Vec::new(), tuned: Vec::new(), plain: Vec::new() };
        let mut next = 0;
        let twins: Vec<(&LockedModel, &LockedModel)> = twins(lock)
            .into_iter()
            .filter(|(plain, tuned)| scored(&plain.name) && scored(&tuned.name))
            .collect();
        for model in lock.models.iter().filter(|model| scored(&model.name)) {
            if !twins.iter().any(|(_, tuned)| tuned.name == model.name) {
                looks.models.push((model.name.clone(), next));
                next += 1;
            }
        }
        for (plain, tuned) in twins {
            looks.models.push((tuned.name.clone(), looks.look(&plain.name)));
            looks.tuned.push(tuned.name.clone());
            looks.plain.push(plain.name.clone());
        }
        looks
    }

    /// True if no model has a score.
    pub(super) fn is_empty(&self) -> bool {
        self.models.is_empty()
    }

    /// Colour, marker and dash of a model; one of nobody for a model without a score.
    pub(super) fn look(&self, label: &str) -> usize {
        let found = self.models.iter().find(|(model, _)| model == label);
        found.map_or(self.models.len(), |(_, look)| *look)
    }

    /// True if some model stands there both by default and tuned.
    pub(super) fn has_twins(&self) -> bool {
        !self.tuned.is_empty()
    }

    /// Whether a figure of the models by default shows `model`: it does unless it is the tuned one of two.
    pub(super) fn by_default(&self, model: &str) -> bool {
        !self.tuned.iter().any(|tuned| tuned == model)
    }

    /// Whether a figure of the tuned models shows `model`: it does unless it stands there tuned, too.
    pub(super) fn when_tuned(&self, model: &str) -> bool {
        !self.plain.iter().any(|plain| plain == model)
    }
}

/// The models that stand there twice, differing in `tune` alone: (by default, tuned), in the order of the latter.
pub(super) fn twins(lock: &Lock) -> Vec<(&LockedModel, &LockedModel)> {
    let models = &lock.models;
    let tuned = models.iter().filter(|model| model.settings.contains_key(TUNE));
    tuned
        .filter_map(|tuned| Some((models.iter().find(|plain| same(plain, tuned))?, tuned)))
        .collect()
}

/// Whether `plain` is `tuned` without its grid.
fn same(plain: &LockedModel, tuned: &LockedModel) -> bool {
    let mut bare = LockedModel { name: plain.name.clone(), ..tuned.clone() };
    bare.settings.retain(|key, _| ![TUNE, SET].contains(&key.as_str()));
    *plain == bare
}
