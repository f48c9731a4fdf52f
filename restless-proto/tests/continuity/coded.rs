//! The same log behind content codings, each event flushed.

use std::io::Write;
use std::sync::LazyLock;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use http::{Request, Response};

use super::{EVENTS, after_cursor, log};

/// What is sent from each event on, coded once: coding takes longer than all the rest.
type Coded = LazyLock<Vec<Vec<u8>>>;

pub(crate) fn brotli(request: &Request<Bytes>) -> (Response<()>, Vec<u8>) {
    static CODED: Coded = LazyLock::new(|| {
        code(|| brotli::CompressorWriter::new(Vec::new(), 4096, 1, 16), |coder| coder.into_inner())
    });
    answer("br", &CODED, request)
}

pub(crate) fn deflate(request: &Request<Bytes>) -> (Response<()>, Vec<u8>) {
    static CODED: Coded = LazyLock::new(|| {
        let new = || ZlibEncoder::new(Vec::new(), Compression::default());
        code(new, |coder| coder.finish().unwrap())
    });
    answer("deflate", &CODED, request)
}

pub(crate) fn gzip(request: &Request<Bytes>) -> (Response<()>, Vec<u8>) {
    static CODED: Coded = LazyLock::new(|| {
        let new = || GzEncoder::new(Vec::new(), Compression::default());
        code(new, |coder| coder.finish().unwrap())
    });
    answer("gzip", &CODED, request)
}

fn code<C: Write>(new: impl Fn() -> C, finish: impl Fn(C) -> Vec<u8>) -> Vec<Vec<u8>> {
    let from = |from: usize| {
        let mut coder = new();
        for (_, block) in &log()[from..] {
            coder.write_all(block.as_bytes()).unwrap();
            coder.flush().unwrap();
        }
        finish(coder)
    };
    (0..=EVENTS).map(from).collect()
}

fn answer(coding: &str, coded: &[Vec<u8>], request: &Request<Bytes>) -> (Response<()>, Vec<u8>) {
    let head = Response::builder().header("content-type", "text/event-stream");
    let head = head.header("content-encoding", coding).body(()).unwrap();
    (head, coded[EVENTS - after_cursor(request).len()].clone())
}
