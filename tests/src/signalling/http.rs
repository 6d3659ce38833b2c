//! One HTTP/1.1 request over one connection.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// Ends a wait that hangs.
const CEILING: Duration = Duration::from_secs(15);

/// A request.
#[derive(Debug)]
pub struct Request {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: String,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body as text.
    pub body: String,
}

impl Request {
    /// A request without headers or body.
    pub fn new(method: &str, url: &str) -> Self {
        Self {
            method: method.to_owned(),
            url: url.to_owned(),
            headers: Vec::new(),
            body: String::new(),
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: &str) -> Self {
        body.clone_into(&mut self.body);
        self
    }

    /// Sends it and reads the answer to its end.
    pub fn send(&self) -> Result<Answer, String> {
        let (authority, path) = split(&self.url).ok_or("not an http:// address")?;
        let failed = |error: std::io::Error| format!("{} {}: {error}", self.method, self.url);
        let mut stream = TcpStream::connect(authority).map_err(failed)?;
        stream.set_read_timeout(Some(CEILING)).map_err(failed)?;
        let mut text = format!(
            "{} {path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n",
            self.method
        );
        for (name, value) in &self.headers {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        let length = self.body.len();
        let _ = write!(text, "content-length: {length}\r\n\r\n{}", self.body);
        // A server that refuses early may close while the body is under way; its answer still lies there.
        let sent = stream.write_all(text.as_bytes());
        let mut bytes = Vec::new();
        let read = stream.read_to_end(&mut bytes);
        if bytes.is_empty() {
            sent.and(read.map(drop)).map_err(failed)?;
        }
        parse(&String::from_utf8_lossy(&bytes)).ok_or_else(|| "no HTTP answer".to_owned())
    }
}

impl Answer {
    /// The first header of a name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Whether its status is one of these.
    pub fn expect(&self, statuses: &[u16]) -> Result<(), String> {
        if statuses.contains(&self.status) {
            return Ok(());
        }
        Err(format!(
            "{} instead of {statuses:?}: {}",
            self.status, self.body
        ))
    }

    /// Whether a header has a value in its list.
    pub fn expect_header(&self, name: &str, wanted: &str) -> Result<(), String> {
        let given = self.header(name).unwrap_or_default();
        let has = given
            .split([',', ';'])
            .any(|part| part.trim().eq_ignore_ascii_case(wanted));
        if has {
            Ok(())
        } else {
            Err(format!("{name} is `{given}`, without {wanted}"))
        }
    }
}

/// The address that a Location names.
#[must_use]
pub fn resolve(base: &str, location: &str) -> String {
    match split(base) {
        Some((authority, _)) if location.starts_with('/') => {
            format!("http://{authority}{location}")
        }
        _ => location.to_owned(),
    }
}

fn split(url: &str) -> Option<(&str, &str)> {
    let rest = url.strip_prefix("http://")?;
    let at = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(at);
    Some((authority, if path.is_empty() { "/" } else { path }))
}

fn parse(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let body = body.to_owned();
    Some(Answer {
        status,
        headers,
        body,
    })
}
