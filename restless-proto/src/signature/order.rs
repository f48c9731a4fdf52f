//! The order in which an object's members are due, for objects that are not in it.

use std::cmp::Ordering;
use std::ops::Range;

use crate::json::{JsonError, RawStr, Scanner};

/// For each object whose keys don't rise strictly: where its members are, in the order that is due.
///
/// Found in one pass over the whole text. Asking at each object on the way would read what is
/// nested again at every level.
#[derive(Debug)]
pub(super) struct Orders {
    /// Sorted by where they start.
    objects: Vec<Object>,
    /// Where the keys start, object by object.
    keys: Vec<u32>,
}

/// Takes 16 bytes.
#[derive(Debug)]
struct Object {
    start: u32,
    end: u32,
    /// Which of [`Orders::keys`] are the object's.
    first_key: u32,
    count: u32,
}

impl Orders {
    pub(super) fn of(mut scanner: Scanner<'_>) -> Result<Self, JsonError> {
        let mut orders = Self { objects: Vec::new(), keys: Vec::new() };
        orders.read_value(&mut scanner, &mut Vec::new(), 1)?;
        scanner.end()?;
        orders.objects.sort_unstable_by_key(|object| object.start);
        Ok(orders)
    }

    /// Where the keys of the object that starts here are, in the order that is due, and where the
    /// object ends; `None` if it is in that order already.
    pub(super) fn get(&self, start: u32) -> Option<(&[u32], u32)> {
        let found = self.objects.binary_search_by_key(&start, |object| object.start).ok()?;
        let object = self.objects.get(found)?;
        let first = object.first_key as usize;
        Some((self.keys.get(first..first + object.count as usize)?, object.end))
    }

    /// `open` holds the keys of all objects that are not yet at their end.
    fn read_value<'a>(
        &mut self,
        scanner: &mut Scanner<'a>,
        open: &mut Vec<RawStr<'a>>,
        level: u32,
    ) -> Result<(), JsonError> {
        scanner.check_level(level)?;
        let mut first = true;
        match scanner.peek() {
            Some(b'{') => {
                let start = scanner.at();
                let base = open.len();
                scanner.enter();
                while let Some(key) = scanner.member(&mut first)? {
                    open.push(key);
                    self.read_value(scanner, open, level + 1)?;
                }
                self.close(start..scanner.at(), open.get_mut(base..).unwrap_or_default());
                open.truncate(base);
                Ok(())
            }
            Some(b'[') => {
                scanner.enter();
                while scanner.element(&mut first)? {
                    self.read_value(scanner, open, level + 1)?;
                }
                Ok(())
            }
            _ => scanner.value(level).map(drop),
        }
    }

    fn close(&mut self, object: Range<u32>, members: &mut [RawStr<'_>]) {
        if members.is_sorted_by(|a, b| a.compare(*b) == Ordering::Less) {
            return;
        }
        // A stable sort leaves equal keys in the order they came, and the last of them counts.
        members.sort_by(|a, b| a.compare(*b));
        let first_key = self.keys.len();
        let mut members = members.iter().peekable();
        while let Some(key) = members.next() {
            if members.peek().is_none_or(|next| key.compare(**next) == Ordering::Less) {
                self.keys.push(key.start);
            }
        }
        // There are fewer keys than bytes of text, whose count fits 32 bits.
        self.objects.push(Object {
            start: object.start,
            end: object.end,
            first_key: first_key as u32,
            count: (self.keys.len() - first_key) as u32,
        });
    }
}
