//! The WSDL and the XSD of each service, built from the table of methods and the datatypes (contract section 3.4).
//!
//! These documents look like the documents of SoftLayer's own service. Clients load the document at every `schemaLocation`; all of these
//! URLs point to this server.

use std::collections::BTreeSet;

use askama::Template;

use super::soap::namespace;
use super::table::{self, METHODS, Method};
use super::types::{Kind, TYPES, Type};
use crate::domain::operation::{Needs, Operation};

const OPERATION: &str = "SoftLayer_Utility_ObjectFilter_Operation";

/// Returns the WSDL of a service.
///
/// `base` is the public URL of this server, `service` the name of the service in the request. If that name is an alias, the names of the
/// port and the headers come from the alias, but the datatypes from the service. A service that is not in the table has no methods.
#[must_use]
pub fn wsdl(base: &str, version: &str, service: &str) -> String {
    let (service, datatype) = names(service);
    let wsdl = Wsdl {
        namespace: namespace(version),
        address: format!("{}/soap/{version}/{service}", base.trim_end_matches('/')),
        headers: headers(&service),
        methods: METHODS
            .iter()
            .filter(|method| method.service == datatype)
            .map(|method| Signature::of(method, &service))
            .collect(),
        datatype,
        service,
    };
    wsdl.to_string()
}

/// Returns the XSD of a service. It contains every datatype that the service's methods take or return, at any depth, and every datatype
/// that extends one of these.
#[must_use]
pub fn xsd(base: &str, version: &str, service: &str) -> String {
    let (_, datatype) = names(service);
    let types = reachable(datatype);
    let mut arrays = vec![
        (format!("{OPERATION}_OptionArray"), format!("tns:{OPERATION}_Option")),
        ("ArrayOfstring".to_owned(), "xsd:string".to_owned()),
    ];
    arrays.extend(types.iter().map(|of| (format!("{}Array", of.name), format!("tns:{}", of.name))));
    let xsd = Xsd {
        namespace: namespace(version),
        encoding: format!("{}/soap/{version}/soap-encoding.xsd", base.trim_end_matches('/')),
        arrays,
        datatypes: types.into_iter().map(Datatype::of).collect(),
    };
    xsd.to_string()
}

/// Returns the XSD of the SOAP encoding. The XSD of every service imports this document from this server, so that clients do not fetch the
/// document from another host.
#[must_use]
pub fn soap_encoding() -> &'static str {
    include_str!("../../templates/softlayer/soap-encoding.xsd")
}

#[derive(Template)]
#[template(path = "softlayer/wsdl.xml")]
struct Wsdl {
    namespace: String,
    address: String,
    /// Name of the service in the request.
    service: String,
    /// Name of the service in the table, which is also the name of the service's datatype.
    datatype: &'static str,
    /// Names of the headers that a call may have.
    headers: Vec<String>,
    methods: Vec<Signature>,
}

