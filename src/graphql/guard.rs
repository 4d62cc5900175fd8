//! Limits on a GraphQL document, checked before the document is validated and executed.
//!
//! The GraphQL library's own limits come too late: the library's validator walks a fragment once for every spread, so a document of one
//! kilobyte can keep the validator busy for minutes. This module first measures the text in one pass, before the recursive parser runs.
//! Then it measures the parsed document: it walks each fragment only once, and adds the fragment's size for each spread of the fragment.
//!
//! Limits that an operator may want to tighten are settings ([`GraphqlLimits`]); limits that only protect the parser and the validator
//! are constants.

use std::collections::HashMap;
use std::fmt::Display;

use async_graphql::Name;
use async_graphql::Positioned;
use async_graphql::parser::parse_query;
use async_graphql::parser::types::{ExecutableDocument, FragmentDefinition, Selection, SelectionSet};

use crate::config::GraphqlLimits;
use crate::domain::text::{Text, text};

/// Maximum length of a name in a document, in characters.
pub const NAME_LEN: usize = 128;
/// Maximum nesting of brackets of any kind in a document.
pub const BRACKETS: usize = 64;
/// Maximum nesting of the fields of an introspection. Common tools send an introspection query that is 15 levels deep.
pub const INTROSPECTION_DEPTH: u64 = 15;
/// Maximum number of fields of an operation, with fragments expanded.
pub const FIELDS: u64 = 500;
/// Maximum number of aliases of an operation, with fragments expanded.
pub const ALIASES: u64 = 100;
/// Maximum number of directives on one field, fragment or operation.
pub const DIRECTIVES: usize = 5;
/// Maximum number of operations in a document.
pub const OPERATIONS: usize = 20;
/// Maximum number of `__schema` and `__type` fields in an operation.
pub const INTROSPECTIONS: u64 = 3;
/// Maximum nesting, within an introspection, of the lists that lead from types back to types (`fields`, `interfaces`, `possibleTypes`,
/// `inputFields`).
pub const INTROSPECTION_LISTS: u64 = 2;

const CIRCULAR: [&str; 4] = ["fields", "interfaces", "possibleTypes", "inputFields"];

/// Checks a document against the limits, and returns the parsed document.
///
/// # Errors
/// A text that describes the syntax error, or names the limit that the document exceeds.
pub fn parse(document: &str, limits: &GraphqlLimits) -> Result<ExecutableDocument, Text> {
    scan(document, limits.tokens)?;
    let parsed = parse_query(document).map_err(|error| text!("{error}", "文档有误：{error}"))?;
    measure(&parsed, limits)?;
    Ok(parsed)
}

