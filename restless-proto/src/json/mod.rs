//! JSON text (RFC 8259), read in place, without a copy or a tree.
//!
//! Events and signatures need the text itself: `data` is handed out byte for byte, and what was
//! signed depends on how each number is spelt. Both therefore read with the functions of this room,
//! which are strict (the grammar, and nothing besides), work in constant memory, and stop at a
//! depth that the stack bears. A place in the text is given by the rest of the text: each function
//! takes the rest, and returns what is left behind what the function has read.
//!
//! | file | knows |
//! | --- | --- |
//! | `error` | what is wrong, and where |
//! | `span` | where a piece stands |
//! | `string` | what escapes stand for |
//! | `token` | where a key, a string, a number or a literal ends |
//! | `value` | where a value ends, and what an object's members are |
//! | `number` | how a number is spelt canonically, and which are integers |
//! | `object`, `finite` | objects that keep their spelling, and JSON that is written |
//! | `surrogate` | replies in which half a surrogate pair stands |

pub(crate) mod error;
mod finite;
pub(crate) mod number;
pub(crate) mod object;
pub(crate) mod span;
pub(crate) mod string;
pub(crate) mod surrogate;
pub(crate) mod token;
pub(crate) mod value;

pub(crate) use finite::to_raw;
