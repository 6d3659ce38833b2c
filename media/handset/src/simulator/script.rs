//! Faults by the clock: what `lsie simulate-phone --fault` says.

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::device::{Phone, VideoFault};
use super::error::SimulatorError;
use super::link::LinkModel;

/// Latest instant of a fault, seconds.
const MAX_AT_SECS: f64 = 86_400.0;

/// Something that happens to the phone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    /// The cable is pulled.
    Unplug,
    /// The cable is plugged in again.
    Replug,
    /// This computer's key is forgotten, and the phone plugged in anew.
    Unauthorise,
    /// The person accepts the key.
    Authorise,
    /// Plugged in anew, and adb's greeting is not answered.
    Offline,
    /// Plugged in anew, and adb's greeting is answered.
    Online,
    /// Nothing is answered and nothing breaks.
    Freeze,
    /// The end of that.
    Thaw,
    /// Something in the pictures' stream.
    Video(VideoFault),
    /// Neither pictures nor sound for so many milliseconds; the phone answers.
    Stall(u64),
    /// No sound for so many milliseconds.
    AudioDrop(u64),
    /// The monotonic clock jumps, milliseconds.
    ClockStep(i64),
    /// The wall clock jumps, milliseconds.
    WallStep(i64),
    /// The clock's rate against ours, millionths.
    Drift(f64),
    /// The cable is slow.
    Slow(LinkModel),
}

/// Every fault, how it is written and what it does, for help texts.
pub(crate) const WORDS: [(&str, &str); 23] = [
    ("unplug", "the cable is pulled"),
    ("replug", "the cable is plugged in again"),
    (
        "unauthorise",
        "this computer's key is forgotten, the phone plugged in anew",
    ),
    ("authorise", "the person accepts the key"),
    (
        "offline",
        "plugged in anew, adb's greeting stays unanswered",
    ),
    ("online", "plugged in anew, adb's greeting is answered"),
    ("freeze", "nothing is answered, nothing breaks"),
    ("thaw", "the end of that"),
    ("rotate", "the phone is turned: another size"),
    ("config", "parameter sets in the middle of the stream"),
    ("corrupt", "a picture without its start code"),
    ("flip-bits", "a picture with damaged bytes"),
    ("bad-flags", "a header whose flag bits mean nothing"),
    ("bad-length=BYTES", "a header that announces so many bytes"),
    ("truncate", "the server ends in the middle of a packet"),
    ("cut", "the cable is pulled in the middle of a packet"),
    ("exit", "the server ends"),
    ("stall=MS", "no pictures and no sound for so long"),
    ("audio-drop=MS", "no sound for so long"),
    ("clock-step=MS", "the phone's monotonic clock jumps"),
    ("wall-step=MS", "the phone's wall clock jumps"),
    ("drift=PPM", "the phone's clock runs at another rate"),
    (
        "slow=MBIT[,MS]",
        "the cable carries so much, with so much jitter; 0 is without bound",
    ),
];

impl Fault {
    /// How every fault is written, with what it does.
    #[must_use]
    pub fn words() -> &'static [(&'static str, &'static str)] {
        &WORDS
    }
}

impl FromStr for Fault {
    type Err = SimulatorError;

    fn from_str(text: &str) -> Result<Self, SimulatorError> {
        let bad = |reason| {
            let text = text.chars().take(80).collect();
            SimulatorError::BadFault { text, reason }
        };
        let (word, value) = match text.split_once('=') {
            Some((word, value)) => (word, Some(value)),
            None => (text, None),
        };
        let value = |unit| value.ok_or_else(|| bad(unit));
        let ms = || value("milliseconds are missing, as in stall=2000");
        let whole = |text: &str| text.parse::<u64>().ok().filter(|ms| *ms <= 86_400_000);
        let signed = |text: &str| text.parse::<i64>().ok().filter(|ms| ms.abs() <= 86_400_000);
        let no_ms = || bad("that is no number of milliseconds up to a day");
        Ok(match word {
            "unplug" => Self::Unplug,
            "replug" => Self::Replug,
            "unauthorise" => Self::Unauthorise,
            "authorise" => Self::Authorise,
            "offline" => Self::Offline,
            "online" => Self::Online,
            "freeze" => Self::Freeze,
            "thaw" => Self::Thaw,
            "rotate" => Self::Video(VideoFault::Rotate),
            "config" => Self::Video(VideoFault::Config),
            "corrupt" => Self::Video(VideoFault::Corrupt),
            "flip-bits" => Self::Video(VideoFault::FlipBits),
            "bad-flags" => Self::Video(VideoFault::BadFlags),
            "truncate" => Self::Video(VideoFault::Truncate),
            "cut" => Self::Video(VideoFault::UnplugInside),
            "exit" => Self::Video(VideoFault::Exit),
            "bad-length" => {
                let bytes = value("a length is missing, as in bad-length=0")?.parse();
                Self::Video(VideoFault::Length(
                    bytes.map_err(|_| bad("that is no 32-bit length"))?,
                ))
            }
            "stall" => Self::Stall(whole(ms()?).ok_or_else(no_ms)?),
            "audio-drop" => Self::AudioDrop(whole(ms()?).ok_or_else(no_ms)?),
            "clock-step" => Self::ClockStep(signed(ms()?).ok_or_else(no_ms)?),
            "wall-step" => Self::WallStep(signed(ms()?).ok_or_else(no_ms)?),
            "drift" => {
                let ppm = value("a rate is missing, as in drift=-200")?.parse::<f64>();
                let ppm = ppm.ok().filter(|ppm| ppm.abs() <= 1e5);
                Self::Drift(ppm.ok_or_else(|| bad("that is no rate within 100000 ppm"))?)
            }
            "slow" => Self::Slow(
                link(value("a rate is missing, as in slow=20,40")?)
                    .ok_or_else(|| bad("that is no MBIT[,MS]"))?,
            ),
            _ => return Err(bad("there is no such word; see --help")),
        })
    }
}

