//! Masks, which select the properties in an answer (contract section 6). A mask is text in the mask language or a legacy tree; both become
//! the same tree.
//!
//! A `filteredMask` works like a `mask`: a filter selects the rows of a list, but never removes related objects from a row.

mod text;

use std::collections::BTreeMap;
use std::fmt;

use super::call::Mask;
use super::fault::Fault;
use super::types::{Kind, Property, TYPES, Type};
use super::value::Value;

/// Maximum nesting of a mask.
const DEPTH_MAX: usize = 64;
/// Maximum number of properties in a mask; a repeated property counts each time.
const PROPERTIES_MAX: usize = 2_000;
/// Maximum length of the part of a mask that a fault repeats, in characters.
const SHOWN: usize = 100;

static NOTHING: Type = scalar("void");
static BOOL: Type = scalar("boolean");
static INT: Type = scalar("int");
static TEXT: Type = scalar("string");
static DATE: Type = scalar("dateTime");
static TEXTS: Type = scalar("string[]");

/// Creates a datatype without properties, for the value of a local property.
const fn scalar(name: &'static str) -> Type {
    Type { name, base: None, properties: &[] }
}

/// The part of an object to return: the properties that a mask names and, for each named relation, the part of the related objects to
/// return.
#[derive(Clone, PartialEq, Eq)]
pub struct Wanted {
    kind: &'static Type,
    named: BTreeMap<&'static str, (&'static Property, Wanted)>,
}

/// Reads a mask for an object of a datatype, or for a list of such objects.
///
/// # Errors
/// - [`Fault::no_property`] if the datatype does not have a property.
/// - [`Fault::no_mask`] if the mask is malformed or exceeds a limit.
pub fn read(mask: &Mask, kind: &'static Type) -> Result<Wanted, Fault> {
    let mut wanted = Wanted::of(kind);
    match mask {
        Mask::Text(text) | Mask::Tree(Value::Text(text)) => text::read(text, &mut wanted)?,
        Mask::Tree(tree) => read_tree(tree, &mut wanted, 0, &mut 0)?,
    }
    Ok(wanted)
}

/// Reads a legacy mask: nested structs with empty leaves.
fn read_tree(tree: &Value, wanted: &mut Wanted, depth: usize, count: &mut usize) -> Result<(), Fault> {
    let members = match tree {
        Value::Struct(object) => &object.members,
        Value::Null => return Ok(()),
        Value::Text(text) if text.trim().is_empty() => return Ok(()),
        Value::List(list) if list.is_empty() => return Ok(()),
        _ => return Err(Fault::no_mask(1, 1, "a struct, or nothing", "a value")),
    };
    for (name, inner) in members {
        *count += 1;
        if let Some(bound) = bound(depth, *count) {
            return Err(Fault::no_mask(1, 1, &bound, &shown(name)));
        }
        let property = find(name, wanted.kind)?;
        read_tree(inner, wanted.name(property), depth + 1, count)?;
    }
    Ok(())
}

/// Returns the limit that a mask exceeds, as text for a fault; `None` if the mask is within the limits.
fn bound(depth: usize, count: usize) -> Option<String> {
    if depth >= DEPTH_MAX {
        return Some(format!("at most {DEPTH_MAX} levels"));
    }
    (count > PROPERTIES_MAX).then(|| format!("at most {PROPERTIES_MAX} properties"))
}

fn find(name: &str, kind: &'static Type) -> Result<&'static Property, Fault> {
    kind.property(name).ok_or_else(|| Fault::no_property(&shown(name), kind.name))
}

/// Shortens a part of a mask for a fault's text, and replaces control characters, which XML does not allow.
fn shown(part: &str) -> String {
    let printable = |sign: char| if sign.is_control() { char::REPLACEMENT_CHARACTER } else { sign };
    part.chars().take(SHOWN).map(printable).collect()
}

/// Returns the datatype of a property's value.
fn inside(kind: Kind) -> &'static Type {
    match kind {
        Kind::One(name) | Kind::Many(name) => Type::find(name).unwrap_or(&NOTHING),
        Kind::Bool => &BOOL,
        Kind::Int | Kind::Count(_) => &INT,
        Kind::Text => &TEXT,
        Kind::Date => &DATE,
        Kind::Texts => &TEXTS,
        Kind::Void => &NOTHING,
    }
}

/// Returns true if `kind` is `base` or extends it.
fn is_a(kind: &'static Type, base: &Type) -> bool {
    std::iter::successors(Some(kind), |kind| kind.base.and_then(Type::find)).any(|kind| kind.name == base.name)
}

impl Wanted {
    /// Creates the selection for a call without a mask: all local properties of the datatype.
    #[must_use]
    pub fn of(kind: &'static Type) -> Self {
        Self { kind, named: BTreeMap::new() }
    }

