//! Removes secrets from texts that are stored forever, because users paste keys where names belong.

use super::key_format::{LEN, PORTAL_PREFIX, PREFIX, parse, parse_portal_token};

/// Start of a signed token: `{"` in base64.
const TOKEN: &str = "eyJ";

/// Replaces the API keys, signed tokens and portal tokens in a text by `[API key]`, `[token]` and `[portal token]`.
#[must_use]
pub fn redact(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|letter| !is_part_of_a_secret(letter)).unwrap_or(rest.len());
        let (run, behind) = rest.split_at(end);
        redact_run(run, &mut kept);
        let mut letters = behind.chars();
        kept.extend(letters.next());
        rest = letters.as_str();
    }
    kept
}

fn is_part_of_a_secret(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.')
}

/// Redacts a run of characters that can occur in a secret.
fn redact_run(run: &str, kept: &mut String) {
    let token = run.find(TOKEN).filter(|at| run.get(*at..).is_some_and(|tail| tail.matches('.').count() >= 2));
    let (mut rest, token) = run.split_at(token.unwrap_or(run.len()));
    // A key in capitals is not accepted as a credential, but the text reveals the key.
    while let Some((before, what, behind)) = next_secret(rest) {
        kept.push_str(before);
        kept.push_str(what);
        rest = behind;
    }
    kept.push_str(rest);
    if !token.is_empty() {
        kept.push_str("[token]");
    }
}

/// Finds the first key or portal token in a run. Returns the text before the secret, the replacement of the secret, and the text after the
/// secret.
fn next_secret(run: &str) -> Option<(&str, &'static str, &str)> {
    let small = run.to_ascii_lowercase();
    let first = |prefix: &str, is_one: fn(&str) -> bool| {
        let at = small.match_indices(prefix).map(|(at, _)| at);
        at.into_iter().find(|at| small.get(*at..at + LEN).is_some_and(is_one))
    };
    let key = first(PREFIX, |text| parse(text).is_some()).map(|at| (at, "[API key]"));
    let token = first(PORTAL_PREFIX, |text| parse_portal_token(text).is_some()).map(|at| (at, "[portal token]"));
    let (at, what) = key.into_iter().chain(token).min()?;
    Some((run.get(..at)?, what, run.get(at + LEN..)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::key_format::{generate, generate_portal_token};
    use crate::domain::random::{Exhausted, Random};

    struct Sevens;
    impl Random for Sevens {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), Exhausted> {
            bytes.fill(7);
            Ok(())
        }
    }

    #[test]
    fn keys_and_tokens_are_taken_out_wherever_they_stand() {
        let key = generate(&Sevens).unwrap();
        let portal = generate_portal_token(&Sevens).unwrap();
        let portal = portal.expose();
        let (key, token) = (key.expose(), "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIxIn0.c2ln-bmF0_dXJl");
        for (text, kept) in [
            (String::new(), String::new()),
            ("a name, 名字".to_owned(), "a name, 名字".to_owned()),
            (key.to_owned(), "[API key]".to_owned()),
            (format!("名{key}字 {key}"), "名[API key]字 [API key]".to_owned()),
            (format!("x{key}{portal}{}", portal.to_uppercase()), "x[API key][portal token][portal token]".to_owned()),
            (format!("{portal} {portal}0"), "[portal token] [portal token]0".to_owned()),
            (format!("x{key}{key}y"), "x[API key][API key]y".to_owned()),
            (format!("kt1kt1{key}"), "kt1kt1[API key]".to_owned()),
            (key.to_uppercase(), "[API key]".to_owned()),
            (format!("Bearer {token}!"), "Bearer [token]!".to_owned()),
            (format!("{key}.{token}"), "[API key].[token]".to_owned()),
            (format!("{}0", &key[..63]), format!("{}0", &key[..63])),
            ("eyJ kt1 a.b.c".to_owned(), "eyJ kt1 a.b.c".to_owned()),
        ] {
            assert_eq!(redact(&text), kept);
        }
    }
}
