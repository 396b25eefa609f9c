//! Numbers as queues write them: `0-3,5`.

/// Ascending `numbers` as ranges.
pub(crate) fn ranges(numbers: &[u32]) -> String {
    let runs = numbers.chunk_by(|a, b| a + 1 == *b);
    let words: Vec<String> = runs
        .map(|run| match run {
            [one] => one.to_string(),
            [first, .., last] => format!("{first}-{last}"),
            [] => String::new(),
        })
        .collect();
    words.join(",")
}

/// The numbers of such a list; `None` if it is none.
pub(super) fn numbers(text: &str) -> Option<Vec<u32>> {
    let mut all = Vec::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        all.extend(first.trim().parse::<u32>().ok()?..=last.trim().parse::<u32>().ok()?);
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_written_and_read() {
        for (list, text) in [
            (vec![], ""),
            (vec![7], "7"),
            (vec![0, 1, 2, 3, 5, 7, 8, 9], "0-3,5,7-9"),
            (vec![4, 5], "4-5"),
        ] {
            assert_eq!(ranges(&list), text);
            assert_eq!(numbers(text), Some(list));
        }
        assert_eq!(numbers("0-x"), None);
    }
}
