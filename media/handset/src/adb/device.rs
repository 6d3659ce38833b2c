//! Lists of attached devices and what their states mean for the operator (device 1.6).

use std::fmt;

/// State of an attached device, or of the attempt to find one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeviceState {
    /// Attached, authorised, usable.
    Ready,
    /// The person has not accepted this computer's key yet.
    Unauthorized,
    /// Attached, but not answering.
    Offline,
    /// This user may not open the USB device.
    NoPermission,
    /// Booted into something that is not Android.
    NotUsable,
    /// Nothing is attached.
    NoDevice,
    /// Several are usable and none was chosen.
    Ambiguous,
    /// No adb server answers and none could be started.
    NoServer,
}

/// What the operator is told about a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remedy {
    /// What is the case.
    pub meaning: &'static str,
    /// What to do about it; empty when nothing has to be done.
    pub next_step: &'static str,
}

impl DeviceState {
    /// Reads the state column of a device list; words of later releases count as [`DeviceState::Offline`].
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text {
            "device" => Self::Ready,
            "unauthorized" | "authorizing" => Self::Unauthorized,
            "recovery" | "sideload" | "bootloader" | "rescue" | "host" => Self::NotUsable,
            text if text.starts_with("no permissions") => Self::NoPermission,
            _ => Self::Offline,
        }
    }

    /// The word used in status rows and events.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Unauthorized => "unauthorized",
            Self::Offline => "offline",
            Self::NoPermission => "no_permission",
            Self::NotUsable => "not_usable",
            Self::NoDevice => "no_device",
            Self::Ambiguous => "ambiguous",
            Self::NoServer => "no_server",
        }
    }

    /// What the operator is told.
    #[must_use]
    pub fn remedy(self) -> Remedy {
        let (meaning, next_step) = match self {
            Self::Ready => ("ready", ""),
            Self::Unauthorized => (
                "the phone has not accepted this computer yet",
                "unlock the phone and accept the USB debugging prompt; tick \"always allow\"",
            ),
            Self::Offline => (
                "the phone is attached but does not answer",
                "unplug it and plug it in again; if it stays, switch USB debugging off and on",
            ),
            Self::NoPermission => (
                "this user may not open the USB device",
                "install udev rules (Debian: apt-get install android-sdk-platform-tools-common), join group plugdev, plug the phone in again",
            ),
            Self::NotUsable => (
                "the phone runs its recovery or boot loader",
                "boot Android normally",
            ),
            Self::NoDevice => (
                "no phone is attached",
                "plug a phone in with a data cable and enable USB debugging in its developer options",
            ),
            Self::Ambiguous => (
                "several phones are attached",
                "choose one by its serial: android://SERIAL",
            ),
            Self::NoServer => (
                "no adb server answers",
                "install adb (Debian: apt-get install adb) and run: adb start-server",
            ),
        };
        Remedy { meaning, next_step }
    }
}

impl fmt::Display for DeviceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// One line of a device list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceEntry {
    /// Serial number, or `host:port` of a network device.
    pub serial: String,
    /// What the state text means.
    pub state: DeviceState,
    /// The state as the server wrote it; may hold spaces.
    pub state_text: String,
    /// Model, where the list is a long one.
    pub model: Option<String>,
    /// Changes with every attachment, where the list is a long one.
    pub transport_id: Option<u64>,
}

impl DeviceEntry {
    /// Whether the device is reached over the network and the server may keep it listed after it died (device 1.5).
    #[must_use]
    pub fn is_network(&self) -> bool {
        is_network_serial(&self.serial)
    }
}

/// Whether a serial is a `host:port`.
pub(crate) fn is_network_serial(serial: &str) -> bool {
    let port = serial.rsplit_once(':').map(|(_, port)| port);
    port.is_some_and(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
}

/// Words that end the state column of a long list.
const KEYS: [&str; 6] = [
    "usb:",
    "product:",
    "model:",
    "device:",
    "features:",
    "transport_id:",
];

/// Reads a list in the short form (`serial TAB state`) or in the long one (`serial  state key:value …`).
/// Lines without a state are left out.
#[must_use]
pub fn parse_devices(text: &str) -> Vec<DeviceEntry> {
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<DeviceEntry> {
    // State text may hold spaces, so only the first separator counts (device 1.5).
    let (serial, rest) = match line.split_once('\t') {
        Some((serial, state)) => (serial, state),
        None => line.split_once(' ')?,
    };
    let (serial, rest) = (serial.trim(), rest.trim());
    if serial.is_empty() || rest.is_empty() {
        return None;
    }
    let is_key = |word: &&str| KEYS.iter().any(|key| word.starts_with(key));
    let words: Vec<&str> = rest.split_whitespace().collect();
    let state: Vec<&str> = words
        .iter()
        .take_while(|word| !is_key(word))
        .copied()
        .collect();
    let value = |key: &str| words.iter().find_map(|word| word.strip_prefix(key));
    let state_text = state.join(" ");
    if state_text.is_empty() {
        return None;
    }
    Some(DeviceEntry {
        serial: serial.into(),
        state: DeviceState::parse(&state_text),
        state_text,
        model: value("model:").map(str::to_owned),
        transport_id: value("transport_id:").and_then(|id| id.parse().ok()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_lists_split_at_the_first_tab_only() {
        let list = parse_devices(
            "R5 8\tdevice\nab\tno permissions (user in plugdev group?); see [http://x]\n\nnothing\n",
        );
        assert_eq!(list.len(), 2);
        assert_eq!(
            (&*list[0].serial, list[0].state),
            ("R5 8", DeviceState::Ready)
        );
        assert_eq!(list[1].state, DeviceState::NoPermission);
        assert!(list[1].state_text.ends_with("see [http://x]"));
    }

    #[test]
    fn long_lists_give_model_and_transport() {
        let list = parse_devices(
            "emulator-5580          device product:sim model:LSIE_Sim device:sim transport_id:7\n127.0.0.1:5555 offline transport_id:3\nzz no permissions; see x usb:1-2 transport_id:4\n",
        );
        assert_eq!(list[0].model.as_deref(), Some("LSIE_Sim"));
        assert_eq!(list[0].transport_id, Some(7));
        assert!(!list[0].is_network());
        assert_eq!(list[1].state, DeviceState::Offline);
        assert!(list[1].is_network());
        assert_eq!(list[2].state_text, "no permissions; see x");
    }

    #[test]
    fn every_state_but_ready_says_what_to_do() {
        use DeviceState::*;
        for state in [
            Unauthorized,
            Offline,
            NoPermission,
            NotUsable,
            NoDevice,
            Ambiguous,
            NoServer,
        ] {
            assert!(!state.remedy().next_step.is_empty(), "{state}");
        }
        assert_eq!(DeviceState::parse("authorizing"), Unauthorized);
        assert_eq!(DeviceState::parse("sideload"), NotUsable);
        assert_eq!(DeviceState::parse("connecting"), Offline);
    }
}
