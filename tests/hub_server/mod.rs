//! A hub on loopback with one file: answers as huggingface.co does, and misbehaves as told.

use sha2::{Digest as _, Sha256};
use std::io::{BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// The commit that the hub says its branch is at.
pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// What the hub does differently.
#[derive(Debug, Default, Clone)]
pub(crate) struct Behaviour {
    /// The repository has another name by now: a redirect without a host.
    pub(crate) moved: bool,
    /// Another server sends the bytes.
    pub(crate) cdn: Option<String>,
    /// Each answer with bytes ends after so many of them, as long as there is one here.
    pub(crate) cut_after: Vec<usize>,
    /// Always sends all bytes.
    pub(crate) no_ranges: bool,
    /// Promises this digest.
    pub(crate) etag: Option<String>,
    /// Answers everything so.
    pub(crate) status: Option<u16>,
    /// Knows nothing of commits and digests.
    pub(crate) plain: bool,
}

/// The server; it ends with the test's process.
pub(crate) struct Server {
    address: String,
    requests: Arc<Mutex<Vec<String>>>,
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

impl Server {
    pub(crate) fn start(bytes: Vec<u8>, behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let hub = Arc::new(Hub {
            own: address.clone(),
            bytes,
            cuts: Mutex::new(behaviour.cut_after.clone()),
            behaviour,
            requests: requests.clone(),
        });
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let hub = hub.clone();
                std::thread::spawn(move || hub.serve(stream));
            }
        });
        Self { address, requests }
    }

    /// The address of a server that is not there.
    pub(crate) fn closed() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    }

    pub(crate) fn address(&self) -> String {
        self.address.clone()
    }

    /// The requests so far: each with its head, in one line.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

struct Hub {
    own: String,
    bytes: Vec<u8>,
    behaviour: Behaviour,
    cuts: Mutex<Vec<usize>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Hub {
    fn serve(&self, mut stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let Some(mut head) = read_head(&mut reader) else { return };
        if head.starts_with("CONNECT") {
            self.requests.lock().unwrap().push(head);
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            let Some(inner) = read_head(&mut reader) else { return };
            head = inner;
        }
        self.requests.lock().unwrap().push(head.clone());
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let body = if path.starts_with("/cdn") { self.bytes(&head, &mut stream) } else { self.file(&path) };
        if let Some(answer) = body {
            // Who cancelled does not listen any more.
            let _ = stream.write_all(answer.as_bytes());
        }
    }

    /// The answer to who asks the hub for the file.
    fn file(&self, path: &str) -> Option<String> {
        let b = &self.behaviour;
        if let Some(status) = b.status {
            return Some(format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"));
        }
        if b.moved && !path.starts_with("/renamed") {
            let to = format!("Location: /renamed{path}\r\nContent-Length: 0\r\nConnection: close");
            return Some(format!("HTTP/1.1 307 Temporary Redirect\r\n{to}\r\n\r\n"));
        }
        if b.plain {
            return Some("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned());
        }
        let etag = b.etag.clone().unwrap_or_else(|| sha256(&self.bytes));
        let cdn = b.cdn.as_deref().unwrap_or(&self.own);
        Some(format!(
            "HTTP/1.1 302 Found\r\nLocation: {cdn}/cdn/x?signature=1\r\nX-Repo-Commit: {COMMIT}\r\nX-Linked-Etag: \"{etag}\"\r\n\
             X-Linked-Size: {}\r\nETag: \"other\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            self.bytes.len()
        ))
    }

    /// Sends the bytes that are asked for, or some of them.
    fn bytes(&self, head: &str, stream: &mut TcpStream) -> Option<String> {
        let begin = head.split("range: bytes=").nth(1).and_then(|r| r.split('-').next()?.parse().ok());
        let begin: usize = begin.filter(|_| !self.behaviour.no_ranges).unwrap_or(0);
        let rest = &self.bytes[begin.min(self.bytes.len())..];
        let status = if begin > 0 {
            let (last, all) = (self.bytes.len() - 1, self.bytes.len());
            format!("206 Partial Content\r\nContent-Range: bytes {begin}-{last}/{all}")
        } else {
            "200 OK".to_owned()
        };
        let length = rest.len();
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
        let mut cuts = self.cuts.lock().unwrap();
        let sent = if cuts.is_empty() { rest.len() } else { cuts.remove(0).min(rest.len()) };
        drop(cuts);
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&rest[..sent]));
        None
    }
}

/// A request's first line and headers, the names in small letters.
fn read_head(reader: &mut impl std::io::BufRead) -> Option<String> {
    let mut lines = Vec::new();
    for line in std::io::BufRead::lines(&mut *reader) {
        let line = line.ok()?;
        if line.is_empty() {
            return Some(lines.join(" | "));
        }
        lines.push(match line.split_once(": ") {
            Some((name, value)) => format!("{}: {value}", name.to_lowercase()),
            None => line,
        });
    }
    None
}
