//! The program itself, as a process of its own: for starts that fail, signals, crashes and several nodes.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use super::{Database, ROOT_PASSWORD};

/// How long a start or an end may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running program; killed when dropped.
pub struct Node {
    child: Child,
    pub address: SocketAddr,
    log: mpsc::Receiver<String>,
    early: Mutex<Vec<String>>,
    stdout: Arc<Mutex<Vec<u8>>>,
}

/// What a program that ended by itself left behind.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

/// The program with a clean environment and settings (`("listen", "127.0.0.1:0")`).
pub fn command(settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keytower"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("KEYTOWER_")) {
        command.env_remove(name);
    }
    for (name, value) in settings {
        command.env(format!("KEYTOWER_{}", name.to_uppercase()), value);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs the program to its end.
pub fn run(settings: &[(&str, &str)], arguments: &[&str]) -> Ended {
    let output = command(settings).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ended { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// The settings of a node on a database: a free port, the database's folder, the tests' password.
pub fn settings(database: &Database) -> Vec<(&'static str, String)> {
    vec![
        ("listen", "127.0.0.1:0".to_owned()),
        ("data_dir", database.data_dir()),
        ("database_url", database.url().to_owned()),
        ("root_password", ROOT_PASSWORD.to_owned()),
    ]
}

/// Borrows settings for [`command`] and [`run`].
pub fn borrowed<'a>(settings: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    settings.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

impl Node {
    /// Starts a node and waits until it listens.
    pub fn start(settings: &[(&str, &str)]) -> Self {
        Self::spawn(command(settings))
    }

    /// Starts a node by a command of the test's own and waits until it listens.
    pub fn spawn(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        // Whoever reads no longer must not stop the program from writing.
        let mut out = child.stdout.take().unwrap();
        let stdout = Arc::new(Mutex::new(Vec::new()));
        let written = Arc::clone(&stdout);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = out.read(&mut buffer) {
                written.lock().unwrap().extend_from_slice(&buffer[..count]);
            }
        });
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (send, log) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let _ = send.send(line);
            }
        });
        // From here on it is killed whenever this goes wrong.
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut node = Self { child, address: nowhere, log, early: Mutex::default(), stdout };
        let mut seen = Vec::new();
        let until = Instant::now() + PATIENCE;
        while node.address == nowhere {
            let line = node.log.recv_timeout(until.saturating_duration_since(Instant::now()));
            let line = line.unwrap_or_else(|_| panic!("the node did not start:\n{}", seen.join("\n")));
            node.address = Some(&line)
                .filter(|line| line.contains("keytower listens"))
                .and_then(|line| address(line))
                .unwrap_or(nowhere);
            seen.push(line);
        }
        node.early = Mutex::new(seen);
        node
    }

    /// Starts a node on a database with the settings that every test has.
    pub fn on(database: &Database) -> Self {
        Self::start(&borrowed(&settings(database)))
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL: no chance to tidy up.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, as a service manager sends it.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    pub fn signal(&self, name: &str) {
        let done = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(done.success());
    }

    /// What it has written to standard output, once that holds `text`: it comes by another pipe than the log.
    pub fn told(&self, text: &str) -> String {
        let start = Instant::now();
        while !self.stdout().contains(text) {
            assert!(start.elapsed() < PATIENCE, "{text:?} was not printed: {:?}", self.stdout());
            std::thread::sleep(Duration::from_millis(5));
        }
        self.stdout()
    }

    /// What it has written to standard output so far.
    pub fn stdout(&self) -> String {
        String::from_utf8(self.stdout.lock().unwrap().clone()).unwrap()
    }

    /// Waits for the end.
    pub fn wait(&mut self) -> ExitStatus {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("the node did not end:\n{}", self.log().join("\n"));
    }

    /// The log lines since the last call, or since the start.
    pub fn log(&self) -> Vec<String> {
        let mut lines = std::mem::take(&mut *self.early.lock().unwrap());
        lines.extend(self.log.try_iter());
        lines
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address in the log line, in either format.
fn address(line: &str) -> Option<SocketAddr> {
    let rest = &line[line.find("127.0.0.1:")?..];
    let end = rest.find(|letter: char| letter != '.' && letter != ':' && !letter.is_ascii_digit());
    rest[..end.unwrap_or(rest.len())].parse().ok()
}
