//! Answers that other clients read and this one does not, with the reasons.
//!
//! Calls go by hyper (the table is of 1.12) and TLS by rustls 0.23; an answer that these refuse is
//! out of reach for the layers above. Event streams and WebSockets go by [`restless_proto::http1`],
//! which has another table. An answer that would come back the same is an error of
//! [`TransportErrorKind::Unsupported`](restless_proto::TransportErrorKind::Unsupported), with which
//! a call fails and a subscription ends; the error says in words what the answer was.
//!
//! | what comes | what happens | why |
//! | --- | --- | --- |
//! | to a call, a head of more than 2,000 fields, or of more than 400 KiB | `Unsupported` | hyper has memory for each field at each parse, and reads a head into one buffer |
//! | to a call, a `content-length` of 2⁶⁴ - 2 or 2⁶⁴ - 1 | `Unsupported` | hyper takes these two numbers for content without a length |
//! | to a call, chunk extensions of 16 KiB or more in one response (RFC 9112 §7.1.1) | `Protocol` | hyper counts them over the whole content, against a flood of them |
//! | a transfer coding beside `chunked`, such as `gzip, chunked` (RFC 9112 §7) | to a call, [`CodingError::Transfer`](restless_proto::coding::CodingError::Transfer); else `Unsupported` | nobody asked for it: `TE` is never sent |
//! | to a call, an interim response of HTTP/1.2 or above before the final one | `Protocol` | the version of the first head alone is put right before hyper sees it |
//! | a server that shows the certificate of an authority (`CA:TRUE`) as its own, even where it is installed | `Certificate` | webpki takes no such certificate for a server's |
//! | a key on P-521; a signature by P-384 with SHA-512 | `Unsupported` or `Certificate` | ring does not know them; with the feature `aws-lc-rs`, `ClientBuilder::aws_lc_rs` does |
//!
//! # What is read all the same
//!
//! Up to 2,000 fields; folded fields (RFC 9112 §5.2), which hyper has a switch for; HTTP/1.2 to 1.9
//! as 1.1 (RFC 9110 §2.5), and chunks in HTTP/1.0 (RFC 9112 §6.1), for which the version is put
//! right before hyper sees it, and the connection of an HTTP/1.0 server is not kept. A proxy's
//! answer to CONNECT may do all of this, and end its lines with LF alone.
