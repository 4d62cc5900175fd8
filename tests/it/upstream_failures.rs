//! An upstream that does not do its part: 502 and 504 that say so, never a 401 that makes a client throw its key away; and large, slow and
//! broken answers, clients that go away, and certificates.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hyper::body::Frame;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};

use crate::support::node::{self, borrowed};
use crate::support::tower::{self, Tower};
use crate::support::{Answer, Database, Node, Peer, Service};

/// A keytower in front of something, and a key of it.
async fn in_front(settings: &[(&str, String)], more: &[(&str, &str)]) -> (Service, String) {
    let mut all: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    all.extend_from_slice(more);
    let service = Service::start_with(Arc::new(Database::new().await), &all).await;
    let (_, key) = service.mint(&service.root().await, "automation").await;
    (service, key)
}

/// Asserts an ErrorBody of a server error, and gives its message.
fn failed(answer: &Answer, status: u16, path: &str) -> String {
    assert_eq!(answer.status, status, "{answer:?}");
    let body = answer.json();
    let message = body["message"].as_str().unwrap();
    assert_eq!(body, json!({ "message": message, "path": path, "status": status }));
    assert_eq!(answer.headers["x-tower-request-id"].len(), 36);
    assert!(!answer.headers.contains_key("www-authenticate") && !answer.headers.contains_key("location"), "{answer:?}");
    for inside in ["127.0.0.1", "hyper", "os error", "rustls", tower::PASSWORD, "the-token"] {
        assert!(!answer.text.contains(inside), "{inside:?} in {answer:?}");
    }
    message.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_is_away_silent_or_elsewhere_is_502_or_504() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let plain = Tower::start(|_| async { StatusCode::OK.into_response() }).await;
    let passive = Tower::start(|_| async {
        (StatusCode::TEMPORARY_REDIRECT, [("location", "http://10.0.0.9/")]).into_response()
    })
    .await;
    let silent = Tower::start(|_| std::future::pending()).await;
    // Takes connections and says nothing: not even the login is answered.
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let not_http = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let not_http_address = not_http.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = not_http.accept().await.unwrap();
            let _ = stream.write_all(b"SSH-2.0-OpenSSH\r\n").await;
        }
    });
    let at = |address| vec![("upstream_url", format!("http://{address}")), ("upstream_api_key", "a-key".to_owned())];
    let mut encrypted = plain.settings();
    encrypted[0].1 = encrypted[0].1.replace("http", "https");
    let brief = ("upstream_timeout", "100ms");
    for (settings, more, status, words) in [
        (at(nobody), None, 502, "can't be reached"),
        (at(not_http_address), None, 502, "can't be reached"),
        (encrypted, None, 502, "can't be reached"),
        (passive.settings(), None, 502, "307"),
        (silent.settings(), Some(brief), 504, "100ms"),
        (at(mute.local_addr().unwrap()), Some(brief), 504, "100ms"),
    ] {
        let (service, key) = in_front(&settings, more.as_slice()).await;
        for path in ["/create-vm", "/get-vms", "/get-vm-volumes-connection"] {
            let answer = service.rest(&key, path, json!({})).await;
            let message = failed(&answer, status, path);
            assert!(message.contains(words), "{words:?} in {answer:?}");
        }
        // What is this keytower's own works on.
        assert_eq!(service.rest(&key, "/get-users", json!({})).await.status, 200);
        assert_eq!(service.graphql(Some(&key), "{ vms { id } }", json!({})).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_the_upstream_refuses_is_tried_now_and_then() {
    let tower = Tower::start(|_| async { StatusCode::OK.into_response() }).await;
    let (service, key) = in_front(&tower.settings(), &[("upstream_password", "a wrong one")]).await;
    for logins in [1, 2] {
        for _ in 0..5 {
            let answer = service.rest(&key, "/get-vms", json!({})).await;
            assert!(failed(&answer, 502, "/get-vms").contains("own credential"), "{answer:?}");
        }
        assert_eq!(tower.logins(), logins);
        service.clock.advance(Duration::from_secs(10));
    }
    assert_eq!(tower.seen().len(), 0);
    // A token that is refused as soon as it was made leads nowhere either.
    let fickle = Tower::start(|_| async { StatusCode::UNAUTHORIZED.into_response() }).await;
    let (service, key) = in_front(&fickle.settings(), &[]).await;
    let answer = service.rest(&key, "/get-vms", json!({})).await;
    assert!(failed(&answer, 502, "/get-vms").contains("own credential"), "{answer:?}");
    assert_eq!((fickle.logins(), fickle.seen().len()), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_is_rubbish_is_502_and_any_other_answer_is_the_upstreams_own() {
    for login in
        ["", "[]", "{\"data\":null}", "{\"data\":{\"token\":\"\"}}", "{\"data\":{\"token\":\"a\\nb\"}}", "<html>"]
    {
        let tower = axum::Router::new().fallback(move || async move { login });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut settings = Tower::prepare(|_| async { StatusCode::OK.into_response() }).settings();
        settings[0].1 = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, tower).await });
        let (service, key) = in_front(&settings, &[]).await;
        let answer = service.rest(&key, "/get-vms", json!({})).await;
        assert!(failed(&answer, 502, "/get-vms").contains("token"), "{login:?}: {answer:?}");
    }
    let answers =
        [(304, ""), (400, "{\"code\":\"ResourceLocked\"}"), (403, "no"), (404, ""), (500, "<html>"), (503, "{")];
    let turn = AtomicUsize::new(0);
    let tower = Tower::start(move |_| {
        let (status, text) = answers[turn.fetch_add(1, Ordering::SeqCst)];
        async move { (StatusCode::from_u16(status).unwrap(), text).into_response() }
    })
    .await;
    let (service, key) = in_front(&tower.settings(), &[]).await;
    for (status, text) in answers {
        let answer = service.rest(&key, "/create-vm", json!([])).await;
        assert_eq!((answer.status, answer.text.as_str()), (status, text));
    }
}

type Polled = Poll<Option<Result<Frame<Bytes>, std::io::Error>>>;

/// Pieces of zeros; tells when it is dropped.
struct Pieces {
    left: usize,
    /// What comes behind them: the end, or nothing any more, or a fault.
    then: fn() -> Polled,
    dropped: Option<mpsc::UnboundedSender<()>>,
}

const PIECE: usize = 64 * 1024;

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Polled {
        static ZEROS: [u8; PIECE] = [0; PIECE];
        let this = self.get_mut();
        if this.left == 0 {
            return (this.then)();
        }
        this.left -= 1;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&ZEROS)))))
    }
}

