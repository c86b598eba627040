//! XML of office files and sitemaps: text events, bounded in depth, entities never expanded.

use std::borrow::Cow;

use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::QName;
use quick_xml::{Reader, XmlVersion};

/// Deeper elements are damage or an attack.
const DEPTH_MAX: usize = 256;
const VERSION: XmlVersion = XmlVersion::Implicit1_0;

/// What is met in XML. Names are without their prefix.
pub(super) enum Met<'a> {
    /// An element begins.
    Start(Element<'a>),
    /// An element ends; one without content, too.
    End(Cow<'a, str>),
    /// Text.
    Text(Cow<'a, str>),
}

/// The start of an element.
pub(super) struct Element<'a> {
    start: BytesStart<'a>,
}

impl Element<'_> {
    /// The name without its prefix.
    pub(super) fn name(&self) -> &str {
        self.start.local_name().into_inner()
    }

    /// An attribute's value, by its name without a prefix.
    pub(super) fn attribute(&self, name: &str) -> Option<String> {
        self.find(name, |_| true)
    }

    /// The value of an attribute that has a prefix, such as `r:id` beside `id`.
    pub(super) fn attribute_with_prefix(&self, name: &str) -> Option<String> {
        self.find(name, |key| key.prefix().is_some())
    }

    fn find(&self, name: &str, is_it: impl Fn(QName<'_>) -> bool) -> Option<String> {
        let mut attributes = self.start.attributes();
        let attributes = attributes.with_checks(false).flatten();
        attributes
            .filter(|found| found.key.local_name().into_inner() == name && is_it(found.key))
            .find_map(|found| Some(found.normalized_value(VERSION).ok()?.into_owned()))
    }
}

/// Reads XML event by event.
pub(super) struct Events<'a> {
    reader: Reader<&'a [u8]>,
    depth: usize,
    /// The end of an element without content.
    pending_end: Option<String>,
}

impl<'a> Events<'a> {
    pub(super) fn new(xml: &'a str) -> Self {
        let mut reader = Reader::from_str(xml);
        reader.config_mut().check_end_names = false;
        Self { reader, depth: 0, pending_end: None }
    }

    /// The next event; none at the end.
    ///
    /// # Errors
    ///
    /// What is wrong with the XML.
    pub(super) fn next(&mut self) -> Result<Option<Met<'a>>, String> {
        if let Some(name) = self.pending_end.take() {
            return Ok(Some(Met::End(Cow::Owned(name))));
        }
        loop {
            match self.reader.read_event().map_err(|error| error.to_string())? {
                Event::Start(start) => {
                    self.depth += 1;
                    if self.depth > DEPTH_MAX {
                        return Err("its parts are nested too deeply".to_owned());
                    }
                    return Ok(Some(Met::Start(Element { start })));
                }
                Event::Empty(start) => {
                    self.pending_end = Some(start.local_name().into_inner().to_owned());
                    return Ok(Some(Met::Start(Element { start })));
                }
                Event::End(end) => {
                    self.depth = self.depth.saturating_sub(1);
                    return Ok(Some(Met::End(Cow::Owned(
                        end.local_name().into_inner().to_owned(),
                    ))));
                }
                Event::Text(text) => return Ok(Some(Met::Text(text.xml10_content()))),
                Event::CData(text) => return Ok(Some(Met::Text(text.xml10_content()))),
                Event::GeneralRef(reference) => {
                    // Entities of a document's own are left out, so none can grow.
                    let resolved = match reference.resolve_char_ref() {
                        Ok(Some(c)) => Cow::Owned(c.to_string()),
                        Ok(None) => {
                            let name = reference.xml10_content();
                            Cow::Borrowed(resolve_xml_entity(&name).unwrap_or_default())
                        }
                        Err(_) => Cow::Borrowed(""),
                    };
                    return Ok(Some(Met::Text(resolved)));
                }
                Event::Eof => return Ok(None),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
            }
        }
    }
}
