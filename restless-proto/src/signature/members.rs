//! The members of the objects that are open, and the order in which the members must be written.

use std::cmp::Ordering;

use super::pieces::{Before, Pieces};
use crate::json::string::decode_to;

/// A member of an object: its key, and its part of the chain of pieces.
#[derive(Clone, Copy, Debug)]
struct Member {
    /// The key's first eight bytes, so that numbers are compared: most keys differ in them.
    prefix: u64,
    key_start: u32,
    key_len: u32,
    key_is_decoded: bool,
    first_piece: u32,
    last_piece: u32,
}

/// The members of all objects that have not ended, the innermost object's last.
#[derive(Debug, Default)]
pub(super) struct Members {
    members: Vec<Member>,
    /// The keys that are spelt with escapes, each decoded once.
    decoded: Vec<u8>,
}

/// Where an object's members begin.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mark {
    members: u32,
    decoded: u32,
}

impl Members {
    /// Returns where the members of an object that begins now are going to be.
    #[inline(always)]
    pub(super) fn mark(&self) -> Mark {
        Mark { members: self.members.len() as u32, decoded: self.decoded.len() as u32 }
    }

    /// Whether the object that began there has members.
    #[inline(always)]
    pub(super) fn has_any(&self, mark: Mark) -> bool {
        self.members.len() as u32 > mark.members
    }

    /// Adds a member whose pieces begin with the given one, and says whether its key comes after
    /// that of the member before. `behind` is what is left of the text from the key on.
    #[inline(always)]
    pub(super) fn push(
        &mut self,
        text: &str,
        mark: Mark,
        key: &[u8],
        escaped: bool,
        behind: &[u8],
        first_piece: u32,
    ) -> bool {
        let mut member = Member {
            prefix: 0,
            key_start: (text.len() - behind.len()) as u32,
            key_len: key.len() as u32,
            key_is_decoded: false,
            first_piece,
            last_piece: first_piece,
        };
        if escaped {
            self.decode(&mut member, key);
        } else {
            member.prefix = prefix(key, behind);
        }
        let rises = match self.members.last() {
            Some(last) if self.has_any(mark) => {
                last.prefix < member.prefix
                    || last.prefix == member.prefix
                        && compare_keys(text, &self.decoded, last, &member).is_lt()
            }
            _ => true,
        };
        self.members.push(member);
        rises
    }

    /// Says which piece the last member ends with.
    #[inline(always)]
    pub(super) fn end(&mut self, last_piece: u32) {
        if let Some(member) = self.members.last_mut() {
            member.last_piece = last_piece;
        }
    }

    /// Puts the pieces of an object's members in order, between the piece that opens the object and
    /// the piece that is appended next.
    pub(super) fn sort(&mut self, text: &str, mark: Mark, opening: u32, pieces: &mut Pieces) {
        let Self { members, decoded } = self;
        let members = members.get_mut(mark.members as usize..).unwrap_or_default();
        // The last of equal keys counts: the later a member, the later its pieces.
        members.sort_unstable_by(|a, b| {
            let order = a.prefix.cmp(&b.prefix).then_with(|| compare_keys(text, decoded, a, b));
            order.then(a.first_piece.cmp(&b.first_piece))
        });
        let mut last = opening;
        let mut before = Before::Nothing;
        let mut members = members.iter().peekable();
        while let Some(member) = members.next() {
            let is_hidden = |next: &&Member| {
                next.prefix == member.prefix && compare_keys(text, decoded, member, next).is_eq()
            };
            if members.peek().is_some_and(is_hidden) {
                continue;
            }
            pieces.link(last, member.first_piece);
            pieces.set_before(member.first_piece, before);
            before = Before::Comma;
            last = member.last_piece;
        }
        pieces.link(last, pieces.len());
    }

    /// Forgets the members of the object that began there.
    #[inline(always)]
    pub(super) fn truncate(&mut self, mark: Mark) {
        self.members.truncate(mark.members as usize);
        self.decoded.truncate(mark.decoded as usize);
    }

    pub(super) fn clear(&mut self) {
        self.truncate(Mark::default());
    }

    /// Returns how much memory is kept.
    pub(super) fn kept_bytes(&self) -> usize {
        self.members.capacity() * size_of::<Member>() + self.decoded.capacity()
    }

    #[cold]
    fn decode(&mut self, member: &mut Member, key: &[u8]) {
        let start = self.decoded.len();
        decode_to(&mut self.decoded, key);
        let key = self.decoded.get(start..).unwrap_or_default();
        member.prefix = prefix(key, key);
        member.key_start = start as u32;
        member.key_len = key.len() as u32;
        member.key_is_decoded = true;
    }
}

/// Compares two keys by code point, which is the order of UTF-8.
#[inline(never)]
fn compare_keys(text: &str, decoded: &[u8], a: &Member, b: &Member) -> Ordering {
    let key = |member: &Member| {
        let source = if member.key_is_decoded { decoded } else { text.as_bytes() };
        let start = member.key_start as usize;
        source.get(start..start + member.key_len as usize).unwrap_or_default()
    };
    key(a).cmp(key(b))
}

/// Returns the first eight bytes of a key as a number that compares as the bytes do; zeros stand
/// for missing bytes. `behind` is the text from the key on.
#[inline(always)]
fn prefix(key: &[u8], behind: &[u8]) -> u64 {
    let Some(start) = behind.first_chunk() else {
        let mut start = [0; 8];
        start.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
        return u64::from_be_bytes(start);
    };
    let no_key = u64::MAX.checked_shr(8 * key.len() as u32).unwrap_or_default();
    u64::from_be_bytes(*start) & !no_key
}
