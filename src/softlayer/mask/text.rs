//! Parses the mask language.
//!
//! ```text
//! mask  = list | "[" list "]"
//! list  = [item] {("," | ";") [item]}
//! item  = name ["(" datatype ")"] ["[" list "]" | "." item]
//! ```
//!
//! On the first level, the names `mask` and `filteredMask` mean the object itself. White space is allowed between tokens.

use super::{Wanted, bound, find, is_a, shown};
use crate::softlayer::fault::Fault;
use crate::softlayer::types::Type;

/// Maximum length of a mask, in bytes.
const LENGTH_MAX: usize = 64 * 1024;

/// Parses a mask, and adds the properties that it names to `wanted`.
pub(super) fn read(text: &str, wanted: &mut Wanted) -> Result<(), Fault> {
    if text.len() > LENGTH_MAX {
        return Err(Fault::no_mask(1, LENGTH_MAX + 1, &format!("at most {LENGTH_MAX} bytes"), "more"));
    }
    Reader { text, rest: text, count: 0 }.whole(wanted)
}

/// The context in which a name is looked up.
#[derive(Clone, Copy)]
struct Place {
    /// The datatype in which the name is a property.
    kind: &'static Type,
    /// Number of properties that lead to this place; `None` where the name `mask` can still mean the object itself.
    depth: Option<usize>,
}

impl Place {
    fn below(self, kind: &'static Type) -> Self {
        Self { kind, depth: Some(self.depth.unwrap_or_default() + 1) }
    }
}

struct Reader<'a> {
    text: &'a str,
    rest: &'a str,
    count: usize,
}

impl<'a> Reader<'a> {
    fn whole(&mut self, wanted: &mut Wanted) -> Result<(), Fault> {
        let boxed = self.take('[');
        self.list(wanted, Place { kind: wanted.kind, depth: None })?;
        if boxed {
            self.close()?;
        }
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.fault("the end of the mask")),
        }
    }

    fn list(&mut self, wanted: &mut Wanted, place: Place) -> Result<(), Fault> {
        loop {
            while self.take(',') || self.take(';') {}
            if matches!(self.peek(), None | Some(']')) {
                return Ok(());
            }
            self.item(wanted, place)?;
            if !matches!(self.peek(), None | Some(',' | ';' | ']')) {
                return Err(self.fault("',' or ']'"));
            }
        }
    }

    fn item(&mut self, wanted: &mut Wanted, place: Place) -> Result<(), Fault> {
        let before = self.rest;
        let Some(name) = self.word() else { return Err(self.fault("PROPERTY")) };
        if place.depth.is_none() && ["mask", "filteredMask"].contains(&name) {
            return self.inside(wanted, Place { depth: Some(0), ..place });
        }
        self.count += 1;
        if let Some(bound) = bound(place.depth.unwrap_or_default(), self.count) {
            self.rest = before;
            return Err(self.fault(&bound));
        }
        let inner = wanted.name(find(name, place.kind)?);
        let below = place.below(inner.kind);
        self.inside(inner, below)
    }

    /// Parses the part after a name: an optional datatype in parentheses, then `[...]`, `.` and an item, or nothing.
    fn inside(&mut self, wanted: &mut Wanted, place: Place) -> Result<(), Fault> {
        let kind = if self.take('(') { self.cast(place.kind)? } else { place.kind };
        let place = Place { kind, ..place };
        if self.take('[') {
            self.list(wanted, place)?;
            self.close()
        } else if self.take('.') {
            self.item(wanted, place)
        } else {
            Ok(())
        }
    }

    /// Parses the datatype after `(`: the datatype of the property, or a datatype that extends it.
    fn cast(&mut self, kind: &'static Type) -> Result<&'static Type, Fault> {
        let Some(name) = self.word() else { return Err(self.fault("TYPE")) };
        if !self.take(')') {
            return Err(self.fault("')'"));
        }
        let refused = || Fault::no_property(&shown(name), kind.name);
        if name == kind.name {
            return Ok(kind);
        }
        Type::find(name).filter(|known| is_a(known, kind)).ok_or_else(refused)
    }

    fn close(&mut self) -> Result<(), Fault> {
        if self.take(']') { Ok(()) } else { Err(self.fault("',' or ']'")) }
    }

    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        self.rest.chars().next()
    }

    fn take(&mut self, sign: char) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(sign) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn word(&mut self) -> Option<&'a str> {
        self.rest = self.rest.trim_start();
        let end = self.rest.find(|sign: char| !sign.is_ascii_alphanumeric() && sign != '_').unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }

    /// Returns the fault for an unexpected token at the current position.
    fn fault(&mut self, expected: &str) -> Fault {
        self.rest = self.rest.trim_start();
        let before = self.text.strip_suffix(self.rest).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let got = match self.word() {
            Some(word) => shown(word),
            None => self.peek().map_or_else(|| "the end of the mask".to_owned(), |sign| shown(&sign.to_string())),
        };
        Fault::no_mask(line, column, expected, &got)
    }
}
