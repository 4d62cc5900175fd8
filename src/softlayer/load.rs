//! Loads the objects that a mask selects and renders them as values, level by level: one read per relation serves all objects of a level.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::assemble::{Parts, assemble, of_kind, relations, thin, weight};
use super::fault::Fault;
use super::mask::Wanted;
use super::refusal::Outcome;
use super::rows::{self, ACCOUNT, Row};
use super::types::Property;
use super::value::Value;
use crate::app::App;
use crate::domain::customer::Customer;
use crate::domain::id::UserId;
use crate::domain::permit::{Denial, Permit};
use crate::error::Error;
use crate::service::keys::classic_keys;
use crate::service::people::customers::{Account, RelatedUser, Viewer, VisibleUser};

/// Maximum number of objects that one call reads. Objects that only the filter needs count too, and so does each copy of an object.
const OBJECTS_MAX: u64 = 50_000;
/// Maximum number of local property values in these objects.
const VALUES_MAX: u64 = 400_000;

/// Loads the objects of one call, and checks their number against the limits.
#[derive(Debug)]
pub(super) struct Loader<'a> {
    app: &'a App,
    permit: &'a Permit,
    viewer: Option<Viewer>,
    objects: AtomicU64,
    values: AtomicU64,
    account: OnceLock<Account>,
    users: OnceLock<Vec<VisibleUser>>,
}

impl<'a> Loader<'a> {
    /// Returns a loader that reads what the caller may see; the caller must have a credential.
    pub(super) fn new(app: &'a App, permit: &'a Permit) -> Outcome<Self> {
        Ok(Self { viewer: Some(Viewer::of(permit)?), ..Self::for_anybody(app, permit) })
    }

    /// Returns a loader for methods that need no credential; this loader cannot read users.
    pub(super) fn for_anybody(app: &'a App, permit: &'a Permit) -> Self {
        let (objects, values) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { app, permit, viewer: None, objects, values, account: OnceLock::new(), users: OnceLock::new() }
    }

    /// Returns the viewer: the caller as a reader of users.
    ///
    /// # Errors
    /// `Unauthenticated` if the loader comes from [`Self::for_anybody`].
    pub(super) fn viewer(&self) -> Outcome<&Viewer> {
        self.viewer.as_ref().ok_or_else(|| Error::from(Denial::NoCredential).into())
    }

    /// Returns the users that are visible to the caller. The first use reads the users; later uses in the same call return the same list.
    pub(super) async fn users(&self) -> Outcome<&[VisibleUser]> {
        if self.users.get().is_none() {
            let users = self.viewer()?.all(self.app, self.room()).await?;
            self.check_room(users.len())?;
            return Ok(self.users.get_or_init(|| users));
        }
        Ok(self.users.get().map_or(&[], Vec::as_slice))
    }

    /// Returns the maximum number of rows for a query: one more than the number of objects that the call may still read. A query that
    /// returns that many rows has found too many.
    fn room(&self) -> u64 {
        OBJECTS_MAX.saturating_sub(self.objects.load(Ordering::Relaxed)).saturating_add(1)
    }

    fn check_room(&self, objects: usize) -> Outcome<()> {
        if size(objects) < self.room() { Ok(()) } else { Err(too_much().into()) }
    }

    /// Adds objects and values to the totals of this call, before they are built; fails if a total exceeds the limit.
    fn spend(&self, objects: u64, values: u64) -> Outcome<()> {
        let add = |sum: &AtomicU64, more: u64| sum.fetch_add(more, Ordering::Relaxed).saturating_add(more);
        let (objects, values) = (add(&self.objects, objects), add(&self.values, values));
        if objects > OBJECTS_MAX || values > VALUES_MAX { Err(too_much().into()) } else { Ok(()) }
    }

    /// Copies a value that occurs several times in an answer. The copy counts against the limits.
    fn copy(&self, value: &Value) -> Outcome<Value> {
        let (objects, values) = weight(value);
        self.spend(objects, values)?;
        Ok(value.clone())
    }

