//! The grammar of `Sec-WebSocket-Extensions` (RFC 6455 §9.1).

/// One extension with its parameters, in the order in which they were written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Extension {
    pub(crate) name: String,
    pub(crate) parameters: Vec<(String, Option<String>)>,
}

/// Reads the extensions that one field lists; `None` where the grammar is broken.
pub(crate) fn parse(field: &str) -> Option<Vec<Extension>> {
    let mut extensions = Vec::new();
    let mut rest = skip_blanks(field);
    while !rest.is_empty() {
        // RFC 9110 §5.6.1.2: empty elements of a list are skipped.
        if let Some(next) = rest.strip_prefix(',') {
            rest = skip_blanks(next);
            continue;
        }
        let extension;
        (extension, rest) = parse_one(rest)?;
        extensions.push(extension);
        if !rest.is_empty() {
            rest = skip_blanks(rest.strip_prefix(',')?);
        }
    }
    Some(extensions)
}

fn parse_one(field: &str) -> Option<(Extension, &str)> {
    let (name, mut rest) = split_token(field)?;
    let mut parameters = Vec::new();
    rest = skip_blanks(rest);
    while let Some(next) = rest.strip_prefix(';') {
        let parameter;
        (parameter, rest) = split_token(skip_blanks(next))?;
        let value = match rest.strip_prefix('=') {
            None => None,
            Some(next) => {
                let value;
                (value, rest) = match next.strip_prefix('"') {
                    Some(quoted) => split_quoted(quoted)?,
                    None => split_token(next).map(|(value, rest)| (value.to_owned(), rest))?,
                };
                Some(value)
            }
        };
        parameters.push((parameter.to_ascii_lowercase(), value));
        rest = skip_blanks(rest);
    }
    Some((Extension { name: name.to_ascii_lowercase(), parameters }, rest))
}

fn skip_blanks(text: &str) -> &str {
    text.trim_start_matches([' ', '\t'])
}

fn split_token(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c| !is_token_char(c)).unwrap_or(text.len());
    let (token, rest) = text.split_at_checked(end)?;
    if token.is_empty() { None } else { Some((token, rest)) }
}

/// Returns the content of a quoted string whose opening quote is gone. Unquoted, the content must
/// be a token (§9.1).
fn split_quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.chars();
    loop {
        match chars.next()? {
            '"' => break,
            '\\' => value.push(chars.next()?),
            c => value.push(c),
        }
    }
    if is_token(&value) { Some((value, chars.as_str())) } else { None }
}

/// Whether this is a token (RFC 9110 §5.6.2).
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_token_char)
}

fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn extension(name: &str, parameters: &[(&str, Option<&str>)]) -> Extension {
        let parameters =
            parameters.iter().map(|(n, v)| ((*n).to_owned(), v.map(str::to_owned))).collect();
        Extension { name: name.to_owned(), parameters }
    }

    #[test]
    fn extensions_and_parameters_are_split_with_and_without_blanks() {
        assert_eq!(
            parse("foo, bar;baz=2 ; q=\"a\\b\" ,, Deflate-Stream"),
            Some(vec![
                extension("foo", &[]),
                extension("bar", &[("baz", Some("2")), ("q", Some("ab"))]),
                extension("deflate-stream", &[]),
            ])
        );
    }

    #[test]
    fn broken_grammar_is_no_list() {
        for field in
            ["a b", "a;", "a;=1", "a;b=", "a;b=\"", "a;b=\"c d\"", "a;b =1", "=", "a,;", "é"]
        {
            assert_eq!(parse(field), None, "{field}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(field in "\\PC{0,40}") {
            parse(&field);
        }
    }
}
