//! From objects to what a mask wants of them: the relations of all objects of a level are read together, level by level.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Map;

use super::fault::Fault;
use super::mask::Wanted;
use super::refusal::Outcome;
use super::rows::{self, ACCOUNT, Row};
use super::types::{Kind, Property, Type};
use super::value::{Struct, Value};
use crate::app::App;
use crate::domain::customer::Customer;
use crate::domain::entity::ORGANIZATION;
use crate::domain::id::UserId;
use crate::domain::permit::{Denial, Permit};
use crate::error::Error;
use crate::service::customers::{self, Viewer};
use crate::service::lists::{Budget, Projection};
use crate::service::{classic_keys, lists};

/// Most objects that one call reads, those that a filter needs included.
const OBJECTS_MAX: u64 = 50_000;
/// What everybody may know of a user whom they don't see, because it is their parent or the master.
const OPEN: &[&str] = &["id", "username", "displayName"];

/// The values of an object's relations, by name.
type Parts = BTreeMap<&'static str, Value>;

/// Reads objects for somebody.
#[derive(Debug)]
pub(super) struct Loader<'a> {
    /// The service.
    pub(super) app: &'a App,
    /// The permit of who asks.
    pub(super) permit: &'a Permit,
    /// What they see; `None` for whoever shows no credential, who sees no user.
    viewer: Option<Viewer>,
    read: AtomicU64,
}

impl<'a> Loader<'a> {
    /// For somebody.
    pub(super) fn new(app: &'a App, permit: &'a Permit) -> Outcome<Self> {
        Ok(Self { app, permit, viewer: Some(Viewer::of(permit)?), read: AtomicU64::new(0) })
    }

    /// For whoever asks for what is open to anybody; they see no user.
    pub(super) fn for_anybody(app: &'a App, permit: &'a Permit) -> Self {
        Self { app, permit, viewer: None, read: AtomicU64::new(0) }
    }

    /// What the caller sees.
    pub(super) fn viewer(&self) -> Result<&Viewer, Error> {
        self.viewer.as_ref().ok_or_else(|| Denial::NoCredential.into())
    }

    /// What is wanted of objects of one datatype, in their order.
    pub(super) async fn render(&self, rows: Vec<Row>, wanted: &Wanted) -> Outcome<Vec<Value>> {
        let more = u64::try_from(rows.len()).unwrap_or(u64::MAX);
        if self.read.fetch_add(more, Ordering::Relaxed).saturating_add(more) > OBJECTS_MAX {
            return Err(Fault::invalid(format!("a call reads at most {OBJECTS_MAX} objects: ask for less")).into());
        }
        let users = rows.iter().filter_map(|row| if let Row::User(user) = row { Some(user.as_ref()) } else { None });
        let users: Vec<Customer> = users.cloned().collect();
        let owners: Vec<Option<UserId>> = rows.iter().map(Row::user).collect();
        let mut of_users = match users.is_empty() {
            true => BTreeMap::new(),
            false => Box::pin(self.parts_of(&users, wanted)).await?,
        };
        let by_owner = match wanted.relation("user") {
            Some(inner) => Box::pin(self.users_by_id(owners.iter().flatten(), inner)).await?,
            None => BTreeMap::new(),
        };
        // There is one account, however many objects belong to it.
        let account = match rows.iter().any(|row| matches!(row, Row::Account)) {
            true => Box::pin(self.account(wanted)).await?,
            false => Value::Null,
        };
        let mut values = Vec::new();
        for (row, owner) in rows.iter().zip(owners) {
            values.push(match row {
                Row::User(user) => {
                    let parts = of_users.remove(&user.id);
                    let is_seen = parts.is_some();
                    let local = |name: &str| match is_seen || OPEN.contains(&name) {
                        true => rows::of_user(user, name),
                        false => Value::Null,
                    };
                    assemble(wanted, local, parts.unwrap_or_default())
                }
                Row::Key(shown) => {
                    let user = owner.and_then(|owner| by_owner.get(&owner)).cloned();
                    assemble(
                        wanted,
                        |name| rows::of_key(shown, name),
                        user.map(|user| ("user", user)).into_iter().collect(),
                    )
                }
                Row::Plain(object, _) => {
                    let user = owner.and_then(|owner| by_owner.get(&owner)).cloned();
                    thin(object, wanted, user)
                }
                Row::Account => account.clone(),
            });
        }
        Ok(values)
    }

    /// The objects of a relation of a user.
    pub(super) async fn related(&self, user: &Customer, relation: &str) -> Outcome<Vec<Row>> {
        Ok(self.relation(std::slice::from_ref(user), relation).await?.remove(&user.id).unwrap_or_default())
    }

