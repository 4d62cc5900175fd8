//! Runs methods. A method calls one function of a service, and answers with the part of the result that the mask, the filter and the limit
//! select.

use std::collections::{BTreeMap, BTreeSet};

use super::arguments::{Given, type_of};
use super::call::{Call, Reply};
use super::fault::Fault;
use super::load::Loader;
use super::logins;
use super::mask::{self, Wanted};
use super::refusal::{Outcome, Refusal};
use super::rows::{self, Row};
use super::table::{Act, Method};
use super::types::{Kind, Type};
use super::value::{Struct, Value};
use super::{filter, template};
use crate::app::App;
use crate::domain::customer::{Event, Status};
use crate::domain::id::UserId;
use crate::domain::permit::Permit;
use crate::domain::secret::Password;
use crate::error::Kind as ErrorKind;
use crate::service::keys::classic_keys;
use crate::service::login::passwords;
use crate::service::people::customers;
use crate::service::people::customers::RelatedUser;

/// Error text for a removal whose key id is missing or malformed, or does not name a key that the caller may remove.
const NO_KEY_ID: &str = "Please provide an API Authentication key ID.";
/// Name of a member that each rendered object gets while the objects are filtered and sorted: it holds the index of the row that the object was
/// rendered from.
const PLACE: &str = "#";

/// A call of a method in progress.
pub(super) struct Acting<'a> {
    /// State of the running service.
    pub(super) app: &'a App,
    /// Permit for the operation of the method.
    pub(super) permit: &'a Permit,
    /// The method to run.
    pub(super) method: &'static Method,
    /// The decoded call: arguments, mask, filter and limit.
    pub(super) call: &'a Call,
}

