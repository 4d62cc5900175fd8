//! Headers, signatures and claims that are not what the service would write.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{Forgery, all_are_refused, forger, forgery};
use crate::support::signer::{encode, part};
use crate::support::{Service, Signer};

#[tokio::test(flavor = "multi_thread")]
async fn the_header_decides_nothing() {
    let service = Service::start().await;
    let forger = forger(&service).await;
    let mut forgeries = Vec::new();
    for (member, values) in [
        (
            "alg",
            vec![
                json!("none"),
                json!("None"),
                json!("NONE"),
                json!("nOnE"),
                json!(""),
                json!("eddsa"),
                json!("EdDSA "),
            ],
        ),
        ("alg", vec![json!("Ed25519"), json!("RS256"), json!("PS256"), json!("ES256"), json!("HS256"), json!("HS512")]),
        ("alg", vec![json!(null), json!(0), json!(true), json!(["EdDSA"]), json!({ "EdDSA": null })]),
        (
            "typ",
            vec![json!("JWT"), json!("at+JWT"), json!("application/at+jwt"), json!(""), json!(null), json!(["at+jwt"])],
        ),
        (
            "kid",
            vec![
                json!(""),
                json!(null),
                json!(0),
                json!([forger.service.kid]),
                json!(forger.service.kid.to_uppercase()),
            ],
        ),
        ("kid", vec![json!(format!("{} ", forger.service.kid)), json!("0190a0b0-0000-7000-8000-000000000001")]),
        ("kid", vec![json!("../../../../dev/null"), json!("/dev/null"), json!("file:///etc/passwd"), json!("\u{0}")]),
        (
            "kid",
            vec![json!("' OR '1'='1"), json!("x' UNION SELECT id FROM signing_keys --"), json!("http://127.0.0.1:9/")],
        ),
    ] {
        for value in values {
            forgeries.extend(forger.headers(&format!("{member} is {value}"), |header| header[member] = value.clone()));
        }
    }
    for member in ["alg", "kid", "typ"] {
        let drop = |header: &mut Value| drop(header.as_object_mut().unwrap().remove(member));
        forgeries.extend(forger.headers(&format!("without {member}"), drop));
    }
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "kid": forger.own.kid, "x": encode(forger.own.public()) });
    for (member, value) in [
        ("jwk", jwk.clone()),
        ("jku", json!("http://127.0.0.1:9/jwks.json")),
        ("x5u", json!("http://127.0.0.1:9/cert.pem")),
        ("x5c", json!([STANDARD.encode(forger.own.public())])),
        ("x5t", json!("AAAA")),
        ("x5t#S256", json!("AAAA")),
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("b64", json!(false)),
        ("b64", json!(true)),
        ("cty", json!("JWT")),
        ("zip", json!("DEF")),
        ("enc", json!("A256GCM")),
        ("nonce", json!("x")),
        ("anything", json!(null)),
    ] {
        forgeries.extend(forger.headers(&format!("with {member} {value}"), |header| header[member] = value.clone()));
    }
    forgeries.extend(forger.headers("with jwk and alg none", |header| {
        header["jwk"] = jwk.clone();
        header["alg"] = json!("none");
    }));
    let kid = &forger.service.kid;
    for header in [
        format!(r#"{{"alg":"none","alg":"EdDSA","kid":"{kid}","typ":"at+jwt"}}"#),
        format!(r#"{{"alg":"EdDSA","alg":"none","kid":"{kid}","typ":"at+jwt"}}"#),
        format!(r#"{{"alg":"EdDSA","kid":"x","kid":"{kid}","typ":"at+jwt"}}"#),
        format!(r#"{{"alg":"EdDSA","kid":"{kid}","typ":"at+jwt"}} {{}}"#),
        format!(r#"["EdDSA","{kid}","at+jwt"]"#),
        format!("\u{feff}{}", forger.header),
        String::new(),
        "{}".to_owned(),
        "null".to_owned(),
        "\"EdDSA\"".to_owned(),
    ] {
        forgeries.push(forgery(format!("header {header}"), forger.service.sign(&header, &forger.claims.to_string())));
    }
    println!("{} forged headers", forgeries.len());
    all_are_refused(&service, &forgeries).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_signature_but_ours_counts() {
    let service = Service::start().await;
    let forger = forger(&service).await;
    let signed = forger.token.rsplit_once('.').unwrap().0;
    let mut forgeries = Vec::new();

    // The public key as the secret of a MAC, in every spelling that a confused library might read it in.
    let public = forger.service.public();
    let jwks = service.get("/.well-known/jwks.json").await;
    let spki = [b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00".as_slice(), public].concat();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(&spki));
    let secrets: [(&str, Vec<u8>); 8] = [
        ("raw", public.to_vec()),
        ("base64url", encode(public).into_bytes()),
        ("base64", STANDARD.encode(public).into_bytes()),
        ("JWK", jwks.json()["keys"][0].to_string().into_bytes()),
        ("JWK Set", jwks.text.clone().into_bytes()),
        ("DER", spki.clone()),
        ("PEM", pem.into_bytes()),
        ("empty", Vec::new()),
    ];
    for (name, algorithm) in [("HS256", hmac::HMAC_SHA256), ("HS384", hmac::HMAC_SHA384), ("HS512", hmac::HMAC_SHA512)]
    {
        let mut header = forger.header.clone();
        header["alg"] = json!(name);
        for header in [&header, &forger.header] {
            let signed = format!("{}.{}", encode(header.to_string()), encode(forger.claims.to_string()));
            for (spelling, secret) in &secrets {
                let mac = hmac::sign(&hmac::Key::new(algorithm, secret), signed.as_bytes());
                let what = format!("{name} with the {spelling} public key, header {}", header["alg"]);
                forgeries.push(forgery(what, format!("{signed}.{}", encode(mac))));
            }
        }
    }

    // Other signatures.
    let other = Signer::stranger("x").sign(&forger.header.to_string(), &forger.claims.to_string());
    forgeries.push(forgery("another key under our kid", other));
    let stranger_too = service.root().await;
    let (head, signature) = (stranger_too.rsplit_once('.').unwrap().0, forger.token.rsplit_once('.').unwrap().1);
    forgeries.push(forgery("another token's signature", format!("{head}.{signature}")));
    for (what, signature) in [
        ("no signature", String::new()),
        ("zeros", encode([0; 64])),
        ("ones", encode([255; 64])),
        ("the identity and zero", encode([&[1][..], &[0; 63]].concat())),
        ("65 bytes", encode([7; 65])),
        ("63 bytes", encode([7; 63])),
    ] {
        forgeries.push(forgery(what, format!("{signed}.{signature}")));
    }
    let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    for at in [0, 31, 32, 63] {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            let what = format!("byte {at} of the signature, bit {bit}");
            forgeries.push(forgery(what, format!("{signed}.{}", encode(flipped))));
        }
    }
    // S and S + L verify alike where the range of S is not checked (RFC 8032, section 5.1.7).
    forgeries.push(forgery("S + L", format!("{signed}.{}", encode(plus_order(&bytes)))));

    // The signed text itself.
    for (what, claims) in
        [("a longer life", ("exp", json!(9_999_999_999_i64))), ("another user", ("sub", json!("root")))]
    {
        let mut edited = forger.claims.clone();
        edited[claims.0] = claims.1;
        let head = forger.token.split('.').next().unwrap();
        forgeries.push(forgery(what, format!("{head}.{}.{signature}", encode(edited.to_string()))));
    }
    println!("{} forged signatures", forgeries.len());
    all_are_refused(&service, &forgeries).await;
    assert_eq!(service.try_credential(&forger.token).await, 200);
}

/// Adds the order of Ed25519's group to the second half of a signature.
fn plus_order(signature: &[u8]) -> Vec<u8> {
    let mut order = [0_u8; 32];
    order[..16].copy_from_slice(&0x14de_f9de_a2f7_9cd6_5812_631a_5cf5_d3ed_u128.to_le_bytes());
    order[31] = 0x10;
    let mut sum = signature.to_vec();
    let mut carry = 0;
    for (byte, more) in sum[32..].iter_mut().zip(order) {
        let total = u16::from(*byte) + u16::from(more) + carry;
        *byte = total.to_le_bytes()[0];
        carry = total >> 8;
    }
    assert_eq!(carry, 0);
    sum
}

#[tokio::test(flavor = "multi_thread")]
async fn every_claim_is_needed_and_of_its_one_type() {
    let service = Service::start().await;
    let forger = forger(&service).await;
    let mut forgeries = Vec::new();
    let texts = ["iss", "aud", "sub", "jti"];
    for claim in ["iss", "aud", "sub", "jti", "iat", "nbf", "exp", "amr"] {
        let right = forger.claims[claim].clone();
        forgeries.push(
            forger.claims(format!("without {claim}"), |claims| drop(claims.as_object_mut().unwrap().remove(claim))),
        );
        let mut wrong = vec![json!(null), json!(true), json!({ "v": right })];
        if texts.contains(&claim) {
            wrong.extend([json!(0), json!(1.5), json!([right]), json!([right, right]), json!([])]);
        } else if claim == "amr" {
            wrong.extend([json!("pwd"), json!([1]), json!([["pwd"]]), json!(1)]);
        } else {
            let number = right.as_i64().unwrap();
            let float: Value = serde_json::from_str(&format!("{number}.5")).unwrap();
            wrong.extend([json!(number.to_string()), json!([number]), float, json!("2999-01-01T00:00:00Z"), json!("")]);
            wrong.extend([json!(1e300), json!(u64::MAX)]);
        }
        for value in wrong {
            forgeries.push(forger.claims(format!("{claim} is {value}"), |claims| claims[claim] = value.clone()));
        }
    }
    let now = service.app.now().timestamp();
    for (claim, value) in [
        ("iss", json!("")),
        ("iss", json!("keytower/")),
        ("iss", json!("Keytower")),
        ("iss", json!("https://accounts.example")),
        ("aud", json!("")),
        ("aud", json!("keytower ")),
        ("aud", json!("another-service")),
        ("exp", json!(now)),
        ("exp", json!(now - 1)),
        ("exp", json!(0)),
        ("exp", json!(-1)),
        ("exp", json!(i64::MIN)),
        ("exp", json!(i64::MAX)),
        ("nbf", json!(now + 31)),
        ("nbf", json!(now + 86_400)),
        ("nbf", json!(i64::MAX)),
        ("nbf", json!(i64::MIN)),
    ] {
        forgeries.push(forger.claims(format!("{claim} is {value}"), |claims| claims[claim] = value.clone()));
    }
    for (what, claims) in [
        ("claims of two subs", format!(r#"{{"sub":"root",{}"#, &forger.claims.to_string()[1..])),
        ("claims of two exps", format!(r#"{{"exp":1,{}"#, &forger.claims.to_string()[1..])),
        ("no claims", String::new()),
        ("claims null", "null".to_owned()),
        ("claims a list", format!("[{}]", forger.claims)),
        ("the bare user id, as CloudTower signs it", forger.claims["sub"].as_str().unwrap().to_owned()),
        ("claims and more", format!("{}{}", forger.claims, forger.claims)),
    ] {
        forgeries.push(forgery(what, forger.service.sign(&forger.header.to_string(), &claims)));
    }

    // Right in themselves: only the session that they name tells.
    let (_, other) = service.user("READ_ONLY").await;
    let other = part(&other, 1);
    for (what, claim, value) in [
        ("another user's name on one's own session", "sub", other["sub"].clone()),
        ("another user's session", "jti", other["jti"].clone()),
        ("nobody's name", "sub", json!("")),
        ("the login name for the id", "sub", json!("root")),
        ("no such session", "jti", json!("0190a0b0-0000-7000-8000-000000000001")),
        ("an empty session", "jti", json!("")),
        ("SQL for a session", "jti", json!("' OR '1'='1")),
        ("the pattern of a session", "jti", json!("%")),
        ("the session in capitals", "jti", json!(forger.claims["jti"].as_str().unwrap().to_uppercase())),
    ] {
        let known = forger.claims(what, |claims| claims[claim] = value.clone());
        forgeries.push(Forgery { statements: 1, ..known });
    }
    // Clocks of nodes differ: the start of a token has a leeway of 30 seconds, its end has none.
    for nbf in [now, now + 30, 0] {
        let started = forger.claims("", |claims| claims["nbf"] = json!(nbf));
        assert_eq!(service.try_credential(&started.text).await, 200, "nbf is {nbf}");
    }
    println!("{} forged claims", forgeries.len());
    all_are_refused(&service, &forgeries).await;
    assert_eq!(service.try_credential(&forger.token).await, 200);
}
