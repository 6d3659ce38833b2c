//! Who is at the other end of a connection, read once per connection from the kernel's socket table.

use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::MetadataExt as _;

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use tokio::net::TcpListener;

use crate::guard::is_loopback;

/// The other end of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    address: Option<SocketAddr>,
    own_user: bool,
}

impl Peer {
    /// Whether the peer is on this machine and its socket belongs to our user or root. Unknown is no.
    #[must_use]
    pub fn is_own_user(&self) -> bool {
        self.own_user
            && self
                .address
                .is_some_and(|address| is_loopback(address.ip()))
    }

    #[cfg(test)]
    pub(crate) const fn for_tests(address: SocketAddr, own_user: bool) -> Self {
        Self {
            address: Some(address),
            own_user,
        }
    }
}

impl Connected<IncomingStream<'_, TcpListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, TcpListener>) -> Self {
        let address = *stream.remote_addr();
        let own_user = match (stream.io().local_addr(), own_uid()) {
            (Ok(ours), Some(uid)) => {
                socket_uid(address, ours).is_some_and(|peer| peer == uid || peer == 0)
            }
            _ => false,
        };
        Self {
            address: Some(address),
            own_user,
        }
    }
}

fn own_uid() -> Option<u32> {
    std::fs::metadata("/proc/self").ok().map(|data| data.uid())
}

/// User that owns the peer's end of the connection `peer → ours`, when the platform tells.
fn socket_uid(peer: SocketAddr, ours: SocketAddr) -> Option<u32> {
    let table = if peer.is_ipv4() {
        "/proc/net/tcp"
    } else {
        "/proc/net/tcp6"
    };
    uid_in_table(&std::fs::read_to_string(table).ok()?, peer, ours)
}

/// Finds the row whose local end is `peer` and whose remote end is `ours` in the kernel's text form. A socket its owner
/// has already let go (inode 0) is listed under user 0 and proves nothing.
fn uid_in_table(table: &str, peer: SocketAddr, ours: SocketAddr) -> Option<u32> {
    let (local, remote) = (kernel_text(peer), kernel_text(ours));
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let is_theirs = fields.nth(1)? == local && fields.next()? == remote;
        let (uid, inode) = (fields.nth(4)?, fields.nth(1)?);
        (is_theirs && inode != "0")
            .then(|| uid.parse().ok())
            .flatten()
    })
}

fn kernel_text(address: SocketAddr) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    let mut word = |bytes: [u8; 4]| {
        let _ = write!(text, "{:08X}", u32::from_ne_bytes(bytes));
    };
    match address.ip() {
        IpAddr::V4(v4) => word(v4.octets()),
        IpAddr::V6(v6) => v6
            .octets()
            .chunks_exact(4)
            .for_each(|part| word([part[0], part[1], part[2], part[3]])),
    }
    let _ = write!(text, ":{:04X}", address.port());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
        0: 0100007F:1F40 0100007F:9C40 01 00000000:00000000 00:00000000 00000000  1000        0 1 1 0000000000000000 20 4 30 10 -1\n   \
        1: 0100007F:9C40 0100007F:1F40 01 00000000:00000000 00:00000000 00000000  1001        0 1 1 0000000000000000 20 4 30 10 -1\n";

    #[test]
    fn the_row_of_the_peers_own_end_counts() {
        let (peer, ours) = (
            "127.0.0.1:40000".parse().unwrap(),
            "127.0.0.1:8000".parse().unwrap(),
        );
        assert_eq!(uid_in_table(TABLE, peer, ours), Some(1001));
        assert_eq!(uid_in_table(TABLE, ours, peer), Some(1000));
        assert_eq!(
            uid_in_table(TABLE, peer, "127.0.0.1:8001".parse().unwrap()),
            None
        );
        assert_eq!(uid_in_table("garbage\nmore garbage", peer, ours), None);
    }

    #[test]
    fn a_socket_that_was_let_go_names_nobody() {
        let peer = "127.0.0.1:40000".parse().unwrap();
        let ours = "127.0.0.1:8000".parse().unwrap();
        let row = |state: &str, inode: &str| {
            format!(
                "header\n 1: 0100007F:9C40 0100007F:1F40 {state} 0:0 00:0 0  0  0 {inode} 1 0\n"
            )
        };
        assert_eq!(uid_in_table(&row("01", "7"), peer, ours), Some(0));
        for state in ["04", "05", "06"] {
            assert_eq!(uid_in_table(&row(state, "0"), peer, ours), None, "{state}");
        }
    }

    #[test]
    fn a_real_connection_of_ours_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, peer) = listener.accept().unwrap();
        assert_eq!(socket_uid(peer, server.local_addr().unwrap()), own_uid());
        drop(client);
    }
}