/// Checks the number of tokens, the length of names and the nesting of brackets. A comment counts as a token: skipping it takes time too.
fn scan(document: &str, most: usize) -> Result<(), Text> {
    let mut rest = document;
    let (mut tokens, mut depth) = (0usize, 0usize);
    while let Some(first) = rest.chars().next() {
        let length = match first {
            ' ' | '\t' | '\n' | '\r' | ',' | '\u{feff}' => {
                rest = rest.get(first.len_utf8()..).unwrap_or_default();
                continue;
            }
            '#' => rest.find(['\n', '\r']).unwrap_or(rest.len()),
            '"' => string_length(rest),
            '.' if rest.starts_with("...") => 3,
            _ if is_name(first) => rest.find(|letter| !is_name(letter)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        match first {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        tokens += 1;
        if is_name(first) && length > NAME_LEN {
            return Err(limit(&text!("a name", "名称"), length, NAME_LEN, &text!("characters", "个字符")));
        }
        if tokens > most {
            return Err(text!("the document has more than {most} tokens", "文档的词法单元超过 {most} 个"));
        }
        if depth > BRACKETS {
            return Err(text!(
                "the document nests brackets more than {BRACKETS} deep",
                "文档的括号嵌套超过 {BRACKETS} 层"
            ));
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    Ok(())
}

/// Returns the length in bytes of the string or block string at the start of `text`; all of `text` if the string does not end.
fn string_length(text: &str) -> usize {
    let block = text.starts_with("\"\"\"");
    let quote = if block { "\"\"\"" } else { "\"" };
    let mut at = quote.len();
    while let Some(rest) = text.get(at..) {
        if rest.is_empty() {
            return text.len();
        }
        if rest.starts_with(quote) {
            return at + quote.len();
        }
        let escape =
            if block { rest.starts_with("\\\"\"\"").then_some(4) } else { rest.starts_with('\\').then_some(1) };
        at += escape.unwrap_or_default();
        at += match escape {
            Some(4) => 0,
            _ => text.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8),
        };
    }
    text.len()
}

fn is_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

fn limit(what: &Text, is: impl Display, most: impl Display, unit: &Text) -> Text {
    let counted = text!(" has {is} ", "有 {is} ");
    what.clone().then(&counted).then(unit).then(&text!(": at most {most} are allowed", "：最多允许 {most}"))
}

/// The size of a selection set with fragments expanded. Counts saturate, since nested fragments can multiply beyond `u64`.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    fields: u64,
    aliases: u64,
    depth: u64,
    roots: u64,
    introspections: u64,
    introspection_depth: u64,
    circular: u64,
}

impl Size {
    fn add(&mut self, other: &Self) {
        self.fields = self.fields.saturating_add(other.fields);
        self.aliases = self.aliases.saturating_add(other.aliases);
        self.roots = self.roots.saturating_add(other.roots);
        self.introspections = self.introspections.saturating_add(other.introspections);
        self.depth = self.depth.max(other.depth);
        self.introspection_depth = self.introspection_depth.max(other.introspection_depth);
        self.circular = self.circular.max(other.circular);
    }
}

struct Measure<'a> {
    fragments: &'a HashMap<Name, Positioned<FragmentDefinition>>,
    known: HashMap<&'a str, Option<Size>>,
    spreads: usize,
    most_spreads: usize,
}

fn measure(document: &ExecutableDocument, limits: &GraphqlLimits) -> Result<(), Text> {
    let (fragments, most_spreads) = (&document.fragments, limits.fragments);
    let mut measure = Measure { fragments, known: HashMap::new(), spreads: 0, most_spreads };
    if document.operations.iter().count() > OPERATIONS {
        return Err(limit(
            &text!("the document", "文档"),
            document.operations.iter().count(),
            OPERATIONS,
            &text!("operations", "个操作"),
        ));
    }
    for name in document.fragments.keys() {
        measure.fragment(name)?;
    }
    for (_, operation) in document.operations.iter() {
        directives(operation.node.directives.len())?;
        let size = measure.set(&operation.node.selection_set.node)?;
        if size.introspections > 0 && !limits.introspection {
            return Err(introspection_is_off());
        }
        for (is, most, what) in [
            (size.depth, limits.depth, text!("levels", "层")),
            (size.introspection_depth, INTROSPECTION_DEPTH, text!("levels of introspection", "层内省")),
            (size.roots, limits.root_fields, text!("fields on its first level", "个第一层字段")),
            (size.fields, FIELDS, text!("fields", "个字段")),
            (size.aliases, ALIASES, text!("aliases", "个别名")),
            (size.introspections, INTROSPECTIONS, text!("introspections", "个内省")),
            (
                size.circular,
                INTROSPECTION_LISTS,
                text!("introspection lists inside one another", "个相互嵌套的内省列表"),
            ),
        ] {
            if is > most {
                return Err(limit(&text!("the operation", "操作"), is, most, &what));
            }
        }
    }
    Ok(())
}

impl<'a> Measure<'a> {
    fn fragment(&mut self, name: &'a str) -> Result<Size, Text> {
        match self.known.get(name) {
            Some(Some(size)) => return Ok(*size),
            Some(None) => return Err(text!("the fragment {name} contains itself", "片段 {name} 包含自身")),
            None => {}
        }
        let Some(fragment) = self.fragments.get(name) else {
            return Err(text!("there is no fragment {name}", "没有片段 {name}"));
        };
        self.known.insert(name, None);
        directives(fragment.node.directives.len())?;
        let size = self.set(&fragment.node.selection_set.node)?;
        self.known.insert(name, Some(size));
        Ok(size)
    }

    fn set(&mut self, set: &'a SelectionSet) -> Result<Size, Text> {
        let mut size = Size::default();
        for selection in &set.items {
            let part = match &selection.node {
                Selection::Field(field) => {
                    let field = &field.node;
                    directives(field.directives.len())?;
                    let inner = self.set(&field.selection_set.node)?;
                    let name = field.name.node.as_str();
                    let introspects = matches!(name, "__schema" | "__type");
                    let depth = inner.depth.saturating_add(1);
                    if introspects && inner.aliases > 0 {
                        return Err(text!("aliases are not allowed inside an introspection", "内省中不允许使用别名"));
                    }
                    Size {
                        fields: inner.fields.saturating_add(1),
                        aliases: inner.aliases.saturating_add(field.alias.is_some().into()),
                        depth: if introspects { 1 } else { depth },
                        introspection_depth: inner.introspection_depth.max(if introspects { depth } else { 0 }),
                        roots: 1,
                        introspections: inner.introspections.saturating_add(introspects.into()),
                        circular: if introspects {
                            inner.circular
                        } else {
                            inner.circular + u64::from(CIRCULAR.contains(&name))
                        },
                    }
                }
                Selection::FragmentSpread(spread) => {
                    directives(spread.node.directives.len())?;
                    self.spreads += 1;
                    if self.spreads > self.most_spreads {
                        return Err(text!(
                            "the document has more than {} fragment spreads",
                            "文档的片段展开超过 {} 个",
                            self.most_spreads
                        ));
                    }
                    self.fragment(spread.node.fragment_name.node.as_str())?
                }
                Selection::InlineFragment(inline) => {
                    directives(inline.node.directives.len())?;
                    self.set(&inline.node.selection_set.node)?
                }
            };
            size.add(&part);
        }
        Ok(size)
    }
}

fn introspection_is_off() -> Text {
    text!(
        "introspection is switched off here, __schema and __type are refused: `keytower schema graphql` \
                                    prints the schema, and __typename works",
        "此处已关闭内省，拒绝 __schema 和 __type：`keytower schema graphql` 可输出 schema"
    )
}

fn directives(count: usize) -> Result<(), Text> {
    if count > DIRECTIVES {
        Err(limit(&text!("one place", "一处"), count, DIRECTIVES, &text!("directives", "个指令")))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    fn parse(document: &str) -> Result<ExecutableDocument, String> {
        super::parse(document, &Settings::load(None, []).unwrap().graphql).map_err(|error| error.en().to_owned())
    }

    fn refusal(document: &str) -> String {
        parse(document).unwrap_err()
    }

    #[test]
    fn a_fragment_bomb_is_measured_at_once() {
        // Each fragment spreads the next fragment twice: 2^30 fields when expanded.
        let mut bomb = "{ ...f0 }".to_owned();
        for at in 0..30 {
            bomb += &format!("fragment f{at} on Query {{ ...f{} ...f{} }}", at + 1, at + 1);
        }
        bomb += "fragment f30 on Query { __typename }";
        assert!(refusal(&bomb).contains("fragment spreads"));
        // Here the document has few spreads, but the spread fragments are large.
        let mut wide = "{ ...f0 }".to_owned();
        for at in 0..6 {
            wide += &format!("fragment f{at} on Query {{ {} }}", format!("...f{} ", at + 1).repeat(3));
        }
        wide += &format!("fragment f6 on Query {{ {} }}", "__typename ".repeat(29));
        let refusal = refusal(&wide);
        assert!(refusal.contains("fields on its first level"), "{refusal}");
    }

    #[test]
    fn circles_and_missing_fragments_are_refused() {
        assert!(
            refusal("{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }").contains("contains itself")
        );
        assert!(refusal("{ ...a }").contains("no fragment a"));
        assert!(refusal("{ __typename } fragment a on Query { ...a }").contains("contains itself"));
    }

    #[test]
    fn depth_is_refused_before_the_recursive_parser_runs() {
        let deep = |levels: usize| "{a".repeat(levels) + &"}".repeat(levels);
        assert!(refusal(&deep(400_000)).contains("tokens") || refusal(&deep(400_000)).contains("deep"));
        assert!(refusal(&deep(65)).contains("brackets"));
        assert!(refusal(&deep(16)).contains("levels"));
        assert!(parse(&deep(15)).is_ok());
        assert!(refusal(&format!("query($a: {}Int{}) {{ a }}", "[".repeat(70), "]".repeat(70))).contains("brackets"));
    }

    #[test]
    fn aliases_and_fields_are_counted() {
        let aliases = |count: usize| (0..count).map(|at| format!("a{at}: b ")).collect::<String>();
        assert!(refusal(&format!("{{ {} }}", aliases(31))).contains("first level"));
        assert!(refusal(&format!("{{ x {{ {} }} }}", aliases(101))).contains("aliases"));
        assert!(refusal(&format!("{{ x {{ {} }} }}", aliases(10_000))).contains("tokens"));
        assert!(refusal(&format!("{{ x {{ {} }} }}", "b ".repeat(501))).contains("fields"));
        assert!(refusal(&format!("{{ {}: b }}", "a".repeat(129))).contains("characters"));
    }

    #[test]
    fn directives_are_counted_everywhere() {
        let six = "@skip(if: false) ".repeat(6);
        for document in [
            format!("{{ a {six} }}"),
            format!("query {six} {{ a }}"),
            format!("{{ ... {six} {{ a }} }}"),
            format!("{{ ...f {six} }} fragment f on Query {{ a }}"),
            format!("{{ a }} fragment f on Query {six} {{ a }}"),
        ] {
            assert!(refusal(&document).contains("directives"), "{document}");
        }
    }

    #[test]
    fn introspection_may_not_run_in_circles() {
        let circle = "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }";
        assert!(refusal(circle).contains("introspection lists"));
        assert!(refusal("{ __schema { a: types { name } b: types { name } } }").contains("aliases"));
        let many: String = (0..4).map(|at| format!("a{at}: __schema {{ types {{ name }} }} ")).collect();
        assert!(refusal(&format!("{{ {many} }}")).contains("introspections"));
    }

    #[test]
    fn comments_and_strings_are_tokens_and_hide_nothing() {
        assert!(refusal(&("#\n".repeat(5_001) + "{ a }")).contains("tokens"));
        assert!(parse("{ a(b: \"}}}{{{{ \\\" # not a comment\") }").is_ok());
        assert!(parse("{ a(b: \"\"\"block \\\"\"\" \"quoted\" \"\"\") }").is_ok());
        let hidden = format!("{{ a(b: \"\\\\\") {} }}", "{a".repeat(70));
        assert!(refusal(&hidden).contains("brackets"));
    }

    #[test]
    fn malformed_documents_are_refused() {
        for document in
            ["", "{", "}", "{ a", "query {", "\"", "\"\"\"", "{ a(b: \"", "é", "{ é }", "\u{0}", "{a(b:\"\\"]
        {
            assert!(parse(document).is_err(), "{document:?}");
        }
    }
}