impl Drop for Pieces {
    fn drop(&mut self) {
        if let Some(dropped) = self.dropped.take() {
            let _ = dropped.send(());
        }
    }
}

fn pieces(left: usize, then: fn() -> Polled) -> Response {
    Response::new(Body::new(Pieces { left, then, dropped: None }))
}

/// The most memory that a process ever had, in kilobytes.
fn peak(node: &Node) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", node.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_megabytes_go_through_without_being_held() {
    const COUNT: usize = 800;
    let tower = Tower::start(|_| async { pieces(COUNT, || Poll::Ready(None)) }).await;
    let database = Database::new().await;
    let mut settings = node::settings(&database);
    settings.extend(tower.settings());
    let node = Node::start(&borrowed(&settings));
    let token = Peer::new(node.address).root().await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let before = peak(&node);
    let mut answer =
        http.post(node.url("/v2/api/get-vm-volumes")).header("authorization", &token).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let mut length = 0;
    while let Some(piece) = answer.chunk().await.unwrap() {
        length += piece.len();
    }
    assert_eq!(length, COUNT * PIECE);
    let grown = peak(&node) - before;
    println!("{} MB went through; the process grew by {grown} kB", length / 1_000_000);
    assert!(grown < 16 * 1024, "{grown} kB");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_breaks_off_or_falls_silent_does_not_look_whole() {
    // What comes, and whether the connection stays open behind it.
    for (case, sent, stays) in [
        ("breaks off", "content-length: 100\r\n\r\na piece", false),
        ("breaks off in chunks", "transfer-encoding: chunked\r\n\r\n7\r\na piece\r\n", false),
        ("falls silent", "content-length: 100\r\n\r\na piece", true),
        ("falls silent in chunks", "transfer-encoding: chunked\r\n\r\n7\r\na piece\r\n", true),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let upstream = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"{}") {
                stream.read_buf(&mut asked).await.unwrap();
            }
            stream.write_all(format!("HTTP/1.1 200 OK\r\n{sent}").as_bytes()).await.unwrap();
            if stays {
                std::future::pending::<()>().await;
            }
        });
        let settings = [("upstream_url", format!("http://{address}")), ("upstream_api_key", "a-key".to_owned())];
        let (service, key) = in_front(&settings, &[("upstream_timeout", "1s")]).await;
        let request = service.http.post(service.url("/v2/api/get-vm-volumes")).header("authorization", &key).body("{}");
        let end = async {
            let mut answer = request.send().await?;
            assert_eq!(answer.status(), 200, "{case}");
            while answer.chunk().await?.is_some() {}
            reqwest::Result::Ok(())
        };
        assert!(end.await.is_err(), "{case}");
        upstream.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_takes_its_request_at_the_upstream_along() {
    let (came, mut coming) = mpsc::unbounded_channel();
    let (gone, mut going) = mpsc::unbounded_channel();
    let turn = AtomicUsize::new(0);
    let tower = Tower::start(move |_| {
        let (came, gone, turn) = (came.clone(), gone.clone(), turn.fetch_add(1, Ordering::SeqCst));
        async move {
            let pieces = |left| Pieces { left, then: || Poll::Pending, dropped: Some(gone) };
            came.send(()).unwrap();
            match turn {
                // Before the head of the answer, and within its body.
                0 => {
                    let _kept = pieces(0);
                    std::future::pending().await
                }
                _ => Response::new(Body::new(pieces(usize::MAX))),
            }
        }
    })
    .await;
    let (service, key) = in_front(&tower.settings(), &[]).await;
    for _ in 0..2 {
        let request = service.http.post(service.url("/v2/api/get-vm-volumes")).header("authorization", &key);
        let asking = tokio::spawn(async move {
            let mut answer = request.send().await.unwrap();
            while let Ok(Some(_)) = answer.chunk().await {}
        });
        coming.recv().await.unwrap();
        asking.abort();
        // Hangs when the upstream's request goes on.
        going.recv().await.unwrap();
    }
}

