//! JSON Patch (RFC 6902) over a tree, applied whole or not at all.

use super::limits::{Budget, DocumentLimits};
use super::node::{Extent, Node, member_bytes};
use super::places::Places;
use super::pointer;
use crate::kinds::LimitError;

/// Says why a patch does not fit. The document is as it was before the patch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatchError {
    /// The patch is another thing than an array of operations (§3, §4).
    #[error("the data is no JSON Patch: operation {operation} is malformed")]
    Malformed {
        /// The position of the operation in the patch, from 0.
        operation: usize,
    },
    /// An operation names a place that is missing or impossible (§4).
    #[error("operation {operation} names a place that is not in the document")]
    NoSuchPlace {
        /// The position of the operation in the patch, from 0.
        operation: usize,
    },
    /// A `test` found something else (§4.6).
    #[error("the test of operation {operation} failed")]
    TestFailed {
        /// The position of the operation in the patch, from 0.
        operation: usize,
    },
    /// The patch would make the document larger than the limit, or is too much work.
    #[error(transparent)]
    Limit(#[from] LimitError),
}

/// Why one operation does not fit.
enum Fault {
    Malformed,
    NoSuchPlace,
    TestFailed,
    Limit(LimitError),
}

impl From<LimitError> for Fault {
    fn from(error: LimitError) -> Self {
        Self::Limit(error)
    }
}

/// How to take one change back. Steps are taken in reverse order.
enum Undo {
    /// Put this where the path leads, in the place of whatever is there.
    Set(Vec<String>, Node),
    /// Put this into an array, before whatever is there.
    Insert(Vec<String>, Node),
    /// Take away what is there.
    Take(Vec<String>),
}

/// What an operation has changed, seen from the place that it names.
enum Touched {
    /// The value there.
    There,
    /// An array whose end the place names: the element at this index is new.
    End(usize),
    /// The array that the place is in, since the elements behind the place have moved.
    Around,
}

impl Touched {
    fn add_to(self, places: &mut Places, pointer: &str) {
        match self {
            Self::There => places.add(pointer),
            Self::End(index) => places.add(&format!("{}/{index}", pointer::parent(pointer))),
            Self::Around => places.add(pointer::parent(pointer)),
        }
    }
}

/// Applies a patch to `root`, whose extent is `extent`, and gives the places that it changed.
pub(super) fn apply(
    root: &mut Node,
    extent: &mut Extent,
    patch: &Node,
    limits: &DocumentLimits,
) -> Result<Vec<String>, PatchError> {
    let Node::Array(operations) = patch else {
        return Err(PatchError::Malformed { operation: 0 });
    };
    limits.check_operations(operations.len())?;
    let budget = limits.budget();
    let mut patching =
        Patching { root, bytes: extent.bytes, limits, budget, undo: Vec::new(), kept: 0 };
    let mut changed = Places::default();
    for (operation, step) in operations.iter().enumerate() {
        if let Err(fault) = patching.step(step, &mut changed) {
            patching.roll_back();
            return Err(match fault {
                Fault::Malformed => PatchError::Malformed { operation },
                Fault::NoSuchPlace => PatchError::NoSuchPlace { operation },
                Fault::TestFailed => PatchError::TestFailed { operation },
                Fault::Limit(error) => error.into(),
            });
        }
    }
    extent.bytes = patching.bytes;
    Ok(changed.outermost())
}

struct Patching<'a> {
    root: &'a mut Node,
    bytes: usize,
    limits: &'a DocumentLimits,
    budget: Budget,
    undo: Vec<Undo>,
    /// The bytes of the values in `undo`.
    kept: usize,
}

