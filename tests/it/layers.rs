//! The structure of the source: which room may use which, which crates stand where, and how files look.
//!
//! The tables here are the rule; `src/lib.rs` and the documents draw the same picture.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A room, and the rooms it may use beside itself. `main`, `cli`, `jobs`, `router` and `telemetry` are the wiring: nobody below uses them.
const ROOMS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("error", &["domain"]),
    ("config", &["domain", "error"]),
    ("store", &["domain", "error"]),
    ("auth", &["domain", "error", "store"]),
    ("node", &["error"]),
    ("upstream", &["config", "domain", "error"]),
    ("mail", &["config", "domain", "error"]),
    ("app", &["auth", "config", "domain", "error", "mail", "node", "store", "upstream"]),
    ("service", &["app", "auth", "config", "domain", "error", "mail", "node", "store", "upstream"]),
    ("http", &["app", "auth", "domain", "error", "node", "service"]),
    ("console", &["app"]),
    ("graphql", &["app", "config", "domain", "error", "http", "service"]),
    ("rest", &["app", "domain", "error", "http", "service", "upstream"]),
    ("softlayer", &["app", "auth", "domain", "error", "http", "service"]),
    ("telemetry", &["config"]),
    ("router", &["app", "console", "error", "graphql", "http", "rest", "softlayer"]),
    ("jobs", &["app", "auth", "error", "http", "service"]),
    (
        "cli",
        &[
            "app",
            "auth",
            "config",
            "domain",
            "error",
            "graphql",
            "http",
            "jobs",
            "mail",
            "node",
            "rest",
            "router",
            "service",
            "telemetry",
        ],
    ),
    ("main", &["cli"]),
    ("lib", &[]),
];

/// Where each crate that we depend on may be used. One without a row fails the suite.
const CRATES: &[(&str, &[&str])] = &[
    ("argon2", &["auth"]),
    ("askama", &["mail", "softlayer"]),
    ("async_graphql", &["graphql"]),
    ("async_graphql_axum", &["graphql"]),
    ("async_trait", &["service"]),
    ("aws_lc_rs", &["auth"]),
    ("axum", &["console", "graphql", "http", "rest", "router", "softlayer"]),
    ("base64", &["auth", "config", "service", "softlayer", "store"]),
    ("chrono", &["app", "auth", "domain", "service", "softlayer"]),
    ("clap", &["cli"]),
    ("common_passwords", &["domain"]),
    ("crc32fast", &["domain"]),
    ("futures_util", &["store"]),
    ("http_body_util", &["http", "rest", "upstream"]),
    ("humantime", &["config", "http", "upstream"]),
    ("hyper", &["config", "http", "upstream"]),
    ("hyper_util", &["http", "upstream"]),
    ("hyper_rustls", &["upstream"]),
    ("ipnet", &["domain"]),
    ("jsonwebtoken", &["auth"]),
    ("keytower", &["main"]),
    ("keytower_migrations", &["store"]),
    ("lettre", &["config", "mail"]),
    ("mimalloc", &["main"]),
    ("mime", &["graphql", "http"]),
    ("qrcode", &["auth"]),
    ("quick_xml", &["softlayer"]),
    ("rustls", &["config", "mail", "upstream"]),
    ("sea_orm", &["store"]),
    ("sea_orm_migration", &["store"]),
    ("secrecy", &["domain", "service"]),
    ("serde", &["auth", "config", "domain", "mail", "rest", "service", "softlayer", "store"]),
    (
        "serde_json",
        &["auth", "cli", "domain", "graphql", "http", "rest", "router", "service", "softlayer", "store", "upstream"],
    ),
    ("serde_path_to_error", &["rest"]),
    ("sqlx", &["store"]),
    ("strsim", &["domain"]),
    ("tempfile", &["service"]),
    ("tokio", &["auth", "cli", "http", "jobs", "mail", "rest", "store", "upstream"]),
    ("toml", &["config"]),
    ("totp_rs", &["auth"]),
    ("tower", &["http"]),
    ("tower_http", &["rest", "router"]),
    ("tracing", &["cli", "config", "http", "node", "rest", "service", "store", "telemetry", "upstream"]),
    ("tracing_subscriber", &["telemetry"]),
    ("utoipa_swagger_ui", &["rest"]),
    ("uuid", &["domain"]),
    ("zeroize", &["auth", "domain"]),
];

