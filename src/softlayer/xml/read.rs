//! Parses XML into a tree of elements, within limits.

use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Reader, XmlVersion, escape};

use super::text::{characters, is_allowed, is_blank, local};
use super::{Element, MAX_ATTRIBUTES, MAX_BODY, MAX_DEPTH, MAX_ELEMENTS};
use crate::softlayer::fault::Fault;

/// Error text that says why the body is not well-formed or not allowed.
type Wrong = &'static str;

/// Parses a request body; returns the root element.
///
/// # Errors
/// - [`Fault::not_well_formed`] if the body is not well-formed, exceeds a limit (status 413 for the size), or has a DTD, an unknown entity
///   or a processing instruction.
/// - [`Fault::unsupported_encoding`] if the encoding of the body is not supported.
pub fn read(body: &[u8]) -> Result<Element, Fault> {
    if body.len() > MAX_BODY {
        let fault = Fault::not_well_formed(format_args!("it is longer than {MAX_BODY} bytes"));
        return Err(Fault { status: 413, ..fault });
    }
    let text = characters(body)?;
    let mut reader = Reader::from_str(&text);
    let mut tree = Tree::default();
    let mut first = true;
    loop {
        let event = reader
            .read_event()
            .map_err(|_| Fault::not_well_formed(format_args!("see byte {}", reader.error_position())))?;
        if event == Event::Eof {
            break;
        }
        tree.take(event, first)
            .map_err(|why| Fault::not_well_formed(format_args!("{why}, see byte {}", reader.buffer_position())))?;
        first = false;
    }
    tree.root.filter(|_| tree.open.is_empty()).ok_or_else(|| Fault::not_well_formed("it ends too early"))
}

/// The elements that the reader has read so far.
#[derive(Default)]
struct Tree {
    /// The open elements, outermost first.
    open: Vec<Element>,
    /// The root element; `None` until the end of the root element is read.
    root: Option<Element>,
    /// Number of elements read so far.
    elements: usize,
}

impl Tree {
    fn take(&mut self, event: Event<'_>, first: bool) -> Result<(), Wrong> {
        match event {
            Event::Decl(declaration) if first && declaration.version().is_ok() => Ok(()),
            Event::Decl(_) => Err("a declaration stands at the very start and has a version"),
            Event::Comment(_) | Event::Eof => Ok(()),
            Event::DocType(_) => Err("no DOCTYPE is allowed"),
            Event::PI(_) => Err("no processing instruction is allowed"),
            Event::Start(start) => self.start(&start),
            Event::Empty(start) => self.start(&start).and_then(|()| self.end()),
            Event::End(_) => self.end(),
            Event::Text(text) if text.contains("]]>") => Err("`]]>` ends a section that was not begun"),
            Event::Text(text) => self.text(&text.xml10_content()),
            Event::CData(_) if self.open.is_empty() => Err("there is text outside of the element"),
            Event::CData(text) => self.text(&text.xml10_content()),
            Event::GeneralRef(reference) => self.reference(&reference),
        }
    }

    fn start(&mut self, start: &BytesStart<'_>) -> Result<(), Wrong> {
        if self.root.is_some() {
            return Err("there is more than one element");
        }
        if self.open.len() >= MAX_DEPTH {
            return Err("it is nested too deep");
        }
        if self.elements >= MAX_ELEMENTS {
            return Err("it has too many elements");
        }
        self.elements += 1;
        self.open.push(element(start)?);
        Ok(())
    }

    fn end(&mut self) -> Result<(), Wrong> {
        let mut element = self.open.pop().ok_or("there is an end without a start")?;
        if !element.children.is_empty() {
            if !is_blank(&element.text) {
                return Err("there is text beside elements");
            }
            element.text = String::new();
            element.children.shrink_to_fit();
        }
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), Wrong> {
        match self.open.last_mut() {
            Some(element) => element.text.push_str(text),
            None if is_blank(text) => {}
            None => return Err("there is text outside of the element"),
        }
        Ok(())
    }

    fn reference(&mut self, reference: &BytesRef<'_>) -> Result<(), Wrong> {
        let element = self.open.last_mut().ok_or("there is text outside of the element")?;
        match reference.resolve_char_ref().map_err(|_| "a character reference names no character")? {
            Some(character) if is_allowed(character) => element.text.push(character),
            Some(_) => return Err("a character reference names a character that XML forbids"),
            None => element.text.push_str(escape::resolve_xml_entity(reference).ok_or("an entity is not known")?),
        }
        Ok(())
    }
}

