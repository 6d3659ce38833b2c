//! The simulated phone of `lsie-handset`, and how tests that need the genuine adb say that it is absent.

use std::io::Write as _;

use anyhow::Result;

pub use lsie_handset::simulator::*;

/// A genuine adb server of the test's own; `None`, with a loud word, where adb is not installed.
pub fn adb_server(name: &str) -> Result<Option<AdbServer>> {
    match AdbServer::start(name) {
        Ok(server) => Ok(Some(server)),
        Err(SimulatorError::NoAdb) => {
            let words = "SKIPPED: adb is not installed (Debian: apt-get install adb), the genuine server was not tried";
            writeln!(std::io::stderr(), "{words}")?;
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}
