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
fn the_table_of_settings_in_the_readme_is_the_programs() {
    let mut table = "\n| setting | default | meaning |\n|---|---|---|\n".to_owned();
    for setting in SETTINGS {
        let default = if setting.default.is_empty() { "none".to_owned() } else { format!("`{}`", setting.default) };
        writeln!(table, "| `{}` | {default} | {} |", setting.name, setting.meaning).unwrap();
    }
    let readme = read("README.md");
    let (_, rest) = readme.split_once("<!-- settings:start -->").unwrap();
    let (shown, _) = rest.split_once("<!-- settings:end -->").unwrap();
    assert_eq!(shown.trim(), table.trim(), "put this into README.md:\n{table}");
}

#[test]
fn every_link_to_a_file_leads_to_one() {
    let mut checked = 0;
    let decisions = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/decisions")).unwrap();
    let decisions = decisions.map(|entry| format!("docs/decisions/{}", entry.unwrap().file_name().display()));
    let documents = ["README.md", "CHANGELOG.md", "SECURITY.md", "docs/ARCHITECTURE.md", "bench/README.md"];
    for document in documents.map(str::to_owned).into_iter().chain(decisions) {
        let text = read(&document);
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
        for target in targets.filter(|target| !target.contains("://")) {
            let folder = Path::new(&document).parent().unwrap();
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(target);
            assert!(path.exists(), "{document} links to {target}");
            checked += 1;
        }
    }
    assert!(checked >= 5, "only {checked} links were found");
}

#[test]
fn the_changelog_has_a_place_for_what_comes_next() {
    assert!(read("CHANGELOG.md").contains("\n## Unreleased\n"));
}
