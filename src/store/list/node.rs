//! The result of reading a list: [`Node`]s, shaped by a [`Projection`] and limited by a [`Budget`].

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use serde::{Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::{Mutex, MutexGuard};

use crate::domain::entity::{Entity, Field, Relation};
use crate::domain::text::text;
use crate::error::{Error, Result};

/// The fields and relations of an entity to read.
#[derive(Debug, Clone, Default)]
pub struct Projection {
    /// Plain fields: fields that are not relations.
    pub fields: Vec<&'static Field>,
    /// Relations: for each, the name, the definition, and the projection of the related rows.
    pub relations: Vec<(&'static str, &'static Relation, Projection)>,
    leaves: u64,
}

impl Projection {
    /// Returns the projection of everything that the REST API shows of an entity: all plain fields of the contract, and the brief fields of
    /// each relation.
    #[must_use]
    pub fn full(entity: &'static Entity) -> Self {
        let mut all = Self::default();
        for field in entity.fields.iter().filter(|field| field.contract) {
            match field.relation() {
                None => all.want(field),
                Some(relation) => all.relate(field.name, relation, Self::of(relation.target, relation.brief)),
            }
        }
        all
    }

    /// Returns the projection of the plain fields with these names. Ignores unknown names.
    #[must_use]
    pub fn of(entity: &'static Entity, names: &[&str]) -> Self {
        let mut some = Self::default();
        names.iter().filter_map(|name| entity.field(name)).for_each(|field| some.want(field));
        some
    }

    /// Adds a plain field. A field that is added twice counts as two values, because the answer repeats the field.
    pub fn want(&mut self, field: &'static Field) {
        self.leaves += 1;
        if !self.fields.iter().any(|wanted| wanted.name == field.name) {
            self.fields.push(field);
        }
    }

    /// Counts one value that the answer contains but that is not read from the database, such as `__typename`.
    pub fn pad(&mut self) {
        self.leaves += 1;
    }

    /// Adds a relation. If the relation was added before, merges the two projections of the related rows.
    pub fn relate(&mut self, name: &'static str, relation: &'static Relation, inner: Self) {
        self.leaves += 1;
        match self.relations.iter_mut().find(|(known, _, _)| *known == name) {
            Some((_, _, known)) => known.merge(inner),
            None => self.relations.push((name, relation, inner)),
        }
    }

    fn merge(&mut self, other: Self) {
        let known = self.leaves;
        let theirs = other.leaves;
        for field in other.fields {
            self.want(field);
        }
        for (name, relation, inner) in other.relations {
            self.relate(name, relation, inner);
        }
        self.leaves = known + theirs;
    }

    /// Returns the number of values in one row, without the values in related rows.
    pub(super) fn leaves(&self) -> u64 {
        self.leaves.max(1)
    }
}

/// Maximum number of values in the answer of a change.
const IN_WRITE: u64 = 2_000;

/// One row and the related rows. If several rows have a to-one relation to the same row, they share one node for that row.
#[derive(Debug)]
pub struct Node {
    id: String,
    cells: BTreeMap<&'static str, Cell>,
    weight: u64,
}

#[derive(Debug)]
pub(super) enum Cell {
    Value(Value),
    Kept(Kept),
    One(Option<Arc<Node>>),
    Many(Vec<Arc<Node>>),
}

/// JSON text from the database. The answer contains the text as it is stored. The text is parsed only on the first access to the value.
#[derive(Debug)]
pub(super) struct Kept {
    text: Box<RawValue>,
    read: OnceLock<Value>,
}

impl Kept {
    pub(super) fn new(text: String) -> Result<Self> {
        Ok(Self { text: RawValue::from_string(text).map_err(Error::internal)?, read: OnceLock::new() })
    }

    fn value(&self) -> &Value {
        // `new` has checked that the text is JSON.
        self.read.get_or_init(|| serde_json::from_str(self.text.get()).unwrap_or_default())
    }
}

impl Node {
    pub(super) fn new(id: String, weight: u64) -> Self {
        Self { id, cells: BTreeMap::new(), weight }
    }

    /// Returns the id of the row.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the value of a plain field; null if the field was not read.
    #[must_use]
    pub fn value(&self, field: &str) -> &Value {
        match self.cells.get(field) {
            Some(Cell::Value(value)) => value,
            Some(Cell::Kept(kept)) => kept.value(),
            _ => &Value::Null,
        }
    }

    /// Sets the value of a field to a value that was not read from the database: the plain text of a newly minted key, which the store does
    /// not hold, or a value that was written after the read.
    pub fn reveal(&mut self, field: &'static str, value: Value) {
        self.put(field, Cell::Value(value));
    }

    /// Returns the related row of a to-one relation; `None` if there is none.
    #[must_use]
    pub fn one(&self, relation: &str) -> Option<&Arc<Node>> {
        match self.cells.get(relation) {
            Some(Cell::One(node)) => node.as_ref(),
            _ => None,
        }
    }

    /// Returns the related rows of a to-many relation.
    #[must_use]
    pub fn many(&self, relation: &str) -> &[Arc<Node>] {
        match self.cells.get(relation) {
            Some(Cell::Many(nodes)) => nodes,
            _ => &[],
        }
    }

    pub(super) fn put(&mut self, name: &'static str, cell: Cell) {
        let more = match &cell {
            Cell::Value(_) | Cell::Kept(_) | Cell::One(None) => 0,
            Cell::One(Some(node)) => node.weight,
            Cell::Many(nodes) => nodes.iter().fold(0, |sum: u64, node| sum.saturating_add(node.weight)),
        };
        self.weight = self.weight.saturating_add(more);
        self.cells.insert(name, cell);
    }

    /// Returns the number of values in the row and in all related rows, at any depth.
    pub(super) fn weight(&self) -> u64 {
        self.weight
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_map(&self.cells)
    }
}

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::Value(value) => value.serialize(serializer),
            Self::Kept(kept) => kept.text.serialize(serializer),
            Self::One(node) => node.serialize(serializer),
            Self::Many(nodes) => nodes.serialize(serializer),
        }
    }
}

