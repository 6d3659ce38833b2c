//! Signalling of WebRTC peers over the link: who wants in, what was answered, who is gone.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

use super::Text;

/// Largest description or fragment, bytes.
pub const MAX_SDP_BYTES: usize = 64 * 1024;
/// Longest line of one, bytes.
const MAX_LINE_BYTES: usize = 4096;
/// Longest name of a publisher, bytes.
pub const MAX_PUBLISHER_BYTES: usize = 64;

/// Why text is no session description.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SdpFault {
    /// Nothing in it.
    #[error("the session description is empty")]
    Empty,
    /// More than [`MAX_SDP_BYTES`].
    #[error("the session description exceeds {MAX_SDP_BYTES} bytes")]
    TooLarge,
    /// It does not begin with its version.
    #[error("the session description does not begin with v=0")]
    NoVersion,
    /// A line is not `letter=text`.
    #[error("line {0} of the session description is not of the form letter=text")]
    BadLine(usize),
    /// It has no media section.
    #[error("the session description has no media section")]
    NoMedia,
    /// A fragment without the ICE user fragment it is about.
    #[error("the fragment names no ice-ufrag")]
    NoUserFragment,
}

/// A session description (RFC 8866) of bounded size: lines of one letter, `=` and printable text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Sdp(String);

/// A trickle ICE fragment (RFC 8840) of bounded size, in the same lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct SdpFragment(String);

impl Sdp {
    /// Takes text that has the form; what it offers is judged elsewhere.
    pub fn parse(text: &str) -> Result<Self, SdpFault> {
        check_lines(text)?;
        let mut lines = text.lines();
        if lines.next().map(str::trim_end) != Some("v=0") {
            return Err(SdpFault::NoVersion);
        }
        if !lines.any(|line| line.starts_with("m=")) {
            return Err(SdpFault::NoMedia);
        }
        Ok(Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first ICE user fragment.
    #[must_use]
    pub fn ice_ufrag(&self) -> Option<&str> {
        attribute(&self.0, "ice-ufrag")
    }
}

impl SdpFragment {
    /// Takes text that has the form and says which ICE session it is about.
    pub fn parse(text: &str) -> Result<Self, SdpFault> {
        check_lines(text)?;
        if attribute(text, "ice-ufrag").is_none() {
            return Err(SdpFault::NoUserFragment);
        }
        Ok(Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first ICE user fragment.
    #[must_use]
    pub fn ice_ufrag(&self) -> Option<&str> {
        attribute(&self.0, "ice-ufrag")
    }
}

/// Every line is one lower-case letter, `=`, and text without control characters; the last may lack its end.
fn check_lines(text: &str) -> Result<(), SdpFault> {
    if text.is_empty() {
        return Err(SdpFault::Empty);
    }
    if text.len() > MAX_SDP_BYTES {
        return Err(SdpFault::TooLarge);
    }
    for (index, line) in text.lines().enumerate() {
        let mut chars = line.chars();
        let letter = chars.next().is_some_and(|c| c.is_ascii_lowercase());
        let equals = chars.next() == Some('=');
        let is_printable = chars.all(|c| !c.is_control());
        if !letter || !equals || !is_printable || line.len() > MAX_LINE_BYTES {
            return Err(SdpFault::BadLine(index + 1));
        }
    }
    Ok(())
}

fn attribute<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.lines()
        .filter_map(|line| line.strip_prefix("a=")?.split_once(':'))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.trim())
        .filter(|value| !value.is_empty())
}

impl<'de> Deserialize<'de> for Sdp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for SdpFragment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Sdp {
    fn schema_name() -> Cow<'static, str> {
        "Sdp".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "maxLength": MAX_SDP_BYTES })
    }
}

impl JsonSchema for SdpFragment {
    fn schema_name() -> Cow<'static, str> {
        "SdpFragment".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "maxLength": MAX_SDP_BYTES })
    }
}

/// What a peer is there for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PeerRole {
    /// Watches a session (WHEP).
    View {
        /// The session.
        session_id: Uuid,
    },
    /// Publishes under a name (WHIP), which `whip:NAME` opens.
    Publish {
        /// The name.
        name: PublisherName,
    },
}

/// Name of a publisher: 1 to [`MAX_PUBLISHER_BYTES`] letters, digits, `-`, `_` or `.`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct PublisherName(#[schemars(length(min = 1, max = MAX_PUBLISHER_BYTES))] String);

