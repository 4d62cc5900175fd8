//! Other spellings of a good token, and other things in a token's place.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use keytower::auth::random::SystemRandom;
use keytower::domain::key_format;
use serde_json::json;

use super::{Forgery, all_are_refused, forger, forgery};
use crate::support::Service;
use crate::support::signer::encode;

#[tokio::test(flavor = "multi_thread")]
async fn one_spelling_and_no_other() {
    let service = Service::start().await;
    let forger = forger(&service).await;
    let token = &forger.token;
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, signature] = parts[..] else { panic!("{token}") };
    let padded = |part: &str| format!("{part}{}", "=".repeat((4 - part.len() % 4) % 4));
    let last = |part: &str| {
        // The last letter's unused bits set: other text, same bytes.
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let (rest, letter) = part.split_at(part.len() - 1);
        let at = alphabet.iter().position(|byte| *byte == letter.as_bytes()[0]).unwrap();
        format!("{rest}{}", char::from(alphabet[at ^ 1]))
    };
    let mut forgeries = vec![
        forgery("trailing bits in the signature", format!("{header}.{claims}.{}", last(signature))),
        forgery("padded signature", format!("{header}.{claims}.{}", padded(signature))),
        forgery(
            "padded everything",
            parts.iter().map(|part| URL_SAFE.encode(decode(part))).collect::<Vec<_>>().join("."),
        ),
        forgery("padding only", format!("{header}.{claims}.{signature}=")),
        forgery("space inside", format!("{header}. {claims}.{signature}")),
        forgery("tab inside", format!("{header}.{claims}.\t{signature}")),
        forgery("line break inside", format!("{header}.{claims}.{}\n{}", &signature[..40], &signature[40..])),
        forgery("leading space", format!(" {token}")),
        forgery("trailing space", format!("{token} ")),
        forgery("trailing line break", format!("{token}\n")),
        forgery("trailing NUL", format!("{token}\0")),
        forgery("no-break space", format!("\u{a0}{token}")),
        forgery("zero-width space", format!("{token}\u{200b}")),
        forgery("doubled", format!("{token}{token}")),
        forgery("twice with a comma", format!("{token}, {token}")),
        forgery("two parts", format!("{header}.{claims}")),
        forgery("two parts and a dot", format!("{header}.{claims}.")),
        forgery("one part", header),
        forgery("four parts", format!("{token}.{signature}")),
        forgery("five parts, as JWE", format!("{header}.{claims}.{signature}.{claims}.{signature}")),
        forgery("empty first part", format!(".{token}")),
        forgery("empty fourth part", format!("{token}.")),
        forgery("dots", ".."),
        forgery("other order", format!("{claims}.{header}.{signature}")),
        forgery("quoted", format!("\"{token}\"")),
        forgery("percent-encoded", token.replace('.', "%2E")),
        forgery("other case", token.to_lowercase()),
        forgery("capitals", token.to_uppercase()),
        forgery("commas for dots", token.replace('.', ",")),
        forgery("full-width dots", token.replace('.', "\u{ff0e}")),
        forgery(
            "flattened JSON",
            json!({ "payload": claims, "protected": header, "signature": signature }).to_string(),
        ),
        forgery(
            "general JSON",
            json!({ "payload": claims, "signatures": [{ "protected": header, "signature": signature }] }).to_string(),
        ),
        forgery("hexadecimal", token.bytes().map(|byte| format!("{byte:02x}")).collect::<String>()),
        forgery("in base64 once more", encode(token)),
        forgery("too long", format!("{header}.{}.{signature}", encode([b' '; 2000]))),
        forgery("far too long", format!("{header}.{}.{signature}", "A".repeat(20_000))),
        forgery("two schemes", format!("Bearer Bearer {token}")),
        forgery("another scheme", format!("Basic {token}")),
        forgery("two spaces behind the scheme", format!("Bearer  {token}")),
        forgery("a tab behind the scheme", format!("Bearer\t{token}")),
        forgery("a scheme without a space", format!("Bearer{token}")),
    ];
    // The same bytes in the other alphabet, where it makes a difference.
    let standard: Vec<String> = parts.iter().map(|part| STANDARD_NO_PAD.encode(decode(part))).collect();
    if standard != parts {
        forgeries.push(forgery("base64 for base64url", standard.join(".")));
    }
    let spaced = forger.service.sign(&forger.header.to_string(), &format!("{}{}", forger.claims, " ".repeat(2000)));
    assert!(spaced.len() > 2048);
    forgeries.push(forgery("longer than a token of ours can be", spaced));
    forgeries.extend((0..token.len()).step_by(10).map(|cut| forgery(format!("cut to {cut}"), &token[..cut])));
    forgeries
        .extend((10..token.len()).step_by(50).map(|cut| forgery(format!("without the first {cut}"), &token[cut..])));
    forgeries.push(forgery("without the last letter", &token[..token.len() - 1]));

    // Other things that the service has made or that look like it.
    let key = key_format::generate(&SystemRandom).unwrap().expose().to_owned();
    let sealed = encode(service.app.vault.seal("tokens", token.as_bytes()).unwrap());
    forgeries.extend([
        forgery("a sealed token", &sealed),
        forgery("sealed parts", format!("{sealed}.{sealed}.{sealed}")),
        forgery("keys for parts", format!("{key}.{key}.{key}")),
        forgery("a key for the signature", format!("{header}.{claims}.{key}")),
        forgery("a key behind a token", format!("{token} {key}")),
        forgery("the session's id", forger.claims["jti"].as_str().unwrap()),
        forgery("the user's id", forger.claims["sub"].as_str().unwrap()),
        forgery("the kid", &forger.service.kid),
        Forgery { statements: 1, ..forgery("a key that was never minted", &key) },
    ]);
    println!("{} forged spellings", forgeries.len());
    all_are_refused(&service, &forgeries).await;
    assert_eq!(service.try_credential(token).await, 200);
}

fn decode(part: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(part).unwrap()
}
