//! What an offer holds, as far as it decides whether and how it is answered. Pure.

use lsie_schemas::link::{PeerRefusal, Sdp, SdpFragment};

/// Most media sections of an offer.
const MAX_SECTIONS: usize = 16;
/// Most candidates that are tried for one peer; further ones are counted and left out.
pub const MAX_CANDIDATES: usize = 64;

/// Why an offer is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OfferFault {
    /// More sections than anybody needs.
    #[error("the offer has more than {MAX_SECTIONS} media sections")]
    TooManySections,
    /// ICE or DTLS parameters are missing.
    #[error("the offer lacks {0}")]
    Lacks(&'static str),
    /// The sections are not bundled.
    #[error("the media sections are not bundled")]
    NotBundled,
    /// A viewer that takes no picture we can send.
    #[error("the offer takes no H.264 video in packetization mode 1")]
    NoPicture,
    /// A publisher that sends no picture we can decode.
    #[error("the offer sends neither H.264 nor VP8 video")]
    NoPublishedPicture,
}

impl OfferFault {
    /// What it means to the caller.
    #[must_use]
    pub const fn refusal(self) -> PeerRefusal {
        match self {
            Self::TooManySections | Self::Lacks(_) => PeerRefusal::BadOffer,
            Self::NotBundled | Self::NoPicture | Self::NoPublishedPicture => {
                PeerRefusal::NothingInCommon
            }
        }
    }
}

/// A video codec that both sides know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VideoCodec {
    /// H.264, constrained baseline, packetization mode 1.
    H264,
    /// VP8; of publishers only.
    Vp8,
}

/// An offer that can be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offer {
    /// The offer with at most [`MAX_CANDIDATES`] candidates.
    pub(crate) text: String,
    /// Whether sound is wanted, or sent.
    pub(crate) has_sound: bool,
    /// Codecs of the picture that both sides know.
    pub(crate) codecs: Vec<VideoCodec>,
    /// Candidates that were left out.
    pub(crate) candidates_ignored: u64,
}

/// One media section.
#[derive(Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is whether a section has a line, and any mixture occurs"
)]
struct Section<'t> {
    kind: &'t str,
    is_rejected: bool,
    sends: bool,
    takes: bool,
    codecs: Vec<(&'t str, &'t str)>,
    formats: Vec<(&'t str, &'t str)>,
    fingerprint: bool,
    ufrag: bool,
}

/// Reads what a viewer offers.
pub(crate) fn viewer_offer(sdp: &Sdp) -> Result<Offer, OfferFault> {
    let sections = sections(sdp.as_str())?;
    let takes = |section: &&Section<'_>| section.kind == "video" && section.takes;
    let codecs: Vec<VideoCodec> = sections
        .iter()
        .filter(takes)
        .flat_map(Section::video_codecs)
        .filter(|codec| *codec == VideoCodec::H264)
        .collect();
    if codecs.is_empty() {
        return Err(OfferFault::NoPicture);
    }
    let has_sound = sections.iter().any(|s| s.takes && s.has_opus());
    Ok(offer(sdp, has_sound, codecs))
}

/// Reads what a publisher offers.
pub(crate) fn publisher_offer(sdp: &Sdp) -> Result<Offer, OfferFault> {
    let sections = sections(sdp.as_str())?;
    let sends = |section: &&Section<'_>| section.kind == "video" && section.sends;
    let codecs: Vec<VideoCodec> = sections
        .iter()
        .filter(sends)
        .flat_map(Section::video_codecs)
        .collect();
    if codecs.is_empty() {
        return Err(OfferFault::NoPublishedPicture);
    }
    let has_sound = sections.iter().any(|s| s.sends && s.has_opus());
    Ok(offer(sdp, has_sound, codecs))
}

/// The candidates of a trickle fragment, at most `room` of them, each with its media section; and how many were left out.
#[must_use]
pub(crate) fn candidates(fragment: &SdpFragment, room: usize) -> (Vec<Candidate>, u64) {
    let mut mid: Option<String> = None;
    let (mut found, mut ignored) = (Vec::new(), 0);
    for line in fragment.as_str().lines() {
        if line.starts_with("m=") {
            mid = None;
        } else if let Some(name) = line.strip_prefix("a=mid:") {
            mid = Some(name.trim().to_owned());
        } else if let Some(text) = line.strip_prefix("a=candidate:") {
            if found.len() < room && is_candidate(text) {
                let text = format!("candidate:{}", text.trim());
                let mid = mid.clone();
                found.push(Candidate { text, mid });
            } else {
                ignored += 1;
            }
        }
    }
    (found, ignored)
}

