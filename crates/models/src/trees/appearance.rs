//! Classes numbered by their first row, so that what is drawn or added in their order doesn't depend on their names.

/// The order in which classes appear.
pub(super) struct Appearance {
    /// Per class, its place.
    places: Vec<u32>,
}

impl Appearance {
    /// The order in which the classes `0..classes` first appear in `labels`; each does.
    pub(super) fn new(labels: &[u32], classes: usize) -> Self {
        let mut places = vec![u32::MAX; classes];
        let mut next = 0;
        for &label in labels {
            let place = &mut places[label as usize];
            if *place == u32::MAX {
                *place = next;
                next += 1;
            }
        }
        Appearance { places }
    }

    /// The place of `class`.
    pub(super) fn place(&self, class: u32) -> u32 {
        self.places[class as usize]
    }

    /// Puts values by place (rows × classes) in the order of the classes.
    pub(super) fn by_class<T: Copy>(&self, by_place: &[T]) -> Vec<T> {
        let row = |row: &[T]| self.places.iter().map(|&p| row[p as usize]).collect::<Vec<T>>();
        by_place.chunks_exact(self.places.len()).flat_map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_numbered_as_they_come() {
        let order = Appearance::new(&[2, 2, 0, 1, 0], 3);
        assert_eq!([0, 1, 2].map(|class| order.place(class)), [1, 2, 0]);
        assert_eq!(order.by_class(&['a', 'b', 'c']), ['b', 'c', 'a']);
    }
}
