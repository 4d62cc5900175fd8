//! The two pages for people, GraphiQL and Swagger UI, in a real headless Chromium: they render, they work, and they load nothing
//! from anywhere else.

use std::collections::BTreeMap;
use std::sync::Arc;

use reqwest::header::{ACCEPT, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use serde_json::{Value, json};

use crate::support::program::run;
use crate::support::{Answer, Database, Service, tool};

const GRAPHIQL: &str = "/api";
const SWAGGER_UI: &str = "/v2/api/docs/";

/// What `tests/clients/browser.py` saw.
pub struct Seen {
    pub values: Vec<Value>,
    pub requests: Vec<String>,
    pub answers: BTreeMap<String, Value>,
    pub problems: Vec<String>,
}

/// Opens a page in a browser with an empty profile and does the steps (`--wait`, `--click`, `--print` and JavaScript).
pub async fn browse(service: &Service, path: &str, steps: &[(&str, &str)]) -> Seen {
    let (chromium, url) = (tool("KT_TEST_CHROMIUM"), service.url(path));
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/browser.py");
    let mut arguments = vec!["-B", script, &chromium, &url];
    arguments.extend(steps.iter().flat_map(|(step, expression)| [*step, *expression]));
    let finished = run(&tool("KT_TEST_PYTHON"), &arguments, &[]).await.succeeded();
    let report: Value = serde_json::from_str(&finished.stdout).unwrap();
    let texts = |name: &str| serde_json::from_value(report[name].clone()).unwrap();
    Seen {
        values: report["values"].as_array().unwrap().clone(),
        requests: texts("requests"),
        answers: serde_json::from_value(report["answers"].clone()).unwrap(),
        problems: texts("problems"),
    }
}

/// Every file came from this server, with its type, and the browser had nothing to complain about.
pub fn assert_all_from_here(service: &Service, seen: &Seen, least: usize) {
    assert_eq!(seen.problems, [""; 0]);
    let (inside, outside): (Vec<_>, Vec<_>) = seen.requests.iter().partition(|url| !url.starts_with("data:"));
    assert!(outside.iter().all(|url| url.starts_with("data:image/") || url.starts_with("data:font/")), "{outside:?}");
    assert!(inside.len() >= least, "{inside:?}");
    for url in inside {
        let path = url.strip_prefix(&service.url("/")).unwrap_or_else(|| panic!("{url} is not on this server"));
        let kind = match path.rsplit_once('.').map(|(_, suffix)| suffix) {
            Some("js") => "text/javascript",
            Some("css") => "text/css",
            Some("png") => "image/png",
            Some("json") => "application/json",
            _ if path == "api/" || path.starts_with("v2/api/get-") => "application/json",
            _ => "text/html",
        };
        let answer = &seen.answers[url];
        assert_eq!(answer["status"], 200, "{url}: {answer}");
        assert!(answer["type"].as_str().unwrap().starts_with(kind), "{url}: {answer}");
    }
}

async fn page(service: &Service, path: &str) -> Answer {
    let request = service.http.get(service.url(path)).header(ACCEPT, "text/html,application/xhtml+xml,*/*;q=0.8");
    Answer::read(request.send().await.unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn graphiql_shows_the_schema_and_runs_a_query_with_a_key() {
    let service = Service::start().await;
    service.import_example().await;
    let (_, key) = service.mint(&service.root().await, "browser").await;
    let headers = json!({ "Authorization": key }).to_string();
    // The editors are CodeMirror's: the one for headers is the one that has the default headers.
    let editor = "[...document.querySelectorAll('.CodeMirror')].map(element => element.CodeMirror)\
                  .find(editor => editor.getValue() === '{\"Authorization\": \"\"}')";
    let put_headers = format!("{editor}.setValue({})", json!(headers));
    let steps = [
        ("--wait", "document.querySelector('.graphiql-query-editor .CodeMirror')"),
        ("--click", "document.querySelector('button[aria-label=\"Show Documentation Explorer\"]')"),
        ("--wait", "document.querySelector('.graphiql-doc-explorer-content')?.textContent.includes('Mutation')"),
        ("--print", "document.querySelector('.graphiql-doc-explorer-content').textContent"),
        ("--wait", editor),
        ("--print", &put_headers),
        ("--click", "document.querySelector('button.graphiql-execute-button')"),
        ("--wait", "document.querySelector('.result-window .CodeMirror').CodeMirror.getValue().includes('vms')"),
        ("--print", "document.querySelector('.result-window .CodeMirror').CodeMirror.getValue()"),
        ("--print", "JSON.stringify({ ...localStorage }) + document.cookie"),
    ];
    let seen = browse(&service, GRAPHIQL, &steps).await;
    assert_all_from_here(&service, &seen, 7);
    let types = seen.values[0].as_str().unwrap();
    assert!(["query: Query", "mutation: Mutation", "ApiKey", "VmWhereInput"].iter().all(|name| types.contains(name)));
    let result: Value = serde_json::from_str(seen.values[2].as_str().unwrap()).unwrap();
    let vms = result["data"]["vms"].as_array().unwrap();
    assert_eq!(vms.len(), 5, "{result}");
    assert!(vms.iter().all(|vm| vm["cluster"]["name"].is_string()), "{result}");
    let kept = seen.values[3].as_str().unwrap();
    assert!(!kept.contains(&key), "the browser keeps the key: {kept}");
}

#[tokio::test(flavor = "multi_thread")]
async fn graphiql_says_that_introspection_is_off_and_still_asks() {
    let settings = [("graphql_introspection", "false")];
    let service = Service::start_with(Arc::new(Database::new().await), &settings).await;
    let result = "document.querySelector('.result-window .CodeMirror')?.CodeMirror.getValue()";
    let steps = [
        ("--wait", format!("{result}?.includes('introspection')")),
        ("--print", result.to_owned()),
        ("--click", "document.querySelector('button.graphiql-execute-button')".to_owned()),
        // The query that it begins with, without a credential.
        ("--wait", format!("{result}.includes('UNAUTHENTICATED')")),
    ];
    let steps: Vec<_> = steps.iter().map(|(step, expression)| (*step, expression.as_str())).collect();
    let seen = browse(&service, GRAPHIQL, &steps).await;
    assert_all_from_here(&service, &seen, 7);
    assert!(seen.values[0].as_str().unwrap().contains("introspection is switched off here"), "{:?}", seen.values);
}

#[tokio::test(flavor = "multi_thread")]
async fn swagger_ui_lists_every_route_and_calls_one_with_a_key() {
    let service = Service::start().await;
    let (_, key) = service.mint(&service.root().await, "browser").await;
    // React takes no notice of a value that was set without an event.
    let put_key = format!(
        "(() => {{ const field = document.querySelector('.modal-ux input'); \
         Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set.call(field, {}); \
         field.dispatchEvent(new Event('input', {{ bubbles: true }})) }})()",
        json!(key)
    );
    let steps = [
        ("--wait", "document.querySelectorAll('.opblock').length > 1"),
        ("--print", "[...document.querySelectorAll('.opblock-summary-path')].map(element => element.dataset.path)"),
        ("--print", "document.querySelector('.info .title').textContent"),
        ("--click", "document.querySelector('.auth-wrapper .authorize')"),
        ("--wait", "document.querySelector('.modal-ux input')"),
        ("--print", &put_key),
        ("--click", "document.querySelector('.modal-ux button.authorize')"),
        ("--click", "document.querySelector('.modal-ux button.btn-done')"),
        ("--click", "document.querySelector('[data-path=\"/get-my-info\"] a')"),
        ("--click", "document.querySelector('.opblock.is-open .try-out__btn')"),
        ("--click", "document.querySelector('.opblock.is-open .execute')"),
        ("--wait", "document.querySelector('.live-responses-table .response-col_status')"),
        ("--print", "document.querySelector('.live-responses-table .response').textContent"),
        ("--print", "JSON.stringify({ ...localStorage }) + document.cookie"),
    ];
    let seen = browse(&service, SWAGGER_UI, &steps).await;
    assert_all_from_here(&service, &seen, 8);
    let mut listed: Vec<&str> = seen.values[0].as_array().unwrap().iter().map(|path| path.as_str().unwrap()).collect();
    listed.sort_unstable();
    let document = service.get("/v2/api/swagger3.json").await.json();
    let mut routes: Vec<&str> = document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    routes.sort_unstable();
    assert!(listed.contains(&"/get-vms"));
    assert_eq!(listed, routes);
    assert!(seen.values[1].as_str().unwrap().contains("keytower"));
    let answered = seen.values[3].as_str().unwrap();
    assert!(answered.starts_with("200") && answered.contains("\"username\": \"root\""), "{answered}");
    let kept = seen.values[4].as_str().unwrap();
    assert!(!kept.contains(&key), "the browser keeps the key: {kept}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_of_a_page_stops_whatever_comes_from_elsewhere() {
    let service = Service::start().await;
    let tries = [
        ("img-src", "add('img', { src: 'http://elsewhere.invalid/x.png' })"),
        ("script-src-elem", "add('script', { src: 'http://elsewhere.invalid/x.js' })"),
        ("script-src-elem", "add('script', { textContent: 'window.inline = 1' })"),
        ("script-src-attr", "document.body.setAttribute('onclick', 'window.inline = 1')"),
        ("script-src", "(() => { try { eval('window.inline = 1') } catch {} })()"),
        ("style-src-elem", "add('link', { rel: 'stylesheet', href: 'http://elsewhere.invalid/x.css' })"),
        ("connect-src", "fetch('http://elsewhere.invalid/').catch(() => {})"),
        ("frame-src", "add('iframe', { src: 'http://elsewhere.invalid/' })"),
        ("object-src", "add('object', { data: 'http://elsewhere.invalid/x' })"),
        ("base-uri", "add('base', { href: 'http://elsewhere.invalid/' })"),
    ];
    let steps: Vec<String> = tries
        .iter()
        .map(|(directive, attempt)| {
            format!(
                "new Promise(done => {{ const add = (name, members) => \
                 document.body.append(Object.assign(document.createElement(name), members)); \
                 document.addEventListener('securitypolicyviolation', event => done(event.effectiveDirective), \
                 {{ once: true }}); setTimeout(() => done('{directive}: nothing happened'), 60000); {attempt} }})"
            )
        })
        .collect();
    for path in [GRAPHIQL, SWAGGER_UI] {
        let mut all = vec![("--wait", "document.readyState === 'complete'")];
        all.extend(steps.iter().map(|step| ("--print", step.as_str())));
        all.push(("--print", "typeof window.inline"));
        let seen = browse(&service, path, &all).await;
        let expected: Vec<&str> = tries.iter().map(|(directive, _)| *directive).chain(["undefined"]).collect();
        assert_eq!(seen.values, expected, "{path}");
        // The report notices what the other tests want to be absent.
        assert!(seen.problems.iter().any(|problem| problem.contains("Content Security Policy")), "{:?}", seen.problems);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_name_only_files_of_this_server_and_forbid_all_others() {
    let service = Service::start().await;
    for path in [GRAPHIQL, "/api/", SWAGGER_UI, "/v2/api/docs"] {
        let page = page(&service, path).await;
        assert_eq!(page.status, 200, "{path}: {page:?}");
        assert!(page.headers[CONTENT_TYPE].to_str().unwrap().starts_with("text/html"), "{path}");
        let policy = page.headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
        let directives: BTreeMap<&str, Vec<&str>> = policy
            .split(';')
            .filter_map(|directive| directive.trim().split_once(' '))
            .map(|(name, sources)| (name, sources.split_whitespace().collect()))
            .collect();
        for name in ["default-src", "frame-ancestors", "base-uri", "form-action"] {
            assert_eq!(directives[name], ["'none'"], "{path}: {policy}");
        }
        assert_eq!(directives["script-src"], ["'self'"], "{path}: {policy}");
        for (name, sources) in &directives {
            let own = ["'none'", "'self'", "data:", "blob:"];
            let styled = |source: &&str| *name == "style-src" && *source == "'unsafe-inline'";
            assert!(sources.iter().all(|source| own.contains(source) || styled(source)), "{path}: {name} {sources:?}");
        }
        let named = page.text.split(['\'', '"']).collect::<Vec<_>>();
        let files: Vec<&str> = named
            .windows(2)
            .filter(|pair| pair[0].ends_with("src=") || pair[0].ends_with("href="))
            .map(|pair| pair[1])
            .collect();
        assert!(files.len() >= 5, "{path}: {files:?}");
        for file in files.into_iter().filter(|file| !file.starts_with("data:")) {
            assert!(!file.contains("//") && !file.contains(':'), "{path}: {file}");
            let base = if path == "/v2/api/docs" { SWAGGER_UI } else { path };
            let url = reqwest::Url::parse(&service.url(base)).unwrap().join(file).unwrap();
            let answer = service.get(url.path()).await;
            assert_eq!(answer.status, 200, "{path}: {file}");
            assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{path}: {file}");
        }
    }
}
