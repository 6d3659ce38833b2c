//! Who may talk to the server: exact `Host`, own `Origin`, same user on loopback, otherwise the token (design 8).
//!
//! ```text
//! Host not ours ─▶ 421    foreign Origin on a write ─▶ 403    trusted peer ─▶ in    token right ─▶ in    else ─▶ 401
//! ```

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use lsie_schemas::config::AuthMode;
use subtle::ConstantTimeEq;

use crate::peer::Peer;
use crate::problem::problem;

/// Name of the cookie a one-time link sets.
pub const TOKEN_COOKIE: &str = "lsie_token";

/// What the guard compares with. Built once per listener.
#[derive(Debug, Clone)]
pub struct Guard {
    hosts: Vec<String>,
    origins: Vec<String>,
    token: String,
    mode: AuthMode,
}

impl Guard {
    /// Rules for a server listening on `address` that is also known under `names` (host names or addresses without port;
    /// a bare IPv6 address gets its brackets). Anything wider than loopback forces the token.
    #[must_use]
    pub fn new(address: SocketAddr, names: &[String], mode: AuthMode, token: String) -> Self {
        let port = address.port();
        let mut hosts = vec![
            format!("127.0.0.1:{port}"),
            format!("localhost:{port}"),
            format!("[::1]:{port}"),
        ];
        if !address.ip().is_loopback() && !address.ip().is_unspecified() {
            hosts.push(address.to_string());
        }
        hosts.extend(names.iter().map(|name| match name.parse::<IpAddr>() {
            Ok(ip) => SocketAddr::new(ip, port).to_string(),
            Err(_) => format!("{name}:{port}"),
        }));
        let origins = hosts.iter().map(|host| format!("http://{host}")).collect();
        let mode = if address.ip().is_loopback() {
            mode
        } else {
            AuthMode::Token
        };
        Self {
            hosts,
            origins,
            token,
            mode,
        }
    }

    /// Judges one request.
    #[must_use]
    pub fn judge(&self, method: &Method, headers: &HeaderMap, peer: &Peer) -> Verdict {
        if !self.host_is_ours(headers) {
            return Verdict::WrongHost;
        }
        let own_origin = self.origin_is_ours(headers);
        if !own_origin && !matches!(*method, Method::GET | Method::HEAD) {
            return Verdict::ForeignOrigin;
        }
        let trusted = self.mode == AuthMode::Auto && own_origin && peer.is_own_user();
        if trusted || self.token_is_right(headers) {
            Verdict::Pass
        } else {
            Verdict::NeedsToken
        }
    }

    fn host_is_ours(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(header::HOST).iter();
        let (Some(host), None) = (values.next(), values.next()) else {
            return false;
        };
        host.to_str().is_ok_and(|host| self.serves(host))
    }

    /// Whether a host with port is ours.
    fn serves(&self, host: &str) -> bool {
        self.hosts
            .iter()
            .any(|ours| ours.eq_ignore_ascii_case(host))
    }

    fn origin_is_ours(&self, headers: &HeaderMap) -> bool {
        headers.get_all(header::ORIGIN).iter().all(|origin| {
            origin
                .to_str()
                .is_ok_and(|origin| self.origins.iter().any(|ours| ours == origin))
        })
    }

    fn token_is_right(&self, headers: &HeaderMap) -> bool {
        let bearer = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "));
        let cookie = headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .find_map(|pair| pair.trim().strip_prefix(TOKEN_COOKIE)?.strip_prefix('='));
        [bearer, cookie]
            .into_iter()
            .flatten()
            .any(|given| self.matches(given))
    }

    /// Compares in constant time; an empty token never matches.
    #[must_use]
    pub fn matches(&self, given: &str) -> bool {
        !self.token.is_empty() && bool::from(given.as_bytes().ct_eq(self.token.as_bytes()))
    }
}

/// Outcome of [`Guard::judge`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Let it in.
    Pass,
    /// The request was meant for somebody else (421).
    WrongHost,
    /// A page of another origin tries to write (403).
    ForeignOrigin,
    /// The token is missing or wrong (401).
    NeedsToken,
}

/// The guard as axum middleware: runs before any body is read.
pub(crate) async fn enforce(
    State(guard): State<std::sync::Arc<Guard>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
    next: Next,
) -> Response {
    let verdict = match request.uri().authority() {
        // The absolute form names the host a second time and outranks the header.
        Some(authority) if !guard.serves(authority.as_str()) => Verdict::WrongHost,
        _ => guard.judge(request.method(), request.headers(), &peer),
    };
    match verdict {
        Verdict::Pass => next.run(request).await,
        Verdict::WrongHost => problem(
            StatusCode::MISDIRECTED_REQUEST,
            "host_refused",
            "this Host is not served here",
            Some("use the address printed by `lsie serve`"),
        )
        .into_response(),
        Verdict::ForeignOrigin => {
            problem(StatusCode::FORBIDDEN, "origin_refused", "pages of another origin may not write", None).into_response()
        }
        Verdict::NeedsToken => problem(
            StatusCode::UNAUTHORIZED,
            "token_required",
            "this request needs the access token",
            Some("send `Authorization: Bearer TOKEN`; the token lies in the state folder, readable by its owner"),
        )
        .into_response(),
    }
}

