//! The shell commands that people paste: the README's five-minute tour, and CloudTower's own documentation.
//!
//! The tour is every fenced `bash` block of `README.md` between the lines `<!-- tour:start -->` and `<!-- tour:end -->`. The blocks
//! run in their order in one bash with `set -euo pipefail`, with curl and jq, in the repository's folder, against a service that has
//! `examples/inventory.json`. What the text around them tells people to set is set here: `CLOUDTOWER_IP` (`host:port`) and
//! `ROOT_PASSWORD`. What the blocks have to do:
//!
//! - put the token into the variable `TOKEN` and the key into `KEY`;
//! - list VMs with the key, so that whole VM objects (with id, name, status) get printed;
//! - delete the key and print the answer, `{"data":{"deleteApiKey":{"id":"…"}}}`, on one line or several;
//! - use the dead key once more and print the answer or its status, which has the number 401 (a `curl --fail` would end the script).
//!
//! `docs/second-factor.md` has the commands of a login with a second factor between `<!-- mfa:start -->` and `<!-- mfa:end -->`. They `read` the codes that
//! an authenticator app shows for `SECRET`; here pyotp is the app, and each code that is asked for is that of the next step.
//!
//! `docs/softlayer.md` has the commands and the Python lines for SoftLayer's clients between `<!-- softlayer:start -->` and `<!-- softlayer:end -->`.

use serde_json::{Deserializer, Value, json};

use keytower::domain::clock::Clock;

use crate::support::program::{Finished, run};
use crate::support::{ROOT_PASSWORD, Service, tool};

const TOUR: &str = "tour";
const MFA: &str = "mfa";
const SOFTLAYER: &str = "softlayer";
const BASH: &str = "bash";

/// An authenticator app and a person who reads it: a function in place of the shell's `read`, for the variable CODE.
const APP: &str = r#"
step=0
read() {
  CODE=$("$PYTHON" -c 'import pyotp, sys; print(pyotp.TOTP(sys.argv[1]).at(int(sys.argv[2]) + 30 * int(sys.argv[3])))' "$SECRET" "$NOW" "$step")
  step=$((step + 1))
}
"#;

/// The commands of CloudTower's page on API keys, character for character.
const ISSUE: &str = r#"curl -X POST \
  -H "Content-Type: application/json" \
  -H "Authorization: $TOKEN" \
  --data-raw '{"query": "mutation createApiKey($name: String!) { createApiKey(data: { name: $name }) { id key roles { id preset }}}", "variables": {"name": "$NAME"}}' \
  http://$CLOUDTOWER_IP/api/ | jq -r '.data.createApiKey.key'
"#;
const USE: &str = r#"curl \
  -X POST \
  -H "Content-Type: application/json" \
  -H "Authorization: $KEY" \
  --data-raw '{"where":{}}' \
  http://CLOUDTOWER_IP/v2/api/get-vms | jq ".[]"
"#;
const DELETE: &str = r#"curl -X POST \
  -H "Content-Type: application/json" \
  -H "Authorization: $TOKEN" \
  --data-raw '{"query": "mutation deleteApiKey($key: String!) { deleteApiKey(where: { key: $key }) { id } }", "variables": { "key": "$KEY" }}' \
  http://$CLOUDTOWER_IP/api/
"#;

/// The blocks of a language between two markers.
fn blocks(readme: &str, name: &str, language: &str) -> Vec<String> {
    let opening = format!("```{language}");
    let (start, end) = (format!("<!-- {name}:start -->"), format!("<!-- {name}:end -->"));
    let (_, rest) = readme.split_once(&start).unwrap_or_else(|| panic!("there is no line {start}"));
    let (section, _) = rest.split_once(&end).unwrap_or_else(|| panic!("there is no line {end}"));
    let mut blocks = Vec::new();
    let mut block: Option<String> = None;
    for line in section.lines() {
        match (&mut block, line.trim_end()) {
            (None, line) if line == opening => block = Some(String::new()),
            (Some(_), "```") => blocks.extend(block.take()),
            (Some(text), _) => text.extend([line, "\n"]),
            (None, _) => {}
        }
    }
    assert!(block.is_none(), "a block of the tour has no end");
    blocks
}

