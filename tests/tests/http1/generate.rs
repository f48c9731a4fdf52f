//! Responses made up from a seed, and what they mean.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::outcome::Read;

pub(crate) struct Generator(u64);

/// A response that is well formed, or lenient where `http1` is so on purpose.
pub(crate) struct Made {
    pub(crate) bytes: Vec<u8>,
    pub(crate) cuts: Vec<usize>,
    pub(crate) meant: Read,
    /// Whether the response has something that hyper refuses, by the table.
    pub(crate) hyper_refuses: bool,
}

const STATUSES: [u16; 8] = [200, 201, 204, 304, 401, 404, 429, 503];

impl Generator {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn response(&mut self) -> Made {
        let mut refused = false;
        let mut bytes = Vec::new();
        for _ in 0..self.below(3) {
            bytes.extend_from_slice(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n");
        }
        let status = self.one_of(&STATUSES);
        let minor = if self.one_in(4) { 0 } else { 1 };
        let minor = if self.one_in(30) { 2 } else { minor };
        refused |= minor == 2;
        let reason = self.one_of(&[" OK", "", " ", " \u{e9}t\u{e9} 7!"]);
        bytes.extend_from_slice(format!("HTTP/1.{minor} {status}{reason}").as_bytes());
        self.end_line(&mut bytes);

        let (mut fields, mut lines) = (HeaderMap::new(), Vec::new());
        let count = if self.one_in(40) { 101 + self.below(50) } else { self.below(12) };
        refused |= count > 90;
        for _ in 0..count {
            lines.push(self.field(&mut fields, &mut refused));
        }
        let content = self.content();
        let framed = self.framed(&content, minor, &mut lines, &mut fields, &mut refused);
        for line in lines {
            bytes.extend_from_slice(&line);
            self.end_line(&mut bytes);
        }
        self.end_line(&mut bytes);
        let empty = matches!(status, 204 | 304);
        if !empty {
            bytes.extend_from_slice(&framed);
        }
        let cuts = (0..1 + self.below(5)).map(|_| 1 + self.below(60)).collect();
        let content = if empty { Vec::new() } else { content };
        Made { bytes, cuts, meant: Read { status, fields, content }, hyper_refuses: refused }
    }

    /// Changes one byte, or leaves one out.
    pub(crate) fn spoil(&mut self, bytes: &mut Vec<u8>) {
        let at = self.below(bytes.len());
        if self.one_in(3) {
            bytes.remove(at);
        } else {
            bytes[at] = self.one_of(b"\r\n\0 \t;:,05aZ\x80\x7f+-");
        }
    }

    fn field(&mut self, fields: &mut HeaderMap, refused: &mut bool) -> Vec<u8> {
        let name = self.one_of(&["a", "X-Long-Name", "date", "server", "set-cookie", "x_y!z"]);
        let value = self.one_of(&["", "b", "b, c", "\"q\\\"d\"", "a\tb", "x;y=z", "0"]);
        let (before, behind) =
            (self.one_of(&["", " ", "\t ", "   "]), self.one_of(&["", " ", "\t"]));
        let mut line = format!("{name}:{before}{value}");
        let mut meant = value.to_owned();
        if !value.is_empty() && self.one_in(60) {
            *refused = true;
            line.push_str("\r\n folded");
            // CR and LF become spaces, and there is one already.
            meant.push_str("   folded");
        }
        line.push_str(behind);
        let name: HeaderName = name.parse().expect("a name");
        fields.append(name, HeaderValue::from_str(&meant).expect("a value"));
        line.into_bytes()
    }

    fn content(&mut self) -> Vec<u8> {
        let length = self.one_of(&[0, 1, 7, 100, 5_000]);
        (0..length).map(|_| self.below(256) as u8).collect()
    }

    fn framed(
        &mut self,
        content: &[u8],
        minor: u8,
        lines: &mut Vec<Vec<u8>>,
        fields: &mut HeaderMap,
        refused: &mut bool,
    ) -> Vec<u8> {
        match self.below(3) {
            0 => content.to_vec(),
            1 => {
                for _ in 0..if self.one_in(10) { 2 } else { 1 } {
                    let length = content.len().to_string();
                    lines.push(format!("Content-Length: {length}").into_bytes());
                    let length = HeaderValue::from_str(&length).expect("digits");
                    fields.append("content-length", length);
                }
                content.to_vec()
            }
            _ => {
                *refused |= minor == 0;
                lines.push(b"Transfer-Encoding: Chunked".to_vec());
                fields.append("transfer-encoding", HeaderValue::from_static("Chunked"));
                self.chunks(content, refused)
            }
        }
    }

    fn chunks(&mut self, mut content: &[u8], refused: &mut bool) -> Vec<u8> {
        let mut bytes = Vec::new();
        while !content.is_empty() {
            let (chunk, rest) = content.split_at((1 + self.below(900)).min(content.len()));
            content = rest;
            let extension = self.one_of(&["", "", "", " ", ";a", ";a=b;c=\"d e\"", " ; x"]);
            let zeros = "0".repeat(self.one_of(&[0, 0, 0, 3]));
            let size = if self.one_in(2) {
                format!("{zeros}{:x}{extension}", chunk.len())
            } else {
                format!("{zeros}{:X}{extension}", chunk.len())
            };
            bytes.extend_from_slice(size.as_bytes());
            let line_end = if self.one_in(400) { "\n" } else { "\r\n" };
            *refused |= line_end == "\n";
            bytes.extend_from_slice(line_end.as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n");
        for _ in 0..self.below(3) {
            bytes.extend_from_slice(b"x-trailer: y\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes
    }

    fn end_line(&mut self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(if self.one_in(20) { b"\n" } else { b"\r\n" });
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    /// SplitMix64.
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }
}
