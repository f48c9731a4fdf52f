//! Where jaq is known to give something else than jq: what a filter is warned of, and the table of
//! `--help` and the README. A test runs each example in both.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Pattern, Term};
use jaq_core::ops::Math;
use jaq_core::path::{Part, Path};

use super::jaq;

/// One known difference.
pub(crate) struct Difference {
    /// What a filter has that meets it.
    pub(crate) of: &'static str,
    pub(crate) in_jq: &'static str,
    pub(crate) in_jaq: &'static str,
    /// Whether this one term, without what stands within it, has it.
    meets: fn(&Term<&str>) -> bool,
    /// A filter and a document that show it.
    #[cfg_attr(not(test), expect(dead_code, reason = "the proof is a test's"))]
    example: (&'static str, &'static str),
}

/// All of them: seen with jq 1.6 and 1.8.2, and jaq 3.1.2.
pub(crate) const ALL: &[Difference] = &[
    Difference {
        of: "`del` of several places, `delpaths`",
        in_jq: "deletes these elements of an array",
        in_jaq: "deletes one by one, and counts anew after each",
        meets: |term| match term {
            Term::Call("del", arguments) => arguments.iter().any(names_several),
            Term::Call("delpaths", _) => true,
            _ => false,
        },
        example: ("del(.[0,2])", "[1,2,3,4]"),
    },
    Difference {
        of: "`join`",
        in_jq: "null is an empty text",
        in_jaq: "null is the text `null`",
        meets: |term| matches!(term, Term::Call("join", _)),
        example: ("join(\",\")", "[1,null,2]"),
    },
    Difference {
        of: "`/`",
        in_jq: "5000/1000 is 5; division by 0 is an error",
        in_jaq: "5000/1000 is 5.0; division by 0 is infinite, or NaN",
        meets: |term| is_math(term, Math::Div),
        example: (".ms/1000", r#"{"ms":5000}"#),
    },
    Difference {
        of: "`%` of fractions",
        in_jq: "cuts them off first: 5.5 % 2 is 1",
        in_jaq: "5.5 % 2 is 1.5",
        meets: |term| is_math(term, Math::Rem),
        example: (". % 2", "5.5"),
    },
    Difference {
        of: "fractions and functions as `sqrt` and `pow`, where the result is whole",
        in_jq: "2 * 1.5 is 3",
        in_jaq: "2 * 1.5 is 3.0",
        meets: |term| match term {
            Term::BinOp(left, BinaryOp::Math(_) | BinaryOp::UpdateMath(_), right) => {
                [left, right].into_iter().any(|side| match &**side {
                    Term::Num(number) => number.contains(['.', 'e', 'E']),
                    _ => false,
                })
            }
            Term::Call(name, _) => FLOATS.contains(name),
            _ => false,
        },
        example: (". * 1.5", "2"),
    },
    Difference {
        of: "`nan` and `infinite` in a text",
        in_jq: "null, and the largest number",
        in_jaq: "NaN, and Infinity",
        meets: |term| matches!(term, Term::Call("nan" | "infinite", _)),
        example: ("\"\\(nan)\"", "1"),
    },
    Difference {
        of: "`\\w`, `\\d`, `\\s`, `\\b`, `[[:alpha:]]` and flag `i` of a regular expression",
        in_jq: "know Unicode",
        in_jaq: "know ASCII only",
        meets: |term| {
            has_pattern(term, |pattern, flags| {
                let classes =
                    ["\\w", "\\W", "\\d", "\\D", "\\s", "\\S", "\\b", "\\B", "[[:", "(?i"];
                classes.iter().any(|class| pattern.contains(class)) || flags.contains('i')
            })
        },
        example: ("test(\"^\\\\w+$\")", "\"ä\""),
    },
    Difference {
        of: "flag `s` of a regular expression",
        in_jq: "`.` matches no line end",
        in_jaq: "`.` matches a line end",
        meets: |term| has_pattern(term, |_, flags| flags.contains('s')),
        example: ("test(\"a.b\"; \"s\")", r#""a\nb""#),
    },
    Difference {
        of: "a group of a regular expression that took no part",
        in_jq: "is there, as null",
        in_jaq: "is missing",
        meets: |term| {
            has_pattern(term, |pattern, _| {
                let groups = pattern.replace("(?:", "").replace("(?<", "(");
                groups.contains('(') && groups.contains(['?', '*', '|', '{'])
            })
        },
        example: ("capture(\"(?<x>b)?a\")", "\"a\""),
    },
    Difference {
        of: "look-around and back-references of a regular expression",
        in_jq: "work",
        in_jaq: "are an error",
        meets: |term| {
            has_pattern(term, |pattern, _| {
                let around = ["(?=", "(?!", "(?<=", "(?<!", "\\k<"];
                let digit = |rest: &str| rest.starts_with(|c: char| ('1'..='9').contains(&c));
                around.iter().any(|start| pattern.contains(start))
                    || pattern.split('\\').skip(1).any(digit)
            })
        },
        example: ("test(\"a(?=b)\")", "\"ab\""),
    },
    Difference {
        of: "an array as regular expression with flags, null as flags",
        in_jq: "works",
        in_jaq: "is an error",
        meets: |term| match regex(term) {
            Some((pattern, flags)) => {
                matches!(pattern, Term::Arr(_)) || matches!(flags, Some(Term::Call("null", _)))
            }
            None => false,
        },
        example: ("test(\"a\"; null)", "\"a\""),
    },
    Difference {
        of: "an update, `setpath` or `del` of a part of what is missing, or behind an array's end",
        in_jq: "makes what is missing; `del` does nothing",
        in_jaq: "is an error",
        meets: |term| match term {
            Term::BinOp(
                left,
                BinaryOp::Assign | BinaryOp::Update | BinaryOp::UpdateAlt | BinaryOp::UpdateMath(_),
                _,
            ) => goes_deep(left),
            Term::Call("del", arguments) => arguments.iter().any(goes_deep),
            Term::Call("setpath", _) => true,
            _ => false,
        },
        example: (".meta.source = \"api\"", "{}"),
    },
    Difference {
        of: "a slice of null: `.[:2]`",
        in_jq: "is null",
        in_jaq: "is an error",
        meets: |term| match term {
            Term::Path(_, Path(parts)) => parts
                .iter()
                .any(|(part, _)| matches!(part, Part::Range(Some(_), _) | Part::Range(_, Some(_)))),
            _ => false,
        },
        example: (".[:2]", "null"),
    },
    Difference {
        of: "`@base64d` of a text without its padding",
        in_jq: "works",
        in_jaq: "is an error",
        meets: |term| matches!(term, Term::Call("@base64d", _) | Term::Str(Some("@base64d"), _)),
        example: ("@base64d", "\"YWI\""),
    },
    Difference {
        of: "several outputs on both sides of an operator, or in one text",
        in_jq: "the left one changes first: `(1,2) + (10,20)` is 11, 12, 21, 22",
        in_jaq: "the right one changes first: 11, 21, 12, 22",
        meets: |term| match term {
            Term::BinOp(left, BinaryOp::Math(_) | BinaryOp::Cmp(_), right) => {
                gives_several(left) && gives_several(right)
            }
            Term::Str(_, parts) => {
                let several = |part: &&StrPart<_, _>| match part {
                    StrPart::Term(term) => gives_several(term),
                    StrPart::Str(_) | StrPart::Char(_) => false,
                };
                parts.iter().filter(several).count() > 1
            }
            _ => false,
        },
        example: ("(1,2) + (10,20)", "1"),
    },
    Difference {
        of: "several outputs of a step of `reduce` and `foreach`",
        in_jq: "the last one goes on",
        in_jaq: "each one goes on",
        meets: |term| match term {
            Term::Fold(_, _, _, steps) => steps.get(1).is_some_and(gives_several),
            _ => false,
        },
        example: ("reduce (1,2) as $x (0; . + $x, 5)", "1"),
    },
    Difference {
        of: "fractions of a second in `todate`, `gmtime` and `fromdate`, offsets in `fromdate`",
        in_jq: "are cut off by `todate`, and an error in `fromdate`",
        in_jaq: "are kept, and read",
        meets: |term| match term {
            Term::Call(name, _) => DATES.contains(name),
            _ => false,
        },
        example: ("todate", "1425599621.678"),
    },
];

/// Functions over numbers that are floating-point numbers in jaq.
const FLOATS: &[&str] = &[
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cbrt",
    "copysign",
    "cos",
    "cosh",
    "drem",
    "exp",
    "exp10",
    "exp2",
    "expm1",
    "fabs",
    "fma",
    "fmax",
    "fmin",
    "fmod",
    "gamma",
    "ldexp",
    "lgamma",
    "log",
    "log10",
    "log1p",
    "log2",
    "logb",
    "pow",
    "pow10",
    "rint",
    "scalb",
    "scalbln",
    "significand",
    "sin",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
    "tgamma",
    "trunc",
];
const DATES: &[&str] = &["todate", "todateiso8601", "gmtime", "fromdate", "fromdateiso8601"];
/// Calls that give several outputs.
const SEVERAL: &[&str] = &["range", "recurse", "repeat", "splits", "scan", "paths", "while"];

/// The differences as the README has them: a table of Markdown.
#[cfg(test)]
pub(super) fn markdown() -> String {
    let rows = ALL
        .iter()
        .map(|Difference { of, in_jq, in_jaq, .. }| format!("| {of} | {in_jq} | {in_jaq} |\n"));
    format!("| | jq | {} |\n| --- | --- | --- |\n{}", jaq::NAME, rows.collect::<String>())
}

/// The differences as `--help` has them.
pub(crate) fn plain() -> String {
    let rows = ALL.iter().map(|Difference { of, in_jq, in_jaq, .. }| {
        format!("  {of}\n    jq   {in_jq}\n    jaq  {in_jaq}\n").replace('`', "")
    });
    rows.collect()
}

impl Difference {
    fn warning(&self) -> String {
        let Self { of, in_jq, in_jaq, .. } = self;
        format!(
            "this filter runs in {}, which differs from jq in {of}: jq: {in_jq}; jaq: {in_jaq}",
            jaq::NAME
        )
    }
}

/// What to warn of in a filter, each once.
pub(super) fn warnings(filter: &Term<&str>) -> Vec<String> {
    let mut met = vec![false; ALL.len()];
    walk(filter, &mut |term| {
        for (met, difference) in met.iter_mut().zip(ALL) {
            *met |= (difference.meets)(term);
        }
    });
    ALL.iter().zip(met).filter(|(_, met)| *met).map(|(one, _)| one.warning()).collect()
}

fn is_math(term: &Term<&str>, math: Math) -> bool {
    match term {
        Term::BinOp(_, BinaryOp::Math(one) | BinaryOp::UpdateMath(one), _) => *one == math,
        _ => false,
    }
}

/// The pattern and the flags of a call that matches a regular expression.
fn regex<'t, 's>(
    term: &'t Term<&'s str>,
) -> Option<(&'t Term<&'s str>, Option<&'t Term<&'s str>>)> {
    let Term::Call(name, arguments) = term else { return None };
    let flags = match (*name, arguments.len()) {
        ("test" | "match" | "capture" | "scan" | "splits", 1 | 2) | ("split", 2) => 1,
        ("sub" | "gsub", 2 | 3) => 2,
        _ => return None,
    };
    Some((arguments.first()?, arguments.get(flags)))
}

/// Whether a regular expression and its flags are as `meets` says. One that is not written out may
/// be.
fn has_pattern(term: &Term<&str>, meets: impl Fn(&str, &str) -> bool) -> bool {
    let Some((pattern, flags)) = regex(term) else { return false };
    let (pattern, flags) = match pattern {
        Term::Arr(Some(both)) => match &**both {
            Term::BinOp(pattern, BinaryOp::Comma, flags) => (&**pattern, Some(&**flags)),
            pattern => (pattern, flags),
        },
        pattern => (pattern, flags),
    };
    let flags = match flags {
        None | Some(Term::Call("null", _)) => Some(String::new()),
        Some(flags) => literal(flags),
    };
    match (literal(pattern), flags) {
        (Some(pattern), Some(flags)) => meets(&pattern, &flags),
        _ => true,
    }
}

/// A text that is written out.
fn literal(term: &Term<&str>) -> Option<String> {
    let Term::Str(None, parts) = term else { return None };
    let mut text = String::new();
    for part in parts {
        match part {
            StrPart::Str(plain) => text.push_str(plain),
            StrPart::Char(escaped) => text.push(*escaped),
            StrPart::Term(_) => return None,
        }
    }
    Some(text)
}

/// Whether a path has a part of a part, or an element by its number.
fn goes_deep(path: &Term<&str>) -> bool {
    has(path, |term| match term {
        Term::Path(_, Path(parts)) => {
            let names =
                |pair: &[(Part<_>, _)]| pair.iter().all(|(part, _)| matches!(part, Part::Index(_)));
            parts.windows(2).any(names)
                || parts.iter().any(|(part, _)| matches!(part, Part::Index(Term::Num(_))))
        }
        Term::Call("getpath", _) => true,
        _ => false,
    })
}

fn names_several(path: &Term<&str>) -> bool {
    has(path, |term| matches!(term, Term::BinOp(_, BinaryOp::Comma, _)))
}

/// Whether a term can give more than one output. What is collected in an array is one.
fn gives_several(term: &Term<&str>) -> bool {
    match term {
        Term::Arr(_) | Term::Fold("reduce", ..) => false,
        Term::Recurse | Term::BinOp(_, BinaryOp::Comma, _) => true,
        Term::Call(name, arguments) => {
            SEVERAL.contains(name) || arguments.iter().any(gives_several)
        }
        Term::Path(of, Path(parts)) => {
            gives_several(of)
                || parts.iter().any(|(part, _)| match part {
                    Part::Range(None, None) => true,
                    Part::Index(key) => gives_several(key),
                    Part::Range(..) => false,
                })
        }
        other => {
            let mut several = false;
            each_part(other, &mut |part| several |= gives_several(part));
            several
        }
    }
}

fn has(term: &Term<&str>, test: impl Fn(&Term<&str>) -> bool) -> bool {
    let mut found = false;
    walk(term, &mut |term| found |= test(term));
    found
}

/// Shows a term, and all that stand within it.
fn walk(term: &Term<&str>, see: &mut dyn FnMut(&Term<&str>)) {
    see(term);
    each_part(term, &mut |part| walk(part, see));
}

/// Shows the terms that stand within this one, not those within them.
fn each_part(term: &Term<&str>, see: &mut dyn FnMut(&Term<&str>)) {
    match term {
        Term::Id
        | Term::Recurse
        | Term::Num(_)
        | Term::Arr(None)
        | Term::Break(_)
        | Term::Var(_) => {}
        Term::Str(_, parts) => {
            for part in parts {
                if let StrPart::Term(term) = part {
                    see(term);
                }
            }
        }
        Term::Arr(Some(term)) | Term::Neg(term) | Term::Label(_, term) => see(term),
        Term::Obj(members) => {
            for (key, value) in members {
                see(key);
                value.iter().for_each(&mut *see);
            }
        }
        Term::BinOp(left, operator, right) => {
            see(left);
            if let BinaryOp::Pipe(Some(pattern)) = operator {
                each_key(pattern, see);
            }
            see(right);
        }
        Term::Fold(_, items, pattern, steps) => {
            see(items);
            each_key(pattern, see);
            steps.iter().for_each(see);
        }
        Term::TryCatch(term, catch) => {
            see(term);
            catch.iter().for_each(|term| see(term));
        }
        Term::IfThenElse(branches, otherwise) => {
            for (condition, term) in branches {
                see(condition);
                see(term);
            }
            otherwise.iter().for_each(|term| see(term));
        }
        Term::Def(definitions, term) => {
            definitions.iter().for_each(|definition| see(&definition.body));
            see(term);
        }
        Term::Call(_, arguments) => arguments.iter().for_each(see),
        Term::Path(term, Path(parts)) => {
            see(term);
            for (part, _) in parts {
                match part {
                    Part::Index(key) => see(key),
                    Part::Range(from, to) => from.iter().chain(to).for_each(&mut *see),
                }
            }
        }
    }
}

fn each_key(pattern: &Pattern<&str>, see: &mut dyn FnMut(&Term<&str>)) {
    match pattern {
        Pattern::Var(_) => {}
        Pattern::Arr(items) => items.iter().for_each(|item| each_key(item, see)),
        Pattern::Obj(members) => {
            for (key, item) in members {
                see(key);
                each_key(item, see);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use super::super::meter::Meter;
    use super::super::{MAX_WORK, jq};
    use super::*;

    fn warned_of(filter: &str) -> Vec<&'static str> {
        let warnings = jaq::check(filter).expect("a filter");
        ALL.iter()
            .filter(|difference| warnings.contains(&difference.warning()))
            .map(|difference| difference.of)
            .collect()
    }

    #[test]
    fn each_difference_is_one_and_its_example_is_warned_of() {
        let jq = jq::installed();
        for difference in ALL {
            let (filter, document) = difference.example;
            assert!(warned_of(filter).contains(&difference.of), "{filter}");
            let Some(jq) = &jq else { continue };
            let in_jaq = jaq::run(filter, document, &Meter::new(MAX_WORK, Arc::default()));
            let in_jq = jq.run(filter, document.to_owned(), &AtomicBool::new(false));
            let differ = match (&in_jaq, &in_jq) {
                (Ok(in_jaq), Ok(in_jq)) => in_jaq != in_jq,
                (in_jaq, in_jq) => in_jaq.is_ok() != in_jq.is_ok(),
            };
            assert!(differ, "{filter} of {document} in {}: {in_jq:?}", jq.version());
        }
    }

    #[test]
    fn filter_that_meets_none_is_not_warned_of() {
        for filter in [
            ".",
            ".items[] | {id, name: .title}",
            "[.items[] | select(.price > 10) | .id] | sort | .[0]",
            ".items |= map(del(.secret)) | .at = now",
            ".items[].seen = true",
            "map(.a + .b * 2 - 1) | add",
            "test(\"^[a-z]+$\"; \"g\"), split(\", \")",
            "reduce .[] as [$a, $b] (0; . + $a * $b)",
            "[.[] | tostring] | unique | first",
            "@csv, @tsv, @base64, @json",
            "if .ok then .data else empty end // {}",
        ] {
            assert_eq!(warned_of(filter), Vec::<&str>::new(), "{filter}");
        }
    }

    #[test]
    fn difference_is_found_wherever_it_stands() {
        for filter in [
            "def f: join(\"-\"); f",
            "[{a: (.b | join(\"-\"))}]",
            "{(join(\"-\")): 1}",
            "\"x\\(join(\"-\"))\"",
            "if join(\"-\") then 1 else 2 end",
            "if . then 1 else join(\"-\") end",
            "try error catch join(\"-\")",
            "reduce .[] as $x (0; join(\"-\"))",
            ". as {(join(\"-\")): $x} | $x",
            ".[join(\"-\")]",
            ".a |= join(\"-\")",
            "map(select(join(\"-\") == \"a-b\"))",
            "-(join(\"-\"))",
            "label $out | join(\"-\")",
        ] {
            assert!(warned_of(filter).contains(&"`join`"), "{filter}");
        }
    }

    #[test]
    fn pattern_that_is_not_written_out_is_warned_of() {
        assert!(!warned_of("test(.pattern)").is_empty());
        assert!(!warned_of("test(\"a\"; .flags)").is_empty());
    }

    #[test]
    fn readme_has_the_table() {
        let table = markdown();
        assert!(include_str!("../../README.md").contains(&table), "{table}");
    }
}
