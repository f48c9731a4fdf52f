//! The canonical text as a chain of pieces, most of them pieces of the text as it came.

use crate::json::span::Span;

/// A piece of canonical text, in its place in the chain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    start: u32,
    end: u32,
    /// The piece that comes after this one.
    next: u32,
    before: Before,
    source: Source,
}

/// What is written before a piece, besides the pieces before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    /// Nothing.
    Nothing,
    /// The comma between two members. Commas are outside the pieces, since the order of pieces may
    /// change.
    Comma,
}

/// Where a piece lies.
#[derive(Clone, Copy, Debug)]
enum Source {
    /// In the text as the text came.
    Text,
    /// Among what is spelt anew.
    Spelt,
}

/// The pieces found so far.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    pieces: Vec<Piece>,
    /// The canonical spellings that the text lacks.
    spelt: Vec<u8>,
}

impl Pieces {
    pub(super) fn len(&self) -> u32 {
        // A piece takes at least a byte of the text, and the length of the text fits 32 bits.
        self.pieces.len() as u32
    }

    /// Appends a piece of the text; the piece that is appended next comes after it.
    #[inline(always)]
    pub(super) fn push(&mut self, start: u32, end: u32, before: Before) {
        let next = self.len() + 1;
        self.pieces.push(Piece { start, end, next, before, source: Source::Text });
    }

    /// Appends a piece that is spelt anew.
    pub(super) fn push_spelt(&mut self, text: &str, before: Before) {
        let start = self.spelt.len() as u32;
        self.spelt.extend_from_slice(text.as_bytes());
        let (end, next) = (self.spelt.len() as u32, self.len() + 1);
        self.pieces.push(Piece { start, end, next, before, source: Source::Spelt });
    }

    /// Forgets the pieces from this one on.
    #[inline(always)]
    pub(super) fn truncate(&mut self, len: u32) {
        self.pieces.truncate(len as usize);
    }

    /// Puts one piece after another. A piece that is not there yet is the next one that is
    /// appended.
    #[inline(always)]
    pub(super) fn link(&mut self, piece: u32, next: u32) {
        if let Some(piece) = self.pieces.get_mut(piece as usize) {
            piece.next = next;
        }
    }

    pub(super) fn set_before(&mut self, piece: u32, before: Before) {
        if let Some(piece) = self.pieces.get_mut(piece as usize) {
            piece.before = before;
        }
    }

    /// Writes the whole chain.
    pub(super) fn write(&self, text: &str, sink: &mut impl Sink) {
        let mut next = 0;
        while let Some(piece) = self.pieces.get(next as usize) {
            if piece.before == Before::Comma {
                sink.put_comma();
            }
            let source = match piece.source {
                Source::Text => text.as_bytes(),
                Source::Spelt => &self.spelt,
            };
            sink.put(source, Span::new(piece.start as usize, piece.end as usize));
            next = piece.next;
        }
    }

    pub(super) fn clear(&mut self) {
        self.pieces.clear();
        self.spelt.clear();
    }

    /// Returns how much memory is kept.
    pub(super) fn kept_bytes(&self) -> usize {
        self.pieces.capacity() * size_of::<Piece>() + self.spelt.capacity()
    }
}

/// Where canonical text goes, piece by piece.
pub(super) trait Sink {
    /// Takes the piece of the source that the span names.
    fn put(&mut self, source: &[u8], piece: Span);

    /// Takes the comma between two members.
    fn put_comma(&mut self);
}

impl Sink for Vec<u8> {
    fn put(&mut self, source: &[u8], piece: Span) {
        self.extend_from_slice(source.get(piece.start()..piece.end()).unwrap_or_default());
    }

    fn put_comma(&mut self) {
        self.push(b',');
    }
}
