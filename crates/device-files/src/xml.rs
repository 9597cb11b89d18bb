//! XML documents, a part at a time: no document type, no entities, bounded depth and size.

use quick_xml::events::attributes::Attribute;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use zeroize::Zeroizing;

use crate::{FileError, limits};

/// An element with its content. Names are local: prefixes are a matter of taste.
pub(crate) struct Element {
    pub(crate) name: String,
    attributes: Vec<(String, Zeroizing<String>)>,
    text: Zeroizing<String>,
    children: Vec<Element>,
}

impl Element {
    /// The text of the element without blanks at its ends.
    pub(crate) fn text(&self) -> &str {
        crate::text::trim(&self.text)
    }

    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn children<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The first descendant on a path of names.
    pub(crate) fn find(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |element, name| {
            element.children.iter().find(|child| child.name == *name)
        })
    }
}

/// A reader of the children of the root, so that only one of them is in memory.
pub(crate) struct Document<'a> {
    text: &'a str,
    reader: Reader<&'a [u8]>,
    /// The name of the root.
    pub(crate) root: String,
    is_empty: bool,
}

impl<'a> Document<'a> {
    /// Reads up to the start of the root.
    pub(crate) fn open(text: &'a str) -> Result<Self, FileError> {
        let mut document =
            Self { text, reader: Reader::from_str(text), root: String::new(), is_empty: false };
        loop {
            match document.next_event()? {
                Event::Start(start) => {
                    start.local_name().as_ref().clone_into(&mut document.root);
                    return Ok(document);
                }
                Event::Empty(start) => {
                    start.local_name().as_ref().clone_into(&mut document.root);
                    document.is_empty = true;
                    return Ok(document);
                }
                Event::Eof => return Err(document.damaged()),
                _ => {}
            }
        }
    }

    /// The next child of the root; `None` at the end of the root.
    pub(crate) fn next_child(&mut self) -> Result<Option<Element>, FileError> {
        if self.is_empty {
            return Ok(None);
        }
        loop {
            match self.next_event()? {
                Event::Start(start) => {
                    let element = self.element(&start)?;
                    return self.read_content(element).map(Some);
                }
                Event::Empty(start) => return self.element(&start).map(Some),
                Event::End(_) => {
                    self.is_empty = true;
                    return Ok(None);
                }
                Event::Eof => return Err(self.damaged()),
                _ => {}
            }
        }
    }

    fn read_content(&mut self, element: Element) -> Result<Element, FileError> {
        // Not recursive, and a part of a document is small.
        let mut open = vec![element];
        let mut size = 0_usize;
        loop {
            let event = self.next_event()?;
            size += 1;
            if size > limits::MAX_XML_PART || open.len() > limits::MAX_XML_DEPTH {
                return Err(FileError::XmlLimits(self.line()));
            }
            let closed = match event {
                Event::Start(start) => {
                    open.push(self.element(&start)?);
                    continue;
                }
                Event::Empty(start) => self.element(&start)?,
                Event::End(_) => open.pop().ok_or_else(|| self.damaged())?,
                Event::Text(text) => {
                    push(&mut open, &text.xml10_content());
                    continue;
                }
                Event::CData(text) => {
                    push(&mut open, &text.xml10_content());
                    continue;
                }
                Event::GeneralRef(reference) => {
                    let character = match reference.as_ref() {
                        "lt" => '<',
                        "gt" => '>',
                        "amp" => '&',
                        "quot" => '"',
                        "apos" => '\'',
                        _ => {
                            let character = reference.resolve_char_ref().ok().flatten();
                            character.ok_or_else(|| FileError::XmlEntity(self.line()))?
                        }
                    };
                    push(&mut open, character.encode_utf8(&mut [0; 4]));
                    continue;
                }
                Event::Eof => return Err(self.damaged()),
                _ => continue,
            };
            match open.last_mut() {
                Some(parent) => parent.children.push(closed),
                None => return Ok(closed),
            }
        }
    }

