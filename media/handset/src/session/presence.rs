//! Which of the attached devices is ours, and what is wrong when none is.

use crate::adb::{DeviceEntry, DeviceState};

/// What a device list means for one session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// State of the chosen device, or why none is chosen.
    pub state: DeviceState,
    /// The device, where one was chosen, whatever its state.
    pub serial: Option<String>,
}

/// Chooses by serial, else the only usable device, else the only one that could become usable.
#[must_use]
pub fn choose(list: &[DeviceEntry], wanted: Option<&str>) -> Chosen {
    let of = |entry: &DeviceEntry| Chosen {
        state: entry.state,
        serial: Some(entry.serial.clone()),
    };
    let none = |state| Chosen {
        state,
        serial: None,
    };
    if let Some(wanted) = wanted {
        let found = list.iter().find(|entry| entry.serial == wanted);
        return found.map_or_else(|| none(DeviceState::NoDevice), of);
    }
    let ready: Vec<_> = list
        .iter()
        .filter(|entry| entry.state == DeviceState::Ready)
        .collect();
    match (ready.as_slice(), list) {
        ([only], _) => of(only),
        ([], [first, ..]) => of(first),
        ([], []) => none(DeviceState::NoDevice),
        _ => none(DeviceState::Ambiguous),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adb::parse_devices;

    #[test]
    fn two_usable_phones_need_a_choice() {
        let two = parse_devices("a$b\tdevice\nc d\tdevice\n");
        assert_eq!(choose(&two, None).state, DeviceState::Ambiguous);
        let chosen = choose(&two, Some("c d"));
        assert_eq!(chosen.serial.as_deref(), Some("c d"));
        assert_eq!(choose(&two, Some("e")).state, DeviceState::NoDevice);
    }

    #[test]
    fn one_usable_phone_wins_over_unusable_ones() {
        let list = parse_devices("a\toffline\nb\tdevice\n");
        assert_eq!(choose(&list, None).serial.as_deref(), Some("b"));
        let list = parse_devices("a\tunauthorized\n");
        assert_eq!(choose(&list, None).state, DeviceState::Unauthorized);
        assert_eq!(choose(&[], None).state, DeviceState::NoDevice);
    }
}