fn link(text: &str) -> Option<LinkModel> {
    let (rate, jitter) = text.split_once(',').unwrap_or((text, "0"));
    let mbit = rate
        .parse::<f64>()
        .ok()
        .filter(|mbit| (0.0..=1e5).contains(mbit))?;
    let jitter_ms = jitter.parse().ok().filter(|ms| *ms <= 10_000)?;
    Some(LinkModel {
        rate_bps: (mbit * 1e6) as u64,
        jitter_ms,
    })
}

/// A fault and when it comes, `SECONDS:FAULT`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimedFault {
    /// Seconds after the phone was plugged in.
    pub at_secs: f64,
    /// What happens.
    pub fault: Fault,
}

impl FromStr for TimedFault {
    type Err = SimulatorError;

    fn from_str(text: &str) -> Result<Self, SimulatorError> {
        let bad = |reason| SimulatorError::BadFault {
            text: text.chars().take(80).collect(),
            reason,
        };
        let (at, fault) = text
            .split_once(':')
            .ok_or_else(|| bad("write SECONDS:FAULT, as in 5:unplug"))?;
        let at_secs = at
            .parse::<f64>()
            .ok()
            .filter(|secs| (0.0..=MAX_AT_SECS).contains(secs))
            .ok_or_else(|| bad("before the colon stand seconds, up to a day"))?;
        Ok(Self {
            at_secs,
            fault: fault.parse()?,
        })
    }
}

/// Does every fault at its time, `told` before each. Ends early, within 50 ms, when `stop` is set.
pub fn play(
    phone: &Arc<Phone>,
    faults: &[TimedFault],
    stop: &AtomicBool,
    mut told: impl FnMut(&TimedFault),
) -> Result<(), SimulatorError> {
    let begun = Instant::now();
    let wait = |until: Duration| {
        while let Some(left) = until.checked_sub(begun.elapsed())
            && !stop.load(Ordering::Acquire)
        {
            thread::sleep(left.clamp(Duration::from_millis(1), Duration::from_millis(50)));
        }
    };
    let mut sorted = faults.to_vec();
    sorted.sort_by(|a, b| a.at_secs.total_cmp(&b.at_secs));
    for timed in &sorted {
        wait(Duration::from_secs_f64(
            timed.at_secs.clamp(0.0, MAX_AT_SECS),
        ));
        if stop.load(Ordering::Acquire) {
            break;
        }
        told(timed);
        happen(phone, timed.fault, |ms| {
            wait(begun.elapsed() + Duration::from_millis(ms));
        })?;
    }
    Ok(())
}

fn happen(phone: &Arc<Phone>, fault: Fault, wait: impl Fn(u64)) -> Result<(), SimulatorError> {
    match fault {
        Fault::Unplug => phone.unplug(),
        Fault::Replug => phone.replug()?,
        Fault::Unauthorise => {
            phone.forget_key();
            phone.unplug();
            phone.replug()?;
        }
        Fault::Authorise => phone.authorize(),
        Fault::Offline | Fault::Online => {
            phone.ignore_greeting(fault == Fault::Offline);
            phone.unplug();
            phone.replug()?;
        }
        Fault::Freeze => phone.freeze(true),
        Fault::Thaw => phone.freeze(false),
        Fault::Video(fault) => phone.inject(fault),
        Fault::Stall(ms) => {
            phone.rest_video(true);
            phone.rest_audio(true);
            wait(ms);
            phone.rest_video(false);
            phone.rest_audio(false);
        }
        Fault::AudioDrop(ms) => {
            phone.rest_audio(true);
            wait(ms);
            phone.rest_audio(false);
        }
        Fault::ClockStep(ms) => phone.change_clock(|clock| clock.offset_ns += ms * 1_000_000),
        Fault::WallStep(ms) => phone.change_clock(|clock| clock.wall_ns += ms * 1_000_000),
        Fault::Drift(ppm) => {
            let host_ns = phone.host_ns();
            phone.change_clock(|clock| clock.turn_to(ppm, host_ns));
        }
        Fault::Slow(link) => phone.slow(link),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_the_help_is_a_fault() {
        for (word, _) in Fault::words() {
            let text = word
                .replace("MBIT[,MS]", "20,40")
                .replace("BYTES", "4294967295")
                .replace("MS", "2000")
                .replace("PPM", "-200.5");
            let timed: TimedFault = format!("1.5:{text}").parse().unwrap();
            assert_eq!(timed.at_secs, 1.5);
        }
    }

    #[test]
    fn what_is_no_fault_is_refused_with_its_reason() {
        for text in [
            "",
            "unplug",
            "5",
            "5:",
            "x:unplug",
            "-1:unplug",
            "NaN:unplug",
            "5:stall",
            "5:stall=x",
            "5:stall=999999999999",
            "5:drift=inf",
            "5:slow=a",
            "5:slow=1,99999",
            "5:bad-length=-1",
            "5:sing",
        ] {
            let refused = text.parse::<TimedFault>();
            assert!(
                matches!(refused, Err(SimulatorError::BadFault { .. })),
                "{text}"
            );
        }
    }
}