impl Patching<'_> {
    fn step(&mut self, step: &Node, changed: &mut Places) -> Result<(), Fault> {
        let Node::Object(members) = step else { return Err(Fault::Malformed) };
        let text = |name| members.get(name).and_then(Node::as_text).ok_or(Fault::Malformed);
        let path_text = text("path")?;
        let path = pointer::tokens(&path_text).ok_or(Fault::Malformed)?;
        let from = || pointer::tokens(&text("from")?).ok_or(Fault::Malformed);
        let value = || members.get("value").ok_or(Fault::Malformed);
        self.budget.spend(path_text.len())?;
        let touched = match &*text("op")? {
            "add" => {
                let value = self.copied(value()?, path.len())?;
                self.add(path, value)?
            }
            "remove" => self.remove(path)?,
            "replace" => {
                let value = self.copied(value()?, path.len())?;
                find(self.root, &path).ok_or(Fault::NoSuchPlace)?;
                self.set(path, value)?;
                Touched::There
            }
            "move" => {
                let from = from()?;
                if path.len() > from.len() && path.starts_with(&from) {
                    return Err(Fault::NoSuchPlace);
                }
                if path == from {
                    find(self.root, &path).ok_or(Fault::NoSuchPlace)?;
                    return Ok(());
                }
                let moved = find(self.root, &from).ok_or(Fault::NoSuchPlace)?;
                let extent = moved.extent();
                self.budget.spend(extent.bytes)?;
                self.limits.check_levels(path.len() + extent.levels)?;
                // The value is copied, so that what was there can be put back.
                let moved = moved.clone();
                self.remove(from)?.add_to(changed, &text("from")?);
                self.add(path, (moved, extent))?
            }
            "copy" => {
                let source = find(self.root, &from()?).ok_or(Fault::NoSuchPlace)?;
                let extent = source.extent();
                self.limits.check_bytes(self.bytes.saturating_add(extent.bytes))?;
                self.limits.check_levels(path.len() + extent.levels)?;
                self.budget.spend(extent.bytes)?;
                let value = source.clone();
                self.add(path, (value, extent))?
            }
            "test" => {
                let (value, place) = (value()?, find(self.root, &path).ok_or(Fault::NoSuchPlace)?);
                // Either may be the longer one: 1 and 1.000 are one number.
                self.budget.spend(value.extent().bytes.max(place.extent().bytes))?;
                if !place.is_equal(value) {
                    return Err(Fault::TestFailed);
                }
                return Ok(());
            }
            _ => return Err(Fault::Malformed),
        };
        touched.add_to(changed, &path_text);
        Ok(())
    }

    /// Copies a value of the patch, within the limits where the value is to stand.
    fn copied(&mut self, value: &Node, depth: usize) -> Result<(Node, Extent), Fault> {
        let extent = value.extent();
        self.budget.spend(extent.bytes)?;
        self.limits.check_levels(depth + extent.levels)?;
        self.limits.check_bytes(self.bytes.saturating_add(extent.bytes))?;
        Ok((value.clone(), extent))
    }

    /// Adds a value (§4.1): into an array before an element or behind the last, else in the place
    /// of what is there.
    fn add(&mut self, path: Vec<String>, value: (Node, Extent)) -> Result<Touched, Fault> {
        let Some((last, parents)) = path.split_last() else {
            self.set(path, value)?;
            return Ok(Touched::There);
        };
        let (value, extent) = value;
        match find_mut(self.root, parents).ok_or(Fault::NoSuchPlace)? {
            Node::Array(elements) => {
                let end = elements.len();
                let index = if last == "-" { Some(end) } else { pointer::index(last) };
                let index = index.filter(|index| *index <= end).ok_or(Fault::NoSuchPlace)?;
                self.budget.spend(end - index)?;
                elements.insert(index, value);
                self.bytes = self.bytes.saturating_add(extent.bytes + 1);
                let mut place = parents.to_vec();
                place.push(index.to_string());
                self.undo.push(Undo::Take(place));
                Ok(if index == end { Touched::End(end) } else { Touched::Around })
            }
            Node::Object(_) => {
                self.set(path, (value, extent))?;
                Ok(Touched::There)
            }
            Node::Literal(_) | Node::Number(_) | Node::String(_) => Err(Fault::NoSuchPlace),
        }
    }

    /// Puts a value where the path leads, in the place of whatever is there.
    fn set(&mut self, path: Vec<String>, value: (Node, Extent)) -> Result<(), Fault> {
        let (value, extent) = value;
        let (displaced, own) = match path.split_last() {
            None => (Some(std::mem::replace(self.root, value)), 0),
            Some((last, parents)) => {
                match find_mut(self.root, parents).ok_or(Fault::NoSuchPlace)? {
                    Node::Object(members) => {
                        let displaced = members.insert(last.as_str().into(), value);
                        let own = if displaced.is_none() { member_bytes(last) } else { 0 };
                        (displaced, own)
                    }
                    Node::Array(elements) => {
                        let index = pointer::index(last).ok_or(Fault::NoSuchPlace)?;
                        let place = elements.get_mut(index).ok_or(Fault::NoSuchPlace)?;
                        (Some(std::mem::replace(place, value)), 0)
                    }
                    Node::Literal(_) | Node::Number(_) | Node::String(_) => {
                        return Err(Fault::NoSuchPlace);
                    }
                }
            }
        };
        self.bytes = self.bytes.saturating_add(extent.bytes + own);
        match displaced {
            Some(node) => {
                let gone = node.extent().bytes;
                self.bytes = self.bytes.saturating_sub(gone);
                self.undo.push(Undo::Set(path, node));
                self.keep(gone)?;
            }
            None => self.undo.push(Undo::Take(path)),
        }
        Ok(self.limits.check_bytes(self.bytes)?)
    }

    /// Removes a value (§4.2). The whole document can't be removed, since a document always has a
    /// value to hand out.
    fn remove(&mut self, path: Vec<String>) -> Result<Touched, Fault> {
        let (last, parents) = path.split_last().ok_or(Fault::NoSuchPlace)?;
        let (node, own, moved) = match find_mut(self.root, parents).ok_or(Fault::NoSuchPlace)? {
            Node::Object(members) => {
                let node = members.remove(last.as_str()).ok_or(Fault::NoSuchPlace)?;
                (node, member_bytes(last), None)
            }
            Node::Array(elements) => {
                let index = pointer::index(last).filter(|index| *index < elements.len());
                let index = index.ok_or(Fault::NoSuchPlace)?;
                self.budget.spend(elements.len() - index)?;
                let node = elements.remove(index);
                (node, 1, Some(elements.len() - index))
            }
            Node::Literal(_) | Node::Number(_) | Node::String(_) => return Err(Fault::NoSuchPlace),
        };
        let bytes = node.extent().bytes;
        self.bytes = self.bytes.saturating_sub(bytes.saturating_add(own));
        let (undo, touched) = match moved {
            None => (Undo::Set(path, node), Touched::There),
            Some(0) => (Undo::Insert(path, node), Touched::There),
            Some(_) => (Undo::Insert(path, node), Touched::Around),
        };
        self.undo.push(undo);
        self.keep(bytes)?;
        Ok(touched)
    }

    /// Accounts for a value that is kept until the patch is done.
    fn keep(&mut self, bytes: usize) -> Result<(), LimitError> {
        self.budget.spend(bytes)?;
        self.kept = self.kept.saturating_add(bytes);
        self.limits.check_kept(self.kept)
    }

    fn roll_back(&mut self) {
        while let Some(step) = self.undo.pop() {
            match step {
                Undo::Set(path, node) => put(self.root, &path, node, Put::InPlace),
                Undo::Insert(path, node) => put(self.root, &path, node, Put::Before),
                Undo::Take(path) => take(self.root, &path),
            }
        }
    }
}