    /// Returns the datatype of the object. The named properties may also belong to datatypes that extend this datatype.
    #[must_use]
    pub fn kind(&self) -> &'static Type {
        self.kind
    }

    /// Returns true if a property is wanted: the mask names it, or it is local and the mask names no local property.
    #[must_use]
    pub fn wants(&self, property: &Property) -> bool {
        self.named.contains_key(property.name) || (property.kind.is_local() && self.locals().next().is_none())
    }

    /// Returns the local properties that the mask names; if there are none, all local properties are wanted.
    pub fn locals(&self) -> impl Iterator<Item = &'static Property> {
        self.properties().filter(|property| property.kind.is_local())
    }

    /// Returns the count properties that the mask names.
    pub fn counts(&self) -> impl Iterator<Item = &'static Property> {
        self.properties().filter(|property| matches!(property.kind, Kind::Count(_)))
    }

    /// Returns the relations that the mask names, each with the part of the related objects to return.
    pub fn relations(&self) -> impl Iterator<Item = (&'static Property, &Self)> {
        self.named
            .values()
            .filter(|(property, _)| property.kind.target().is_some())
            .map(|(known, inner)| (*known, inner))
    }

    /// Returns the part to return of the objects in a relation; `None` if the mask does not name the relation.
    #[must_use]
    pub fn relation(&self, name: &str) -> Option<&Self> {
        self.relations().find(|(property, _)| property.name == name).map(|(_, inner)| inner)
    }

    fn properties(&self) -> impl Iterator<Item = &'static Property> {
        self.named.values().map(|(property, _)| *property)
    }

    /// Adds a property, and returns the part of the property's value to return, for adding inner properties.
    pub(super) fn name(&mut self, property: &'static Property) -> &mut Self {
        &mut self.named.entry(property.name).or_insert_with(|| (property, Self::of(inside(property.kind)))).1
    }

    /// Writes the mask with a name before it: `name[a,b]`, and `name(T)[c]` for properties of a datatype `T` that extends this datatype.
    fn write(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sets: BTreeMap<Option<&str>, Vec<_>> = BTreeMap::new();
        for (property, inner) in self.named.values() {
            sets.entry(self.cast(property)).or_default().push((property.name, inner));
        }
        f.write_str(name)?;
        for (at, (cast, set)) in sets.iter().enumerate() {
            if at > 0 {
                write!(f, ",{name}")?;
            }
            if let Some(cast) = cast {
                write!(f, "({cast})")?;
            }
            f.write_str("[")?;
            for (at, (name, inner)) in set.iter().enumerate() {
                f.write_str(if at > 0 { "," } else { "" })?;
                inner.write(name, f)?;
            }
            f.write_str("]")?;
        }
        Ok(())
    }

    /// Returns the name of the extending datatype that has a property; `None` if this datatype itself has the property.
    fn cast(&self, property: &Property) -> Option<&'static str> {
        let has = |kind: &Type| kind.property(property.name).is_some();
        if has(self.kind) {
            return None;
        }
        TYPES.iter().find(|kind| is_a(kind, self.kind) && has(kind)).map(|kind| kind.name)
    }
}

/// Writes the mask in the mask language.
impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write("mask", f)
    }
}