/// A method, as the WSDL describes it.
struct Signature {
    name: &'static str,
    parameters: Vec<(&'static str, String)>,
    returns: Option<String>,
    headers: Vec<String>,
    is_list: bool,
}

#[derive(Template)]
#[template(path = "softlayer/xsd.xml")]
struct Xsd {
    namespace: String,
    /// URL of the XSD of the SOAP encoding.
    encoding: String,
    /// Name of each array type, and the type of the array's items.
    arrays: Vec<(String, String)>,
    datatypes: Vec<Datatype>,
}

/// A datatype for the XSD, with the type of a filter on it.
struct Datatype {
    name: &'static str,
    base: &'static str,
    filter_base: String,
    properties: Vec<Element>,
}

struct Element {
    name: &'static str,
    kind: String,
    filter: String,
}

impl Signature {
    fn of(method: &Method, service: &str) -> Self {
        Self {
            name: method.name,
            parameters: method.parameters.iter().map(|(name, kind)| (*name, type_of(*kind))).collect(),
            returns: (method.returns != Kind::Void).then(|| type_of(method.returns)),
            headers: headers(service).into_iter().filter(|header| takes(method, service, header)).collect(),
            is_list: matches!(method.returns, Kind::Many(_)),
        }
    }
}

impl Datatype {
    fn of(datatype: &Type) -> Self {
        Self {
            name: datatype.name,
            base: datatype.base.unwrap_or("SoftLayer_Entity"),
            filter_base: datatype.base.map_or_else(|| "SoftLayer_Utility_ObjectFilter".to_owned(), filter),
            properties: datatype
                .properties
                .iter()
                .map(|property| Element {
                    name: property.name,
                    kind: type_of(property.kind),
                    filter: property.kind.target().map_or_else(|| OPERATION.to_owned(), filter),
                })
                .collect(),
        }
    }
}

/// Returns the full name of a service, and the name of the service in the table. For a service that is not in the table, the second name is
/// `SoftLayer_Entity`, which has no methods and no datatype.
fn names(service: &str) -> (String, &'static str) {
    let full = if service.starts_with("SoftLayer_") { service.to_owned() } else { format!("SoftLayer_{service}") };
    (full, table::service(service).unwrap_or("SoftLayer_Entity"))
}

/// Returns the names of all headers in calls of a service, in the order that SoftLayer's own service uses. A header and its type have the
/// same name.
fn headers(service: &str) -> Vec<String> {
    vec![
        format!("{service}ObjectMask"),
        filter(service),
        "resultLimit".to_owned(),
        "SoftLayer_ObjectMask".to_owned(),
        format!("{service}InitParameters"),
        "authenticate".to_owned(),
    ]
}

/// Returns true if a method takes a header. A login takes no headers.
fn takes(method: &Method, service: &str, header: &str) -> bool {
    let open = method.operation.needs() == Needs::Nothing;
    match header.strip_prefix(service).unwrap_or(header) {
        _ if method.operation == Operation::Login => false,
        "authenticate" => !open,
        "InitParameters" => method.of_object,
        "resultLimit" => matches!(method.returns, Kind::Many(_)),
        _ => method.returns.target().is_some(),
    }
}

fn type_of(kind: Kind) -> String {
    match kind {
        Kind::Void => "xsd:anyType".to_owned(),
        Kind::Bool => "xsd:boolean".to_owned(),
        Kind::Int => "xsd:int".to_owned(),
        Kind::Text => "xsd:string".to_owned(),
        Kind::Date => "xsd:dateTime".to_owned(),
        Kind::Count(_) => "xsd:unsignedLong".to_owned(),
        Kind::Texts => "tns:ArrayOfstring".to_owned(),
        Kind::One(name) => format!("tns:{name}"),
        Kind::Many(name) => format!("tns:{name}Array"),
    }
}

fn filter(datatype: &str) -> String {
    format!("{datatype}ObjectFilter")
}

/// Returns the datatypes for the XSD of a service: the service's own datatype, the datatypes that the methods take and return, and every
/// datatype that one of these contains, extends or is extended by.
fn reachable(service: &'static str) -> Vec<&'static Type> {
    let methods = METHODS.iter().filter(|method| method.service == service);
    let kinds = methods.flat_map(|method| method.parameters.iter().map(|(_, kind)| *kind).chain([method.returns]));
    let mut names: BTreeSet<_> = kinds.filter_map(Kind::target).chain([service]).collect();
    let mut known = 0;
    while known < names.len() {
        known = names.len();
        for datatype in TYPES {
            if names.contains(datatype.name) || datatype.base.is_some_and(|base| names.contains(base)) {
                names.extend(datatype.base.into_iter().chain([datatype.name]));
                names.extend(datatype.properties.iter().filter_map(|property| property.kind.target()));
            }
        }
    }
    TYPES.iter().filter(|datatype| names.contains(datatype.name)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use quick_xml::XmlVersion;
    use quick_xml::events::{BytesStart, Event};
    use quick_xml::reader::Reader;

    use super::*;

    const BASE: &str = "http://127.0.0.1:8080";
    const USER: &str = "SoftLayer_User_Customer";
    const ALIAS: &str = "SoftLayer_User_Customer_OpenIdConnect";
    const ENCODING: &str = "http://schemas.xmlsoap.org/soap/encoding/";

    #[derive(Debug, Default)]
    struct Node {
        name: String,
        attributes: BTreeMap<String, String>,
        children: Vec<Node>,
    }

    impl Node {
        fn of(start: &BytesStart<'_>) -> Self {
            let name = start.name().as_ref().to_owned();
            let read = start.attributes().map(|attribute| {
                let attribute = attribute.unwrap();
                let key = attribute.key.as_ref().to_owned();
                (key, attribute.normalized_value(XmlVersion::Implicit1_0).unwrap().into_owned())
            });
            Self { name, attributes: read.collect(), children: Vec::new() }
        }

        fn get(&self, attribute: &str) -> &str {
            self.attributes.get(attribute).map_or("", String::as_str)
        }

        /// Returns all elements with a name: this element, if it has that name, and all elements inside it.
        fn all<'a>(&'a self, name: &str) -> Vec<&'a Self> {
            let mut found: Vec<_> = self.children.iter().flat_map(|child| child.all(name)).collect();
            if self.name == name {
                found.insert(0, self);
            }
            found
        }

        /// Returns the only element with a tag name and with `value` as the attribute `name`.
        fn named(&self, name: &str, value: &str) -> &Self {
            let found: Vec<_> = self.all(name).into_iter().filter(|node| node.get("name") == value).collect();
            assert_eq!(found.len(), 1, "{name} {value}");
            found[0]
        }

        fn every(&self) -> Vec<&Self> {
            std::iter::once(self).chain(self.children.iter().flat_map(Self::every)).collect()
        }
    }

    /// Parses an XML document; panics if it is not well-formed.
    fn read(document: &str) -> Node {
        let mut reader = Reader::from_str(document);
        let mut open = vec![Node::default()];
        loop {
            match reader.read_event().unwrap() {
                Event::Start(start) => open.push(Node::of(&start)),
                Event::Empty(start) => open.last_mut().unwrap().children.push(Node::of(&start)),
                Event::End(_) => {
                    let done = open.pop().unwrap();
                    open.last_mut().unwrap().children.push(done);
                }
                Event::Text(text) => assert!(text.trim_ascii().is_empty()),
                Event::Decl(_) | Event::Comment(_) => {}
                Event::Eof => break,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(open.len(), 1);
        let mut top = open.remove(0).children;
        assert_eq!(top.len(), 1);
        top.remove(0)
    }

    fn services() -> BTreeSet<&'static str> {
        METHODS
            .iter()
            .map(|method| method.service)
            .chain([ALIAS, "SoftLayer_User_Customer_OpenIdConnect_ApiAuthentication"])
            .collect()
    }

    fn operation<'a>(wsdl: &'a Node, name: &str) -> &'a Node {
        wsdl.all("binding")[0].named("operation", name)
    }