/// Reads the start tag of an element; keeps only the attributes that the codecs use.
fn element(start: &BytesStart<'_>) -> Result<Element, Wrong> {
    let name = local(start.name().into_inner()).ok_or("the name of an element is none")?;
    let mut element = Element { name: name.to_owned(), ..Element::default() };
    for (index, attribute) in start.attributes().enumerate() {
        if index >= MAX_ATTRIBUTES {
            return Err("an element has too many attributes");
        }
        let attribute = attribute.map_err(|_| "an attribute is misspelt, or is there twice")?;
        let name = attribute.key.into_inner();
        let local = local(name).ok_or("the name of an attribute is none")?;
        if attribute.value.contains('<') {
            return Err("there is a `<` in an attribute");
        }
        let value = attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .map_err(|_| "an entity in an attribute is not known")?;
        if !value.chars().all(is_allowed) {
            return Err("there is a character in an attribute that XML forbids");
        }
        match local {
            _ if name == "xmlns" || name.starts_with("xmlns:") => {}
            "type" => element.kind = Some(value.rsplit(':').next().unwrap_or_default().trim().to_owned()),
            "nil" => element.nil = matches!(value.trim(), "true" | "1"),
            "arrayType" => element.array = true,
            _ => {}
        }
    }
    Ok(element)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Element {
        read(text.as_bytes()).unwrap()
    }

    fn code(text: &str) -> String {
        read(text.as_bytes()).unwrap_err().code
    }

    #[test]
    fn a_tree_has_local_names_and_what_codecs_look_at() {
        let read = tree(
            "<?xml version='1.0'?>\n<!-- c --><s:a xmlns:s='urn:s' xmlns:type='urn:t'>\n <b xsi:type='ns1:T' xsi:nil=\"1\"/>\
             <c e:arrayType='x[0]' id='1'>t</c> </s:a>\n<!-- c -->\n",
        );
        let element = |name: &str| Element { name: name.to_owned(), ..Element::default() };
        let b = Element { kind: Some("T".to_owned()), nil: true, ..element("b") };
        let c = Element { array: true, text: "t".to_owned(), ..element("c") };
        assert_eq!(read, Element { children: vec![b, c], ..element("a") });
    }

    #[test]
    fn text_is_put_together_and_kept_as_it_is() {
        for (inside, text) in [
            ("SL<!-- c -->1001", "SL1001"),
            ("a<![CDATA[<b>&amp;]]>c", "a<b>&amp;c"),
            ("&lt;&gt;&amp;&apos;&quot;&#65;&#x42;&#x1F600;", "<>&'\"AB\u{1f600}"),
            (" a \r\n b\rc ", " a \n b\nc "),
            ("a&#13;\nb", "a\r\nb"),
            ("&#38;lt;", "&lt;"),
            ("<![CDATA[]]>", ""),
            ("]]&gt;", "]]>"),
            ("é\u{3000}", "é\u{3000}"),
        ] {
            assert_eq!(tree(&format!("<a>{inside}</a>")).text, text, "{inside}");
        }
    }

    #[test]
    fn every_doctype_and_entity_is_refused() {
        for text in [
            "<!DOCTYPE a><a/>",
            "<!doctype a><a/>",
            "<!DocType a SYSTEM 'http://127.0.0.1:9/x.dtd'><a/>",
            "<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>",
            "<!DOCTYPE a [<!ENTITY % b SYSTEM 'http://127.0.0.1:9/'> %b;]><a/>",
            "<!DOCTYPE a [<!ENTITY b 'bb'><!ENTITY c '&b;&b;'>]><a>&c;</a>",
            "<!DOCTYPE",
            "<!DOCTYPE a [",
            "<a><!DOCTYPE a></a>",
            "<a/><!DOCTYPE a>",
            "<!ENTITY b 'c'><a/>",
            "<a>&b;</a>",
            "<a>&nbsp;</a>",
            "<a>&LT;</a>",
            "<a b='&c;'/>",
            "<a>&#0;</a>",
            "<a>&#x1;</a>",
            "<a>&#xD800;</a>",
            "<a>&#xFFFE;</a>",
            "<a>&#x110000;</a>",
            "<a>&#99999999999999999999;</a>",
            "<a>&#;</a>",
            "<a>&#x;</a>",
            "<a>&#-1;</a>",
            "<a>&;</a>",
            "<a>&</a>",
            "<a>a & b</a>",
            "<a b='&#1;'/>",
            "<a b='&'/>",
        ] {
            assert_eq!(code(text), "-32700", "{text}");
        }
    }

    #[test]
    fn what_is_not_well_formed_is_refused() {
        for text in [
            "",
            " ",
            "x",
            "<",
            "<a",
            "<a>",
            "<a></b>",
            "</a>",
            "<a/><b/>",
            "<a/>x",
            "x<a/>",
            "<a/>&#32;",
            "<![CDATA[]]><a/>",
            "<a/><![CDATA[]]>",
            "<a><b></a></b>",
            "<a></a",
            "<1a/>",
            "< a/>",
            "<a:b:c/>",
            "<:a/>",
            "<>",
            "</>",
            "<a/ >",
            "<a b/>",
            "<a b=c/>",
            "<a b='1' b='2'/>",
            "<a b='<'/>",
            "<a b='1/>",
            "<a 1b='1'/>",
            "<a>]]></a>",
            "<a><![CDATA[x</a>",
            "<a><![cdata[x]]></a>",
            "<a><!x></a>",
            "<!-->",
            "<!--->",
            "<!-- <a/>",
            "<a>x<b/></a>",
            "<a><b/>x</a>",
            "<?php echo 1 ?><a/>",
            "<a><?xml version='1.0'?></a>",
            " <?xml version='1.0'?><a/>",
            "<?xml version='1.0'?><?xml version='1.0'?><a/>",
            "<?xml?><a/>",
            "<?xml encoding='utf-8'?><a/>",
            "<?xml-stylesheet href='x'?><a/>",
            "<a>\0</a>",
        ] {
            assert_eq!(code(text), "-32700", "{text}");
        }
    }

    #[test]
    fn a_fault_says_where_and_shows_nothing_of_the_body() {
        let fault = read(format!("<a>\n<{}></secret></a>", "b".repeat(1000)).as_bytes()).unwrap_err();
        assert!(fault.text.starts_with("parse error. not well formed: see byte "), "{}", fault.text);
        assert!(fault.text.len() < 100, "{}", fault.text);
        let fault = read(b"<a>&secret;</a>").unwrap_err();
        assert_eq!(fault.text, "parse error. not well formed: an entity is not known, see byte 11");
    }

    fn nested(depth: usize) -> String {
        "<a>".repeat(depth) + &"</a>".repeat(depth)
    }

    #[test]
    fn there_are_bounds_and_what_is_at_a_bound_is_read() {
        assert!(read(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert_eq!(code(&nested(MAX_DEPTH + 1)), "-32700");
        assert_eq!(code(&"<a>".repeat(MAX_BODY / 3)), "-32700");

        let attributes = |count: usize| format!("<a {}/>", (0..count).map(|n| format!("a{n}='' ")).collect::<String>());
        assert!(read(attributes(MAX_ATTRIBUTES).as_bytes()).is_ok());
        assert_eq!(code(&attributes(MAX_ATTRIBUTES + 1)), "-32700");
        assert_eq!(code(&attributes(90_000)), "-32700");

        let elements = |count: usize| format!("<a>{}</a>", "<b/>".repeat(count - 1));
        assert_eq!(tree(&elements(MAX_ELEMENTS)).children.len(), MAX_ELEMENTS - 1);
        assert_eq!(code(&elements(MAX_ELEMENTS + 1)), "-32700");

        let long = |length: usize| format!("<a>{}</a>", "x".repeat(length - 7));
        assert_eq!(tree(&long(MAX_BODY)).text.len(), MAX_BODY - 7);
        assert_eq!(read(long(MAX_BODY + 1).as_bytes()).unwrap_err().status, 413);
    }

    #[test]
    fn bodies_that_are_made_to_take_long_do_not() {
        let fill = |piece: &str| piece.repeat(MAX_BODY / 4 / piece.len());
        for inside in ["&amp;", "&#65;", "<![CDATA[]]>", "<!---->", "]", "\r", " ", "-", "&lt;<!--&-->"] {
            assert!(read(format!("<a>{}</a>", fill(inside)).as_bytes()).is_ok(), "{inside}");
        }
        for inside in ["<", "&", "<!", "<!-", "<![CDATA[", "<!DOCTYPE ", "<b ", "<b c=", "<b c='", "</b ", "<?", "<b><"]
        {
            assert!(read(format!("<a>{}</a>", fill(inside)).as_bytes()).is_err(), "{inside}");
            assert!(read(fill(inside).as_bytes()).is_err(), "{inside}");
        }
        assert!(read(format!("<a b='{}'/>", fill("&amp;")).as_bytes()).is_ok());
        assert!(read(format!("<a{}/>", fill(" xmlns:b='urn:b'")).as_bytes()).is_err());
        assert!(
            read(format!("<a {}='' {}=''/>", "b".repeat(MAX_BODY / 4), "b".repeat(MAX_BODY / 4)).as_bytes()).is_err()
        );
    }
}