enum Put {
    InPlace,
    Before,
}

/// Puts back what was there. The path still leads there, as when the value was taken away.
fn put(root: &mut Node, path: &[String], node: Node, how: Put) {
    let Some((last, parents)) = path.split_last() else { return *root = node };
    match (find_mut(root, parents), how) {
        (Some(Node::Object(members)), _) => {
            members.insert(last.as_str().into(), node);
        }
        (Some(Node::Array(elements)), Put::Before) => {
            let index = pointer::index(last).unwrap_or(elements.len()).min(elements.len());
            elements.insert(index, node);
        }
        (Some(Node::Array(elements)), Put::InPlace) => {
            if let Some(place) = pointer::index(last).and_then(|index| elements.get_mut(index)) {
                *place = node;
            }
        }
        (Some(Node::Literal(_) | Node::Number(_) | Node::String(_)) | None, _) => {}
    }
}

/// Takes away what was put there.
fn take(root: &mut Node, path: &[String]) {
    let Some((last, parents)) = path.split_last() else { return };
    match find_mut(root, parents) {
        Some(Node::Object(members)) => {
            members.remove(last.as_str());
        }
        Some(Node::Array(elements)) => {
            if let Some(index) = pointer::index(last).filter(|index| *index < elements.len()) {
                elements.remove(index);
            }
        }
        Some(Node::Literal(_) | Node::Number(_) | Node::String(_)) | None => {}
    }
}

/// Returns the value that a path leads to (RFC 6901 §4).
pub(super) fn find<'a>(root: &'a Node, path: &[String]) -> Option<&'a Node> {
    path.iter().try_fold(root, |node, token| match node {
        Node::Object(members) => members.get(token.as_str()),
        Node::Array(elements) => elements.get(pointer::index(token)?),
        Node::Literal(_) | Node::Number(_) | Node::String(_) => None,
    })
}

fn find_mut<'a>(root: &'a mut Node, path: &[String]) -> Option<&'a mut Node> {
    path.iter().try_fold(root, |node, token| match node {
        Node::Object(members) => members.get_mut(token.as_str()),
        Node::Array(elements) => elements.get_mut(pointer::index(token)?),
        Node::Literal(_) | Node::Number(_) | Node::String(_) => None,
    })
}
