//! Verifies the audit logs: reads all rows in order, computes the code of each row again, and reports every position where the chain of
//! codes breaks.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::domain::audit::{Chain, Head, Log};
use crate::error::{Error, Result};
use crate::store::{Found, Store};

/// Number of rows checked between two progress reports.
const STRIDE: u64 = 1_000;

/// A fault in an audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The row differs from the row that was written at this position.
    Edited {
        /// Position of the row in the log.
        seq: i64,
        /// Id of the row.
        id: String,
    },
    /// The row does not follow from the previous row. The previous row is faulty itself, so this row may be intact.
    Unlinked {
        /// Position of the row in the log.
        seq: i64,
        /// Id of the row.
        id: String,
    },
    /// The row stands at a position where no row was written.
    Outside {
        /// Position of the row in the log.
        seq: i64,
        /// Id of the row.
        id: String,
    },
    /// Rows are missing at the start or in the middle of the log. The values are the first and the last missing position.
    Missing(i64, i64),
    /// Rows are missing at the end of the log. The values are the first and the last missing position.
    CutOff(i64, i64),
    /// The record of where the log ends was edited or removed.
    NoEnd,
    /// The log does not contain this end, which was noted at an earlier check.
    NotAsNoted(End),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Edited { seq, id } => write!(f, "row {id} at place {seq} was edited, moved here or forged"),
            Self::Unlinked { seq, id } => write!(f, "row {id} at place {seq} does not follow from the row ahead of it"),
            Self::Outside { seq, id } => {
                write!(f, "row {id} at place {seq} was forged or moved: no row was written there")
            }
            Self::Missing(first, last) => {
                write!(f, "places {first} to {last} are empty: rows were removed, so that the next can't be checked")
            }
            Self::CutOff(first, last) => write!(f, "places {first} to {last} are empty: rows were cut off at the end"),
            Self::NoEnd => f.write_str("what tells where it ends was edited or removed: rows may have been cut off"),
            Self::NotAsNoted(end) => {
                write!(f, "it does not hold the end that was noted, {end}: it is another's or older")
            }
        }
    }
}

/// The end of an audit log at some time. The operator notes it outside the database and compares it at a later check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// The audit log.
    pub log: Log,
    /// Position and code of the last row of the log.
    pub head: Head,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.log.table(), self.head.seq, URL_SAFE_NO_PAD.encode(&self.head.code))
    }
}

impl FromStr for End {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let read = || {
            let mut parts = text.split(':');
            let (log, seq, code) = (parts.next()?, parts.next()?, parts.next()?);
            let log = Log::ALL.into_iter().find(|known| known.table() == log)?;
            let head = Head { seq: seq.parse().ok()?, code: URL_SAFE_NO_PAD.decode(code).ok()? };
            parts.next().is_none().then_some(Self { log, head })
        };
        read().ok_or_else(|| "it must look like user_audit_logs:120:k3x…, as a check has printed it".to_owned())
    }
}

/// Result of the check of one log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings {
    /// Number of rows checked.
    pub rows: u64,
    /// Position and code of the last row checked.
    pub end: End,
    /// Faults found.
    pub faults: Vec<Fault>,
}

/// Checks all rows of both audit logs, and checks that each log contains its ends in `noted`. Calls `progress` with a log and the number of
/// its rows checked so far. Does not check rows that are written during the check.
///
/// # Errors
/// `Unavailable` if the database is unreachable.
pub async fn verify(
    store: &Store,
    chain: &dyn Chain,
    noted: &[End],
    mut progress: impl FnMut(Log, u64),
) -> Result<Vec<Findings>> {
    let mut findings = Vec::new();
    for log in Log::ALL {
        findings.push(check(store, chain, log, noted, &mut progress).await?);
    }
    Ok(findings)
}

async fn check(
    store: &Store,
    chain: &dyn Chain,
    log: Log,
    noted: &[End],
    progress: &mut impl FnMut(Log, u64),
) -> Result<Findings> {
    // Read the end first: rows that are written meanwhile come after this end.
    let said = store.audit_head(log).await?;
    let said = said.filter(|(head, seal)| head.seal(log, chain) == *seal).map(|(head, _)| head);
    let noted: Vec<&End> = noted.iter().filter(|end| end.log == log).collect();
    let mut walk =
        Walk { log, chain, rows: 0, last: Head::default(), sound: true, faults: Vec::new(), seen: Vec::new() };
    let mut from = Some(i64::MIN);
    while let Some(first) = from {
        let rows = store.links(log, first, STRIDE).await?;
        from = rows.last().filter(|_| rows.len() as u64 == STRIDE).and_then(|row| row.seq.checked_add(1));
        for row in rows {
            if said.as_ref().is_some_and(|end| row.seq > end.seq) {
                from = None;
                break;
            }
            walk.step(row, &noted);
        }
        progress(log, walk.rows);
    }
    let Walk { rows, last: head, mut faults, seen, .. } = walk;
    match said {
        None => faults.push(Fault::NoEnd),
        Some(end) => {
            if end.seq > head.seq {
                faults.push(Fault::CutOff(head.seq + 1, end.seq));
            }
            faults.extend(outside(store, log).await?);
        }
    }
    let lost = noted.into_iter().filter(|end| end.head != Head::default() && !seen.contains(end));
    faults.extend(lost.cloned().map(Fault::NotAsNoted));
    Ok(Findings { rows, end: End { log, head }, faults })
}

/// Returns a fault for each row after the end of the log, at most [`STRIDE`] faults. Reads the end before and after reading the rows, so
/// that rows written meanwhile are not reported.
async fn outside(store: &Store, log: Log) -> Result<Vec<Fault>> {
    let end = async || Ok::<_, Error>(store.audit_head(log).await?.map_or(0, |(head, _)| head.seq));
    let mut rows = store.links(log, end().await?.saturating_add(1), STRIDE).await?;
    let now = end().await?;
    rows.retain(|row| row.seq > now);
    Ok(rows.into_iter().map(|row| Fault::Outside { seq: row.seq, id: row.id }).collect())
}

/// State of the check of one log.
struct Walk<'a> {
    log: Log,
    chain: &'a dyn Chain,
    rows: u64,
    last: Head,
    /// Whether the last row checked is the row that was written at its position.
    sound: bool,
    faults: Vec<Fault>,
    /// The noted ends that were found in the log so far.
    seen: Vec<&'a End>,
}

impl<'a> Walk<'a> {
    fn step(&mut self, row: Found, noted: &[&'a End]) {
        let Found { seq, id, link } = row;
        self.rows += 1;
        if seq <= self.last.seq {
            self.faults.push(Fault::Outside { seq, id });
            return;
        }
        let gap = seq > self.last.seq + 1;
        let code = link.as_ref().map(|(_, code)| code.clone()).unwrap_or_default();
        let follows = link.is_some_and(|(link, code)| link.code(self.log, &self.last.code, self.chain) == code);
        if gap {
            self.faults.push(Fault::Missing(self.last.seq + 1, seq - 1));
        } else if !follows {
            let fault = if self.sound { Fault::Edited { seq, id } } else { Fault::Unlinked { seq, id } };
            self.faults.push(fault);
        }
        self.sound = gap || follows;
        self.last = Head { seq, code };
        self.seen.extend(noted.iter().filter(|end| end.head == self.last));
    }
}