    /// The relations of users that are wanted; nothing of those whom the caller doesn't see.
    async fn parts_of(&self, users: &[Customer], wanted: &Wanted) -> Outcome<BTreeMap<UserId, Parts>> {
        let mut seen = Vec::new();
        for user in users {
            if self.viewer()?.sees(self.app, &user.id).await? {
                seen.push(user.clone());
            }
        }
        let mut parts: BTreeMap<UserId, Parts> = seen.iter().map(|user| (user.id.clone(), Parts::new())).collect();
        for (property, inner) in relations(wanted) {
            let rows = self.relation(&seen, property.name).await?;
            let sizes: Vec<(UserId, usize)> = rows.iter().map(|(id, rows)| (id.clone(), rows.len())).collect();
            let mut values = self.render(rows.into_values().flatten().collect(), &inner).await?.into_iter();
            for (owner, size) in sizes {
                let list = values.by_ref().take(size).collect();
                parts.entry(owner).or_default().insert(property.name, of_kind(property.kind, list));
            }
            for parts in parts.values_mut() {
                parts.entry(property.name).or_insert_with(|| of_kind(property.kind, Vec::new()));
            }
        }
        Ok(parts)
    }

    async fn users_by_id(
        &self,
        ids: impl Iterator<Item = &UserId>,
        wanted: &Wanted,
    ) -> Outcome<BTreeMap<UserId, Value>> {
        let ids: BTreeSet<UserId> = ids.cloned().collect();
        let users = customers::by_ids(self.app, ids.into_iter().collect()).await?;
        let ids: Vec<UserId> = users.iter().map(|user| user.id.clone()).collect();
        let values = self.render(users.into_iter().map(Row::from).collect(), wanted).await?;
        Ok(ids.into_iter().zip(values).collect())
    }

    /// The objects of a relation of users whom the caller sees.
    async fn relation(&self, users: &[Customer], relation: &str) -> Outcome<BTreeMap<UserId, Vec<Row>>> {
        let app = self.app;
        let ids: Vec<UserId> = users.iter().map(|user| user.id.clone()).collect();
        let by_id: BTreeMap<&UserId, &Customer> = users.iter().map(|user| (&user.id, user)).collect();
        let of = |row: fn(&Customer) -> Row| users.iter().map(|user| (user.id.clone(), vec![row(user)])).collect();
        let mut found: BTreeMap<UserId, Vec<Row>> = BTreeMap::new();
        match relation {
            "account" => found = of(|_| Row::Account),
            "userStatus" => found = of(|user| rows::status(user.status)),
            "apiAuthenticationKeys" => {
                for shown in classic_keys::list(app, self.viewer()?, &ids).await? {
                    found.entry(shown.key.owner.clone()).or_default().push(Row::Key(Box::new(shown)));
                }
            }
            "childUsers" => {
                for child in customers::children_of(app, ids).await? {
                    if let Some(parent) = child.parent.clone() {
                        found.entry(parent).or_default().push(child.into());
                    }
                }
            }
            "parent" => {
                let parents: BTreeSet<UserId> = users.iter().filter_map(|user| user.parent.clone()).collect();
                let parents = customers::by_ids(app, parents.into_iter().collect()).await?;
                let parents: BTreeMap<UserId, Customer> = parents.into_iter().map(|it| (it.id.clone(), it)).collect();
                for user in users {
                    let parent = user.parent.as_ref().and_then(|parent| parents.get(parent));
                    found.insert(user.id.clone(), parent.cloned().map(Row::from).into_iter().collect());
                }
            }
            "permissions" => {
                let rights = customers::rights_of(app, &ids).await?;
                for user in users.iter().filter(|user| !user.is_master()) {
                    let rights = rights.get(&user.id).copied().unwrap_or_default();
                    let held = customers::held(user, &rights).into_iter().map(rows::permission);
                    found.insert(user.id.clone(), held.collect());
                }
            }
            "externalBindings" => {
                for factor in customers::factors_of(app, &ids).await? {
                    if let Some(user) = by_id.get(&factor.user) {
                        let row = rows::binding(user, &factor.mfa_type, factor.created_at);
                        found.entry(factor.user).or_default().push(row);
                    }
                }
            }
            "securityAnswers" => {
                // Of others not even the questions are told.
                let own = self.viewer()?.actor().user.clone();
                for user in users.iter().filter(|user| user.id == own) {
                    let answers = customers::answers_of(app, &user.id).await?;
                    found.insert(user.id.clone(), answers.into_iter().map(|it| rows::answer(user, it)).collect());
                }
            }
            "loginAttempts" | "successfulLogins" | "unsuccessfulLogins" => {
                for attempt in self.viewer()?.logins_of(app, &ids).await? {
                    let wanted = relation == "loginAttempts" || attempt.success == (relation == "successfulLogins");
                    if let Some(user) = by_id.get(&attempt.user).filter(|_| wanted) {
                        found.entry(user.id.clone()).or_default().push(rows::attempt(user, &attempt));
                    }
                }
            }
            // What SoftLayer's accounts have and this service does not.
            _ => {}
        }
        Ok(found)
    }

