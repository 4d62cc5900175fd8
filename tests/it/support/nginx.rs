//! A real nginx with the repository's configuration, in front of nodes on this machine.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long a start may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running nginx; ended when dropped.
pub struct Nginx {
    child: Child,
    pub address: SocketAddr,
    output: mpsc::Receiver<String>,
    _folder: TempDir,
}

/// `deploy/nginx.conf` with what its comments say to change: the port, and the addresses of the two nodes.
fn configuration(listen: SocketAddr, nodes: [SocketAddr; 2]) -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/nginx.conf");
    let mut text = std::fs::read_to_string(path).unwrap();
    let changes = [
        ("listen 80;", format!("listen {listen};")),
        ("server keytower-1:8080 ", format!("server {} ", nodes[0])),
        ("server keytower-2:8080 ", format!("server {} ", nodes[1])),
    ];
    for (old, new) in changes {
        assert_eq!(text.matches(old).count(), 1, "{old} in {path}");
        text = text.replace(old, &new);
    }
    text
}

/// A folder for nginx, whose workers are another user when root starts it, with the configuration in it.
fn folder(listen: SocketAddr, nodes: [SocketAddr; 2]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::write(folder.path().join("nginx.conf"), configuration(listen, nodes)).unwrap();
    folder
}

fn command(folder: &TempDir) -> Command {
    let mut command = Command::new(super::tool("KT_TEST_NGINX"));
    command.arg("-p").arg(folder.path()).args(["-e", "stderr", "-c"]).arg(folder.path().join("nginx.conf"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A port that was free a moment ago.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// What nginx itself says of the configuration: whether it is good, and why not.
pub fn check(nodes: [SocketAddr; 2]) -> (bool, String) {
    let folder = folder(free_address(), nodes);
    let output = command(&folder).arg("-t").output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

impl Nginx {
    /// Starts nginx in front of two nodes and waits until it listens.
    pub fn start(nodes: [SocketAddr; 2]) -> Self {
        let mut seen = String::new();
        // Somebody may take the port between the question and the start, hence the attempts.
        for _ in 0..5 {
            match Self::attempt(nodes) {
                Ok(nginx) => return nginx,
                Err(stderr) => seen.push_str(&stderr),
            }
        }
        panic!("nginx did not start:\n{seen}");
    }

    fn attempt(nodes: [SocketAddr; 2]) -> Result<Self, String> {
        let address = free_address();
        let folder = folder(address, nodes);
        let mut child = command(&folder).args(["-g", "daemon off;"]).spawn().unwrap();
        let (send, output) = mpsc::channel();
        let streams: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for stream in streams {
            let send = send.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    let _ = send.send(line);
                }
            });
        }
        let until = Instant::now() + PATIENCE;
        let mut nginx = Self { child, address, output, _folder: folder };
        while TcpStream::connect(address).is_err() {
            let ended = nginx.child.try_wait().unwrap().is_some();
            if ended || Instant::now() > until {
                return Err(nginx.output.iter().take(if ended { usize::MAX } else { 0 }).collect());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(nginx)
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Ends nginx in order and answers everything that it wrote: a line for each request, and what went wrong.
    pub fn stop(mut self) -> Vec<String> {
        self.signal("-QUIT");
        self.child.wait().unwrap();
        self.output.iter().collect()
    }

    /// A signal to the master process, which passes it on to its workers; SIGKILL would leave them alone in the world.
    fn signal(&self, name: &str) {
        let done = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(done.success());
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.signal("-TERM");
            let _ = self.child.wait();
        }
    }
}