    fn headers_of(wsdl: &Node, method: &str, way: &str) -> Vec<String> {
        let operation = operation(wsdl, method);
        operation.all(way)[0].all("soap:header").iter().map(|header| header.get("part").to_owned()).collect()
    }

    /// Returns the names of the elements of a datatype; inherited elements come first.
    fn elements(xsd: &Node, name: &str) -> Vec<String> {
        let own = xsd.named("complexType", name);
        let base = own.all("extension").first().map_or("", |extension| extension.get("base"));
        let mut names = base.strip_prefix("tns:").map_or_else(Vec::new, |base| elements(xsd, base));
        names.extend(own.all("element").iter().map(|element| element.get("name").to_owned()));
        names
    }

    #[test]
    fn documents_are_well_formed_wherever_the_server_is() {
        let base = "https://keys.example/a?b=1&c=\"<'é>\"";
        for service in services() {
            let wsdl = read(&wsdl(base, "v3", service));
            let address = format!("{base}/soap/v3/{service}");
            assert_eq!(wsdl.all("soap:address")[0].get("location"), address);
            assert_eq!(wsdl.all("xsd:include")[0].get("schemaLocation"), format!("{address}?xsd"));
            let xsd = read(&xsd(base, "v3", service));
            assert_eq!(xsd.all("import")[0].get("schemaLocation"), format!("{base}/soap/v3/soap-encoding.xsd"));
        }
        assert!(wsdl("http://h/", "v3", USER).contains("\"http://h/soap/v3/SoftLayer_User_Customer\""));
    }

    #[test]
    fn every_reference_leads_somewhere() {
        for service in services() {
            let (wsdl, xsd, encoding) =
                (read(&wsdl(BASE, "v3.1", service)), read(&xsd(BASE, "v3.1", service)), read(soap_encoding()));
            let mut defined = BTreeSet::new();
            let mut define = |key: String| assert!(defined.insert(key.clone()), "{service}: {key} twice");
            for kind in xsd.children.iter().chain(wsdl.all("xsd:complexType")).filter(|node| node.name != "import") {
                define(format!("{} tns:{}", kind.name.trim_start_matches("xsd:"), kind.get("name")));
            }
            for part in &encoding.children {
                define(format!("{} soapenc:{}", part.name, part.get("name")));
            }
            for (name, node) in ["message", "portType", "binding"].into_iter().flat_map(|name| {
                wsdl.children.iter().filter(move |node| node.name == name).map(move |node| (name, node))
            }) {
                define(format!("{name} tns:{}", node.get("name")));
            }
            for simple in ["string", "int", "boolean", "dateTime", "unsignedLong", "nonNegativeInteger"] {
                define(format!("complexType xsd:{simple}"));
            }
            let mut references = Vec::new();
            for node in wsdl.every().into_iter().chain(xsd.every()) {
                let plain = node.name.trim_start_matches("xsd:");
                for (attribute, value) in &node.attributes {
                    let kind = match (attribute.as_str(), plain) {
                        ("type", "binding") => "portType",
                        ("type" | "base" | "wsdl:arrayType", _) => "complexType",
                        ("ref", kind) => kind,
                        ("message", _) => "message",
                        ("binding", _) => "binding",
                        ("element", _) => "element",
                        _ => continue,
                    };
                    references.push(format!("{kind} {}", value.trim_end_matches("[]")));
                }
            }
            assert!(references.len() > 50, "{service}: {}", references.len());
            for reference in references {
                assert!(defined.contains(&reference), "{service}: {reference}");
            }
        }
    }