/// Words that stand in certain files only.
const WORDS: &[(&str, &[&str])] = &[
    ("Utc::now", &["src/domain/clock.rs"]),
    ("SystemTime::now", &[]),
    ("Instant::now", &["src/http/shell.rs"]),
    ("Uuid::new_v4", &[]),
    ("Uuid::now_v7", &[]),
    (".unwrap(", &[]),
    (".expect(", &[]),
    ("panic!", &[]),
    ("todo!", &[]),
    ("unimplemented!", &[]),
    ("unreachable!", &[]),
    ("unsafe", &[]),
    ("#[allow", &[]),
    ("#[ignore", &[]),
];

/// What `domain` must not touch of the standard library.
const OUTSIDE: &[&str] = &[
    "std::fs",
    "std::net::Tcp",
    "std::net::Udp",
    "std::io",
    "std::env",
    "std::process",
    "std::thread",
    "async fn",
    ".await",
];

const LONGEST: usize = 500;
const MEAN: usize = 200;

#[test]
fn a_room_uses_only_what_stands_below_it() {
    let mut wrong = Vec::new();
    for file in sources("src") {
        let room = file.room();
        let Some((_, allowed)) = ROOMS.iter().find(|(known, _)| *known == room) else {
            wrong.push(format!("{}: the room {room} has no row in ROOMS", file.name));
            continue;
        };
        for used in file.rooms_used() {
            if used != room && !allowed.contains(&used.as_str()) {
                wrong.push(format!("{}: {room} must not use {used}", file.name));
            }
        }
        // The store is at hand in `App`; above the services it is not to be asked.
        if ["console", "http", "graphql", "rest", "softlayer"].contains(&room.as_str()) && file.code.contains(".store")
        {
            wrong.push(format!("{}: {room} must not reach for the store", file.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for (room, _) in ROOMS {
        assert!(sources("src").iter().any(|file| file.room() == *room), "there is no room {room}: take its row away");
    }
}

#[test]
fn a_crate_is_used_only_where_it_belongs() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let (_, rest) = manifest.split_once("\n[dependencies]\n").unwrap();
    let (dependencies, _) = rest.split_once("\n[").unwrap();
    let names = dependencies.lines().filter_map(|line| Some(line.split_once(" = ")?.0.replace('-', "_")));
    let mut wrong = Vec::new();
    for name in names {
        if !CRATES.iter().any(|(known, _)| *known == name) {
            wrong.push(format!("the dependency {name} has no row in CRATES"));
        }
    }
    for file in sources("src") {
        let room = file.room();
        let not_here = CRATES.iter().filter(|(_, rooms)| !rooms.contains(&room.as_str()));
        for (name, _) in not_here.filter(|(name, _)| has_word(&file.code, &format!("{name}::"))) {
            wrong.push(format!("{}: {room} must not use {name}", file.name));
        }
        if room == "domain" {
            for word in OUTSIDE.iter().filter(|word| has_word(&file.code, word)) {
                wrong.push(format!("{}: domain must not use {word}", file.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn some_words_stand_only_where_they_must() {
    let mut wrong = Vec::new();
    for file in sources("src").into_iter().chain(sources("migrations/src")) {
        for (word, _) in WORDS.iter().filter(|(_, files)| !files.contains(&file.name.as_str())) {
            if has_word(&file.code, word) {
                wrong.push(format!("{}: {word}", file.name));
            }
        }
    }
    // No test is left out, and none is unsafe.
    for file in sources("src").into_iter().chain(sources("tests")).chain(sources("migrations/src")) {
        let code = without_comments_and_texts(&file.text);
        for word in ["#[ignore", "unsafe"].iter().filter(|word| has_word(&code, word)) {
            wrong.push(format!("{}: {word}", file.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_says_what_it_is_and_stays_short() {
    let mut wrong = Vec::new();
    let (mut lines, mut files) = (0, 0);
    for tree in ["src", "migrations/src", "tests"] {
        for file in sources(tree) {
            if !file.text.starts_with("//! ") {
                wrong.push(format!("{}: does not open with //!", file.name));
            }
            let long = file.code.lines().count();
            if long > LONGEST {
                wrong.push(format!("{}: {long} lines without its tests, at most {LONGEST}", file.name));
            }
            if tree != "tests" {
                lines += file.text.lines().count();
                files += 1;
            }
        }
    }
    println!("src and migrations: {files} files, {lines} lines, {} on average", lines / files);
    assert!(lines / files <= MEAN, "{} lines on average, at most {MEAN}", lines / files);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_reader_of_this_file_sees_every_way_to_name_a_room() {
    let file = |name: &str, text: &str| Source::new(name.to_owned(), text.to_owned());
    for (name, text, rooms) in [
        ("src/rest/mod.rs", "use crate::store::Node;", "store"),
        ("src/rest/mod.rs", "use crate::{store, domain::{id, permit}};", "domain store"),
        ("src/rest/mod.rs", "use crate::{\n    domain::id::{self, UserId},\n    store::Node,\n};", "domain store"),
        ("src/rest/mod.rs", "fn f() -> crate::store::Node { crate::auth::x() }", "auth store"),
        ("src/rest/mod.rs", "use super::store::Node;", "store"),
        ("src/rest/mod.rs", "use super::answer;", "answer"),
        ("src/rest/answer.rs", "use super::openapi;", ""),
        ("src/rest/answer.rs", "use super::super::graphql;", "graphql"),
        ("src/rest/deep/er.rs", "use super::super::super::graphql::{x, y};", "graphql"),
        ("src/app.rs", "use super::service;", "service"),
        (
            "src/rest/mod.rs",
            "// use crate::store\n/* crate::store */ const T: &str = \"crate::store \\\" //\"; use crate::error;",
            "error",
        ),
        (
            "src/rest/mod.rs",
            "const T: &str = r#\"crate::store\"#; const C: char = '\"'; use crate::error; fn f<'a>() {}",
            "error",
        ),
        (
            "src/app.rs",
            "mod x {} #[cfg(test)] mod tests { use super::*; use crate::rest; fn f() { {} } } use crate::auth;",
            "auth",
        ),
    ] {
        assert_eq!(file(name, text).rooms_used().join(" "), rooms, "{text}");
    }
    assert!(has_word("let x = sqlx::query()", "sqlx::") && !has_word("let x = my_sqlx::query()", "sqlx::"));
}

/// What only the operator at the machine reads is English; all else is a text in both languages.
const FOR_THE_OPERATOR: &[&str] = &[
    "src/cli/",
    "src/config",
    "src/mail/server.rs",
    "src/node.rs",
    "src/service/inventory/check.rs",
    "src/service/inventory/mod.rs",
    "src/service/inventory/sync.rs",
    "src/service/setup.rs",
    "src/store/connect.rs",
    "src/store/migrate.rs",
    "src/upstream/",
];

#[test]
fn what_a_caller_reads_is_a_text_in_both_languages() {
    let mut wrong = Vec::new();
    for file in sources("src").iter().filter(|file| !FOR_THE_OPERATOR.iter().any(|it| file.name.starts_with(it))) {
        let code: String = file.code.split_whitespace().collect();
        for word in ["Error::invalid()", "Error::invalid(format!", "Error::invalid(String"] {
            if code.contains(word) {
                wrong.push(format!("{}: {word} has one language only: use text!", file.name));
            }
        }
        for (at, _) in code.match_indices("Error::new(") {
            let after = code[at..].split_once(',').map_or("", |(_, after)| after);
            if after.starts_with(')') || after.starts_with("format!") {
                wrong.push(format!("{}: an error has one language only: use text!", file.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A file of Rust.
#[derive(Clone)]
pub(crate) struct Source {
    /// Its path from the root, with `/`.
    name: String,
    text: String,
    /// The text without comments, the contents of strings, and test modules.
    pub(crate) code: String,
}

impl Source {
    pub(crate) fn new(name: String, text: String) -> Self {
        let code = without_test_modules(&without_comments_and_texts(&text));
        Self { name, text, code }
    }

    /// `src/rest/mod.rs` and `src/rest.rs` are of the room `rest`.
    fn room(&self) -> String {
        let inner = self.name.strip_prefix("src/").unwrap_or(&self.name);
        inner.split('/').next().unwrap().trim_end_matches(".rs").to_owned()
    }

    /// The path of its module from the crate's root.
    pub(crate) fn module(&self) -> Vec<String> {
        let inner = self.name.strip_prefix("src/").unwrap_or(&self.name);
        inner.split('/').filter(|part| *part != "mod.rs").map(|part| part.trim_end_matches(".rs").to_owned()).collect()
    }

    /// The rooms named by a path from the crate's root, spelled with `crate` or with enough `super`.
    fn rooms_used(&self) -> Vec<String> {
        let mut found = Vec::new();
        for root in ["crate::".to_owned(), "super::".repeat(self.module().len())] {
            for (at, _) in self.code.match_indices(&root) {
                let before = self.code[..at].chars().next_back();
                if before.is_none_or(|letter| !letter.is_alphanumeric() && letter != '_' && letter != ':') {
                    found.extend(first_names(&self.code[at + root.len()..]));
                }
            }
        }
        found.sort();
        found.dedup();
        found
    }
}

/// The first names of a path: one, or those of a list in braces.
fn first_names(rest: &str) -> Vec<String> {
    let name =
        |text: &str| text.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect::<String>();
    let Some(list) = rest.strip_prefix('{') else { return vec![name(rest)] };
    let mut names = Vec::new();
    let (mut depth, mut start) = (0, true);
    for (at, letter) in list.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => start = true,
            _ if start && !letter.is_whitespace() => {
                names.push(name(&list[at..]));
                start = false;
            }
            _ => {}
        }
    }
    names
}

/// Finds a word that does not go on to the left.
fn has_word(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        !word.starts_with(char::is_alphanumeric)
            || before.is_none_or(|letter| !letter.is_alphanumeric() && letter != '_')
    })
}

/// Blanks comments and the contents of texts; lines stay lines.
fn without_comments_and_texts(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let raw = rest.strip_prefix('r').map(|rest| rest.len() - rest.trim_start_matches('#').len());
        let inside = code.ends_with(|letter: char| letter.is_alphanumeric() || letter == '_');
        let length = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |at| at + 2),
            'r' if !inside && raw.is_some_and(|hashes| rest[1 + hashes..].starts_with('"')) => {
                let hashes = raw.unwrap_or_default();
                let end = format!("\"{}", "#".repeat(hashes));
                rest[2 + hashes..].find(&end).map_or(rest.len(), |at| at + 2 + hashes + end.len())
            }
            '"' => {
                let mut escaped = false;
                let end = rest[1..].char_indices().find(|(_, letter)| {
                    let ends = *letter == '"' && !escaped;
                    escaped = *letter == '\\' && !escaped;
                    ends
                });
                end.map_or(rest.len(), |(at, _)| at + 2)
            }
            '\'' if rest[1..].starts_with('\\') => rest[3..].find('\'').map_or(rest.len(), |at| at + 4),
            '\'' => match rest[1..].char_indices().nth(1) {
                Some((at, '\'')) => at + 2,
                _ => 0,
            },
            _ => 0,
        };
        if length == 0 {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            code.extend(rest[..length].chars().filter(|letter| *letter == '\n'));
            code.push(' ');
            rest = &rest[length..];
        }
    }
    code
}

/// Takes out `#[cfg(test)] mod … { … }`.
fn without_test_modules(code: &str) -> String {
    let mut kept = String::new();
    let mut rest = code;
    while let Some(at) = rest.find("#[cfg(test)]") {
        kept.push_str(&rest[..at]);
        let (mut depth, mut end) = (0, rest.len());
        for (here, letter) in rest[at..].char_indices() {
            match letter {
                '{' => depth += 1,
                '}' if depth == 1 => {
                    end = at + here + 1;
                    break;
                }
                '}' => depth -= 1,
                ';' if depth == 0 => {
                    end = at + here + 1;
                    break;
                }
                _ => {}
            }
        }
        rest = &rest[end..];
    }
    kept + rest
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every file of Rust under a folder, by name.
pub(crate) fn sources(tree: &str) -> Vec<Source> {
    let mut texts = BTreeMap::new();
    read(&root().join(tree), &mut texts);
    assert!(!texts.is_empty(), "there is nothing in {tree}");
    texts.into_iter().map(|(name, text)| Source::new(name, text)).collect()
}

fn read(folder: &Path, texts: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(&path, texts);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            texts.insert(name, std::fs::read_to_string(&path).unwrap());
        }
    }
}
