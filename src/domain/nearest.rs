//! Suggestions for unknown words: the known word that is most similar.

use crate::domain::text::{Text, text};

/// A suggestion must have a higher similarity than this (Jaro-Winkler, from 0 to 1): `labels` and `labels_some` have 0.91, `bogus` and
/// `bios_uuid` have 0.70.
const ALIKE: f64 = 0.8;
/// Maximum length of a word that is compared, in bytes. The time of a comparison grows with the square of the length.
const LONGEST: usize = 100;

/// Returns a "did you mean" question to append to an error message; empty if no known word is similar. If several words are equally
/// similar, the question names the first of them.
pub(in crate::domain) fn did_you_mean(word: &str, known: impl Iterator<Item = String>) -> Text {
    if word.len() > LONGEST {
        return Text::from("");
    }
    let mut nearest = (ALIKE, None);
    for candidate in known {
        let alike = strsim::jaro_winkler(&word.to_lowercase(), &candidate.to_lowercase());
        if alike > nearest.0 {
            nearest = (alike, Some(candidate));
        }
    }
    nearest.1.map_or_else(|| Text::from(""), |known| text!("; did you mean {known:?}?", "；是否想用 {known:?}？"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::entity::VM;
    use crate::domain::filter::operator::members;

    #[test]
    fn the_nearest_is_named_when_it_is_near() {
        for (word, meant) in [
            ("nmae", "name"),
            ("Name", "name"),
            ("ids", "id"),
            ("labels", "labels_some"),
            ("clusters", "cluster"),
            ("vm_disk_none", "vm_disks_none"),
            ("name_like", "name_lte"),
            ("vcpu_ge", "vcpu_gte"),
            ("name_startsWith", "name_starts_with"),
        ] {
            let asked = did_you_mean(word, members(VM.shape()).map(|(name, _)| name));
            assert_eq!(asked.en(), format!("; did you mean {meant:?}?"), "{word}");
        }
        for word in ["bogus", "", "$where", &"name".repeat(100_000)] {
            assert_eq!(did_you_mean(word, members(VM.shape()).map(|(name, _)| name)).en(), "", "{word}");
        }
    }
}
