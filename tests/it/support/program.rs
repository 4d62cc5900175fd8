//! Programs from outside (clients, browsers, proxies): a clean environment, run to their end within a time.

use std::process::{Command, Stdio};

use tempfile::TempDir;

/// How many seconds a program may take on a busy machine.
const PATIENCE: &str = "180";

/// What a program left behind.
#[derive(Debug)]
pub struct Finished {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    /// Fails with everything the program wrote, unless it succeeded.
    pub fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        self
    }
}

/// A program with an environment of its own: no proxy, no personal settings, `curl` and `jq` in the path.
///
/// `timeout` ends it with everything that it started.
pub fn command(program: &str, arguments: &[&str], environment: &[(&str, &str)], home: &TempDir) -> Command {
    let folder = |tool: &str| super::tool(tool).rsplit_once('/').unwrap().0.to_owned();
    let path = format!("{}:{}:{}", folder("KT_TEST_CURL"), folder("KT_TEST_JQ"), std::env::var("PATH").unwrap());
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", PATIENCE, program]).args(arguments).env_clear();
    command.env("PATH", path).env("HOME", home.path()).env("LANG", "C.UTF-8").env("NO_PROXY", "*");
    command.envs(environment.iter().copied()).current_dir(env!("CARGO_MANIFEST_DIR"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs a program to its end, beside the service in this process.
pub async fn run(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Finished {
    let home = tempfile::tempdir().unwrap();
    let mut command = command(program, arguments, environment, &home);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Finished { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Runs checks of a script of `tests/clients` on a service at an address: all of those classes, and none of them empty.
pub async fn check(python: &str, url: &str, script: &str, classes: &[(&str, usize)], environment: &[(&str, &str)]) {
    let script = format!("{}/tests/clients/{script}", env!("CARGO_MANIFEST_DIR"));
    let arguments: Vec<&str> =
        ["-B", &script].into_iter().chain(classes.iter().map(|(class, _)| *class)).chain(["--verbose"]).collect();
    let mut own = vec![("KEYTOWER", url), ("ROOT_PASSWORD", super::ROOT_PASSWORD)];
    own.extend_from_slice(environment);
    let finished = run(&super::tool(python), &arguments, &own).await.succeeded();
    for (class, checks) in classes {
        let done = finished.stderr.lines().filter(|line| line.contains(&format!("{class}.")) && line.ends_with("ok"));
        assert_eq!(done.count(), *checks, "checks of {class} in\n{}", finished.stderr);
    }
}
