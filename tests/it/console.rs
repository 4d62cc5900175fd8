//! The page behind a mailed link, in a real headless Chromium: it sets the password, shows what went wrong, and tells nobody the token.

use std::sync::Arc;

use reqwest::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY};
use serde_json::Value;

use crate::pages::{assert_all_from_here, browse};
use crate::support::own_password::with_post;
use crate::support::people::PASSWORD;
use crate::support::{Post, Service};

const PAGE: &str = "/reset-password";
const ADA: &str = "ada@example.com";
const NEW: &str = "several words in a row";
const FORM: &str = "document.getElementById('form')?.hidden === false";
const TOLD: &str = "document.getElementById('told').textContent";
const SEND: &str = "document.getElementById('send')";

/// Types into the two fields.
fn typed(first: &str, second: &str) -> String {
    format!("first.value = {first:?}, second.value = {second:?}, null")
}

async fn link(post: &Post, service: &Arc<Service>) -> String {
    service.forget_attempts().await;
    format!("{PAGE}#token={}", service.reset_token(post, "ada", ADA).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_sets_a_password_and_is_told_what_is_wrong_with_it() {
    let (post, service) = with_post().await;
    service.make_reachable("ada", ADA).await;
    let path = link(&post, &service).await;
    let token = path.rsplit('=').next().unwrap().to_owned();
    let (different, weak) = (typed(NEW, "another"), typed("iloveyou", "iloveyou"));
    let (old, good) = (typed(PASSWORD, PASSWORD), typed(NEW, NEW));
    let says = |words: &str| format!("{TOLD}.includes({words:?})");
    let (say_different, say_weak) = (says("not the same"), says("most common"));
    let (say_old, say_done) = (says("must not be the one before"), says("Your password is set"));
    let steps = [
        ("--wait", FORM),
        ("--print", "location.href + ' ' + document.referrer + ' ' + history.length"),
        ("--print", "[document.title, document.documentElement.lang, first.type]"),
        ("--print", &different),
        ("--click", SEND),
        ("--wait", &say_different),
        ("--print", &weak),
        ("--click", SEND),
        ("--wait", &say_weak),
        ("--print", &old),
        ("--click", SEND),
        ("--wait", &say_old),
        ("--print", &good),
        ("--click", "document.getElementById('show')"),
        ("--print", "[first.type, second.type]"),
        ("--click", SEND),
        ("--wait", &say_done),
        ("--print", "document.getElementById('form').hidden && first.value + second.value === ''"),
        (
            "--print",
            "JSON.stringify({ ...localStorage, ...sessionStorage }) + document.cookie + document.body.innerHTML",
        ),
    ];
    let seen = browse(&service, &path, &steps).await;
    assert_all_from_here(&service, &seen, 4);
    let href = seen.values[0].as_str().unwrap();
    assert!(href.starts_with(&service.url(PAGE)) && !href.contains('#'), "{href}");
    assert_eq!(seen.values[1], serde_json::json!(["Set a new password · keytower", "en", "password"]));
    let answers: Vec<&Value> = seen.values.iter().filter(|value| !value.is_null()).collect();
    assert_eq!(answers[2], &serde_json::json!(["text", "text"]));
    assert_eq!(answers[3], true);
    let left = answers[4].as_str().unwrap();
    assert!(!left.contains(&token) && !left.contains(NEW), "{left}");
    assert!(seen.requests.iter().all(|url| !url.contains(&token)), "{:?}", seen.requests);
    assert!(!service.is_password("ada", PASSWORD).await && service.is_password("ada", NEW).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_link_is_told_and_a_page_without_one_says_what_it_needs() {
    let (post, service) = with_post().await;
    service.make_reachable("ada", ADA).await;
    let seen =
        browse(&service, PAGE, &[("--wait", "document.title.includes('Set')"), ("--print", TOLD), ("--print", FORM)])
            .await;
    assert_all_from_here(&service, &seen, 3);
    assert!(seen.values[0].as_str().unwrap().contains("whole link from the mail"), "{:?}", seen.values);
    assert_eq!(seen.values[1], false);
    let (good, dead) = (link(&post, &service).await, format!("{TOLD}.includes('was used already')"));
    let enter = typed(NEW, NEW);
    // The dead one first, then the live one in the same tab.
    let follow = format!("location.hash = {:?}, null", good.split_once('#').unwrap().1);
    let done = format!("{TOLD}.includes('Your password is set')");
    let steps = [
        ("--wait", FORM),
        ("--print", &enter),
        ("--click", SEND),
        ("--wait", &dead),
        ("--print", &follow),
        ("--wait", &format!("{TOLD} === '' && location.hash === ''")),
        ("--click", SEND),
        ("--wait", &done),
    ];
    let seen = browse(&service, &format!("{PAGE}#token=none"), &steps).await;
    assert_all_from_here(&service, &seen, 4);
    assert!(service.is_password("ada", NEW).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_speaks_the_language_of_the_browser() {
    let (post, service) = with_post().await;
    service.make_reachable("ada", ADA).await;
    let path = link(&post, &service).await;
    let (weak, said) = (typed("iloveyou", "iloveyou"), format!("{TOLD}.includes('常见密码')"));
    for (language, expected) in [("zh-CN", "zh-CN"), ("zh-TW", "zh-CN"), ("fr-FR", "en")] {
        let mut steps = vec![
            ("--language", language),
            ("--wait", FORM),
            ("--print", "[document.documentElement.lang, document.body.innerText]"),
        ];
        if expected == "zh-CN" {
            steps.extend([("--print", weak.as_str()), ("--click", SEND), ("--wait", &said)]);
        }
        let seen = browse(&service, &path, &steps).await;
        assert_eq!(seen.problems, [""; 0]);
        assert_eq!(seen.values[0][0], expected, "{language}");
        let text = seen.values[0][1].as_str().unwrap();
        assert_eq!(text.contains("设置新密码"), expected == "zh-CN", "{text}");
        assert_eq!(text.contains("Set a new password"), expected == "en", "{text}");
    }
}

/// Behind a proxy that puts the service under a path, every address in the page has to be relative.
#[tokio::test(flavor = "multi_thread")]
async fn it_is_strict_and_names_only_relative_addresses() {
    let service = Service::start().await;
    let page = service.get(PAGE).await;
    let policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'none'; \
                  frame-ancestors 'none'; base-uri 'none'";
    let base = reqwest::Url::parse("https://keys.example/under/a/path/reset-password").unwrap();
    let mut named: Vec<&str> = page.text.split(" src=\"").skip(1).chain(page.text.split(" href=\"").skip(1)).collect();
    named = named.into_iter().map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(named, ["console/reset-password.js", "console/reset-password.css"]);
    assert!(!page.text.contains("style=") && !page.text.contains(" on") && !page.text.contains("<style"));
    for (path, kind) in [
        (PAGE, "text/html"),
        ("/console/reset-password.js", "text/javascript"),
        ("/console/reset-password.css", "text/css"),
    ] {
        let answer = service.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.headers[CONTENT_TYPE], format!("{kind}; charset=utf-8").as_str());
        assert_eq!(answer.headers[CONTENT_SECURITY_POLICY], policy);
        assert_eq!(
            (&answer.headers[CACHE_CONTROL], &answer.headers[REFERRER_POLICY]),
            (&"no-store".parse().unwrap(), &"no-referrer".parse().unwrap())
        );
        assert!(!answer.text.contains("://"), "{path} names a host");
        let relative = path.trim_start_matches('/');
        assert_eq!(base.join(relative).unwrap().path(), format!("/under/a/path{path}"));
    }
    let script = service.get("/console/reset-password.js").await.text;
    assert!(script.contains("fetch(\"api/\""), "where the API is, seen from the page");
}
