//! Decodes bytes to characters, and checks characters and names for validity in XML.

use std::borrow::Cow;

use quick_xml::events::{BytesDecl, BytesStart};

use crate::softlayer::fault::Fault;

/// The characters of windows-1252 for the bytes 0x80 to 0x9F; five of these bytes are undefined in windows-1252, and keep their value as
/// code point.
const WINDOWS: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘', '’',
    '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

/// A single-byte encoding.
#[derive(Clone, Copy)]
enum Narrow {
    Latin1,
    Windows,
}

/// Decodes a body. Valid UTF-8 is read as UTF-8, whatever encoding the body declares, because some clients declare ISO-8859-1 and send
/// UTF-8. The declaration counts only if the body is not valid UTF-8.
///
/// # Errors
/// - [`Fault::unsupported_encoding`] if the body is not UTF-8 and declares no supported encoding.
/// - [`Fault::not_well_formed`] if the body has characters that XML forbids.
pub(super) fn characters(body: &[u8]) -> Result<Cow<'_, str>, Fault> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let text = match std::str::from_utf8(body) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => declared(body).map(|encoding| decode(body, encoding)).ok_or_else(Fault::unsupported_encoding)?.into(),
    };
    if !text.chars().all(is_allowed) {
        return Err(Fault::not_well_formed("there are control characters in it"));
    }
    Ok(text)
}

/// Returns the single-byte encoding that a body declares; `None` if the declaration is missing or names an unsupported encoding.
fn declared(body: &[u8]) -> Option<Narrow> {
    const LONGEST: usize = 200;
    let head = body.get(..LONGEST).unwrap_or(body).strip_prefix(b"<?")?;
    let end = head.windows(2).position(|two| two == b"?>")?;
    let declaration = std::str::from_utf8(head.get(..end)?).ok()?;
    if !declaration.strip_prefix("xml")?.starts_with([' ', '\t', '\r', '\n']) {
        return None;
    }
    let declaration = BytesDecl::from_start(BytesStart::from_content(declaration, 3));
    match declaration.encoding()?.ok()?.to_ascii_lowercase().as_str() {
        "iso-8859-1" | "iso8859-1" | "iso_8859-1" | "latin1" | "latin-1" | "us-ascii" | "ascii" => Some(Narrow::Latin1),
        "windows-1252" | "cp1252" => Some(Narrow::Windows),
        _ => None,
    }
}

fn decode(body: &[u8], encoding: Narrow) -> String {
    let character = |byte: &u8| match (encoding, *byte) {
        (Narrow::Windows, byte @ 0x80..=0x9f) => WINDOWS.get(usize::from(byte - 0x80)).copied().unwrap_or_default(),
        (_, byte) => char::from(byte),
    };
    body.iter().map(character).collect()
}

/// Returns true if XML 1.0 allows a character.
pub(in crate::softlayer) fn is_allowed(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// Returns true if a text is only white space.
pub(super) fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))
}

/// Returns the local part of an XML name; `None` if the name is invalid or has more than one prefix.
pub(super) fn local(name: &str) -> Option<&str> {
    let (prefix, local) = name.split_once(':').map_or((None, name), |(prefix, local)| (Some(prefix), local));
    (prefix.is_none_or(is_simple_name) && is_simple_name(local)).then_some(local)
}

/// Returns true if a text is a valid XML name without a prefix.
fn is_simple_name(text: &str) -> bool {
    text.starts_with(begins_name) && text.chars().all(|character| begins_name(character) || continues_name(character))
}

#[rustfmt::skip]
fn begins_name(character: char) -> bool {
    matches!(
        character,
        'A'..='Z' | '_' | 'a'..='z' | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2ff}' | '\u{370}'..='\u{37d}'
            | '\u{37f}'..='\u{1fff}' | '\u{200c}' | '\u{200d}' | '\u{2070}'..='\u{218f}' | '\u{2c00}'..='\u{2fef}'
            | '\u{3001}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fffd}' | '\u{10000}'..='\u{effff}'
    )
}

#[rustfmt::skip]
fn continues_name(character: char) -> bool {
    matches!(character, '-' | '.' | '0'..='9' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}' | '\u{2040}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_utf_8_whatever_it_declares() {
        let body = "<?xml version='1.0' encoding='iso-8859-1'?><a>é</a>";
        assert_eq!(characters(body.as_bytes()).unwrap(), body);
        assert_eq!(characters("\u{feff}<a/>".as_bytes()).unwrap(), "<a/>");
    }

    #[test]
    fn a_declaration_counts_where_the_body_is_no_utf_8() {
        for (name, letters) in [
            ("iso-8859-1", "é\u{80}"),
            ("ISO-8859-1", "é\u{80}"),
            ("latin1", "é\u{80}"),
            ("US-ASCII", "é\u{80}"),
            ("Windows-1252", "é€"),
        ] {
            let head = format!("<?xml version=\"1.0\" encoding=\"{name}\"?>");
            let body = [head.as_bytes(), b"<a>\xe9\x80</a>"].concat();
            assert_eq!(characters(&body).unwrap(), format!("{head}<a>{letters}</a>"), "{name}");
        }
    }

    #[test]
    fn other_encodings_are_refused() {
        for body in [
            &b"<a>\xe9</a>"[..],
            b"<?xml version='1.0'?><a>\xe9</a>",
            b"<?xml version='1.0' encoding='UTF-8'?><a>\xe9</a>",
            b"<?xml version='1.0' encoding='utf-7'?><a>\xe9</a>",
            b"<?xml version='1.0' encoding='iso-8859-1'><a>\xe9</a>",
            b"<?xmlencoding='iso-8859-1'?><a>\xe9</a>",
            b"<?xm encoding='iso-8859-1'?><a>\xe9</a>",
            b"<?xml encoding?><a>\xe9</a>",
            b"\xff\xfe<\0a\0/\0>\0",
            b"\xff",
        ] {
            let fault = characters(body).unwrap_err();
            assert_eq!(fault, Fault::unsupported_encoding(), "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn characters_that_xml_forbids_are_refused() {
        for body in ["<a>\0</a>", "<a>\u{1f}</a>", "<a b='\u{8}'/>", "<a>\u{fffe}</a>", "<!--\u{b}--><a/>"] {
            assert_eq!(characters(body.as_bytes()).unwrap_err().code, "-32700", "{body:?}");
        }
        assert!(characters("<a>\t\r\n\u{7f}\u{85}\u{fffd}\u{10ffff}</a>".as_bytes()).is_ok());
    }

    #[test]
    fn names_have_one_prefix_at_most() {
        for (name, wanted) in [
            ("a", Some("a")),
            ("SOAP-ENV:Body", Some("Body")),
            ("_é.1-", Some("_é.1-")),
            ("dateTime.iso8601", Some("dateTime.iso8601")),
            ("", None),
            (":a", None),
            ("a:", None),
            ("a:b:c", None),
            ("1a", None),
            ("-a", None),
            ("a b", None),
            ("a>", None),
            ("a:1", None),
        ] {
            assert_eq!(local(name), wanted, "{name}");
        }
    }
}
