//! This run against the one that was kept on the same machine: which series changed by more than they wander by themselves.
//!
//! ```text
//! series ─▶ median and noise ─▶ kept file of this bench, device and machine ─▶ changed: beyond max(5 %, 3 × noise)
//! ```

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use crate::call::Call;
use crate::machine::{machine_line, machine_name};
use crate::series::Series;

/// Changes below this share are none.
const LEAST_CHANGE: f64 = 0.05;
/// A change is as many times the noise, of whichever run wandered more.
const NOISES: f64 = 3.0;
/// The option of a bench that has a gate.
pub const BASELINE: &str = "baseline";

/// One series of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// What was measured, with its unit.
    pub name: String,
    /// Its median.
    pub median: f64,
    /// How far it wandered within the run, as a share of the median ([`Series::noise`]).
    pub noise: f64,
}

/// A series that changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// What was measured.
    pub name: String,
    /// Median that was kept and median now.
    pub medians: [f64; 2],
    /// Share by which it may change without being told.
    pub allowed: f64,
}

impl Change {
    /// Whether it became slower.
    pub fn is_slower(&self) -> bool {
        let [before, now] = self.medians;
        now > before
    }
}

/// The series that both runs have and that changed beyond max(5 %, 3 × noise), in the order of this run.
pub fn changes(before: &[Kept], now: &[Kept]) -> Vec<Change> {
    let pairs = now.iter().filter_map(|now| {
        let before = before.iter().find(|before| before.name == now.name)?;
        Some((before, now))
    });
    let changed = pairs.filter_map(|(before, now)| {
        let allowed = LEAST_CHANGE.max(NOISES * before.noise.max(now.noise));
        let share = (now.median / before.median).max(before.median / now.median) - 1.0;
        (share > allowed).then(|| Change {
            name: now.name.clone(),
            medians: [before.median, now.median],
            allowed,
        })
    });
    changed.collect()
}

/// A run as it is kept.
#[derive(Debug, Serialize, Deserialize)]
struct Run {
    machine: String,
    series: Vec<Kept>,
}

/// What becomes of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Tell,
    Keep,
    Check,
}

/// What one bench measures on one device, on its way to the file of this machine.
pub struct Gate {
    wish: Wish,
    path: PathBuf,
    now: Vec<Kept>,
}

impl Gate {
    /// For this bench on this device. Kept runs lie in `results`. Fails at once where the option makes no sense.
    pub fn new(call: &Call, results: &Path, bench: &str, device: &str) -> Result<Self> {
        let words = [bench, &machine_name(), device].map(slug).join("-");
        let gate = Gate {
            wish: match call.text(BASELINE) {
                None => Wish::Tell,
                Some("keep") => Wish::Keep,
                Some("check") => Wish::Check,
                Some(other) => bail!("--{BASELINE} {other}: it is keep or check"),
            },
            path: results.join(format!("baseline-{words}.json")),
            now: Vec::new(),
        };
        if gate.wish == Wish::Check && !gate.path.is_file() {
            let path = gate.path.display();
            bail!("nothing was kept at {path}: run once with --{BASELINE} keep");
        }
        Ok(gate)
    }

    /// Takes a series.
    pub fn push(&mut self, name: String, series: &Series) {
        self.now.push(Kept {
            name,
            median: series.median(),
            noise: series.noise(),
        });
    }

    /// With `--baseline keep` writes the run down; else tells what changed against the one that was kept, and with `--baseline check`
    /// fails when something became slower or nothing was kept.
    pub fn close(self, call: &Call) -> Result<()> {
        let path = self.path.display();
        if self.wish == Wish::Keep {
            let run = Run {
                machine: machine_line(call.text("date")),
                series: self.now,
            };
            let text = serde_json::to_string_pretty(&run)? + "\n";
            std::fs::write(&self.path, text).with_context(|| path.to_string())?;
            call.say(format_args!("kept     {path}"));
            return Ok(());
        }
        if self.wish == Wish::Tell && !self.path.is_file() {
            return Ok(());
        }
        let text = std::fs::read_to_string(&self.path).with_context(|| path.to_string())?;
        let before: Run = serde_json::from_str(&text).with_context(|| path.to_string())?;
        let changed = changes(&before.series, &self.now);
        call.say(format_args!(
            "against  {path}: {} of {} series changed by more than max(5 %, {NOISES} x their noise); kept on {}",
            changed.len(),
            self.now.len(),
            before.machine
        ));
        for change in &changed {
            let [before, now] = change.medians;
            call.say(format_args!(
                "{} {}: {before:.2} to {now:.2}, {:.2} times (told from {:.0} % on)",
                if change.is_slower() {
                    "SLOWER "
                } else {
                    "quicker"
                },
                change.name,
                now / before,
                100.0 * change.allowed
            ));
        }
        let slower = changed.iter().filter(|change| change.is_slower()).count();
        if self.wish == Wish::Check && slower > 0 {
            bail!("{slower} series became slower");
        }
        Ok(())
    }
}

/// Letters, digits and dashes.
pub fn slug(text: &str) -> String {
    let lower = text.to_lowercase();
    let words = lower.split(|letter: char| !letter.is_ascii_alphanumeric());
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    words.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(name: &str, median: f64, noise: f64) -> Kept {
        Kept {
            name: name.to_owned(),
            median,
            noise,
        }
    }

    #[test]
    fn a_change_is_beyond_five_percent_and_three_times_the_noise() {
        let before = [
            kept("steady", 100.0, 0.0),
            kept("wanders", 100.0, 0.1),
            kept("gone", 1.0, 0.0),
        ];
        let told = |now: &[Kept]| -> Vec<String> {
            let changed = changes(&before, now).into_iter();
            changed.map(|change| change.name).collect()
        };
        assert!(told(&[kept("steady", 104.0, 0.0), kept("wanders", 129.0, 0.0)]).is_empty());
        assert_eq!(told(&[kept("steady", 106.0, 0.0)]), ["steady"]);
        assert_eq!(told(&[kept("wanders", 131.0, 0.0)]), ["wanders"]);
        // What wanders now may have been steady then.
        assert!(told(&[kept("steady", 125.0, 0.1)]).is_empty());
        assert!(told(&[kept("new", 5.0, 0.0)]).is_empty());
    }

    #[test]
    fn slower_and_quicker_are_told_apart_and_measured_alike() {
        let before = [kept("a", 100.0, 0.0), kept("b", 100.0, 0.0)];
        let changed = changes(&before, &[kept("a", 50.0, 0.0), kept("b", 200.0, 0.0)]);
        let slower: Vec<_> = changed.iter().map(Change::is_slower).collect();
        assert_eq!(slower, [false, true]);
        assert_eq!(changed[1].medians, [100.0, 200.0]);
    }

    #[test]
    fn names_of_files_are_letters_digits_and_dashes() {
        assert_eq!(slug("wgpu:0 llvmpipe (LLVM 15)"), "wgpu-0-llvmpipe-llvm-15");
    }
}