/// The number of values that the answer to one request may still add, over all lists of the request. The lists are read one after another,
/// so that each list knows how many values the earlier lists have left.
#[derive(Debug)]
pub struct Budget {
    most: u64,
    left: AtomicU64,
    turn: Mutex<()>,
}

impl Budget {
    /// Returns a budget without a limit.
    #[must_use]
    pub fn unlimited() -> Self {
        Self::of(u64::MAX)
    }

    /// Returns a budget of `most` values.
    #[must_use]
    pub fn of(most: u64) -> Self {
        Self { most, left: AtomicU64::new(most), turn: Mutex::new(()) }
    }

    /// Returns the budget of a list that is read inside a write: the values that are left, but at most 2,000. With more, reading the list
    /// would delay other writes. An unlimited budget stays unlimited.
    pub(super) fn in_write(&self) -> Self {
        match self.left.load(Ordering::Relaxed) {
            u64::MAX => Self::unlimited(),
            left => Self::of(left.min(IN_WRITE)),
        }
    }

    /// Returns the number of values that were taken from the budget.
    pub(super) fn spent(&self) -> u64 {
        self.most.saturating_sub(self.left.load(Ordering::Relaxed))
    }

    /// Waits until no other list of the request is being read.
    pub(super) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Returns the row limit for a statement: one row more than the budget allows, so that a list that is too large is noticed without
    /// reading all rows. `None` means no limit.
    pub(super) fn most_rows(&self, projection: &Projection) -> Option<u64> {
        let left = self.left.load(Ordering::Relaxed);
        (left < u64::MAX).then(|| left / projection.leaves() + 1)
    }

    pub(super) fn check(&self, weight: u64) -> Result<()> {
        if weight > self.left.load(Ordering::Relaxed) { Err(self.exceeded()) } else { Ok(()) }
    }

    /// Takes `weight` values from the budget.
    ///
    /// # Errors
    /// `Invalid` if fewer than `weight` values are left.
    pub fn spend(&self, weight: u64) -> Result<()> {
        let spent = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(weight));
        spent.map(drop).map_err(|_| self.exceeded())
    }

    /// Empties the budget, so that later lists of the request fail too, and returns the error.
    fn exceeded(&self) -> Error {
        self.left.store(0, Ordering::Relaxed);
        Error::invalid(text!(
            "the answer would hold more than {} values: ask for fewer fields, or page with first and skip",
            "应答将超过 {} 个值：请减少字段，或用 first 和 skip 分页",
            self.most
        ))
    }
}