    /// Renders rows of one datatype as values with the properties that the mask selects. The order of the rows stays the same.
    pub(super) async fn render(&self, rows: Vec<Row>, wanted: &Wanted) -> Outcome<Vec<Value>> {
        let each = wanted.kind().properties().filter(|it| it.kind.is_local() && wanted.wants(it)).count();
        self.spend(size(rows.len()), size(rows.len()).saturating_mul(size(each)))?;
        let relations = relations(wanted);
        let mut of_users = BTreeMap::new();
        if !relations.is_empty() {
            let unique: BTreeMap<&UserId, &VisibleUser> = rows.iter().filter_map(visible).collect();
            let users: Vec<VisibleUser> = unique.into_values().cloned().collect();
            of_users = Box::pin(self.parts_of(&users, &relations)).await?;
        }
        let by_owner = match wanted.relation("user") {
            Some(inner) => Box::pin(self.users_by_id(rows.iter().filter_map(Row::user), inner)).await?,
            None => BTreeMap::new(),
        };
        let mut account = None;
        let mut used: BTreeSet<&UserId> = BTreeSet::new();
        let mut values = Vec::with_capacity(rows.len());
        for row in &rows {
            values.push(match row {
                Row::User(user) => {
                    let mut parts = Parts::new();
                    for (name, value) in of_users.get(&user.id).into_iter().flatten() {
                        let value: &Value = value;
                        parts.insert(*name, if used.contains(&user.id) { self.copy(value)? } else { value.clone() });
                    }
                    used.insert(&user.id);
                    assemble(wanted, |name| rows::of_user(user, name), parts)
                }
                Row::Outline(user) => assemble(wanted, |name| rows::of_outline(user, name), Parts::new()),
                Row::Key(shown) => {
                    let user = self.owner(row, &by_owner)?;
                    let parts = user.map(|user| ("user", user)).into_iter().collect();
                    assemble(wanted, |name| rows::of_key(shown, name), parts)
                }
                Row::Plain(object, _) => thin(object, wanted, self.owner(row, &by_owner)?),
                Row::Account => match &account {
                    Some(known) => self.copy(known)?,
                    None => account.insert(Box::pin(self.account(wanted, &relations)).await?).clone(),
                },
            });
        }
        Ok(values)
    }

    /// Returns a copy of the rendered user that owns a row; `users` holds the rendered users.
    fn owner(&self, row: &Row, users: &BTreeMap<UserId, Value>) -> Outcome<Option<Value>> {
        row.user().and_then(|user| users.get(user)).map(|user| self.copy(user)).transpose()
    }

    /// Returns the objects in one relation of one user.
    pub(super) async fn related(&self, user: &VisibleUser, relation: &str) -> Outcome<Vec<Row>> {
        if relation == "apiAuthenticationKeys" {
            let keys = classic_keys::list_of(self.app, self.viewer()?, user).await?;
            return Ok(keys.into_iter().map(|shown| Row::Key(Box::new(shown))).collect());
        }
        Ok(self.relation(std::slice::from_ref(user), relation).await?.remove(&user.id).unwrap_or_default())
    }