    #[test]
    fn methods_take_what_the_table_says() {
        for service in services() {
            let wsdl = read(&wsdl(BASE, "v3.1", service));
            let datatype = table::service(service).unwrap();
            let methods: Vec<_> = METHODS.iter().filter(|method| method.service == datatype).collect();
            let names: Vec<_> = methods.iter().map(|method| method.name).collect();
            for part in ["portType", "binding"] {
                let shown = wsdl.all(part)[0].all("operation");
                assert_eq!(shown.iter().map(|operation| operation.get("name")).collect::<Vec<_>>(), names);
            }
            for method in methods {
                let parts = |message: &str| -> Vec<_> {
                    let parts = wsdl.named("message", message).all("part");
                    parts.iter().map(|part| (part.get("name").to_owned(), part.get("type").to_owned())).collect()
                };
                let taken: Vec<_> =
                    method.parameters.iter().map(|(name, kind)| ((*name).to_owned(), type_of(*kind))).collect();
                assert_eq!(parts(method.name), taken);
                let answered = match method.returns {
                    Kind::Void => vec![],
                    kind => vec![(format!("{}Return", method.name), type_of(kind))],
                };
                assert_eq!(parts(&format!("{}Response", method.name)), answered);
                let shown = operation(&wsdl, method.name);
                assert_eq!(shown.all("soap:body").len(), 2);
                for part in shown.all("soap:body").into_iter().chain(shown.all("soap:header")) {
                    assert_eq!((part.get("use"), part.get("encodingStyle")), ("encoded", ENCODING));
                }
            }
        }
    }

    #[test]
    fn headers_have_a_message_and_are_asked_of_those_that_need_them() {
        let wsdl = read(&wsdl(BASE, "v3.1", USER));
        for header in wsdl.all("soap:header") {
            assert_eq!(header.get("message"), format!("tns:{}Header", header.get("part")));
            assert_eq!(
                wsdl.named("message", &header.get("message")[4..]).all("part")[0].get("name"),
                header.get("part")
            );
        }
        for open in ["getPortalLoginToken", "getLoginToken", "validateAuthenticationToken"] {
            assert!(headers_of(&wsdl, open, "input").is_empty(), "{open}");
        }
        assert_eq!(headers_of(&wsdl, "removeApiAuthenticationKey", "input"), ["authenticate"]);
        let init = "SoftLayer_User_CustomerInitParameters";
        for of_one in ["addApiAuthenticationKey", "editObject", "isValidPortalPassword"] {
            assert_eq!(headers_of(&wsdl, of_one, "input"), [init, "authenticate"], "{of_one}");
        }
        let (mask, filter) = ("SoftLayer_User_CustomerObjectMask", "SoftLayer_User_CustomerObjectFilter");
        let one = [mask, filter, "SoftLayer_ObjectMask", init, "authenticate"];
        assert_eq!(headers_of(&wsdl, "getObject", "input"), one);
        assert!(headers_of(&wsdl, "getObject", "output").is_empty());
        let many = [mask, filter, "resultLimit", "SoftLayer_ObjectMask", init, "authenticate"];
        assert_eq!(headers_of(&wsdl, "getApiAuthenticationKeys", "input"), many);
        assert_eq!(headers_of(&wsdl, "getApiAuthenticationKeys", "output"), ["totalItems"]);
    }

    #[test]
    fn an_open_list_can_be_limited_but_takes_no_credential() {
        let service = "SoftLayer_User_Security_Question";
        let headers = headers_of(&read(&wsdl(BASE, "v3.1", service)), "getAllObjects", "input");
        assert!(headers.contains(&"resultLimit".to_owned()) && !headers.contains(&"authenticate".to_owned()));
    }