impl Acting<'_> {
    /// Runs the method and returns the answer.
    pub(super) async fn run(&self) -> Outcome<Reply> {
        let (app, permit) = (self.app, self.permit);
        let given = Given::of(self.method, self.call);
        let id = self.id()?;
        Ok(match self.method.act {
            Act::PortalToken => logins::portal_token(app, permit, &given).await?.into(),
            Act::ExternalAuthentication => logins::external(app, permit, &given).await?.into(),
            Act::LoginToken => logins::login_token(app, permit, &given).await?.into(),
            Act::ValidateToken => logins::validate(app, permit, &given).await?.into(),
            Act::Questions => self.listed(None, rows::questions(), None).await?,
            Act::AddKey => {
                let key = classic_keys::add(app, permit, id).await.map_err(Refusal::Public)?;
                Value::from(key.expose()).into()
            }
            Act::RemoveKey => self.remove_key(&given).await?,
            Act::EditUser => {
                customers::edit(app, permit, id, template::change(given.object(0)?)?).await?;
                Value::Bool(true).into()
            }
            Act::EditUsers => self.edit_users(&given).await?,
            Act::IsValidPassword => {
                let password = Password::from(given.text(0)?);
                Value::Bool(customers::is_password(app, permit, id, password).await?).into()
            }
            Act::ChangePassword => {
                let (old, new) = (Password::from(given.text(0)?), Password::from(given.text(1)?));
                passwords::change(app, permit, old, new, false).await?;
                Value::Null.into()
            }
            Act::AddPermissions => {
                customers::give(app, permit, id, &names(&given)?).await.map_err(Refusal::Public)?;
                Value::Bool(true).into()
            }
            Act::RemovePermissions => {
                let cascade = given.flag(1)?;
                customers::take(app, permit, id, &names(&given)?, cascade).await.map_err(Refusal::Public)?;
                Value::Bool(true).into()
            }
            Act::UpdateAnswers => self.update_answers(&given).await?,
            _ => self.read(&Loader::new(app, permit)?, &given, id).await?,
        })
    }

    /// Runs a method that answers with objects.
    async fn read(&self, loader: &Loader<'_>, given: &Given, id: i64) -> Outcome<Reply> {
        let (app, permit, viewer) = (self.app, self.permit, loader.viewer()?);
        let row = match self.method.act {
            Act::Account => Row::Account,
            Act::CurrentUser => viewer.own(app).await?.into(),
            Act::MasterUser => viewer.master(app).await?.into(),
            Act::User => viewer.one(app, id).await?.into(),
            Act::IsMasterUser => return Ok(Value::Bool(viewer.one(app, id).await?.is_master()).into()),
            Act::CreateUser => {
                let new = template::new_user(given.object(0)?, given.maybe_text(1)?, given.maybe_text(2)?)?;
                let number = customers::create(app, permit, new).await?;
                viewer.one(app, number).await?.into()
            }
            Act::AssignParent => {
                customers::assign_parent(app, permit, id, given.int(0)?, given.flag(1)?)
                    .await
                    .map_err(Refusal::Public)?;
                viewer.one(app, id).await?.into()
            }
            Act::Key => Row::Key(Box::new(classic_keys::read(app, viewer, id).await?)),
            Act::KeyUser => {
                let shown = classic_keys::read(app, viewer, id).await?;
                viewer.one(app, shown.key.owner_number).await?.into()
            }
            Act::EditKey => Row::Key(Box::new(self.edit_key(loader, given, id).await?)),
            Act::PasswordRequirements => return self.requirements().await,
            Act::Users => {
                let users = loader.users().await?.iter().cloned().map(Row::from).collect();
                return self.listed(Some(loader), users, Some("users")).await;
            }
            Act::Relation(relation) => return self.relation(loader, relation, id).await,
            Act::Departments => return self.listed(Some(loader), rows::departments(), None).await,
            Act::Actions => return self.listed(Some(loader), rows::actions(), None).await,
            Act::Statuses => {
                let all = Status::ALL.into_iter().map(rows::status).collect();
                return self.listed(Some(loader), all, None).await;
            }
            Act::EventLog => return self.events(loader).await,
            _ => return Err(Fault::no_method(self.method.name).into()),
        };
        let wanted = self.wanted(self.method.returns)?;
        let render = async || loader.render(vec![row], &wanted).await;
        let mut found = match self.method.operation.spec().is_change() {
            true => customers::reading(app, permit, render).await??,
            false => render().await?,
        };
        Ok(found.pop().unwrap_or(Value::Null).into())
    }

    async fn relation(&self, loader: &Loader<'_>, relation: &'static str, id: i64) -> Outcome<Reply> {
        let user = loader.viewer()?.one(self.app, id).await?;
        let rows = loader.related(&user, relation).await?;
        if let Kind::Many(_) = self.method.returns {
            return self.listed(Some(loader), rows, Some(relation)).await;
        }
        let mut found = loader.render(rows, &self.wanted(self.method.returns)?).await?;
        Ok(found.pop().unwrap_or(Value::Null).into())
    }

    async fn events(&self, loader: &Loader<'_>) -> Outcome<Reply> {
        let events = loader.viewer()?.events(self.app).await?;
        let users: BTreeSet<UserId> = events.iter().filter_map(|event| event.user.clone()).collect();
        let users = loader.viewer()?.by_ids(self.app, users).await?;
        let number = |user: &RelatedUser| match user {
            RelatedUser::Visible(user) => user.number,
            RelatedUser::Outline(user) => user.number,
        };
        let numbers: BTreeMap<&UserId, i64> = users.iter().map(|(id, user)| (id, number(user))).collect();
        let number = |event: &Event| event.user.as_ref().and_then(|user| numbers.get(user)).copied();
        let rows = events.iter().map(|event| rows::event(event, number(event))).collect();
        self.listed(Some(loader), rows, None).await
    }

    /// Filters and sorts rows. Returns the page that the limit selects, and the total number of rows that the filter matched.
    async fn listed(&self, loader: Option<&Loader<'_>>, rows: Vec<Row>, relation: Option<&str>) -> Outcome<Reply> {
        let wanted = self.wanted(self.method.returns)?;
        let stranger;
        let loader = match loader {
            Some(loader) => loader,
            None => {
                stranger = Loader::for_anybody(self.app, self.permit);
                &stranger
            }
        };
        let mut rows = rows;
        if let Some(given) = &self.call.filter {
            let filter = filter::read(given, relation, wanted.kind())?;
            let mut seen = loader.render(rows.clone(), filter.needs()).await?;
            for (place, value) in (0_i64..).zip(&mut seen) {
                if let Value::Struct(object) = value {
                    object.put(PLACE, place);
                }
            }
            seen.retain(|value| filter.matches(value));
            filter.sort(&mut seen);
            let place = |value: &Value| usize::try_from(value.as_struct()?.get(PLACE)?.as_int()?).ok();
            rows = seen.iter().filter_map(|value| rows.get(place(value)?).cloned()).collect();
        }
        let total = u64::try_from(rows.len()).unwrap_or(u64::MAX);
        let limit = self.call.limit.unwrap_or_default();
        let skipped = usize::try_from(limit.offset).unwrap_or(usize::MAX);
        let most = limit.limit.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX));
        let page = rows.into_iter().skip(skipped).take(most).collect();
        let value = Value::List(loader.render(page, &wanted).await?);
        Ok(Reply { value, total: Some(total) })
    }

    fn wanted(&self, returns: Kind) -> Outcome<Wanted> {
        static NOTHING: Type = Type { name: "void", base: None, properties: &[] };
        let kind = type_of(returns).unwrap_or(&NOTHING);
        match &self.call.mask {
            Some(given) => Ok(mask::read(given, kind)?),
            None => Ok(Wanted::of(kind)),
        }
    }

    /// Returns the id of the object that the call names; 0 if the method takes no object.
    fn id(&self) -> Result<i64, Fault> {
        if !self.method.of_object {
            return Ok(0);
        }
        match &self.call.id {
            None | Some(Value::Null) => Err(Fault::no_init()),
            Some(id) => id.as_int().ok_or_else(|| Fault::no_object(&id.as_text().unwrap_or_default())),
        }
    }

    async fn remove_key(&self, given: &Given) -> Outcome<Reply> {
        let number = given.int(0).map_err(|_| Fault::public(NO_KEY_ID))?;
        match classic_keys::remove(self.app, self.permit, number).await {
            Ok(()) => Ok(Value::Bool(true).into()),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(Fault::public(NO_KEY_ID).into()),
            Err(error) => Err(error.into()),
        }
    }

    async fn edit_key(&self, loader: &Loader<'_>, given: &Given, id: i64) -> Outcome<classic_keys::Shown> {
        match given.object(0)?.get("ipAddressRestriction") {
            None => Ok(classic_keys::read(self.app, loader.viewer()?, id).await?),
            Some(Value::Null) => Ok(classic_keys::restrict(self.app, self.permit, id, "").await?),
            Some(addresses) => {
                let addresses =
                    addresses.as_text().ok_or_else(|| Fault::invalid("ipAddressRestriction must be text"))?;
                Ok(classic_keys::restrict(self.app, self.permit, id, &addresses).await?)
            }
        }
    }

    async fn edit_users(&self, given: &Given) -> Outcome<Reply> {
        let mut changes = Vec::new();
        for template in given.list(0)? {
            let template = template.as_struct().ok_or_else(|| Fault::invalid("templateObjects must be objects"))?;
            let id = template.get("id").and_then(Value::as_int);
            let id = id.ok_or_else(|| Fault::invalid("each of the templateObjects must have an id"))?;
            changes.push((id, template::change(template)?));
        }
        customers::edit_all(self.app, self.permit, changes).await?;
        Ok(Value::Bool(true).into())
    }

    async fn update_answers(&self, given: &Given) -> Outcome<Reply> {
        let question = |value: &Value| match value {
            Value::Struct(object) => object.get("id").and_then(Value::as_int).unwrap_or_default(),
            other => other.as_int().unwrap_or_default(),
        };
        let questions: Vec<i64> = given.list(0)?.iter().map(question).collect();
        let answers = given.list(1)?.iter().map(|answer| answer.as_text().unwrap_or_default().into()).collect();
        customers::update_answers(self.app, self.permit, &questions, answers).await.map_err(Refusal::Public)?;
        Ok(Value::Bool(true).into())
    }

    async fn requirements(&self) -> Outcome<Reply> {
        let (least, most) = passwords::lengths(self.app).await?;
        let mut set = Struct::of("SoftLayer_Container_User_Customer_PasswordSet");
        set.put("maxLength", most.to_string());
        set.put("minLength", least.to_string());
        Ok(Value::Struct(set).into())
    }
}

/// Returns the names of the permissions in the first argument, which is one permission or a list of permissions.
fn names(given: &Given) -> Result<Vec<String>, Fault> {
    let name = |value: Value| {
        let name = value.as_struct().and_then(|object| object.get("keyName")).and_then(Value::as_text);
        name.unwrap_or_default()
    };
    Ok(given.list(0)?.into_iter().map(name).collect())
}