    /// Returns the rendered relations of several users, by user id.
    async fn parts_of(
        &self,
        users: &[VisibleUser],
        relations: &[(&'static Property, Wanted)],
    ) -> Outcome<BTreeMap<UserId, Parts>> {
        let mut parts: BTreeMap<UserId, Parts> = users.iter().map(|user| (user.id.clone(), Parts::new())).collect();
        for (property, inner) in relations {
            let rows = self.relation(users, property.name).await?;
            let sizes: Vec<(UserId, usize)> = rows.iter().map(|(id, rows)| (id.clone(), rows.len())).collect();
            let mut values = self.render(rows.into_values().flatten().collect(), inner).await?.into_iter();
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
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let (ids, users): (Vec<_>, Vec<_>) = self.viewer()?.by_ids(self.app, ids).await?.into_iter().unzip();
        let values = self.render(users.into_iter().map(Row::from).collect(), wanted).await?;
        Ok(ids.into_iter().zip(values).collect())
    }

    /// Returns the objects in one relation of several users, by user id.
    async fn relation(&self, users: &[VisibleUser], relation: &str) -> Outcome<BTreeMap<UserId, Vec<Row>>> {
        let (app, viewer) = (self.app, self.viewer()?);
        let by_id: BTreeMap<&UserId, &Customer> = users.iter().map(|user| (&user.id, &**user)).collect();
        let of = |row: fn(&Customer) -> Row| users.iter().map(|user| (user.id.clone(), vec![row(user)])).collect();
        let mut found: BTreeMap<UserId, Vec<Row>> = BTreeMap::new();
        match relation {
            "account" => found = of(|_| Row::Account),
            "userStatus" => found = of(|user| rows::status(user.status)),
            "apiAuthenticationKeys" => {
                let ids: Vec<UserId> = users.iter().map(|user| user.id.clone()).collect();
                for shown in classic_keys::list(app, viewer, &ids).await? {
                    found.entry(shown.key.owner.clone()).or_default().push(Row::Key(Box::new(shown)));
                }
            }
            "childUsers" => {
                let children = viewer.children_of(app, users, self.room()).await?;
                self.check_room(children.values().map(Vec::len).sum())?;
                found =
                    children.into_iter().map(|(id, them)| (id, them.into_iter().map(Row::from).collect())).collect();
            }
            "parent" => {
                let parents = viewer.parents_of(app, users).await?;
                found = parents.into_iter().map(|(id, parent)| (id, vec![parent.into()])).collect();
            }
            "permissions" => {
                for (user, held) in viewer.permissions_of(app, users).await? {
                    found.insert(user, held.into_iter().map(rows::permission).collect());
                }
            }
            "externalBindings" => {
                for factor in viewer.factors_of(app, users).await? {
                    if let Some(user) = by_id.get(&factor.user) {
                        let row = rows::binding(user, &factor.mfa_type, factor.created_at);
                        found.entry(factor.user).or_default().push(row);
                    }
                }
            }
            "securityAnswers" => {
                for (id, answers) in viewer.answers_of(app, users).await? {
                    if let Some(user) = by_id.get(&id) {
                        let answers = answers.into_iter().map(|it| rows::answer(user, it)).collect();
                        found.insert(id, answers);
                    }
                }
            }
            "loginAttempts" | "successfulLogins" | "unsuccessfulLogins" => {
                let attempts = viewer.logins_of(app, users, self.room()).await?;
                self.check_room(attempts.len())?;
                for attempt in attempts {
                    let wanted = relation == "loginAttempts" || attempt.success == (relation == "successfulLogins");
                    if let Some(user) = by_id.get(&attempt.user).filter(|_| wanted) {
                        found.entry(user.id.clone()).or_default().push(rows::attempt(user, &attempt));
                    }
                }
            }
            // Relations that exist in SoftLayer but not in keytower, such as hardware, are always empty.
            _ => {}
        }
        Ok(found)
    }

    async fn account(&self, wanted: &Wanted, relations: &[(&'static Property, Wanted)]) -> Outcome<Value> {
        let mut parts = Parts::new();
        for (property, inner) in relations {
            let rows = match property.name {
                "masterUser" => vec![self.viewer()?.master(self.app).await?.into()],
                _ => self.users().await?.iter().cloned().map(Row::from).collect(),
            };
            parts.insert(property.name, of_kind(property.kind, self.render(rows, inner).await?));
        }
        if self.account.get().is_none() {
            let account = self.viewer()?.account(self.app, self.permit).await?;
            self.account.get_or_init(|| account);
        }
        let account = self.account.get().ok_or_else(|| Error::internal("the account was not kept"))?;
        let local = |name: &str| match name {
            "accountStatusId" => Value::Int(1001),
            "companyName" => account.company_name.as_str().into(),
            "createDate" => account.created_at.into(),
            "email" => account.email.clone().into(),
            "firstName" => account.first_name.clone().into(),
            "id" => ACCOUNT.into(),
            "lastName" => account.last_name.clone().into(),
            _ => Value::Null,
        };
        Ok(assemble(wanted, local, parts))
    }
}

fn size(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn too_much() -> Fault {
    Fault::invalid(format!(
        "a call reads at most {OBJECTS_MAX} objects and {VALUES_MAX} values: ask for fewer objects, or name the properties in a mask"
    ))
}

fn visible(row: &Row) -> Option<(&UserId, &VisibleUser)> {
    match row {
        Row::User(user) => Some((&user.id, user.as_ref())),
        _ => None,
    }
}

impl Row {
    fn user(&self) -> Option<&UserId> {
        match self {
            Self::Key(shown) => Some(&shown.key.owner),
            Self::Plain(_, user) => user.as_ref(),
            Self::User(_) | Self::Outline(_) | Self::Account => None,
        }
    }
}

impl From<VisibleUser> for Row {
    fn from(user: VisibleUser) -> Self {
        Self::User(Box::new(user))
    }
}

impl From<RelatedUser> for Row {
    fn from(user: RelatedUser) -> Self {
        match user {
            RelatedUser::Visible(user) => Self::User(user),
            RelatedUser::Outline(user) => Self::Outline(user),
        }
    }
}