    #[test]
    fn elements_stand_in_the_order_in_which_they_are_sent() {
        let xsd = read(&xsd(BASE, "v3.1", USER));
        for datatype in reachable(USER) {
            let sent: Vec<_> = datatype.properties().map(|property| property.name).collect();
            assert_eq!(elements(&xsd, datatype.name), sent);
            assert_eq!(elements(&xsd, &format!("{}ObjectFilter", datatype.name)), sent);
            for element in xsd.named("complexType", datatype.name).all("element") {
                assert_eq!((element.get("minOccurs"), element.get("nillable")), ("0", "true"));
            }
            let array = xsd.named("complexType", &format!("{}Array", datatype.name));
            assert_eq!(array.all("attribute")[0].get("wsdl:arrayType"), format!("tns:{}[]", datatype.name));
        }
    }

    #[test]
    fn a_schema_holds_what_can_occur_and_nothing_else() {
        let names = |service| reachable(service).iter().map(|datatype| datatype.name).collect::<Vec<_>>();
        assert_eq!(names("SoftLayer_User_Customer_Status"), ["SoftLayer_User_Customer_Status"]);
        let users = names(USER);
        for needed in [
            USER,
            "SoftLayer_User_Customer_ApiAuthentication",
            "SoftLayer_Account",
            "SoftLayer_Container_User_Customer_External_Binding_Totp",
            "SoftLayer_Container_Authentication_Request_Native_External_Totp",
            "SoftLayer_Container_Authentication_Response_LoginFailed",
            "SoftLayer_Container_Authentication_Response_Factor",
        ] {
            assert!(users.contains(&needed), "{needed}");
        }
        assert!(!users.contains(&"SoftLayer_Event_Log"));
        for service in services() {
            let own = table::service(service).unwrap();
            assert!(names(own).contains(&own), "{own} lacks the type that its filter is made of");
        }
    }

    #[test]
    fn an_alias_names_ports_and_headers_after_itself_and_datatypes_as_ever() {
        let document = wsdl(BASE, "v3.1", ALIAS);
        let wsdl = read(&document);
        for (part, suffix) in
            [("portType", "PortType"), ("binding", "Binding"), ("service", "Service"), ("port", "Port")]
        {
            assert_eq!(wsdl.all(part)[0].get("name"), format!("{ALIAS}{suffix}"));
        }
        for kind in ["InitParameters", "ObjectMask", "ObjectFilter"] {
            wsdl.named("xsd:complexType", &format!("{ALIAS}{kind}"));
            wsdl.named("message", &format!("{ALIAS}{kind}Header"));
        }
        let answer = wsdl.named("message", "getObjectResponse");
        assert_eq!(answer.all("part")[0].get("type"), format!("tns:{USER}"));
        let action = wsdl.all("soap:operation")[0].get("soapAction");
        assert_eq!(action, format!("http://api.service.softlayer.com/soap/v3.1/{ALIAS}Action"));
        assert_eq!(xsd(BASE, "v3.1", ALIAS), xsd(BASE, "v3.1", USER));
        assert_eq!(super::wsdl(BASE, "v3.1", "User_Customer_OpenIdConnect"), document, "the prefix may lack");
    }

    #[test]
    fn each_version_has_a_namespace_of_its_own() {
        for (version, other) in [("v3", "/v3.1/"), ("v3.1", "/v3/")] {
            let namespace = format!("http://api.service.softlayer.com/soap/{version}/");
            for document in [wsdl(BASE, version, USER), xsd(BASE, version, USER)] {
                assert!(!document.contains(other), "{version}");
                let read = read(&document);
                assert_eq!(read.get("targetNamespace"), namespace);
                assert_eq!(read.get("xmlns:tns"), namespace);
            }
        }
    }

    #[test]
    fn the_schema_of_the_encoding_does_not_refer_to_itself() {
        let schema = read(soap_encoding());
        assert_eq!(schema.get("targetNamespace"), ENCODING);
        assert!(schema.every().iter().all(|node| node.get("ref").is_empty() && node.get("base").is_empty()));
        assert_eq!(soap_encoding().matches(ENCODING).count(), 1);
        for service in services() {
            let xsd = read(&xsd(BASE, "v3.1", service));
            let locations: Vec<_> = xsd.every().into_iter().map(|node| node.get("schemaLocation")).collect();
            let locations: Vec<_> = locations.into_iter().filter(|location| !location.is_empty()).collect();
            assert_eq!(locations, [format!("{BASE}/soap/v3.1/soap-encoding.xsd")], "one, and here");
        }
    }

    #[test]
    fn a_service_that_is_not_served_has_no_methods() {
        let wsdl = read(&wsdl(BASE, "v3.1", "<Nothing>"));
        assert!(wsdl.all("operation").is_empty());
        read(&xsd(BASE, "v3.1", "<Nothing>"));
    }
}
