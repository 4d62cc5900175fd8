//! `keytower healthcheck`: asks the local service whether it is ready. Intended for container images, which have no curl.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::print;
use crate::config::Settings;
use crate::error::{Error, Result};

const TIME: Duration = Duration::from_secs(5);

pub(super) async fn run(settings: &Settings) -> Result<ExitCode> {
    let address = local(settings.listen);
    let answer = tokio::time::timeout(TIME, ask(address)).await;
    let answer = answer.map_err(std::io::Error::from).and_then(|answer| answer);
    let answer = answer.map_err(|error| Error::invalid(format!("{address} does not answer: {error}")))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    print(&format!("{body}\n"))?;
    Ok(if head.starts_with("HTTP/1.1 200 ") { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Returns the address at which to ask the service: the loopback address if the service listens on all addresses, else the address that it
/// listens on.
fn local(listen: SocketAddr) -> SocketAddr {
    let home = match listen {
        SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    if listen.ip().is_unspecified() { SocketAddr::new(home, listen.port()) } else { listen }
}

async fn ask(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
