//! A request whose last byte waits, and everything that a database holds, to tell whether anything came of it.

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::call::Call;
use super::database::is_postgres;
use super::{Answer, Service};

/// How long an answer may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// What a request that is refused may change all the same: the logs, the ends of their chains, and the counters of wrong guesses.
const COUNTED: [&str; 4] = ["attempts", "meta", "system_audit_logs", "user_audit_logs"];

/// A request that lacks its last byte.
pub struct Held {
    stream: TcpStream,
    last: u8,
}

impl Held {
    /// Sends all but the last byte. The server has begun to read the body when this returns: it has asked for it.
    pub async fn begin(address: SocketAddr, call: &Call, credential: &str) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let (length, kind) = (call.body.len(), call.content_type());
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {credential}\r\nContent-Type: {kind}\r\n\
             Content-Length: {length}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n",
            call.path
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut told = Vec::new();
        let asking = async {
            while !told.ends_with(b"\r\n\r\n") {
                assert!(stream.read_buf(&mut told).await.unwrap() > 0, "the server hung up on {call:?}");
            }
        };
        tokio::time::timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("nobody asks for the body of {call:?}"));
        let told = String::from_utf8(told).unwrap();
        assert!(told.starts_with("HTTP/1.1 100 "), "{call:?}: {told}");
        let (last, rest) = call.body.as_bytes().split_last().unwrap();
        stream.write_all(rest).await.unwrap();
        Self { stream, last: *last }
    }

    /// Sends the last byte, and reads the answer.
    pub async fn finish(mut self) -> Answer {
        self.stream.write_all(&[self.last]).await.unwrap();
        let mut answer = Vec::new();
        tokio::time::timeout(PATIENCE, self.stream.read_to_end(&mut answer)).await.expect("an answer").unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let (head, text) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let mut headers = HeaderMap::new();
        for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        Answer { status: status.unwrap_or_else(|| panic!("no status: {head}")), headers, text: text.to_owned() }
    }
}

/// Every row of every table but [`COUNTED`].
#[derive(Debug, PartialEq, Eq)]
pub struct Everything(Vec<String>);

impl Everything {
    pub async fn of(service: &Service) -> Self {
        let sql = match is_postgres() {
            true => "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'",
            false => "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
        };
        let tables = service.texts(sql).await;
        let tables: Vec<&str> = tables.iter().map(String::as_str).filter(|table| !COUNTED.contains(table)).collect();
        assert!(tables.len() > 15, "{tables:?}");
        Self(service.rows_of(&tables).await)
    }

    /// The rows that stand in one of the two only.
    pub fn against(&self, other: &Self) -> Vec<String> {
        let only = |these: &Self, those: &Self, mark: &str| {
            let rows = these.0.iter().filter(|row| !those.0.contains(row));
            rows.map(|row| format!("{mark} {row}")).collect::<Vec<_>>()
        };
        [only(self, other, "-"), only(other, self, "+")].concat()
    }
}

impl Service {
    /// The first column of a query, as text.
    pub async fn texts(&self, sql: &str) -> Vec<String> {
        use sea_orm::{ConnectionTrait, Statement};
        let db = self.database().connect().await;
        let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap();
        let texts = rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect();
        db.close().await.unwrap();
        texts
    }
}
