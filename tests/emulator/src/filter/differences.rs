//! Where jaq is known to differ from jq: what a filter that goes there is warned of.

use std::collections::BTreeSet;

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Pattern, Term};
use jaq_core::ops::Math;
use jaq_core::path::Part;

const ASSIGNED: &str = "an assignment below a key that is missing, or to a slice of null, is an \
    error in jaq; jq makes what is missing";
const BASE64D: &str = "@base64d needs its padding in jaq";
const DELETED: &str = "del of several paths deletes one after the other in jaq, so that later \
    indices have moved";
const DIVIDED: &str = "/ gives 5.0 for 5 in jaq";
const JOINED: &str = "join writes null as \"null\" in jaq; jq writes nothing";
const MATCHED: &str = "regular expressions differ in jaq: \\w and the flag i know ASCII only, the \
    flag s is turned round, groups that took no part are missing, and there is no look-around";
const SLICED: &str = "a slice of null is an error in jaq";

/// The differences that a filter may meet, each once.
pub(super) fn of(filter: &Term<&str>) -> Vec<&'static str> {
    let mut found = Found::default();
    found.term(filter);
    found.0.into_iter().collect()
}

#[derive(Default)]
struct Found(BTreeSet<&'static str>);

impl Found {
    fn term(&mut self, term: &Term<&str>) {
        match term {
            Term::Id | Term::Recurse | Term::Num(_) | Term::Break(_) | Term::Var(_) => {}
            Term::Str(format, parts) => {
                if *format == Some("@base64d") {
                    self.0.insert(BASE64D);
                }
                for part in parts {
                    if let StrPart::Term(term) = part {
                        self.term(term);
                    }
                }
            }
            Term::Arr(items) => self.terms(items.as_deref()),
            Term::Obj(members) => {
                for (key, value) in members {
                    self.term(key);
                    self.terms(value);
                }
            }
            Term::Neg(term) | Term::Label(_, term) => self.term(term),
            Term::BinOp(left, operator, right) => {
                self.operation(left, operator);
                self.term(left);
                self.term(right);
            }
            Term::Fold(_, items, pattern, steps) => {
                self.term(items);
                self.pattern(pattern);
                self.terms(steps);
            }
            Term::TryCatch(term, catch) => {
                self.term(term);
                self.terms(catch.as_deref());
            }
            Term::IfThenElse(branches, otherwise) => {
                for (condition, term) in branches {
                    self.term(condition);
                    self.term(term);
                }
                self.terms(otherwise.as_deref());
            }
            Term::Def(definitions, term) => {
                self.terms(definitions.iter().map(|definition| &definition.body));
                self.term(term);
            }
            Term::Call(name, arguments) => {
                self.call(name, arguments);
                self.terms(arguments);
            }
            Term::Path(term, path) => {
                self.term(term);
                for (part, _) in &path.0 {
                    match part {
                        Part::Index(key) => self.term(key),
                        Part::Range(None, None) => {}
                        Part::Range(from, to) => {
                            self.0.insert(SLICED);
                            self.terms(from.iter().chain(to));
                        }
                    }
                }
            }
        }
    }

    fn terms<'a, 's: 'a>(&mut self, terms: impl IntoIterator<Item = &'a Term<&'s str>>) {
        terms.into_iter().for_each(|term| self.term(term));
    }

    fn pattern(&mut self, pattern: &Pattern<&str>) {
        match pattern {
            Pattern::Var(_) => {}
            Pattern::Arr(items) => items.iter().for_each(|item| self.pattern(item)),
            Pattern::Obj(members) => {
                for (key, item) in members {
                    self.term(key);
                    self.pattern(item);
                }
            }
        }
    }

    fn operation(&mut self, left: &Term<&str>, operator: &BinaryOp<&str>) {
        match operator {
            BinaryOp::Math(Math::Div) => {
                self.0.insert(DIVIDED);
            }
            BinaryOp::Pipe(Some(pattern)) => self.pattern(pattern),
            BinaryOp::Assign | BinaryOp::Update | BinaryOp::UpdateAlt | BinaryOp::UpdateMath(_) => {
                if *operator == BinaryOp::UpdateMath(Math::Div) {
                    self.0.insert(DIVIDED);
                }
                if matches!(left, Term::Path(_, path) if path.0.len() > 1) {
                    self.0.insert(ASSIGNED);
                }
            }
            BinaryOp::Comma
            | BinaryOp::Pipe(None)
            | BinaryOp::Math(_)
            | BinaryOp::Cmp(_)
            | BinaryOp::Alt
            | BinaryOp::Or
            | BinaryOp::And => {}
        }
    }

    fn call(&mut self, name: &str, arguments: &[Term<&str>]) {
        let difference = match (name, arguments) {
            ("del", [paths]) if has_comma(paths) => DELETED,
            ("delpaths", [_]) => DELETED,
            ("join", [_]) => JOINED,
            ("@base64d", []) => BASE64D,
            ("setpath", [..]) => ASSIGNED,
            ("test" | "match" | "capture" | "scan" | "splits" | "sub" | "gsub", [_, ..])
            | ("split", [_, _]) => MATCHED,
            _ => return,
        };
        self.0.insert(difference);
    }
}

/// Whether a term may give several paths.
fn has_comma(term: &Term<&str>) -> bool {
    match term {
        Term::BinOp(_, BinaryOp::Comma, _) => true,
        Term::BinOp(left, _, right) => has_comma(left) || has_comma(right),
        Term::Path(term, path) => {
            let many = |part: &Part<Term<&str>>| match part {
                Part::Index(key) => has_comma(key),
                Part::Range(None, None) => true,
                Part::Range(..) => false,
            };
            has_comma(term) || path.0.iter().any(|(part, _)| many(part))
        }
        _ => false,
    }
}