/// Whether an address is this machine.
#[must_use]
pub fn is_loopback(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_loopback(),
        IpAddr::V6(v6) => {
            v6.is_loopback() || v6.to_ipv4_mapped().is_some_and(|v4| v4.is_loopback())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard() -> Guard {
        Guard::new(
            "127.0.0.1:8000".parse().unwrap(),
            &[],
            AuthMode::Auto,
            "secret".into(),
        )
    }

    fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.clone(), value.parse().unwrap()))
            .collect()
    }

    fn own() -> Peer {
        Peer::for_tests("127.0.0.1:5000".parse().unwrap(), true)
    }

    #[test]
    fn hosts_must_match_exactly_with_port() {
        for host in [
            "evil.example",
            "127.0.0.1",
            "127.0.0.1:8001",
            "localhost.evil.example:8000",
            "",
            "127.0.0.1:8000 ",
            "127.1:8000",
        ] {
            let verdict = guard().judge(&Method::GET, &headers(&[(header::HOST, host)]), &own());
            assert_eq!(verdict, Verdict::WrongHost, "{host}");
        }
        assert_eq!(
            guard().judge(&Method::GET, &HeaderMap::new(), &own()),
            Verdict::WrongHost
        );
        for host in [
            "127.0.0.1:8000",
            "localhost:8000",
            "LOCALHOST:8000",
            "[::1]:8000",
        ] {
            assert_eq!(
                guard().judge(&Method::GET, &headers(&[(header::HOST, host)]), &own()),
                Verdict::Pass,
                "{host}"
            );
        }
    }

    #[test]
    fn foreign_origins_never_write_and_read_only_with_the_token() {
        for origin in [
            "null",
            "http://evil.example",
            "https://127.0.0.1:8000",
            "http://127.0.0.1:8001",
            "http://localhost",
        ] {
            let request = headers(&[(header::HOST, "127.0.0.1:8000"), (header::ORIGIN, origin)]);
            assert_eq!(
                guard().judge(&Method::POST, &request, &own()),
                Verdict::ForeignOrigin,
                "{origin}"
            );
            assert_eq!(
                guard().judge(&Method::GET, &request, &own()),
                Verdict::NeedsToken,
                "{origin}"
            );
        }
        let request = headers(&[
            (header::HOST, "127.0.0.1:8000"),
            (header::ORIGIN, "http://127.0.0.1:8000"),
        ]);
        assert_eq!(
            guard().judge(&Method::POST, &request, &own()),
            Verdict::Pass
        );
    }

    #[test]
    fn another_user_needs_the_token() {
        let stranger = Peer::for_tests("127.0.0.1:5000".parse().unwrap(), false);
        let plain = headers(&[(header::HOST, "127.0.0.1:8000")]);
        assert_eq!(
            guard().judge(&Method::GET, &plain, &stranger),
            Verdict::NeedsToken
        );
        for (name, value) in [
            (header::AUTHORIZATION, "Bearer secret"),
            (header::COOKIE, "a=b; lsie_token=secret"),
        ] {
            let request = headers(&[(header::HOST, "127.0.0.1:8000"), (name, value)]);
            assert_eq!(
                guard().judge(&Method::POST, &request, &stranger),
                Verdict::Pass
            );
        }
        for value in [
            "Bearer secre",
            "Bearer secrets",
            "Bearer ",
            "secret",
            "Basic secret",
        ] {
            let request = headers(&[
                (header::HOST, "127.0.0.1:8000"),
                (header::AUTHORIZATION, value),
            ]);
            assert_eq!(
                guard().judge(&Method::GET, &request, &stranger),
                Verdict::NeedsToken,
                "{value}"
            );
        }
    }

    #[test]
    fn binding_wider_forces_the_token() {
        let wide = Guard::new(
            "192.0.2.7:8000".parse().unwrap(),
            &[],
            AuthMode::Auto,
            "secret".into(),
        );
        let request = headers(&[(header::HOST, "192.0.2.7:8000")]);
        assert_eq!(
            wide.judge(&Method::GET, &request, &own()),
            Verdict::NeedsToken
        );
    }

    #[test]
    fn a_server_on_every_address_answers_to_its_configured_names_only() {
        let names = ["studio.local".to_owned(), "fd00::7".to_owned()];
        let wide = Guard::new(
            "0.0.0.0:8000".parse().unwrap(),
            &names,
            AuthMode::Auto,
            "secret".into(),
        );
        let verdict = |host: &str| {
            let request = headers(&[
                (header::HOST, host),
                (header::AUTHORIZATION, "Bearer secret"),
            ]);
            wide.judge(&Method::GET, &request, &own())
        };
        for ours in ["studio.local:8000", "[fd00::7]:8000", "127.0.0.1:8000"] {
            assert_eq!(verdict(ours), Verdict::Pass, "{ours}");
        }
        for foreign in ["studio.local", "studio.local:8001", "192.0.2.9:8000"] {
            assert_eq!(verdict(foreign), Verdict::WrongHost, "{foreign}");
        }
    }

    #[test]
    fn an_empty_token_opens_nothing() {
        let empty = Guard::new(
            "127.0.0.1:8000".parse().unwrap(),
            &[],
            AuthMode::Token,
            String::new(),
        );
        let request = headers(&[
            (header::HOST, "127.0.0.1:8000"),
            (header::AUTHORIZATION, "Bearer "),
        ]);
        assert_eq!(
            empty.judge(&Method::GET, &request, &own()),
            Verdict::NeedsToken
        );
    }
}