/// Serves a tower over TLS.
async fn encrypted(tower: &Tower, chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> Vec<(&'static str, String)> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    // Unlike `with_single_cert` this takes a certificate of another key.
    let certified = CertifiedKey::new(chain, aws_lc_rs::sign::any_supported_type(&key).unwrap());
    let config = config.with_no_client_auth().with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut settings = tower.settings();
    settings[0].1 = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let router = tower.router();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (acceptor, service) = (acceptor.clone(), TowerToHyperService::new(router.clone()));
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                }
            });
        }
    });
    settings
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_upstream_is_trusted_by_an_authority_or_by_its_own_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, pem: &str| -> PathBuf {
        let file = folder.path().join(name);
        std::fs::write(&file, pem).unwrap();
        file
    };
    let tower = Tower::start(|_| async { tower::json(StatusCode::OK, &Value::Bool(true)) }).await;
    let key = KeyPair::generate().unwrap();
    // An authority and what it signed; another name; and what an appliance makes: signed by itself, an authority, of no name at all.
    let authority = |name: &str| {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    };
    let (ours, theirs) = (authority("ours"), authority("theirs"));
    let signed = |name: &str| CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &ours).unwrap();
    let (good, misnamed) = (signed("localhost"), signed("elsewhere"));
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let alone = params.self_signed(&key).unwrap();
    let (ours_file, theirs_file) = (write("ours.pem", &ours.pem()), write("theirs.pem", &theirs.pem()));
    let both_file = write("both.pem", &format!("{}{}", theirs.pem(), ours.pem()));
    let (misnamed_file, alone_file) = (write("misnamed.pem", &misnamed.pem()), write("alone.pem", &alone.pem()));
    for (shown, trusted, good) in [
        (&good, None, false),
        (&good, Some(&ours_file), true),
        (&good, Some(&both_file), true),
        (&good, Some(&theirs_file), false),
        (&misnamed, Some(&ours_file), false),
        (&misnamed, Some(&misnamed_file), true),
        (&alone, Some(&alone_file), true),
        (&alone, Some(&ours_file), false),
        (&alone, None, false),
    ] {
        let settings = encrypted(&tower, vec![shown.der().clone()], &key).await;
        let trusted = trusted.map(|file| file.display().to_string()).unwrap_or_default();
        let (service, credential) = in_front(&settings, &[("upstream_ca_file", &trusted)]).await;
        let logins = tower.logins();
        let answer = service.rest(&credential, "/get-vm-volumes", json!({})).await;
        if good {
            assert_eq!((answer.status, answer.text.as_str()), (200, "true"), "{trusted}");
        } else {
            failed(&answer, 502, "/get-vm-volumes");
            assert_eq!(tower.logins(), logins, "the password was told");
        }
    }
    // Whoever shows that certificate without its key is nobody.
    let settings = encrypted(&tower, vec![alone.der().clone()], &KeyPair::generate().unwrap()).await;
    let (service, credential) = in_front(&settings, &[("upstream_ca_file", &alone_file.display().to_string())]).await;
    failed(&service.rest(&credential, "/get-vm-volumes", json!({})).await, 502, "/get-vm-volumes");
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_that_can_not_be_read_stop_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken.pem");
    std::fs::write(&broken, "-----BEGIN CERTIFICATE-----\nbm9uc2Vuc2U=\n-----END CERTIFICATE-----\n").unwrap();
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "nothing\n").unwrap();
    for file in [folder.path().join("missing.pem"), broken, empty] {
        let (database, file) = (Database::new().await, file.display().to_string());
        let mut settings = node::settings(&database);
        settings.extend([
            ("upstream_url", "https://localhost:1".to_owned()),
            ("upstream_api_key", "a-key".to_owned()),
            ("upstream_ca_file", file.clone()),
        ]);
        let ended = node::run(&borrowed(&settings), &[]);
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        assert!(ended.stderr.contains("upstream_ca_file") && ended.stderr.contains(&file), "{ended:?}");
        assert!(!std::path::Path::new(&database.data_dir()).exists());
    }
}
