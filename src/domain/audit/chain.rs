//! The chain that holds the rows of a log together, and what says where it ends.

use super::Log;

/// Makes the codes of a chain.
pub trait Chain: Send + Sync {
    /// The code over bytes.
    fn code(&self, bytes: &[u8]) -> Vec<u8>;
}

/// A row of a log, as the chain sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its place: 1 for the first.
    pub seq: i64,
    /// The values of [`Log::columns`].
    pub values: Vec<Option<String>>,
}

impl Link {
    /// The code that the row must carry behind a row with the code `previous`.
    ///
    /// A value stands behind the name of its column, and one that is absent not at all, so that a later release can add a column
    /// without breaking the chains that exist.
    #[must_use]
    pub fn code(&self, log: Log, previous: &[u8], chain: &dyn Chain) -> Vec<u8> {
        let mut parts: Vec<&[u8]> = vec![log.table().as_bytes(), previous];
        let seq = self.seq.to_be_bytes();
        parts.push(&seq);
        for (name, value) in log.columns().iter().zip(&self.values) {
            parts.extend(value.iter().flat_map(|value| [name.as_bytes(), value.as_bytes()]));
        }
        chain.code(&written(&parts))
    }
}

/// Where a chain ends. Kept beside the log and sealed, so that its last rows can't be cut off unnoticed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Head {
    /// The place of the last row; 0 for none.
    pub seq: i64,
    /// That row's code.
    pub code: Vec<u8>,
}

impl Head {
    /// The seal of the head itself. A row has an even number of parts behind the first three, so that no row's code is a seal.
    #[must_use]
    pub fn seal(&self, log: Log, chain: &dyn Chain) -> Vec<u8> {
        chain.code(&written(&[log.table().as_bytes(), &self.code, &self.seq.to_be_bytes(), b"head"]))
    }
}

/// Parts in a row, each behind its length, so that no two lists of parts are written alike.
fn written(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows what is coded.
    struct Plain;
    impl Chain for Plain {
        fn code(&self, bytes: &[u8]) -> Vec<u8> {
            bytes.to_vec()
        }
    }

    fn link(values: &[Option<&str>]) -> Vec<u8> {
        let values = values.iter().map(|value| value.map(str::to_owned)).collect();
        Link { seq: 1, values }.code(Log::User, b"before", &Plain)
    }

    #[test]
    fn no_two_rows_are_coded_alike() {
        let rows = [
            link(&[Some("a"), Some("b")]),
            link(&[Some("ab"), Some("")]),
            link(&[Some("ab"), None]),
            link(&[None, Some("ab")]),
            link(&[Some("b"), Some("a")]),
            link(&[Some("a\0action\0b"), None]),
            Link { seq: 2, values: vec![Some("ab".to_owned())] }.code(Log::User, b"before", &Plain),
            Link { seq: 1, values: vec![Some("ab".to_owned())] }.code(Log::User, b"behind", &Plain),
            Link { seq: 1, values: vec![Some("ab".to_owned())] }.code(Log::System, b"before", &Plain),
            Head { seq: 1, code: b"before".to_vec() }.seal(Log::User, &Plain),
        ];
        for (at, row) in rows.iter().enumerate() {
            assert!(!rows[..at].contains(row), "row {at}");
        }
    }

    #[test]
    fn a_column_without_a_value_does_not_count() {
        assert_eq!(link(&[Some("a"), None, None]), link(&[Some("a")]));
    }
}
