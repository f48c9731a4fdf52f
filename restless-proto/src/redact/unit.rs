//! A text, character by character, however each character is escaped.

/// One character of a text as it is meant, however it is spelt.
pub(super) struct Unit {
    pub(super) char: char,
    /// How many bytes spell the character.
    pub(super) len: usize,
    /// Whether the character is percent-encoded (RFC 3986 §2.1): such a character ends nothing.
    pub(super) percent: bool,
}

impl Unit {
    pub(super) fn first(text: &str) -> Option<Self> {
        #[cfg(test)]
        super::tests::UNITS.with(|units| units.set(units.get() + 1));
        let char = text.chars().next()?;
        let escaped = match char {
            '\\' => Some(Self::behind_backslash(text)),
            '%' => Self::percent_encoded(text),
            '&' => Self::character_reference(text),
            _ => None,
        };
        Some(escaped.unwrap_or_else(|| Self { char, len: char.len_utf8(), percent: false }))
    }

    /// Reads an escape of JSON (RFC 8259 §7) or Rust. A character that is escaped twice has more
    /// backslashes.
    fn behind_backslash(text: &str) -> Self {
        let bare = text.trim_start_matches('\\');
        let (char, len) = match bare.as_bytes() {
            [b'n' | b'r' | b't' | b'b' | b'f' | b'0', ..] => ('\n', 1),
            [quoted @ (b'"' | b'\'' | b'/'), ..] => (char::from(*quoted), 1),
            [b'u', b'{', digits @ ..] => {
                let end = digits.iter().take(7).position(|byte| *byte == b'}').unwrap_or_default();
                hex(bare, 2, end).map_or(('\\', 0), |char| (char, end + 3))
            }
            [b'u', ..] => hex(bare, 1, 4).map_or(('\\', 0), |char| (char, 5)),
            [b'x', ..] => hex(bare, 1, 2).map_or(('\\', 0), |char| (char, 3)),
            _ => ('\\', 0),
        };
        Self { char, len: text.len() - bare.len() + len, percent: false }
    }

    /// Reads a percent-encoded character. A character that is encoded twice is `%25` and the
    /// digits.
    fn percent_encoded(text: &str) -> Option<Self> {
        let mut at = 1;
        while text.get(at..)?.starts_with("25") && hex(text, at + 2, 2).is_some() {
            at += 2;
        }
        hex(text, at, 2).map(|char| Self { char, len: at + 2, percent: true })
    }

    /// Reads a character reference of HTML (WHATWG HTML §13.5), by a number or by name. A character
    /// that is escaped twice is `&amp;` and the rest.
    fn character_reference(text: &str) -> Option<Self> {
        let mut at = 1;
        while text.get(at..)?.starts_with("amp;") && referenced(text.get(at + 4..)?).is_some() {
            at += 4;
        }
        let (char, len) = referenced(text.get(at..)?)?;
        Some(Self { char, len: at + len, percent: false })
    }
}

/// Returns the character of this many digits in hexadecimal.
fn hex(text: &str, at: usize, count: usize) -> Option<char> {
    let digits = text.get(at..at + count)?;
    let number = u32::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'))?;
    Some(char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER))
}

/// Returns the character that a reference gives, and the length of the reference behind its
/// ampersand.
fn referenced(text: &str) -> Option<(char, usize)> {
    let end = text.bytes().take(LONGEST_REFERENCE).position(|byte| byte == b';')?;
    let name = text.get(..end)?;
    let char = match name.strip_prefix('#') {
        Some(number) => {
            let (digits, radix) = match number.strip_prefix(['x', 'X']) {
                Some(digits) => (digits, 16),
                None => (number, 10),
            };
            let number = u32::from_str_radix(digits, radix).ok();
            char::from_u32(number.filter(|_| !digits.starts_with('+'))?)?
        }
        None => NAMED.iter().find(|(known, _)| *known == name)?.1,
    };
    Some((char, end + 1))
}

/// The length of the longest reference, in bytes, such as `#x0000022;`.
const LONGEST_REFERENCE: usize = 12;

/// The characters of keys beside letters and digits, by their names in HTML.
const NAMED: &[(&str, char)] = &[
    ("amp", '&'),
    ("apos", '\''),
    ("ast", '*'),
    ("bsol", '\\'),
    ("colon", ':'),
    ("comma", ','),
    ("commat", '@'),
    ("dollar", '$'),
    ("equals", '='),
    ("excl", '!'),
    ("grave", '`'),
    ("gt", '>'),
    ("Hat", '^'),
    ("lbrace", '{'),
    ("lbrack", '['),
    ("lcub", '{'),
    ("lowbar", '_'),
    ("lpar", '('),
    ("lsqb", '['),
    ("lt", '<'),
    ("num", '#'),
    ("percnt", '%'),
    ("period", '.'),
    ("plus", '+'),
    ("quest", '?'),
    ("quot", '"'),
    ("rbrace", '}'),
    ("rbrack", ']'),
    ("rcub", '}'),
    ("rpar", ')'),
    ("rsqb", ']'),
    ("semi", ';'),
    ("sol", '/'),
    ("vert", '|'),
];
