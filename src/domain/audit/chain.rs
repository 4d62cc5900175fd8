//! The chain of authentication codes that links the rows of an audit log, and the sealed record of the end of the chain.

use super::Log;

/// Computes the authentication codes of a chain, with a key that is not in the database.
pub trait Chain: Send + Sync {
    /// Returns the authentication code of the bytes.
    fn code(&self, bytes: &[u8]) -> Vec<u8>;
}

/// The content of an audit log row that the code of the row covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Position of the row in the log, from 1.
    pub seq: i64,
    /// Values of the row's columns, in the order of [`Log::columns`].
    pub values: Vec<Option<String>>,
}

impl Link {
    /// Returns the code that the row must carry if the previous row has the code `previous`.
    ///
    /// The code covers each value together with the name of its column, and leaves out missing values. Therefore a later release can add a
    /// column without breaking existing chains.
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

/// The end of a chain: position and code of the last row. The store keeps the head apart from the rows and with a seal, so that nobody can
/// cut off the last rows unnoticed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Head {
    /// Position of the last row; 0 if the log is empty.
    pub seq: i64,
    /// Code of the last row.
    pub code: Vec<u8>,
}

impl Head {
    /// Returns the seal: the authentication code of the head. After the first three parts, a row has an even number of parts and a head has
    /// exactly one, so that the code of a row is never a valid seal.
    #[must_use]
    pub fn seal(&self, log: Log, chain: &dyn Chain) -> Vec<u8> {
        chain.code(&written(&[log.table().as_bytes(), &self.code, &self.seq.to_be_bytes(), b"head"]))
    }
}

/// Joins the parts, each preceded by its length, so that different lists of parts give different bytes.
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

    /// Returns the bytes unchanged, so that tests can compare the input of codes.
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
