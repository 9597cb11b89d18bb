//! The parts of a workbook, which is a zip archive of XML documents.

use std::io::{self, BufReader, Cursor, Read};

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Error, Reader, XmlVersion};
use zip::ZipArchive;

use crate::{FileError, limits};

pub(super) struct Package<'a> {
    archive: ZipArchive<Cursor<&'a [u8]>>,
    /// The number of bytes that may still be expanded, of all parts.
    budget: u64,
}

impl<'a> Package<'a> {
    pub(super) fn open(bytes: &'a [u8], budget: u64) -> Option<Self> {
        let archive = ZipArchive::new(Cursor::new(bytes)).ok()?;
        Some(Self { archive, budget })
    }

    pub(super) fn has(&self, path: &str) -> bool {
        self.archive.index_for_name(path).is_some()
    }

    /// Reads the events of a part.
    pub(super) fn read(
        &mut self,
        path: &str,
        mut handle: impl FnMut(&Event<'_>) -> Result<(), FileError>,
    ) -> Result<(), FileError> {
        let part = self.archive.by_name(path).map_err(|_| FileError::Workbook)?;
        let mut bounded = Bounded { part, budget: &mut self.budget };
        let mut reader = Reader::from_reader(BufReader::new(&mut bounded));
        let mut buffer = Vec::new();
        loop {
            buffer.clear();
            match reader.read_event_into(&mut buffer) {
                Ok(Event::Eof) => return Ok(()),
                // A document type may define entities that expand without bound.
                Ok(Event::DocType(_)) => return Err(FileError::Workbook),
                Ok(event) => handle(&event)?,
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::FileTooLarge => {
                    return Err(FileError::WorkbookLimits);
                }
                Err(_) => return Err(FileError::Workbook),
            }
        }
    }
}

/// A reader that fails when the budget is spent.
struct Bounded<'a, R> {
    part: R,
    budget: &'a mut u64,
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.part.read(buffer)?;
        let size = u64::try_from(read).unwrap_or(u64::MAX);
        match self.budget.checked_sub(size) {
            Some(rest) => *self.budget = rest,
            None => return Err(io::ErrorKind::FileTooLarge.into()),
        }
        Ok(read)
    }
}

/// An attribute by its local name.
pub(super) fn attribute(start: &BytesStart<'_>, name: &str) -> Option<String> {
    let mut attributes = start.attributes();
    let attributes = attributes.with_checks(false).take(limits::MAX_XML_ATTRIBUTES);
    let mut known = attributes.filter_map(Result::ok);
    let found = known.find(|attribute| attribute.key.local_name().as_ref() == name)?;
    found.normalized_value(XmlVersion::Implicit1_0).ok().map(std::borrow::Cow::into_owned)
}