impl PublisherName {
    /// Takes a name of that form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        let fits = (1..=MAX_PUBLISHER_BYTES).contains(&text.len());
        (fits && text.bytes().all(is_plain)).then(|| Self(text.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for PublisherName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not a publisher's name"))
    }
}

/// What the server wants of a peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PeerOrder {
    /// Answer an offer. The word on it is [`PeerReport::Answered`] or [`PeerReport::Refused`].
    Open {
        /// Name of the peer from now on.
        peer_id: Uuid,
        /// What it is there for.
        role: PeerRole,
        /// What it offers.
        offer: Sdp,
    },
    /// Take candidates that came later. A peer that is gone takes none; nothing is said about it.
    Trickle {
        /// The peer.
        peer_id: Uuid,
        /// Its candidates.
        fragment: SdpFragment,
    },
    /// Let the peer go; one that is gone already is no fault.
    Close {
        /// The peer.
        peer_id: Uuid,
    },
}

/// What the engine says about a peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PeerReport {
    /// The offer was taken.
    Answered {
        /// The peer.
        peer_id: Uuid,
        /// The answer, candidates included.
        answer: Sdp,
    },
    /// The offer was not taken; there is no such peer.
    Refused {
        /// The peer that was to be.
        peer_id: Uuid,
        /// What stands against it.
        why: PeerRefusal,
        /// One sentence.
        detail: Text<256>,
    },
    /// The peer is gone.
    Closed {
        /// The peer.
        peer_id: Uuid,
        /// Stable code, e.g. `requested`, `disconnected`, `never_connected`, `session_ended`.
        reason: Text<64>,
    },
}

/// What stands against an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PeerRefusal {
    /// Nothing of that name is open.
    NothingThere,
    /// The offer cannot be read.
    BadOffer,
    /// The offer can be read and has nothing in it that can be sent or taken.
    NothingInCommon,
    /// Somebody publishes under this name already.
    NameTaken,
    /// There are as many peers as there may be.
    Full,
    /// It failed here; the engine's log has the details.
    Failed,
}

/// Peers as they are now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct PeerGauges {
    /// Viewers that were connected and are not given up: one that is silent for some seconds is still sent pictures.
    pub viewers: u32,
    /// Publishers likewise.
    pub publishers: u32,
    /// Peers that are not connected yet.
    pub connecting: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 102\r\na=ice-ufrag:abcd\r\n";

    #[test]
    fn a_description_has_its_form() {
        let sdp = Sdp::parse(OFFER).unwrap();
        assert_eq!(sdp.ice_ufrag(), Some("abcd"));
        for (text, fault) in [
            ("", SdpFault::Empty),
            ("m=video\r\n", SdpFault::NoVersion),
            ("v=0\r\ns=-\r\n", SdpFault::NoMedia),
            ("v=0\r\n\r\nm=video\r\n", SdpFault::BadLine(2)),
            ("v=0\r\nm=vi\0deo\r\n", SdpFault::BadLine(2)),
            ("v=0\r\nM=video\r\n", SdpFault::BadLine(2)),
            ("<html>", SdpFault::BadLine(1)),
        ] {
            assert_eq!(Sdp::parse(text), Err(fault), "{text:?}");
        }
        let huge = format!("{OFFER}{}", "a=candidate:x\r\n".repeat(6000));
        assert_eq!(Sdp::parse(&huge), Err(SdpFault::TooLarge));
        let long = format!("{OFFER}a={}\r\n", "x".repeat(5000));
        assert_eq!(Sdp::parse(&long), Err(SdpFault::BadLine(7)));
    }

    #[test]
    fn a_fragment_says_what_it_is_about() {
        let text = "a=ice-ufrag:abcd\r\na=ice-pwd:efgh\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\na=end-of-candidates\r\n";
        assert_eq!(SdpFragment::parse(text).unwrap().ice_ufrag(), Some("abcd"));
        let without = "m=audio 9 RTP/AVP 0\r\na=mid:0\r\n";
        assert_eq!(SdpFragment::parse(without), Err(SdpFault::NoUserFragment));
    }

    #[test]
    fn only_good_text_comes_in_over_the_link() {
        assert!(serde_json::from_str::<Sdp>("\"\\u0000\"").is_err());
        assert!(serde_json::from_str::<PublisherName>("\"a b\"").is_err());
        assert!(serde_json::from_str::<PublisherName>("\"cam-1\"").is_ok());
    }

    #[test]
    fn names_of_publishers_are_plain() {
        for bad in ["", "a/b", "ä", "a b", "..%2f", &"x".repeat(65)] {
            assert_eq!(PublisherName::parse(bad), None, "{bad}");
        }
    }
}
