//! Forged tokens: hundreds of them, among them many that the service's own key has signed, each refused on every face and like
//! any other credential that does not work. Those that are wrong in themselves cost no SQL.

mod signed;
mod spelled;

use keytower::error::Kind;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use serde_json::Value;

use crate::support::signer::part;
use crate::support::{Answer, Service, Signer};

/// A text in a token's place, what is wrong with it, and how many statements it may cost.
struct Forgery {
    what: String,
    text: String,
    statements: u64,
}

fn forgery(what: impl Into<String>, text: impl Into<String>) -> Forgery {
    Forgery { what: what.into(), text: text.into(), statements: 0 }
}

/// What a forger has: everything that is public, a token of its own, a key pair of its own; and beyond that the service's signing
/// key, so that a refusal is not only the signature's.
struct Forger {
    own: Signer,
    service: Signer,
    token: String,
    header: Value,
    claims: Value,
}

impl Forger {
    /// A header with changes, signed by the service's key and by the forger's own.
    fn headers(&self, what: &str, change: impl Fn(&mut Value)) -> Vec<Forgery> {
        let mut header = self.header.clone();
        change(&mut header);
        let signed = |signer: &Signer, whose| {
            forgery(format!("header: {what}, {whose}"), signer.sign(&header.to_string(), &self.claims.to_string()))
        };
        vec![signed(&self.service, "signed by the service"), signed(&self.own, "signed by the forger")]
    }

    /// Claims with changes, signed by the service's key.
    fn claims(&self, what: impl Into<String>, change: impl Fn(&mut Value)) -> Forgery {
        let mut claims = self.claims.clone();
        change(&mut claims);
        forgery(what, self.service.sign(&self.header.to_string(), &claims.to_string()))
    }
}

/// Every face refuses the forgeries, all alike, for no more than they may cost.
async fn all_are_refused(service: &Service, forgeries: &[Forgery]) {
    let [rest, graphql] = ask(service, HeaderValue::from_static("x")).await;
    assert_eq!((rest.status, graphql.status, graphql.code().as_str()), (401, 401, "UNAUTHENTICATED"));
    for Forgery { what, text, statements } in forgeries {
        let before = service.app.store.statements();
        let refused = service.app.authenticate(text, None).await.err();
        let refused = refused.unwrap_or_else(|| panic!("ACCEPTED: {what}: {text}"));
        assert_eq!(refused.kind(), Kind::Unauthenticated, "{what}: {text}");
        assert_eq!(service.app.store.statements() - before, *statements, "statements: {what}: {text}");
        // White space around a header's value is not part of it, and some bytes no header can hold.
        let Ok(header) = HeaderValue::from_bytes(text.as_bytes()) else { continue };
        if text.trim_matches([' ', '\t']) != text {
            continue;
        }
        for (answer, like) in ask(service, header).await.iter().zip([&rest, &graphql]) {
            assert_eq!((answer.status, &answer.text), (401, &like.text), "{what}: {text}");
        }
    }
}

async fn ask(service: &Service, credential: HeaderValue) -> [Answer; 2] {
    let mut answers = Vec::new();
    for (path, body) in [("/v2/api/get-vms", "{}"), ("/api/", r#"{"query":"{ vms { id } }"}"#)] {
        let request = service.http.post(service.url(path)).header(AUTHORIZATION, credential.clone());
        let request = request.header(CONTENT_TYPE, "application/json").body(body);
        answers.push(Answer::read(request.send().await.unwrap()).await);
    }
    answers.try_into().unwrap()
}

async fn forger(service: &Service) -> Forger {
    let token = service.root().await;
    let (header, claims) = (part(&token, 0), part(&token, 1));
    let signer = Signer::of(service).await;
    let made = signer.sign(&header.to_string(), &claims.to_string());
    assert_eq!(
        service.try_credential(&made).await,
        200,
        "what the test signs works, unless something is wrong with it"
    );
    Forger { own: Signer::stranger(&signer.kid), service: signer, token, header, claims }
}
