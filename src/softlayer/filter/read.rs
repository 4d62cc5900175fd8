//! Parses the filter of a call, which is a struct.

use super::operation::{Test, presence, unreadable};
use super::option::{option, refused};
use super::{Condition, Filter, HIDDEN, Order};
use crate::softlayer::fault::Fault;
use crate::softlayer::mask::Wanted;
use crate::softlayer::types::{Kind, Property, Type};
use crate::softlayer::value::Value;

/// Maximum nesting of relations in a filter.
const DEPTH_MAX: usize = 64;
/// Maximum number of conditions, sort orders and relations in a filter, all together.
const CONDITIONS_MAX: usize = 200;
/// Maximum number of values in all lists of a filter together.
const VALUES_MAX: usize = 1_000;

/// Parses a filter on rows of a datatype. The conditions are at the root of `filter`, or under the name of the relation that the method
/// lists: under `users` for `SoftLayer_Account::getUsers`.
///
/// # Errors
/// [`Fault::invalid`] if the filter is not a struct, exceeds a limit, or has a malformed operation on a known property.
pub fn read(filter: &Value, relation: Option<&str>, kind: &'static Type) -> Result<Filter, Fault> {
    let mut reader = Reader { order: Vec::new(), path: Vec::new(), count: 0, values: 0 };
    let mut needs = Wanted::of(kind);
    let mut conditions = Vec::new();
    need_id(&mut needs);
    for (name, value) in members(filter).ok_or_else(|| Fault::invalid("A filter is a struct."))? {
        if relation == Some(name.as_str()) {
            let allowed = || Fault::invalid(format!("The filter on '{name}' is not valid: it is a struct."));
            let inner = members(value).ok_or_else(allowed)?;
            reader.all(inner, &mut needs, &mut conditions)?;
        } else {
            reader.member(name, value, &mut needs, &mut conditions)?;
        }
    }
    let mut order = reader.order;
    order.sort_by_key(|order| order.rank);
    Ok(Filter { conditions, order, needs })
}

/// Returns the members of a struct; no members for an empty value, and `None` for any other value.
fn members(value: &Value) -> Option<&[(String, Value)]> {
    match value {
        Value::Struct(object) => Some(&object.members),
        value if holds_nothing(value) => Some(&[]),
        _ => None,
    }
}

fn holds_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Text(text) => text.trim().is_empty(),
        Value::List(list) => list.is_empty(),
        Value::Struct(object) => object.members.is_empty(),
        _ => false,
    }
}

fn need_id(needs: &mut Wanted) {
    if let Some(id) = needs.kind().property("id") {
        needs.name(id);
    }
}

struct Reader {
    order: Vec<Order>,
    /// Names of the relations that lead to the current position.
    path: Vec<&'static str>,
    /// Number of conditions, sort orders and relations so far.
    count: usize,
    /// Number of values in lists so far.
    values: usize,
}

impl Reader {
    fn all(
        &mut self,
        members: &[(String, Value)],
        needs: &mut Wanted,
        conditions: &mut Vec<Condition>,
    ) -> Result<(), Fault> {
        members.iter().try_for_each(|(name, value)| self.member(name, value, needs, conditions))
    }

    /// Reads the conditions on a property; ignores an unknown property.
    fn member(
        &mut self,
        name: &str,
        value: &Value,
        needs: &mut Wanted,
        conditions: &mut Vec<Condition>,
    ) -> Result<(), Fault> {
        let known = needs.kind().property(name).filter(|known| !HIDDEN.contains(&known.name));
        let Some(property) = known.filter(|_| !holds_nothing(value)) else { return Ok(()) };
        let inner = needs.name(property);
        match property.kind {
            Kind::One(_) | Kind::Many(_) => self.relation(property, value, inner, conditions),
            Kind::Texts | Kind::Void => Ok(()),
            _ => self.plain(property, value, conditions),
        }
    }

    fn relation(
        &mut self,
        property: &'static Property,
        value: &Value,
        needs: &mut Wanted,
        conditions: &mut Vec<Condition>,
    ) -> Result<(), Fault> {
        if self.path.len() >= DEPTH_MAX {
            return Err(refused(property, &format!("at most {DEPTH_MAX} relations lead to a property")));
        }
        self.count(property, 1)?;
        need_id(needs);
        let object = value.as_struct().ok_or_else(|| refused(property, "it is a struct"))?;
        if let Some(operation) = object.get("operation") {
            let presence = presence(operation);
            let presence = presence.ok_or_else(|| refused(property, "of a relation, it is 'is null' or 'not null'"))?;
            conditions.push(Condition::Exists(property, presence));
        }
        let mut inner = Vec::new();
        self.path.push(property.name);
        self.all(&object.members, needs, &mut inner)?;
        self.path.pop();
        if !inner.is_empty() {
            conditions.push(Condition::Related(property, inner));
        }
        Ok(())
    }

    fn plain(
        &mut self,
        property: &'static Property,
        value: &Value,
        conditions: &mut Vec<Condition>,
    ) -> Result<(), Fault> {
        let (operation, options) = match value {
            Value::Struct(object) => {
                (object.get("operation").ok_or_else(|| unreadable(property))?, object.get("options"))
            }
            bare => (bare, None),
        };
        self.count(property, 1)?;
        if matches!(operation, Value::Text(text) if text.trim().eq_ignore_ascii_case("orderBy")) {
            let order = self.order(property, options)?;
            self.order.push(order);
            return Ok(());
        }
        let test = Test::read(property, operation, options)?;
        self.count(property, test.parts())?;
        self.values += test.values();
        if self.values > VALUES_MAX {
            return Err(refused(property, &format!("a filter has at most {VALUES_MAX} values in lists")));
        }
        conditions.push(Condition::Plain(property, test));
        Ok(())
    }

    fn order(&self, property: &'static Property, options: Option<&Value>) -> Result<Order, Fault> {
        let descending = match option(options, "sort") {
            None => false,
            Some([Value::Text(sort)]) if sort.eq_ignore_ascii_case("ASC") => false,
            Some([Value::Text(sort)]) if sort.eq_ignore_ascii_case("DESC") => true,
            Some(_) => return Err(refused(property, "the option 'sort' is ASC or DESC")),
        };
        let rank = match option(options, "sortOrder") {
            None => i64::MAX,
            Some(rank) => match rank {
                [rank] => rank.as_int(),
                _ => None,
            }
            .ok_or_else(|| refused(property, "the option 'sortOrder' is a whole number"))?,
        };
        let path = self.path.iter().copied().chain([property.name]).collect();
        Ok(Order { path, descending, rank })
    }

    fn count(&mut self, property: &Property, conditions: usize) -> Result<(), Fault> {
        self.count += conditions;
        if self.count > CONDITIONS_MAX {
            return Err(refused(property, &format!("a filter has at most {CONDITIONS_MAX} conditions")));
        }
        Ok(())
    }
}