/// One candidate as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// `candidate:…`.
    pub(crate) text: String,
    /// Its media section.
    pub(crate) mid: Option<String>,
}

/// `foundation component protocol priority address port typ kind`, over UDP.
fn is_candidate(text: &str) -> bool {
    let words: Vec<&str> = text.split_ascii_whitespace().take(8).collect();
    let [_, component, protocol, priority, address, port, typ, _] = words.as_slice() else {
        return false;
    };
    component.parse::<u8>().is_ok()
        && protocol.eq_ignore_ascii_case("udp")
        && priority.parse::<u32>().is_ok()
        && (address.parse::<std::net::IpAddr>().is_ok() || is_local_name(address))
        && port.parse::<u16>().is_ok()
        && *typ == "typ"
}

/// Whether a browser hides an address behind this name (mDNS).
fn is_local_name(address: &str) -> bool {
    address
        .rsplit_once('.')
        .is_some_and(|(_, end)| end.eq_ignore_ascii_case("local"))
}

fn offer(sdp: &Sdp, has_sound: bool, codecs: Vec<VideoCodec>) -> Offer {
    let mut text = String::with_capacity(sdp.as_str().len());
    let (mut taken, mut candidates_ignored) = (0, 0);
    for line in sdp.as_str().lines() {
        if let Some(candidate) = line.strip_prefix("a=candidate:") {
            if taken == MAX_CANDIDATES || !is_candidate(candidate) {
                candidates_ignored += 1;
                continue;
            }
            taken += 1;
        }
        text.push_str(line.trim_end());
        text.push_str("\r\n");
    }
    Offer {
        text,
        has_sound,
        codecs,
        candidates_ignored,
    }
}

fn sections(text: &str) -> Result<Vec<Section<'_>>, OfferFault> {
    let mut session = Section::default();
    let mut sections: Vec<Section<'_>> = Vec::new();
    let mut is_bundled = false;
    for line in text.lines().map(str::trim_end) {
        if let Some(media) = line.strip_prefix("m=") {
            if sections.len() == MAX_SECTIONS {
                return Err(OfferFault::TooManySections);
            }
            let mut words = media.split(' ');
            sections.push(Section {
                kind: words.next().unwrap_or_default(),
                is_rejected: words.next() == Some("0"),
                sends: true,
                takes: true,
                ..Section::default()
            });
        } else if let Some(attribute) = line.strip_prefix("a=") {
            is_bundled |= attribute.starts_with("group:BUNDLE ");
            sections.last_mut().unwrap_or(&mut session).note(attribute);
        }
    }
    sections.retain(|section| !section.is_rejected);
    if !session.ufrag && !sections.iter().any(|section| section.ufrag) {
        return Err(OfferFault::Lacks("ICE credentials"));
    }
    if !session.fingerprint && !sections.iter().any(|section| section.fingerprint) {
        return Err(OfferFault::Lacks("a DTLS fingerprint"));
    }
    if sections.len() > 1 && !is_bundled {
        return Err(OfferFault::NotBundled);
    }
    Ok(sections)
}

impl<'t> Section<'t> {
    fn note(&mut self, attribute: &'t str) {
        let (name, value) = attribute.split_once(':').unwrap_or((attribute, ""));
        match name {
            "sendonly" => self.takes = false,
            "recvonly" => self.sends = false,
            "inactive" => (self.sends, self.takes) = (false, false),
            "rtpmap" => self.codecs.extend(value.split_once(' ')),
            "fmtp" => self.formats.extend(value.split_once(' ')),
            "fingerprint" => self.fingerprint = true,
            "ice-ufrag" => self.ufrag = true,
            _ => {}
        }
    }

    fn has_opus(&self) -> bool {
        let is_opus = |(_, codec): &(&str, &str)| codec.to_ascii_lowercase().starts_with("opus/");
        self.kind == "audio" && self.codecs.iter().any(is_opus)
    }

