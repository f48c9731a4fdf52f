//! The position in a file, which is whole at each moment.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use tempfile::NamedTempFile;

use super::SAVE_EVERY;
use crate::failure::Failure;

/// A file that holds a cursor, and nothing else.
pub(super) struct CursorFile {
    path: PathBuf,
    saved: Option<String>,
    saved_at: Option<Instant>,
}

impl CursorFile {
    /// Reads the file; a missing file is the same as an empty one.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let saved = match std::fs::read_to_string(path) {
            Ok(text) => Some(text.trim_end_matches('\n').to_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(Failure::new(2, path.display(), error)),
        };
        let saved = saved.filter(|text| !text.is_empty());
        Ok(Self { path: path.to_owned(), saved, saved_at: None })
    }

    /// What was saved last.
    pub(super) fn cursor(&self) -> Option<&str> {
        self.saved.as_deref()
    }

    /// Whether this cursor is another one than the file's.
    pub(super) fn is_behind(&self, cursor: Option<&str>) -> bool {
        cursor.is_some() && cursor != self.cursor()
    }

    /// Whether it is time to save again.
    pub(super) fn is_due(&self) -> bool {
        self.saved_at.is_none_or(|at| at.elapsed() >= SAVE_EVERY)
    }

    /// Saves it: written beside the file, to the disk, and then put in the file's place.
    pub(super) fn save(&mut self, cursor: &str) -> Result<(), Failure> {
        if self.cursor() != Some(cursor) {
            self.replace(cursor).map_err(|error| Failure::new(1, self.path.display(), error))?;
            self.saved = Some(cursor.to_owned());
        }
        self.saved_at = Some(Instant::now());
        Ok(())
    }

    fn replace(&self, cursor: &str) -> io::Result<()> {
        let folder = match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let mut file = NamedTempFile::new_in(folder)?;
        writeln!(file, "{cursor}")?;
        file.as_file().sync_all()?;
        file.persist(&self.path).map_err(|error| error.error)?;
        // The name, too, has to be on the disk.
        std::fs::File::open(folder)?.sync_all()
    }
}
