//! Checks that no two files of the source use each other, directly or through other files.
//!
//! A `mod.rs` re-exports items of its folder. A use of a re-exported item counts as a use of the file that defines the item, and the
//! re-export itself does not count as a use.

use std::collections::{BTreeMap, BTreeSet};

use crate::layers::{Source, sources};

/// Modules by path from the root, such as `store::keys`, each with the names that the module re-exports and the paths of their definitions.
struct Modules(BTreeMap<Vec<String>, BTreeMap<String, Vec<String>>>);

impl Modules {
    fn of(files: &[Source]) -> Self {
        let mut modules = Self(files.iter().map(|file| (file.module(), BTreeMap::new())).collect());
        for file in files {
            let module = file.module();
            let mut handed_on = BTreeMap::new();
            for (path, name) in uses(&file.code) {
                let child = [module.as_slice(), &path[..1]].concat();
                if path.len() > 1 && modules.0.contains_key(&child) {
                    handed_on.insert(name, [module.as_slice(), path.as_slice()].concat());
                }
            }
            modules.0.insert(module, handed_on);
        }
        modules
    }

    /// Returns the module that defines the item at a path.
    fn find(&self, path: &[String]) -> Option<Vec<String>> {
        let length = (1..=path.len()).rev().find(|length| self.0.contains_key(&path[..*length]))?;
        let (module, rest) = path.split_at(length);
        let from = rest.first().and_then(|name| self.0[module].get(name));
        from.map_or_else(|| Some(module.to_vec()), |from| self.find(from))
    }

    /// Returns the modules that a file uses, without those in its own folder if the file is a `mod.rs`.
    fn used_by(&self, file: &Source) -> BTreeSet<Vec<String>> {
        let module = file.module();
        let found = named(&file.code).into_iter().filter_map(|(up, path)| {
            let base = up.map_or(&[][..], |up| &module[..module.len().saturating_sub(up)]);
            self.find(&[base, &path].concat())
        });
        found.filter(|used| !used.starts_with(&module)).collect()
    }
}

/// Returns every path that starts with `crate` or `super`: the number of `super` (`None` for `crate`), and the rest of the path.
fn named(code: &str) -> Vec<(Option<usize>, Vec<String>)> {
    let mut found = Vec::new();
    for start in ["crate::", "super::"] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_' || letter == ':') {
                continue;
            }
            let mut rest = &code[at + start.len()..];
            let mut up = (start == "super::").then_some(1);
            while let Some(further) = rest.strip_prefix("super::") {
                (rest, up) = (further, up.map(|up| up + 1));
            }
            found.extend(tree(rest).into_iter().map(|(path, _)| (up, path)));
        }
    }
    found
}

/// Returns the paths of all `use` declarations, each with the name that it introduces.
fn uses(code: &str) -> Vec<(Vec<String>, String)> {
    let statements = code.match_indices("use ").filter(|(at, _)| {
        let before = code[..*at].chars().next_back();
        before.is_none_or(char::is_whitespace)
    });
    statements.flat_map(|(at, word)| tree(&code[at + word.len()..])).collect()
}

/// Returns the paths of a `use` tree, each with the name that it introduces.
fn tree(text: &str) -> Vec<(Vec<String>, String)> {
    let text = text.trim_start();
    if let Some(list) = text.strip_prefix('{') {
        return members(list).into_iter().flat_map(tree).collect();
    }
    let end = text.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if let Some(rest) = rest.strip_prefix("::") {
        let below = tree(rest).into_iter().map(|(path, given)| {
            let path = if path == ["self"] { Vec::new() } else { path };
            let given = if given == "self" { name.to_owned() } else { given };
            (std::iter::once(name.to_owned()).chain(path).collect(), given)
        });
        return below.collect();
    }
    let alias = rest.trim_start().strip_prefix("as ").map(|alias| tree(alias).remove(0).1);
    vec![(vec![name.to_owned()], alias.unwrap_or_else(|| name.to_owned()))]
}

/// Returns the members of a list in braces.
fn members(list: &str) -> Vec<&str> {
    let (mut depth, mut start, mut found) = (0, 0, Vec::new());
    for (at, letter) in list.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => {
                found.push(&list[start..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                found.push(&list[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    found.into_iter().filter(|member| !member.trim().is_empty()).collect()
}

/// Returns the modules that a module uses, directly or through other modules.
fn reached<'a>(uses: &'a BTreeMap<Vec<String>, BTreeSet<Vec<String>>>, from: &'a [String]) -> BTreeSet<&'a [String]> {
    let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(next) = open.pop() {
        for used in uses.get(next).into_iter().flatten() {
            if seen.insert(used.as_slice()) {
                open.push(used);
            }
        }
    }
    seen
}

/// Exempt: the descriptions of tables are data, and related tables name each other.
const TABLES: [&str; 2] = ["domain", "entity"];

fn circles(files: &[Source]) -> Vec<String> {
    let modules = Modules::of(files);
    let uses: BTreeMap<_, _> = files.iter().map(|file| (file.module(), modules.used_by(file))).collect();
    let all: BTreeMap<&[String], _> = uses.keys().map(|module| (module.as_slice(), reached(&uses, module))).collect();
    let mut found = Vec::new();
    for (module, used) in uses.iter().filter(|(module, _)| !module.starts_with(&TABLES.map(str::to_owned))) {
        for other in
            used.iter().filter(|other| all.get(other.as_slice()).is_some_and(|it| it.contains(module.as_slice())))
        {
            found.push(format!("{} uses {}, which comes back to it", module.join("::"), other.join("::")));
        }
    }
    found
}

#[test]
fn no_file_comes_back_to_itself() {
    let found = circles(&sources("src"));
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_circle_is_seen_through_faces_and_lists() {
    let file = |name: &str, text: &str| Source::new(name.to_owned(), text.to_owned());
    let straight = [
        file("src/a.rs", "use crate::b::{self, c::{D as E, F}}; fn f() -> crate::b::G {}"),
        file("src/b/mod.rs", "mod c; mod g; pub use c::{D, F}; pub(super) use g::G;"),
        file("src/b/c.rs", "use super::g::G;"),
        file("src/b/g.rs", "// use super::c::D"),
    ];
    assert_eq!(circles(&straight), Vec::<String>::new());
    for back in [
        "use crate::a;",
        "use super::super::a::X;",
        "fn f() { crate::a::x() }",
        "use super::D;",
        "use super::{F as H};",
    ] {
        let mut bent = straight.to_vec();
        bent[3] = file("src/b/g.rs", back);
        assert!(!circles(&bent).is_empty(), "{back}");
    }
}