async fn bash(service: &Service, script: &str, environment: &[(&str, &str)]) -> Finished {
    let address = service.address.to_string();
    let mut own = vec![("CLOUDTOWER_IP", address.as_str()), ("ROOT_PASSWORD", ROOT_PASSWORD)];
    own.extend_from_slice(environment);
    let script = format!("set -euo pipefail\n{script}");
    run("bash", &["--noprofile", "--norc", "-c", &script], &own).await
}

/// Every JSON object or array in a text, whatever stands between them.
fn values(text: &str) -> Vec<Value> {
    let mut values = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(['{', '[']) {
        let from = &rest[start..];
        let mut stream = Deserializer::from_str(from).into_iter::<Value>();
        let length = match stream.next() {
            Some(Ok(value)) => {
                values.push(value);
                stream.byte_offset()
            }
            _ => 1,
        };
        rest = &from[length..];
    }
    values
}

fn is_key(text: &str) -> bool {
    let letters = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    text.len() == 64 && text.starts_with("kt1") && letters(text)
}

fn document(name: &str) -> String {
    let path = format!("{}/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_factor_of_the_documents_does_what_they_say() {
    let service = Service::start().await;
    service.import_example().await;
    let token = service.root().await;
    let now = service.clock.now().timestamp().to_string();
    let environment = [("TOKEN", token.as_str()), ("NOW", now.as_str()), ("PYTHON", &tool("KT_TEST_PYTHON"))];
    let script = format!(
        "{APP}{}\nprintf '\\n%s\\n%s\\n' \"$TOKEN\" \"$KEY\"\n",
        blocks(&document("docs/second-factor.md"), MFA, BASH).join("\n")
    );
    let finished = bash(&service, &script, &environment).await.succeeded();
    let lines: Vec<&str> = finished.stdout.lines().filter(|line| !line.is_empty()).collect();
    let [told, codes @ .., name, refusal, token, key] = &lines[..] else { panic!("{finished:?}") };
    assert!(told.starts_with("scan ") && told.contains(", or type "), "{told}");
    let is_code = |code: &&&str| code.len() == 29 && code.matches('-').count() == 5;
    assert_eq!(codes.iter().filter(is_code).count(), 10, "{finished:?}");
    assert!(codes.len() == 10 && !name.is_empty(), "{finished:?}");
    assert!(refusal.contains("second factor") && refusal.contains("API key"), "{refusal}");
    assert_eq!((service.try_credential(token).await, service.try_credential(key).await), (200, 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tour_of_the_readme_does_what_it_says() {
    let blocks = blocks(&document("README.md"), TOUR, BASH);
    assert!(!blocks.is_empty(), "the tour has no ```bash block");
    let service = Service::start().await;
    service.import_example().await;
    let marker = "------ after the tour ------";
    let script = format!("{}\nprintf '\\n%s\\n%s\\n%s\\n' '{marker}' \"$TOKEN\" \"$KEY\"\n", blocks.join("\n"));
    let finished = bash(&service, &script, &[]).await.succeeded();
    let (printed, variables) = finished.stdout.split_once(&format!("\n{marker}\n")).unwrap();
    let [token, key] = variables.lines().collect::<Vec<_>>()[..] else { panic!("{variables}") };
    assert!(is_key(key), "KEY is no key: {key}");
    let values = values(printed);
    let flat: Vec<&Value> =
        values.iter().flat_map(|value| value.as_array().map_or(vec![value], Vec::from_iter)).collect();
    let is_vm = |value: &&Value| ["id", "name", "status", "vcpu"].iter().all(|member| !value[*member].is_null());
    assert!(flat.iter().any(is_vm), "no VM was printed:\n{printed}");
    let deleted = flat.iter().filter(|value| value["data"]["deleteApiKey"]["id"].is_string());
    assert_eq!(deleted.count(), 1, "no key was deleted:\n{printed}");
    let (_, after) = printed.rsplit_once("deleteApiKey").unwrap();
    assert!(after.contains("401"), "no 401 was printed after the deletion:\n{printed}");
    assert_eq!((service.try_credential(key).await, service.try_credential(token).await), (401, 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_softlayer_clients_of_the_readme_do_what_it_says() {
    let service = Service::start().await;
    let [shell, python] =
        [BASH, "python"].map(|language| blocks(&document("docs/softlayer.md"), SOFTLAYER, language).join("\n"));
    let script = format!(
        "cd \"$HOME\"\nPATH=$(dirname \"$PYTHON\"):$PATH\n{shell}\nprintf '\\n%s\\n' \"$KEY\"\npython - <<'END'\n{python}END\n"
    );
    let finished = bash(&service, &script, &[("PYTHON", &tool("KT_TEST_PYTHON"))]).await.succeeded();
    let shown = values(&finished.stdout);
    let user = shown.first().unwrap_or_else(|| panic!("{finished:?}"));
    assert_eq!((&user["username"], &user["id"]), (&json!("root"), &json!(1001)), "{finished:?}");
    let lines: Vec<&str> = finished.stdout.lines().filter(|line| !line.is_empty()).collect();
    let [listed @ .., key, asked] = &lines[..] else { panic!("{finished:?}") };
    assert!(listed.iter().any(|line| line.starts_with(" 1001 ") && line.contains(" root ")), "{finished:?}");
    assert!(is_key(key) && service.try_credential(key).await == 200, "{finished:?}");
    assert!(asked.contains("'username': 'root'") && asked.contains("'timestampKey': "), "{finished:?}");
}

/// Pasted as they stand, the documented commands send `$NAME` and `$KEY` themselves: single quotes keep the shell from looking.
#[tokio::test(flavor = "multi_thread")]
async fn the_documented_commands_work_character_for_character() {
    let service = Service::start().await;
    service.import_example().await;
    let token = service.root().await;
    let environment = [("TOKEN", token.as_str()), ("NAME", "meant"), ("KEY", "meant")];
    let issued = bash(&service, ISSUE, &environment).await.succeeded();
    let key = issued.stdout.trim();
    assert!(is_key(key), "{issued:?}");
    let names = async || {
        let listed = service.graphql(Some(&token), "{ apiKeys { name } }", json!({})).await;
        listed.json()["data"]["apiKeys"].clone()
    };
    assert_eq!(names().await, json!([{ "name": "$NAME" }]));

    // The second command has no `$` before its host; people put an address there.
    let with_address = USE.replace("CLOUDTOWER_IP", &service.address.to_string());
    let environment = [("TOKEN", token.as_str()), ("KEY", key)];
    let used = bash(&service, &with_address, &environment).await.succeeded();
    let vms = values(&used.stdout);
    assert_eq!(vms.len(), 30);
    assert!(vms.iter().all(|vm| vm["id"].is_string() && vm["cluster"]["name"].is_string()), "{vms:?}");

    let shown = DELETE.replace("curl ", "curl --silent --write-out '\\n%{http_code}' ");
    let deleted = bash(&service, &shown, &environment).await.succeeded();
    let (body, status) = deleted.stdout.rsplit_once('\n').unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!((status, body["errors"][0]["extensions"]["code"].as_str()), ("200", Some("NOT_FOUND")), "{body}");
    assert_eq!(body["data"]["deleteApiKey"], Value::Null);
    assert_eq!((names().await, service.try_credential(key).await), (json!([{ "name": "$NAME" }]), 200));

    // What they mean, with the variables where the shell looks.
    let meant = DELETE.replace("\"$KEY\"", "\"'\"$KEY\"'\"");
    let deleted = bash(&service, &meant, &environment).await.succeeded();
    assert!(values(&deleted.stdout)[0]["data"]["deleteApiKey"]["id"].is_string(), "{deleted:?}");
    assert_eq!((names().await, service.try_credential(key).await), (json!([]), 401));
}

#[test]
fn the_tour_is_the_bash_blocks_between_the_markers() {
    let readme = "```bash\nbefore\n```\n<!-- tour:start -->\ntext\n```bash\none\n```\n```json\n{}\n```\n```bash\ntwo\n  three\n```\n\
                  <!-- tour:end -->\n```bash\nafter\n```\n";
    assert_eq!(blocks(readme, TOUR, BASH), ["one\n", "two\n  three\n"]);
}
