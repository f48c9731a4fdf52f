//! What a fault makes of a response's bytes on their way to the socket, beneath HTTP.

use bytes::{Buf as _, BytesMut};

/// What is done to the bytes of one response.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Treatment {
    /// The most bytes in one packet.
    pub(crate) piece: Option<usize>,
    /// Bytes of an extension behind each chunk's size (RFC 9112 §7.1.1).
    pub(crate) extension: Option<usize>,
}

/// The bytes of one response that are being treated, and wait to be written.
#[derive(Debug)]
pub(crate) struct Treated {
    treatment: Treatment,
    at: At,
    /// What is known of the line or the head at hand.
    seen: Vec<u8>,
    waiting: BytesMut,
}

/// The place in a chunked response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Head,
    Size,
    Data(usize),
    /// The last chunk has begun.
    Rest,
}

impl Treated {
    /// Starts a treatment; `None` where the bytes go through as they are.
    pub(crate) fn new(treatment: Treatment) -> Option<Self> {
        let at = if treatment.extension.is_some() { At::Head } else { At::Rest };
        (treatment.piece.is_some() || treatment.extension.is_some()).then(|| Self {
            treatment,
            at,
            seen: Vec::new(),
            waiting: BytesMut::new(),
        })
    }

    /// Takes bytes as HTTP has them.
    pub(crate) fn take(&mut self, mut bytes: &[u8]) {
        while let (Some(extension), Some((&first, rest))) =
            (self.treatment.extension, bytes.split_first())
        {
            match self.at {
                At::Rest => break,
                At::Data(left) => {
                    let size = left.min(bytes.len());
                    self.waiting.extend_from_slice(bytes.get(..size).unwrap_or_default());
                    bytes.advance(size);
                    self.at = if size == left { At::Size } else { At::Data(left - size) };
                    continue;
                }
                At::Head => {
                    self.seen.push(first);
                    if self.seen.ends_with(b"\r\n\r\n") {
                        let head = String::from_utf8_lossy(&self.seen).to_ascii_lowercase();
                        let chunked = head.contains("\r\ntransfer-encoding: chunked\r\n");
                        self.at = if chunked { At::Size } else { At::Rest };
                        self.seen.clear();
                    }
                }
                At::Size if first == b'\r' => {
                    self.waiting.extend_from_slice(b";x=");
                    self.waiting.resize(self.waiting.len() + extension - 3, b'a');
                }
                At::Size if first == b'\n' => {
                    let size = String::from_utf8_lossy(&self.seen).into_owned();
                    let size = usize::from_str_radix(&size, 16).unwrap_or(0);
                    // The line end behind the data is passed with it.
                    self.at = if size == 0 { At::Rest } else { At::Data(size + 2) };
                    self.seen.clear();
                }
                At::Size => self.seen.push(first),
            }
            self.waiting.extend_from_slice(&[first]);
            bytes = rest;
        }
        self.waiting.extend_from_slice(bytes);
    }

    /// Returns what is to be written next.
    pub(crate) fn next(&self) -> &[u8] {
        let size = self.waiting.len().min(self.treatment.piece.unwrap_or(usize::MAX));
        self.waiting.get(..size).unwrap_or_default()
    }

    /// Notes that so many bytes have been written.
    pub(crate) fn written(&mut self, bytes: usize) {
        self.waiting.advance(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

    /// What is written of this text, taken in pieces of every size.
    #[track_caller]
    fn treated(treatment: Treatment, text: &str, due: &str) {
        for size in 1..=text.len() {
            let mut treated = Treated::new(treatment).expect("something to do");
            text.as_bytes().chunks(size).for_each(|piece| treated.take(piece));
            let mut all = Vec::new();
            while !treated.next().is_empty() {
                let piece = treated.next().to_vec();
                assert!(piece.len() <= treatment.piece.unwrap_or(usize::MAX));
                treated.written(piece.len());
                all.extend(piece);
            }
            assert_eq!(String::from_utf8_lossy(&all), due, "in pieces of {size}");
        }
    }

    #[test]
    fn each_chunk_gets_its_extension() {
        let with = Treatment { extension: Some(5), piece: None };
        let text = format!("{HEAD}3\r\nab\n\r\nA\r\n0123456789\r\n0\r\n\r\n");
        let due = format!("{HEAD}3;x=aa\r\nab\n\r\nA;x=aa\r\n0123456789\r\n0;x=aa\r\n\r\n");
        treated(with, &text, &due);
    }

    #[test]
    fn response_that_is_not_chunked_gets_none() {
        let with = Treatment { extension: Some(5), piece: None };
        let text = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n3\r\nab";
        treated(with, text, text);
    }

    #[test]
    fn pieces_are_no_larger_than_ordered() {
        let text = format!("{HEAD}3\r\nabc\r\n0\r\n\r\n");
        treated(Treatment { extension: None, piece: Some(1) }, &text, &text);
    }

    #[test]
    fn nothing_to_do_is_none() {
        assert!(Treated::new(Treatment::default()).is_none());
    }
}
