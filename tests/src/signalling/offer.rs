//! Offers as a browser writes them, of peers that will never connect.

use super::Protocol;

/// ICE user fragment of the offers.
pub(super) const USER: &str = "LsIe";
/// One of an ICE session that does not exist.
pub(super) const OTHER_USER: &str = "Other";
const PASSWORD: &str = "0123456789abcdefghijklmn";
const FINGERPRINT: &str = "7A:1B:0C:54:60:3E:A7:17:44:90:9D:2A:0F:0D:66:A2:55:17:3C:E2:59:67:0B:4E:14:7F:30:EB:88:0B:CA:12";

/// A picture and sound, wanted or sent.
pub(super) fn offer(protocol: Protocol) -> String {
    let direction = match protocol {
        Protocol::Whep => "recvonly",
        Protocol::Whip => "sendonly",
    };
    let common = |mid: usize| {
        format!(
            "c=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:{USER}\r\na=ice-pwd:{PASSWORD}\r\n\
             a=ice-options:trickle\r\na=fingerprint:sha-256 {FINGERPRINT}\r\na=setup:actpass\r\na=mid:{mid}\r\n\
             a={direction}\r\na=rtcp-mux\r\n"
        )
    };
    let source = match protocol {
        Protocol::Whep => String::new(),
        Protocol::Whip => {
            "a=msid:- camera\r\na=ssrc:1111 cname:c\r\na=ssrc:1111 msid:- camera\r\n".to_owned()
        }
    };
    format!(
        "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n\
         a=extmap-allow-mixed\r\na=msid-semantic: WMS\r\n\
         m=video 9 UDP/TLS/RTP/SAVPF 96 97 102 103\r\n{}{source}a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\n\
         a=rtcp-fb:96 nack pli\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\na=rtpmap:102 H264/90000\r\n\
         a=rtcp-fb:102 nack\r\na=rtcp-fb:102 nack pli\r\n\
         a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n\
         a=rtpmap:103 rtx/90000\r\na=fmtp:103 apt=102\r\n\
         m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n{}a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n",
        common(0),
        common(1),
    )
}

/// A candidate of one of the two.
pub(super) fn fragment(user: &str) -> String {
    format!(
        "a=ice-ufrag:{user}\r\na=ice-pwd:{PASSWORD}\r\nm=video 9 UDP/TLS/RTP/SAVPF 102\r\na=mid:0\r\n\
         a=candidate:1 1 udp 2122260223 127.0.0.1 9 typ host\r\na=end-of-candidates\r\n"
    )
}
