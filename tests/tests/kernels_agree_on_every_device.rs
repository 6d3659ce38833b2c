//! Every kernel on every device of this machine against its reference.
//!
//! A test per case and device, and per case and way of executing CUDA text on the processor. A device that is not there has its cases listed as ignored, with the reason printed: they are
//! counted as not run, never as passed.

use std::io::Write as _;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use lsie_tests::parity::{Place, candidates, cases};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    for candidate in candidates() {
        if let Err(reason) = &candidate.found {
            let _ = writeln!(
                std::io::stderr(),
                "NOT RUN on {}: {reason}",
                candidate.label
            );
        }
        for case in cases() {
            let found = candidate.found.clone();
            let is_absent = found.is_err();
            let run = move || -> Result<(), Failed> {
                let place = Place::open(&found?).map_err(|error| words(&error))?;
                (case.run)(&place).map_err(|error| words(&error))
            };
            let name = format!("{}::{}", candidate.label, case.name);
            trials.push(Trial::test(name, run).with_ignored_flag(is_absent));
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn words(error: &anyhow::Error) -> Failed {
    format!("{error:#}").into()
}
