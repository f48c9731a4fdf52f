//! Puts the [meter](super::meter) into a filter: between its steps, and before whatever could make
//! much of little.
//!
//! Two kinds of filter are refused, because they would take stack without end before anything can
//! be counted: a definition that calls itself, and text that nests too deep.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};
use jaq_core::ops::Math;
use jaq_core::path::{Part, Path};

use super::meter::{FACTOR, KEY, MATCHED, PASS, PATTERN, SQUARE, STEP};

/// Deepest nesting of a filter's text. A pipe, a comma and an operator nest, too.
pub(super) const MAX_NESTING: usize = 200;
/// Where the right side of an update is kept.
const UPDATE: &str = "$update!";

/// A filter of a stranger's, under the name that it is to be called by.
pub(super) fn guard<'s>(name: &'s str, filter: Term<&'s str>) -> Result<Def<&'s str>, String> {
    let mut guard = Guard { trusted: false, depth: 0, scope: vec![(name, 0, true)] };
    let body = guard.passed(filter)?;
    Ok(Def { name, args: Vec::new(), body })
}

/// A definition of jaq's own library, which may call itself, and whose single steps cost little.
pub(super) fn guard_own<'s>(def: Def<&'static str>) -> Result<Def<&'s str>, String> {
    let mut guard = Guard { trusted: true, depth: 0, scope: Vec::new() };
    Ok(Def { name: def.name, args: def.args, body: guard.term(def.body)? })
}

struct Guard<'s> {
    trusted: bool,
    depth: usize,
    /// What can be called by a name and a number of arguments, and whether it is being defined.
    scope: Vec<(&'s str, usize, bool)>,
}

type Guarded<T> = Result<T, String>;

