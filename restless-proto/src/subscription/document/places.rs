//! Where a document has changed.

use super::pointer;

/// The places of one change, as JSON Pointers. A place may be as long as a document, for each value
/// that stands in it: so places are bounded while they are collected.
#[derive(Default)]
pub(super) struct Places {
    found: Vec<String>,
    bytes: usize,
}

/// Beyond so many places, or so many bytes of them, all of the document has changed.
const MOST_PLACES: usize = 10_000;
const MOST_BYTES: usize = 1 << 20;

impl Places {
    pub(super) fn add(&mut self, place: &str) {
        if self.is_all() || self.found.last().is_some_and(|last| last == place) {
            return;
        }
        self.bytes = self.bytes.saturating_add(place.len());
        if place.is_empty() || self.found.len() == MOST_PLACES || self.bytes > MOST_BYTES {
            self.found = vec![String::new()];
        } else {
            self.found.push(place.to_owned());
        }
    }

    /// Whether all of the document has changed, so that no further place says more.
    pub(super) fn is_all(&self) -> bool {
        self.found.first().is_some_and(String::is_empty)
    }

    /// Returns the places in the order of their first coming, as where no place was added that
    /// stands in another.
    pub(super) fn into_list(self) -> Vec<String> {
        self.found
    }

    /// Returns the places in the order of their first coming, save those that stand in others.
    pub(super) fn outermost(self) -> Vec<String> {
        if self.found.len() < 2 {
            return self.found;
        }
        let mut sorted: Vec<(usize, String)> = self.found.into_iter().enumerate().collect();
        // By tokens, so that what stands in a place comes right behind the place.
        sorted.sort_by(|(_, a), (_, b)| a.split('/').cmp(b.split('/')));
        sorted.dedup_by(|(_, inner), (_, outer)| pointer::is_within(inner, outer));
        sorted.sort_unstable_by_key(|(order, _)| *order);
        sorted.into_iter().map(|(_, place)| place).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outermost(places: &[&str]) -> Vec<String> {
        let mut found = Places::default();
        places.iter().for_each(|place| found.add(place));
        found.outermost()
    }

    #[test]
    fn a_place_that_stands_in_another_is_left_out() {
        assert_eq!(outermost(&["/b", "/a/x", "/a!", "/a", "/a/y/0", "/b"]), ["/b", "/a!", "/a"]);
        assert_eq!(outermost(&["/a", "", "/b"]), [""]);
        assert_eq!(outermost(&["/a//x", "/a/"]), ["/a/"]);
        assert!(outermost(&[]).is_empty());
    }

    #[test]
    fn places_beyond_a_number_or_a_size_are_all_of_the_document() {
        let mut found = Places::default();
        (0..MOST_PLACES).for_each(|n| found.add(&format!("/{n}")));
        assert_eq!(found.found.len(), MOST_PLACES);
        found.add("/x");
        assert_eq!(found.into_list(), [""]);

        let half = "x".repeat(MOST_BYTES / 2 - 1);
        let (one, other) = (format!("/{half}"), format!("/y{}", &half[1..]));
        assert_eq!(outermost(&[&one, &other]), [one.clone(), other.clone()]);
        assert_eq!(outermost(&[&one, &other, "/z"]), [""]);
    }
}
