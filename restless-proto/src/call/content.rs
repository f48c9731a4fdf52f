//! The content of a reply, decoded as it comes.

use bytes::{Bytes, BytesMut};
use http::response::Parts;

use crate::error::{ContentError, Error};
use crate::kinds::LimitError;
use crate::semantics::coding::{CodingError, Decoder};

/// What a reply says, up to a number of bytes, counted once its content coding is taken off.
pub(super) struct Content {
    decoder: Result<Option<Decoder>, CodingError>,
    decoded: BytesMut,
    maximum: usize,
}

impl Content {
    pub(super) fn new(head: &Parts, maximum: usize) -> Self {
        Self { decoder: Decoder::of(&head.headers), decoded: BytesMut::new(), maximum }
    }

    pub(super) fn take(&mut self, bytes: Bytes) -> Result<(), Error> {
        match &mut self.decoder {
            Ok(None) => self.keep(&bytes),
            Ok(Some(decoder)) => {
                decoder.feed(bytes);
                self.decode()
            }
            // Where there is no content, its coding does not matter.
            Err(_) if bytes.is_empty() => Ok(()),
            Err(error) => Err(coding(error.clone())),
        }
    }

    /// Returns all of the content, once no more comes.
    pub(super) fn finish(mut self) -> Result<Bytes, Error> {
        if let Ok(Some(decoder)) = &mut self.decoder {
            decoder.end();
            self.decode()?;
        }
        Ok(self.decoded.freeze())
    }

    fn decode(&mut self) -> Result<(), Error> {
        loop {
            let Ok(Some(decoder)) = &mut self.decoder else { return Ok(()) };
            match decoder.poll() {
                Ok(Some(piece)) => self.keep(&piece)?,
                Ok(None) => return Ok(()),
                Err(error) => return Err(coding(error)),
            }
        }
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let seen = self.decoded.len().saturating_add(bytes.len());
        if seen > self.maximum {
            return Err(LimitError::new("the reply's content", self.maximum, seen).into());
        }
        self.decoded.extend_from_slice(bytes);
        Ok(())
    }
}

fn coding(error: CodingError) -> Error {
    Box::new(ContentError::from(error)).into()
}