impl<'s> Guard<'s> {
    fn term(&mut self, term: Term<&'s str>) -> Guarded<Term<&'s str>> {
        self.deeper()?;
        let term = self.guarded(term)?;
        self.depth -= 1;
        Ok(term)
    }

    fn deeper(&mut self) -> Guarded<()> {
        self.depth += 1;
        if self.depth > MAX_NESTING {
            return Err(format!("it nests deeper than {MAX_NESTING} levels"));
        }
        Ok(())
    }

    fn terms(&mut self, terms: Vec<Term<&'s str>>) -> Guarded<Vec<Term<&'s str>>> {
        terms.into_iter().map(|term| self.term(term)).collect()
    }

    /// The term, and what comes out of it is paid for.
    fn passed(&mut self, term: Term<&'s str>) -> Guarded<Term<&'s str>> {
        self.term(term).map(|term| self.pass(term))
    }

    fn pass(&self, term: Term<&'s str>) -> Term<&'s str> {
        through(term, if self.trusted { STEP } else { PASS })
    }

    fn guarded(&mut self, term: Term<&'s str>) -> Guarded<Term<&'s str>> {
        Ok(match term {
            Term::Id | Term::Num(_) | Term::Var(_) | Term::Break(_) | Term::Arr(None) => term,
            Term::Recurse => self.pass(term),
            Term::Str(format, parts) => {
                let part = |part| match part {
                    StrPart::Term(term) => self.passed(term).map(StrPart::Term),
                    StrPart::Str(_) | StrPart::Char(_) => Ok(part),
                };
                Term::Str(format, parts.into_iter().map(part).collect::<Guarded<_>>()?)
            }
            Term::Arr(Some(items)) => Term::Arr(Some(Box::new(self.passed(*items)?))),
            Term::Obj(members) => {
                let member = |(key, value): (_, Option<_>)| {
                    Ok((self.term(key)?, value.map(|value| self.passed(value)).transpose()?))
                };
                Term::Obj(members.into_iter().map(member).collect::<Guarded<_>>()?)
            }
            Term::Neg(term) => Term::Neg(Box::new(self.term(*term)?)),
            Term::BinOp(left, operator, right) => {
                let operator = match operator {
                    BinaryOp::Pipe(Some(pattern)) => BinaryOp::Pipe(Some(self.pattern(pattern)?)),
                    other => other,
                };
                let (left, right) = (self.term(*left)?, self.term(*right)?);
                self.operation(left, operator, right)
            }
            Term::Label(name, term) => Term::Label(name, Box::new(self.term(*term)?)),
            Term::Fold(kind, items, pattern, steps) => Term::Fold(
                kind,
                Box::new(self.passed(*items)?),
                self.pattern(pattern)?,
                self.terms(steps)?,
            ),
            Term::TryCatch(term, catch) => {
                let term = Box::new(self.term(*term)?);
                // An error can be as large as what it complains about.
                let catch = catch.map(|catch| self.term(*catch)).transpose()?;
                Term::TryCatch(term, catch.map(|catch| Box::new(before(PASS, catch))))
            }
            Term::IfThenElse(branches, otherwise) => {
                let branch = |(condition, term)| Ok((self.term(condition)?, self.term(term)?));
                let branches = branches.into_iter().map(branch).collect::<Guarded<_>>()?;
                let otherwise = otherwise.map(|term| self.term(*term)).transpose()?.map(Box::new);
                Term::IfThenElse(branches, otherwise)
            }
            Term::Def(definitions, term) => {
                let outside = self.scope.len();
                let definitions = definitions.into_iter().map(|def| self.definition(def));
                let definitions = definitions.collect::<Guarded<_>>()?;
                let term = Box::new(self.term(*term)?);
                self.scope.truncate(outside);
                Term::Def(definitions, term)
            }
            Term::Call(name, arguments) => self.call(name, arguments)?,
            Term::Path(term, Path(parts)) => {
                let term = Box::new(self.term(*term)?);
                let gives_many =
                    parts.iter().any(|(part, _)| matches!(part, Part::Range(None, None)));
                let part = |(part, optional)| {
                    let part = match part {
                        Part::Index(key @ (Term::Num(_) | Term::Str(..))) => {
                            Part::Index(self.term(key)?)
                        }
                        Part::Index(key) => Part::Index(through(self.term(key)?, KEY)),
                        Part::Range(from, to) => {
                            let from = from.map(|from| self.term(from)).transpose()?;
                            Part::Range(from, to.map(|to| self.term(to)).transpose()?)
                        }
                    };
                    Ok((part, optional))
                };
                let parts = parts.into_iter().map(part).collect::<Guarded<_>>()?;
                let path = Term::Path(term, Path(parts));
                if gives_many { self.pass(path) } else { path }
            }
        })
    }

    /// Makes an operation of two sides that are guarded already.
    fn operation(
        &self,
        left: Term<&'s str>,
        operator: BinaryOp<&'s str>,
        right: Term<&'s str>,
    ) -> Term<&'s str> {
        let (left, right) = match &operator {
            BinaryOp::Pipe(_) => (self.pass(left), right),
            // jaq's own definitions call themselves at the right end, in place.
            BinaryOp::Comma if self.trusted => (self.pass(left), right),
            BinaryOp::Comma => (self.pass(left), self.pass(right)),
            BinaryOp::Alt | BinaryOp::Or | BinaryOp::And => (left, right),
            BinaryOp::Math(Math::Mul) => (through(left, FACTOR), through(right, FACTOR)),
            // What is added to is not looked at, or adding up would cost the square of the sum.
            BinaryOp::Math(Math::Add)
            | BinaryOp::Cmp(_)
            | BinaryOp::Assign
            | BinaryOp::Update
            | BinaryOp::UpdateAlt => (left, self.pass(right)),
            BinaryOp::Math(Math::Sub | Math::Div | Math::Rem) => {
                (self.pass(left), self.pass(right))
            }
            // In jaq's own words: this is identical to `r as $x | l |= . + $x`.
            BinaryOp::UpdateMath(math) => {
                let each = self.operation(Term::Id, BinaryOp::Math(*math), Term::Var(UPDATE));
                let update = self.operation(left, BinaryOp::Update, each);
                let kept = BinaryOp::Pipe(Some(Pattern::Var(UPDATE)));
                return self.operation(right, kept, update);
            }
        };
        binary(left, operator, right)
    }

    fn pattern(&mut self, pattern: Pattern<&'s str>) -> Guarded<Pattern<&'s str>> {
        self.deeper()?;
        let pattern = match pattern {
            Pattern::Var(_) => pattern,
            Pattern::Arr(items) => {
                let items = items.into_iter().map(|item| self.pattern(item));
                Pattern::Arr(items.collect::<Guarded<_>>()?)
            }
            Pattern::Obj(members) => {
                let member = |(key, item)| Ok((self.term(key)?, self.pattern(item)?));
                Pattern::Obj(members.into_iter().map(member).collect::<Guarded<_>>()?)
            }
        };
        self.depth -= 1;
        Ok(pattern)
    }

    fn definition(&mut self, def: Def<&'s str>) -> Guarded<Def<&'s str>> {
        let own = self.scope.len();
        self.scope.push((def.name, def.args.len(), true));
        let names = def.args.iter().map(|argument| argument.trim_start_matches('$'));
        self.scope.extend(names.map(|name| (name, 0, false)));
        let body = self.term(def.body)?;
        self.scope.truncate(own);
        self.scope.push((def.name, def.args.len(), false));
        Ok(Def { name: def.name, args: def.args, body })
    }

    fn call(&mut self, name: &'s str, arguments: Vec<Term<&'s str>>) -> Guarded<Term<&'s str>> {
        let called =
            self.scope.iter().rev().find(|(n, count, _)| (*n, *count) == (name, arguments.len()));
        if !self.trusted && called.is_some_and(|(_, _, is_open)| *is_open) {
            return Err(format!("{name} calls itself, which only jq's own functions may"));
        }
        let (input, first) = match name {
            "contains" | "indices" => (Some(SQUARE), Some(SQUARE)),
            "matches" | "split_" | "split_matches" => (Some(MATCHED), Some(PATTERN)),
            _ => (None, None),
        };
        let mut arguments = self.terms(arguments)?;
        if let (Some(through_what), Some(argument)) = (first, arguments.first_mut()) {
            *argument = through(std::mem::take(argument), through_what);
        }
        let call = Term::Call(name, arguments);
        let call = match input {
            Some(input) => before(input, call),
            None => before(if self.trusted { STEP } else { PASS }, call),
        };
        // A call at the right end is made in place only if nothing comes behind it.
        Ok(if self.trusted { call } else { self.pass(call) })
    }
}

fn binary<'s>(
    left: Term<&'s str>,
    operator: BinaryOp<&'s str>,
    right: Term<&'s str>,
) -> Term<&'s str> {
    Term::BinOp(Box::new(left), operator, Box::new(right))
}

fn through<'s>(term: Term<&'s str>, name: &'s str) -> Term<&'s str> {
    binary(term, BinaryOp::Pipe(None), Term::Call(name, Vec::new()))
}

fn before<'s>(name: &'s str, term: Term<&'s str>) -> Term<&'s str> {
    binary(Term::Call(name, Vec::new()), BinaryOp::Pipe(None), term)
}