/// Writes the name of the datatype and the mask.
impl fmt::Debug for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {self}", self.kind.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::softlayer::value::Struct;

    const USER: &str = "SoftLayer_User_Customer";

    fn user(text: &str) -> Result<Wanted, Fault> {
        of(USER, text)
    }

    fn of(kind: &str, text: &str) -> Result<Wanted, Fault> {
        read(&Mask::Text(text.to_owned()), Type::find(kind).unwrap())
    }

    fn tree(members: Vec<(&str, Value)>) -> Value {
        let members = members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Value::Struct(Struct { kind: None, members })
    }

    fn shows(wanted: &Wanted) -> Vec<&'static str> {
        wanted.kind().properties().filter(|property| wanted.wants(property)).map(|property| property.name).collect()
    }

    #[test]
    fn every_spelling_of_a_mask_reads_as_the_same_tree() {
        for text in [
            "mask[id,parent[id,username]]",
            "id,parent[id,username]",
            "id;parent[id;username]",
            "mask.id,mask.parent.id,mask.parent.username",
            "[mask.id,mask.parent[id,username]]",
            "[mask[id],mask[parent[id]],mask.parent.username]",
            "[id,parent[id,username]]",
            "mask(SoftLayer_User_Customer)[id,parent(SoftLayer_User_Customer)[id,username]]",
            "filteredMask[id,parent[id,username]]",
            "  mask\n [\r\n\tid ,\n parent [ id , username ] ] \n",
            "mask[,id,,parent[id,username,],]",
            "mask[id,parent.id,parent.username,parent]",
            "mask . id , mask . parent . id , mask . parent . username",
        ] {
            let wanted = user(text).unwrap_or_else(|fault| panic!("{text}: {fault:?}"));
            assert_eq!(wanted.to_string(), "mask[id,parent[id,username]]", "{text}");
            assert_eq!(wanted, user(&wanted.to_string()).unwrap(), "{text}");
        }
    }

    #[test]
    fn no_mask_and_an_empty_one_want_the_local_properties() {
        let locals: Vec<&str> =
            Type::find(USER).unwrap().properties().filter(|it| it.kind.is_local()).map(|it| it.name).collect();
        for text in ["", " ", "mask", "mask[]", "[]", "[mask]", "filteredMask[ ]", ",", "mask[;,]"] {
            let wanted = user(text).unwrap_or_else(|fault| panic!("{text}: {fault:?}"));
            assert_eq!(shows(&wanted), locals, "{text}");
            assert_eq!(wanted, Wanted::of(Type::find(USER).unwrap()), "{text}");
        }
    }

    #[test]
    fn a_named_local_property_hides_the_others_at_its_level_only() {
        let wanted = user("mask[username,parent,childUsers[id,apiAuthenticationKeys]]").unwrap();
        assert_eq!(shows(&wanted), ["username", "childUsers", "parent"]);
        let parent = shows(wanted.relation("parent").unwrap());
        assert!(parent.contains(&"email") && parent.contains(&"id") && !parent.contains(&"parent"));
        let children = wanted.relation("childUsers").unwrap();
        assert_eq!(shows(children), ["id", "apiAuthenticationKeys"]);
        assert!(shows(children.relation("apiAuthenticationKeys").unwrap()).contains(&"authenticationKey"));
    }

    #[test]
    fn relations_and_counts_alone_keep_all_local_properties() {
        let wanted =
            user("userStatus[name], parent[id, username], apiAuthenticationKeys[authenticationKey], hardwareCount")
                .unwrap();
        let shown = shows(&wanted);
        assert!(shown.contains(&"email") && shown.contains(&"hardwareCount") && !shown.contains(&"virtualGuestCount"));
        assert_eq!(shows(wanted.relation("userStatus").unwrap()), ["name"]);
        assert_eq!(wanted.counts().map(|count| count.name).collect::<Vec<_>>(), ["hardwareCount"]);
        let relations: Vec<&str> = wanted.relations().map(|(property, _)| property.name).collect();
        assert_eq!(relations, ["apiAuthenticationKeys", "parent", "userStatus"]);
        assert!(wanted.relation("hardware").is_none());
    }

    #[test]
    fn the_masks_of_the_real_clients_are_read() {
        for (kind, text) in [
            (
                USER,
                "mask[id, username, displayName, userStatus[name], hardwareCount, virtualGuestCount,\n                                 email, roles, externalBindingCount,apiAuthenticationKeyCount, sslVpnAllowedFlag]",
            ),
            (
                USER,
                "mask[userStatus[name], parent[id, username], apiAuthenticationKeys[authenticationKey], unsuccessfulLogins, successfulLogins]",
            ),
            (USER, "mask[id, permissions, isMasterUserFlag, roles]"),
            (USER, "mask[id, hardware, dedicatedHosts]"),
            (USER, "mask[id, virtualGuests]"),
            (
                USER,
                "mask[id, firstName, lastName, email, companyName, address1, city, country, postalCode, state, userStatusId, timezoneId]",
            ),
            (USER, "mask[username;apiAuthenticationKeys.authenticationKey]"),
            (USER, "id, apiAuthenticationKeys"),
            ("SoftLayer_User_Permission_Department", "mask[permissions[id,keyName,description,name]]"),
            ("SoftLayer_Account", "mask.users[username,apiAuthenticationKeys]"),
        ] {
            assert!(of(kind, text).is_ok(), "{text}: {:?}", of(kind, text));
        }
    }

    #[test]
    fn a_datatype_in_parentheses_opens_its_own_properties() {
        let common = "SoftLayer_Container_Authentication_Response_Common";
        let success = "SoftLayer_Container_Authentication_Response_Success";
        let wanted = of(common, &format!("mask({success})[token[hash]]")).unwrap();
        assert_eq!(wanted.relation("token").unwrap().to_string(), "mask[hash]");
        let failed = "SoftLayer_Container_Authentication_Response_LoginFailed";
        let both = format!("[mask({success})[token],mask[statusKeyName],mask({failed}).errorMessage]");
        let wanted = of(common, &both).unwrap();
        assert_eq!(wanted, of(common, &wanted.to_string()).unwrap(), "{wanted}");
        assert_eq!(of(common, "mask[token]").unwrap_err(), Fault::no_property("token", common));
        assert_eq!(user(&format!("parent({success})")).unwrap_err(), Fault::no_property(success, USER));
        assert_eq!(user("parent(No_Such)[id]").unwrap_err(), Fault::no_property("No_Such", USER));
    }

    #[test]
    fn an_unknown_property_is_named_with_its_datatype() {
        for (text, property, kind) in [
            ("mask[x]", "x", USER),
            ("mask[Username]", "Username", USER),
            ("mask[userStatus[username]]", "username", "SoftLayer_User_Customer_Status"),
            ("mask[username[x]]", "x", "string"),
            ("id.value", "value", "int"),
            ("hardwareCount[id]", "id", "int"),
            ("mask[mask[id]]", "mask", USER),
            ("mask.mask.id", "mask", USER),
        ] {
            assert_eq!(user(text).unwrap_err(), Fault::no_property(property, kind), "{text}");
        }
        assert!(user(&"x".repeat(60_000)).unwrap_err().text.len() < 200);
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_place() {
        for (text, line, column, expected, got) in [
            ("mask[id", 1, 8, "',' or ']'", "the end of the mask"),
            ("mask[id]]", 1, 9, "the end of the mask", "]"),
            ("mask[id username]", 1, 9, "',' or ']'", "username"),
            ("mask[\n id,\n  !]", 3, 3, "PROPERTY", "!"),
            ("mask.", 1, 6, "PROPERTY", "the end of the mask"),
            ("mask[id].username", 1, 9, "',' or ']'", "."),
            (".id", 1, 1, "PROPERTY", "."),
            ("mask(", 1, 6, "TYPE", "the end of the mask"),
            ("parent(SoftLayer_User_Customer[id]", 1, 31, "')'", "["),
            ("[mask[id],[username]]", 1, 11, "PROPERTY", "["),
            ("é", 1, 1, "PROPERTY", "é"),
            ("[id", 1, 4, "',' or ']'", "the end of the mask"),
        ] {
            assert_eq!(user(text).unwrap_err(), Fault::no_mask(line, column, expected, got), "{text}");
        }
    }

    #[test]
    fn a_mask_is_bounded_in_depth_number_and_length() {
        let deep = |levels: usize| format!("mask{}", ".parent".repeat(levels));
        assert!(user(&deep(64)).is_ok());
        assert_eq!(user(&deep(65)).unwrap_err().code, "SoftLayer_Exception_Common_Parser");
        assert!(user(&format!("{}{}", "parent[".repeat(9_000), "]".repeat(9_000))).is_err());
        assert!(user(&"[".repeat(60_000)).is_err());
        assert!(user(&"id,".repeat(2_000)).is_ok());
        assert!(user(&"id,".repeat(2_001)).is_err());
        assert!(user(&" ".repeat(64 * 1024)).is_ok());
        assert!(user(&" ".repeat(64 * 1024 + 1)).is_err());

        let mut nested = Value::Null;
        for _ in 0..64 {
            nested = tree(vec![("parent", nested)]);
        }
        let kind = Type::find(USER).unwrap();
        assert!(read(&Mask::Tree(nested.clone()), kind).is_ok());
        assert!(read(&Mask::Tree(tree(vec![("parent", nested)])), kind).is_err());
        let many = tree(vec![("id", Value::Null); 2_001]);
        assert!(read(&Mask::Tree(many), kind).is_err());
    }

    #[test]
    fn a_legacy_tree_reads_like_its_mask() {
        let kind = Type::find(USER).unwrap();
        for leaf in [Value::Null, Value::from(""), Value::from(vec![]), Value::from(Struct::default())] {
            let mask = tree(vec![("id", leaf.clone()), ("parent", tree(vec![("username", leaf.clone())]))]);
            assert_eq!(read(&Mask::Tree(mask), kind).unwrap(), user("id,parent.username").unwrap());
            assert_eq!(read(&Mask::Tree(leaf), kind).unwrap(), Wanted::of(kind));
        }
        let language = Mask::Tree(Value::from("mask[id]"));
        assert_eq!(read(&language, kind).unwrap(), user("id").unwrap());
        let unknown = Mask::Tree(tree(vec![("username", tree(vec![("x", Value::Null)]))]));
        assert_eq!(read(&unknown, kind).unwrap_err(), Fault::no_property("x", "string"));
        let filled = Mask::Tree(tree(vec![("username", Value::from(1_i64))]));
        assert_eq!(read(&filled, kind).unwrap_err().code, "SoftLayer_Exception_Common_Parser");
    }
}
