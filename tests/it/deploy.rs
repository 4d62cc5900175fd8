//! What is shipped beside the program agrees with it: the image, docker-compose's set-up, nginx's configuration, the README.

use std::collections::{BTreeMap, BTreeSet};

use keytower::config::{ENV_FILE, ENV_PREFIX, SETTINGS, Settings};

use crate::support::node::{borrowed, run, settings};
use crate::support::{Database, Node, nginx};

fn read(path: &str) -> String {
    std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR")))
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every `KEYTOWER_…` in a text.
fn variables(text: &str) -> BTreeSet<String> {
    let tails = text.split(ENV_PREFIX).skip(1);
    let names = tails.map(|tail| {
        let end = tail.find(|letter: char| !letter.is_ascii_uppercase() && letter != '_').unwrap_or(tail.len());
        tail[..end].to_owned()
    });
    names.filter(|name| !name.is_empty()).map(|name| format!("{ENV_PREFIX}{name}")).collect()
}

/// The settings that the image has (`ENV NAME=VALUE NAME=VALUE`).
fn image() -> BTreeMap<String, String> {
    let dockerfile = read("Dockerfile");
    let lines = dockerfile.lines().filter_map(|line| line.strip_prefix("ENV "));
    let pairs = lines.flat_map(str::split_whitespace).map(|pair| pair.split_once('=').unwrap());
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The settings that docker-compose gives a node, with those values for `${NAME:?…}`.
fn compose(values: &BTreeMap<&str, String>) -> BTreeMap<String, String> {
    let text = read("docker-compose.yml");
    let lines = text.lines().map(str::trim).filter(|line| line.starts_with(ENV_PREFIX));
    let pairs = lines.map(|line| line.split_once(": ").unwrap());
    pairs
        .map(|(name, value)| {
            let mut value = value.trim_matches('"').to_owned();
            while let Some((before, rest)) = value.split_once("${") {
                let (asked, after) = rest.split_once('}').unwrap();
                let asked = asked.split(':').next().unwrap();
                let given = values.get(asked).unwrap_or_else(|| panic!("{asked} is not made at the top of the file"));
                value = format!("{before}{given}{after}");
            }
            (name.to_owned(), value)
        })
        .collect()
}

#[test]
fn every_variable_that_is_named_is_a_setting() {
    let mut known: BTreeSet<String> =
        SETTINGS.iter().map(|setting| format!("{ENV_PREFIX}{}", setting.name.to_uppercase())).collect();
    known.insert(ENV_FILE.to_owned());
    for file in
        ["docker-compose.yml", "Dockerfile", "README.md", "docs/operations.md", "docs/settings.md", "deploy/nginx.conf"]
    {
        let unknown: Vec<String> = variables(&read(file)).difference(&known).cloned().collect();
        assert_eq!(unknown, [""; 0], "{file} names what config.rs does not know");
    }
    for file in ["docker-compose.yml", "Dockerfile"] {
        assert!(variables(&read(file)).len() >= 2, "{file}");
    }
}

/// The secrets that the head of docker-compose.yml makes, put where it puts them, make settings that a node starts with.
#[test]
fn a_node_starts_with_what_the_image_and_docker_compose_give_it() {
    let text = read("docker-compose.yml");
    let made = text.lines().filter_map(|line| line.strip_prefix("#   echo \"")).map(|line| {
        let (name, rest) = line.split_once("=$(openssl rand -hex ").unwrap();
        let bytes: usize = rest.split(')').next().unwrap().parse().unwrap();
        (name, "a5".repeat(bytes))
    });
    let values: BTreeMap<&str, String> = made.collect();
    assert_eq!(values.len(), 3, "{values:?}");
    let mut environment = image();
    environment.extend(compose(&values));
    let settings = Settings::load(None, environment.clone()).unwrap();
    assert!(settings.master_key.is_some() && settings.root_password.is_some());
    assert_eq!(
        settings.database_url.expose(),
        format!("postgres://keytower:{}@postgres:5432/keytower", values["POSTGRES_PASSWORD"])
    );
    // One port in all files: what the program listens on, for everybody, is what nginx and the image's users reach.
    assert!(settings.listen.ip().is_unspecified());
    let port = settings.listen.port();
    assert!(read("Dockerfile").contains(&format!("\nEXPOSE {port}\n")));
    for node in ["keytower-1", "keytower-2"] {
        assert!(text.contains(&format!("\n  {node}:\n    <<: *keytower\n")), "{node}");
        assert!(read("deploy/nginx.conf").contains(&format!("server {node}:{port} ")), "{node}");
    }
    let folder = settings.data_dir.display();
    assert!(read("Dockerfile").contains(&format!("\nVOLUME {folder}\n")));
    assert_eq!(text.matches(&format!(":{folder}\n")).count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_images_health_check_tells_a_node_that_is_ready_from_one_that_is_gone() {
    let dockerfile = read("Dockerfile");
    let (_, check) =
        dockerfile.lines().find(|line| line.starts_with("HEALTHCHECK")).unwrap().split_once("CMD ").unwrap();
    let check: Vec<String> = serde_json::from_str(check).unwrap();
    let [program, arguments @ ..] = &check[..] else { panic!("{check:?}") };
    assert_eq!(program, "keytower");
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let database = Database::new().await;
    let mut node = Node::on(&database);
    let mut own = settings(&database);
    own.retain(|(name, _)| *name != "listen");
    own.push(("listen", format!("0.0.0.0:{}", node.address.port())));
    let healthy = run(&borrowed(&own), &arguments);
    assert!(healthy.status.success(), "{healthy:?}");
    node.kill();
    let gone = run(&borrowed(&own), &arguments);
    assert_eq!(gone.status.code(), Some(1), "{gone:?}");
    assert!(gone.stderr.contains("does not answer"), "{gone:?}");
}

#[test]
fn nginx_accepts_its_configuration() {
    let address = |port| std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let (good, why) = nginx::check([address(1), address(2)]);
    assert!(good && !why.contains("[warn]"), "{why}");
}