    fn video_codecs(&self) -> impl Iterator<Item = VideoCodec> {
        self.codecs.iter().filter_map(|(payload, codec)| {
            match codec.to_ascii_uppercase().as_str() {
                "VP8/90000" => Some(VideoCodec::Vp8),
                "H264/90000" if self.is_our_h264(payload) => Some(VideoCodec::H264),
                _ => None,
            }
        })
    }

    /// Mode 1 and a baseline profile, which is what the one entry of ours says.
    fn is_our_h264(&self, payload: &str) -> bool {
        self.formats.iter().any(|(format, parameters)| {
            let has = |wanted: &str| {
                parameters
                    .split(';')
                    .any(|p| p.trim().to_ascii_lowercase().starts_with(wanted))
            };
            *format == payload && has("packetization-mode=1") && has("profile-level-id=42e0")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) const VIEWER: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n\
        a=fingerprint:sha-256 AA\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96 102\r\na=mid:0\r\na=recvonly\r\na=rtpmap:96 VP8/90000\r\n\
        a=rtpmap:102 H264/90000\r\na=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:1\r\na=recvonly\r\na=rtpmap:111 opus/48000/2\r\n";

    fn with(from: &str, to: &str) -> Sdp {
        Sdp::parse(&VIEWER.replace(from, to)).unwrap()
    }

    #[test]
    fn a_browsers_offer_is_understood() {
        let offer = viewer_offer(&with("", "")).unwrap();
        assert_eq!(offer.codecs, [VideoCodec::H264]);
        assert!(offer.has_sound);
        let publisher = publisher_offer(&with("recvonly", "sendonly")).unwrap();
        assert_eq!(publisher.codecs, [VideoCodec::Vp8, VideoCodec::H264]);
        let silent = with("opus/48000/2", "PCMU/8000");
        assert!(!viewer_offer(&silent).unwrap().has_sound);
    }

    #[test]
    fn what_cannot_be_answered_says_why() {
        for (from, to, fault) in [
            (
                "packetization-mode=1",
                "packetization-mode=0",
                OfferFault::NoPicture,
            ),
            (
                "profile-level-id=42e01f",
                "profile-level-id=640c1f",
                OfferFault::NoPicture,
            ),
            ("recvonly", "sendonly", OfferFault::NoPicture),
            ("m=video 9", "m=video 0", OfferFault::NoPicture),
            ("a=group:BUNDLE 0 1\r\n", "", OfferFault::NotBundled),
            (
                "a=ice-ufrag:abcd\r\n",
                "",
                OfferFault::Lacks("ICE credentials"),
            ),
            (
                "a=fingerprint:sha-256 AA\r\n",
                "",
                OfferFault::Lacks("a DTLS fingerprint"),
            ),
        ] {
            assert_eq!(viewer_offer(&with(from, to)), Err(fault), "{from}");
        }
        assert_eq!(
            publisher_offer(&with("", "")),
            Err(OfferFault::NoPublishedPicture)
        );
        let many = format!("{VIEWER}{}", "m=video 9 X 1\r\n".repeat(20));
        let many = Sdp::parse(&many).unwrap();
        assert_eq!(viewer_offer(&many), Err(OfferFault::TooManySections));
    }

    #[test]
    fn candidates_are_bounded_and_checked() {
        let good = "a=candidate:1 1 udp 2122260223 127.0.0.1 5000 typ host\r\n";
        let bad = "a=candidate:1 1 tcp 1 127.0.0.1 9 typ host tcptype active\r\na=candidate:x\r\n";
        let text = format!("{VIEWER}{}{bad}", good.repeat(300));
        let offer = viewer_offer(&Sdp::parse(&text).unwrap()).unwrap();
        assert_eq!(offer.candidates_ignored, 300 - 64 + 2);
        assert_eq!(offer.text.matches("a=candidate:").count(), MAX_CANDIDATES);
        let text = format!("a=ice-ufrag:abcd\r\nm=video 9 X 0\r\na=mid:0\r\n{good}{good}{bad}");
        let (found, ignored) = candidates(&SdpFragment::parse(&text).unwrap(), 1);
        assert_eq!((found.len(), ignored), (1, 3));
        assert_eq!(found[0].mid.as_deref(), Some("0"));
    }
}
