//! Client commands: each asks the running server and prints a table, or JSON with `--json`.

#[cfg(feature = "media")]
mod analyze;
mod device;
mod doctor;
mod experiments;
mod fetch_server;
mod live;
mod physiology;
#[cfg(feature = "media")]
mod pipeline;
#[cfg(feature = "media")]
mod pipeline_run;
mod record;
mod sessions;
mod simulate;
mod state;

#[cfg(feature = "media")]
pub(crate) use analyze::analyze;
pub(crate) use device::device;
pub(crate) use doctor::{config, doctor};
pub(crate) use experiments::experiments;
pub(crate) use live::{live_session, stimulus};
pub(crate) use physiology::{comodulation, physiology};
#[cfg(feature = "media")]
pub(crate) use pipeline::pipeline;
pub(crate) use sessions::sessions;
pub(crate) use simulate::{fault_help, simulate_phone};
pub(crate) use state::{alerts, engine_control, health, overview, status};

use std::io::Write;

use anyhow::Result;
use serde::Serialize;

/// Where commands print, and whether as JSON.
pub(crate) struct Output<'a> {
    pub(crate) to: &'a mut dyn Write,
    pub(crate) json: bool,
}

impl Output<'_> {
    /// Prints `value` as JSON when asked for, else through `text`.
    pub(crate) fn show<T: Serialize>(
        &mut self,
        value: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<()> {
        if self.json {
            serde_json::to_writer_pretty(&mut *self.to, value)?;
            writeln!(self.to)?;
        } else {
            self.to.write_all(text(value).as_bytes())?;
        }
        Ok(())
    }
}

/// Percent-encodes one path segment.
pub(crate) fn escape(segment: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    segment
        .bytes()
        .map(|byte| {
            if keep(byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}