    async fn account(&self, wanted: &Wanted) -> Outcome<Value> {
        let master = self.viewer()?.master(self.app).await?;
        let mut parts = Parts::new();
        for (property, inner) in relations(wanted) {
            let rows = match property.name {
                "masterUser" => vec![Row::from(master.clone())],
                _ => self.viewer()?.all(self.app).await?.into_iter().map(Row::from).collect(),
            };
            parts.insert(property.name, of_kind(property.kind, self.render(rows, &inner).await?));
        }
        let company = self.organization().await?;
        let local = |name: &str| match name {
            "accountStatusId" => Value::Int(1001),
            "companyName" => company.as_str().into(),
            "id" => ACCOUNT.into(),
            "createDate" | "email" | "firstName" | "lastName" => rows::of_user(&master, name),
            _ => Value::Null,
        };
        Ok(assemble(wanted, local, parts))
    }

    async fn organization(&self) -> Outcome<String> {
        let projection = Projection::of(&ORGANIZATION, &["name"]);
        let found =
            lists::list(self.app, self.permit, &ORGANIZATION, &Map::new(), &projection, &Budget::unlimited()).await?;
        let name = found.first().and_then(|organization| organization.value("name").as_str().map(str::to_owned));
        Ok(name.unwrap_or_default())
    }
}

impl Row {
    fn user(&self) -> Option<UserId> {
        match self {
            Self::Key(shown) => Some(shown.key.owner.clone()),
            Self::Plain(_, user) => user.clone(),
            Self::User(_) | Self::Account => None,
        }
    }
}

impl From<Customer> for Row {
    fn from(user: Customer) -> Self {
        Self::User(Box::new(user))
    }
}

/// The relations that are wanted, and those that are only counted: of these, nothing but the ids.
fn relations(wanted: &Wanted) -> Vec<(&'static Property, Wanted)> {
    let mut all: Vec<(&'static Property, Wanted)> =
        wanted.relations().map(|(property, inner)| (property, inner.clone())).collect();
    for count in wanted.counts() {
        let Kind::Count(name) = count.kind else { continue };
        let Some(property) = wanted.kind().property(name) else { continue };
        let target = property.kind.target().and_then(Type::find);
        if let Some(target) = target.filter(|_| !all.iter().any(|(known, _)| known.name == name)) {
            all.push((property, Wanted::of(target)));
        }
    }
    all
}

fn of_kind(kind: Kind, list: Vec<Value>) -> Value {
    match kind {
        Kind::One(_) => list.into_iter().next().unwrap_or(Value::Null),
        _ => Value::List(list),
    }
}

/// An object as it is wanted, from its local properties and the relations that were read.
fn assemble(wanted: &Wanted, local: impl Fn(&str) -> Value, mut parts: Parts) -> Value {
    let mut object = Struct::of(wanted.kind().name);
    let counted = |parts: &Parts, name: &str| match parts.get(name) {
        Some(Value::List(list)) => i64::try_from(list.len()).unwrap_or(i64::MAX),
        Some(Value::Null) | None => 0,
        Some(_) => 1,
    };
    let counts: Vec<(&str, i64)> = wanted
        .counts()
        .filter_map(
            |count| if let Kind::Count(name) = count.kind { Some((count.name, counted(&parts, name))) } else { None },
        )
        .collect();
    for property in wanted.kind().properties().filter(|property| wanted.wants(property)) {
        match property.kind {
            Kind::Count(_) => {}
            Kind::One(_) | Kind::Many(_) => {
                object.put(property.name, parts.remove(property.name).unwrap_or(Value::Null))
            }
            _ => object.put(property.name, local(property.name)),
        }
    }
    for (name, count) in counts {
        object.put(name, count);
    }
    Value::Struct(object)
}

/// What is wanted of an object that is whole already.
fn thin(object: &Struct, wanted: &Wanted, user: Option<Value>) -> Value {
    let mut parts: Parts = user.map(|user| ("user", user)).into_iter().collect();
    for (property, inner) in relations(wanted).iter().filter(|(property, _)| property.name != "user") {
        let thinned = match object.get(property.name) {
            Some(Value::List(list)) => {
                Value::List(list.iter().filter_map(Value::as_struct).map(|one| thin(one, inner, None)).collect())
            }
            Some(Value::Struct(one)) => thin(one, inner, None),
            _ => of_kind(property.kind, Vec::new()),
        };
        parts.insert(property.name, thinned);
    }
    assemble(wanted, |name| object.get(name).cloned().unwrap_or(Value::Null), parts)
}
