//! A writer that produces well-formed XML from any input.

use super::MAX_WRITTEN_DEPTH;
use super::text::{is_allowed, local};

/// Writes an XML document into a string.
#[derive(Debug)]
pub struct Writer {
    out: String,
    depth: usize,
}

impl Default for Writer {
    fn default() -> Self {
        Self { out: r#"<?xml version="1.0" encoding="UTF-8"?>"#.to_owned() + "\n", depth: 0 }
    }
}

impl Writer {
    /// Writes an element with attributes; `content` writes the content of the element. Leaves out an element that has an invalid name or is
    /// nested deeper than [`MAX_WRITTEN_DEPTH`].
    pub fn element(&mut self, name: &str, attributes: &[(&str, &str)], content: impl FnOnce(&mut Self)) {
        if self.depth >= MAX_WRITTEN_DEPTH || local(name).is_none() {
            return;
        }
        self.out.extend(["<", name]);
        for (name, value) in attributes {
            self.out.extend([" ", name, "=\""]);
            escape(value, true, &mut self.out);
            self.out.push('"');
        }
        let (start, ()) = (self.out.len(), self.out.push('>'));
        let empty = self.out.len();
        self.depth += 1;
        content(self);
        self.depth -= 1;
        if self.out.len() == empty {
            self.out.truncate(start);
            self.out.push_str("/>");
        } else {
            self.out.extend(["</", name, ">"]);
        }
    }

    /// Writes an element that contains text.
    pub fn leaf(&mut self, name: &str, attributes: &[(&str, &str)], text: &str) {
        self.element(name, attributes, |inside| inside.text(text));
    }

    /// Writes text. Characters that XML forbids become U+FFFD.
    pub fn text(&mut self, text: &str) {
        escape(text, false, &mut self.out);
    }

    /// Returns the finished document.
    #[must_use]
    pub fn finish(self) -> String {
        self.out
    }
}

/// Escapes text so that an XML reader gets the same text back. Without escapes, line breaks and tabs in attributes would become spaces, and
/// a carriage return would become a line break.
fn escape(text: &str, attribute: bool, out: &mut String) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' if attribute => out.push_str("&quot;"),
            '\t' if attribute => out.push_str("&#9;"),
            '\n' if attribute => out.push_str("&#10;"),
            '\r' => out.push_str("&#13;"),
            _ if is_allowed(character) => out.push(character),
            _ => out.push('\u{fffd}'),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::softlayer::xml::read;

    #[test]
    fn elements_are_written_with_attributes_and_text() {
        let mut writer = Writer::default();
        writer.element("a", &[("b", "1"), ("c:d", "2")], |writer| {
            writer.leaf("e", &[], "f");
            writer.leaf("g", &[], "");
        });
        let text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a b=\"1\" c:d=\"2\"><e>f</e><g/></a>";
        assert_eq!(writer.finish(), text);
    }

    #[test]
    fn whatever_is_written_is_read_as_the_same() {
        for (text, wanted) in [
            ("<&>\"']]>", "<&>\"']]>"),
            ("\t\r\n \r", "\t\r\n \r"),
            ("&amp;&#65;", "&amp;&#65;"),
            ("\0\u{1}\u{b}\u{fffe}\u{1b}", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
            ("é\u{3000}\u{1f600}\u{85}", "é\u{3000}\u{1f600}\u{85}"),
            (" ", " "),
        ] {
            let mut writer = Writer::default();
            writer.leaf("a", &[("xsi:type", text)], text);
            let element = read(writer.finish().as_bytes()).unwrap();
            assert_eq!(element.text, wanted);
            assert_eq!(element.kind.unwrap(), wanted.trim());
        }
    }

    #[test]
    fn an_element_without_a_name_is_left_out() {
        let mut writer = Writer::default();
        writer.element("a", &[], |writer| {
            ["", "b c", "<", "1", "b:c:d", "é>"].iter().for_each(|name| writer.leaf(name, &[], "x"));
        });
        assert!(writer.finish().ends_with("<a/>"));
    }

    #[test]
    fn what_is_nested_too_deep_is_left_out() {
        fn nest(writer: &mut Writer, depth: usize) {
            if depth > 0 {
                writer.element("a", &[], |writer| nest(writer, depth - 1));
            }
        }
        for (depth, written) in [(MAX_WRITTEN_DEPTH, MAX_WRITTEN_DEPTH), (100_000, MAX_WRITTEN_DEPTH)] {
            let mut writer = Writer::default();
            nest(&mut writer, depth);
            assert_eq!(writer.finish().matches("<a").count(), written);
        }
    }
}