    fn next_event(&mut self) -> Result<Event<'a>, FileError> {
        match self.reader.read_event() {
            // A document type may define entities that expand without bound, or name files.
            Ok(Event::DocType(_)) => Err(FileError::XmlEntity(self.line())),
            Ok(event) => Ok(event),
            Err(_) => Err(self.damaged()),
        }
    }

    fn element(&self, start: &BytesStart<'_>) -> Result<Element, FileError> {
        let mut attributes = Vec::new();
        // Without the check for duplicates, which takes quadratic time.
        for attribute in start.attributes().with_checks(false) {
            let attribute: Attribute<'_> = attribute.map_err(|_| self.damaged())?;
            if attributes.len() >= limits::MAX_XML_ATTRIBUTES {
                return Err(FileError::XmlLimits(self.line()));
            }
            let value = attribute.normalized_value(XmlVersion::Implicit1_0);
            let value = value.map_err(|_| FileError::XmlEntity(self.line()))?;
            let name = attribute.key.local_name().as_ref().to_owned();
            attributes.push((name, Zeroizing::new(value.into_owned())));
        }
        Ok(Element {
            name: start.local_name().as_ref().to_owned(),
            attributes,
            text: Zeroizing::default(),
            children: Vec::new(),
        })
    }

    fn damaged(&self) -> FileError {
        FileError::Xml(self.line())
    }

    fn line(&self) -> u64 {
        let position = usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX);
        let before = self.text.as_bytes().get(..position).unwrap_or(self.text.as_bytes());
        let line = before.split(|byte| *byte == b'\n').count();
        u64::try_from(line).unwrap_or(u64::MAX)
    }
}

fn push(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(text: &str) -> Result<Option<Element>, FileError> {
        Document::open(text)?.next_child()
    }

    #[test]
    fn names_are_local_and_references_are_resolved() {
        let text = "<?xml version=\"1.0\"?><!-- x -->\n<p:root xmlns:p='u'><p:a b='1&amp;2'>x&lt;\
                    <![CDATA[&]]>&#x41;<c/><d><e>f</e></d></p:a><g/></p:root>";
        let mut document = Document::open(text).unwrap();
        assert_eq!(document.root, "root");
        let element = document.next_child().unwrap().unwrap();
        assert_eq!((element.name.as_str(), element.text()), ("a", "x<&A"));
        assert_eq!(element.attribute("b"), Some("1&2"));
        assert_eq!(element.find(&["d", "e"]).unwrap().text(), "f");
        assert!(element.find(&["d", "c"]).is_none());
        assert_eq!(document.next_child().unwrap().unwrap().name, "g");
        assert!(document.next_child().unwrap().is_none());
        assert!(document.next_child().unwrap().is_none());
    }

    #[test]
    fn document_types_and_entities_are_refused() {
        let bomb = "<!DOCTYPE r [<!ENTITY a \"aaaa\">\n<!ENTITY b \"&a;&a;\">]>\n<r><x>&b;</x></r>";
        let external = "<!DOCTYPE r [<!ENTITY a SYSTEM \"file:///etc/passwd\">]><r><x>&a;</x></r>";
        for text in [bomb, external, "<r><x>&nbsp;</x></r>", "<r><x y='&a;'/></r>"] {
            assert!(matches!(part(text).err(), Some(FileError::XmlEntity(_))), "{text}");
        }
    }

    #[test]
    fn damage_is_found_with_its_line() {
        for text in ["", "<r>\n<x>", "<r>\n<x></y></r>", "<r>\n</x>"] {
            let error = part(text).err();
            assert!(matches!(error, Some(FileError::Xml(_))), "{text}");
            assert!(!text.contains('\n') || error == Some(FileError::Xml(2)), "{text} {error:?}");
        }
    }

    #[test]
    fn depth_size_and_attributes_are_bounded() {
        let deep = format!("<r>{}", "<x>".repeat(100_000));
        let wide = format!("<r><x>{}", "<y/>".repeat(100_000));
        let names = " a=''".repeat(1000);
        for text in [deep, wide, format!("<r><x{names}/></r>")] {
            assert!(matches!(part(&text).err(), Some(FileError::XmlLimits(1))));
        }
    }
}
