//! The documents: what they say about the program is true, and their links lead somewhere.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use keytower::config::SETTINGS;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn the_documented_table_of_settings_is_the_programs() {
    let mut table = "\n| setting | default | meaning |\n|---|---|---|\n".to_owned();
    for setting in SETTINGS {
        let default = if setting.default.is_empty() { "none".to_owned() } else { format!("`{}`", setting.default) };
        writeln!(table, "| `{}` | {default} | {} |", setting.name, setting.meaning).unwrap();
    }
    let document = read("docs/settings.md");
    let (_, rest) = document.split_once("<!-- settings:start -->").unwrap();
    let (shown, _) = rest.split_once("<!-- settings:end -->").unwrap();
    assert_eq!(shown.trim(), table.trim(), "put this into docs/settings.md:\n{table}");
}

/// Returns the paths of all documents from the root.
fn documents() -> Vec<String> {
    let mut found: Vec<String> =
        ["README.md", "CHANGELOG.md", "SECURITY.md", "CONTRIBUTING.md", "bench/README.md"].map(str::to_owned).into();
    for folder in ["docs", "docs/decisions"] {
        let entries = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().display().to_string());
        found.extend(names.filter(|name| name.ends_with(".md")).map(|name| format!("{folder}/{name}")));
    }
    found
}

/// Returns the anchor of a heading.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|letter| letter.is_alphanumeric() || *letter == ' ' || *letter == '-');
    kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
}

/// The README stays short enough to be read whole; reference documents stand in `docs/`.
#[test]
fn the_readme_stays_short() {
    let lines = read("README.md").lines().count();
    assert!(lines <= 250, "README.md has {lines} lines");
}

#[test]
fn every_link_to_a_file_leads_to_one() {
    let mut checked = 0;
    for document in documents() {
        let text = read(&document);
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
        for target in targets.filter(|target| !target.contains("://")) {
            let (target, heading) =
                target.split_once('#').map_or((target, None), |(file, heading)| (file, Some(heading)));
            let folder = Path::new(&document).parent().unwrap();
            let path = match target {
                "" => Path::new(&document).to_owned(),
                file => folder.join(file),
            };
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
            assert!(path.exists(), "{document} links to {target}");
            if let Some(heading) = heading {
                let text = fs::read_to_string(&path).unwrap();
                let headings = text.lines().filter_map(|line| line.strip_prefix('#')).map(anchor);
                assert!(headings.into_iter().any(|known| known == heading), "{document} links to {target}#{heading}");
            }
            checked += 1;
        }
    }
    assert!(checked >= 5, "only {checked} links were found");
}

#[test]
fn the_changelog_has_a_place_for_what_comes_next() {
    assert!(read("CHANGELOG.md").contains("\n## Unreleased\n"));
}
