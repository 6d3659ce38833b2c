//! The `lsie` binary: server, media process and client commands in one.

#[cfg(feature = "media")]
mod check;
mod cli;
mod client;
mod commands;
#[cfg(feature = "media")]
mod models;
mod render;
#[cfg(feature = "media")]
mod semantics;
mod serve;
mod settings;
mod token;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser as _;

use crate::cli::{Cli, Command};
use crate::client::Client;
use crate::commands::Output;

fn main() -> ExitCode {
    let cli = Cli::parse();
    #[cfg(feature = "media")]
    if let Err(error) = with_quiet_libraries() {
        let _ = writeln!(
            std::io::stderr(),
            "lsie: starting with quiet libraries: {error}"
        );
        return ExitCode::from(1);
    }
    match dispatch(cli) {
        Ok(code) => code,
        // Whoever read our output has seen enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "lsie: {error:#}");
            ExitCode::from(1)
        }
    }
}

/// Switches off a layer of Mesa's that asks a display server which GPU to prefer, and complains where there is none. Devices are ranked
/// here, and whoever chooses one by that layer's own variable keeps it.
#[cfg(feature = "media")]
const DEVICE_LAYER: [&str; 2] = ["NODEVICE_SELECT", "MESA_VK_DEVICE_SELECT"];

/// Becomes this program again, with ONNX Runtime's telemetry and a layer of the graphics library off, unless they are off already: a
/// process cannot safely change its own environment. Children inherit it.
#[cfg(feature = "media")]
fn with_quiet_libraries() -> std::io::Result<()> {
    use std::os::unix::process::CommandExt as _;
    let is_telemetry_off =
        std::env::var_os(lsie_infer::TELEMETRY_OFF).is_some_and(|value| value == "1");
    let is_layer_decided = DEVICE_LAYER
        .iter()
        .any(|name| std::env::var_os(name).is_some());
    if is_telemetry_off && is_layer_decided {
        return Ok(());
    }
    let mut words = std::env::args_os();
    let mut again = std::process::Command::new(serve::own_binary()?);
    if let Some(name) = words.next() {
        again.arg0(name);
    }
    if !is_layer_decided {
        again.env(DEVICE_LAYER[0], "1");
    }
    Err(again.args(words).env(lsie_infer::TELEMETRY_OFF, "1").exec())
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.root_cause().downcast_ref::<std::io::Error>();
    let json = error.root_cause().downcast_ref::<serde_json::Error>();
    io.map(std::io::Error::kind)
        .or_else(|| json?.io_error_kind())
        == Some(std::io::ErrorKind::BrokenPipe)
}

fn dispatch(cli: Cli) -> Result<ExitCode> {
    let layered = settings::load(&cli)?;
    let config = layered.config();
    let stdout = std::io::stdout();
    let mut lock = stdout.lock();
    let out = &mut Output {
        to: &mut lock,
        json: cli.json,
    };
    match cli.command {
        Command::Serve(args) => {
            drop(lock);
            return serve::serve(layered, &args).map(|()| ExitCode::SUCCESS);
        }
        Command::Engine { device } => {
            return serve::engine(&config.log, device).map(|()| ExitCode::SUCCESS);
        }
        #[cfg(feature = "media")]
        Command::Check(args) => return check::check(&layered, &args, out),
        #[cfg(feature = "media")]
        Command::Analyze(args) => return commands::analyze(&config, &args, out),
        #[cfg(not(feature = "media"))]
        Command::Analyze(_) => {
            anyhow::bail!("this is the light client; it has no media plane to measure with")
        }
        Command::Config { example } => commands::config(&layered, out, example)?,
        Command::Doctor => commands::doctor(&config, out)?,
        Command::Device(command) => return commands::device(command, &config, out),
        Command::SimulatePhone(args) => commands::simulate_phone(&args, &config.device, out)?,
        #[cfg(feature = "media")]
        Command::Models(command) => return models_command(&config, command, out),
        #[cfg(feature = "media")]
        Command::Pipeline(command) => {
            // `print` sinks write to standard output from threads of their own.
            drop(lock);
            let mut stdout = std::io::stdout();
            let out = &mut Output {
                to: &mut stdout,
                json: cli.json,
            };
            return commands::pipeline(&config, command, out);
        }
        #[cfg(not(feature = "media"))]
        Command::Pipeline(_) => anyhow::bail!(
            "this is the light client; pipelines belong to the build with the media plane"
        ),
        Command::Semantics(command) => {
            let cli::Semantics::Score {
                rule,
                utterance,
                decides,
            } = command;
            let cache_dir = settings::cache_dir(&config.engine.cache_dir)?;
            semantics::score(&cache_dir, &rule, &utterance, decides, out)?;
        }
        #[cfg(not(feature = "media"))]
        Command::Semantics(_) => {
            anyhow::bail!(
                "this is the light client; scorers belong to the build with the media plane"
            )
        }
        #[cfg(not(feature = "media"))]
        Command::Check(_) => {
            anyhow::bail!("this is the light client; it has no media plane to check")
        }
        #[cfg(not(feature = "media"))]
        Command::Models(_) => anyhow::bail!(
            "this is the light client; models belong to the build with the media plane"
        ),
        command => client_command(
            cli.api_url.as_deref(),
            cli.api_timeout,
            &config,
            command,
            out,
        )?,
    }
    Ok(ExitCode::SUCCESS)
}

fn client_command(
    api_url: Option<&str>,
    timeout_secs: f64,
    config: &lsie_schemas::config::Config,
    command: Command,
    out: &mut Output<'_>,
) -> Result<()> {
    let state_dir = settings::state_dir(&config.server.state_dir)?;
    let base = api_url.map_or_else(
        || token::known_address(&state_dir, &config.server),
        str::to_owned,
    );
    let client = Client::new(&base, token::read(&state_dir), timeout_secs)?;
    match command {
        Command::Status => commands::status(&client, out),
        Command::Overview => commands::overview(&client, out),
        Command::Health => commands::health(&client, out),
        Command::Alerts(limit) => commands::alerts(&client, out, &limit),
        Command::Sessions(command) => commands::sessions(&client, out, command),
        Command::LiveSession(command) => commands::live_session(&client, out, command),
        Command::Stimulus(command) => commands::stimulus(&client, out, command),
        Command::Experiments(command) => commands::experiments(&client, out, command),
        Command::Physiology(cli::OfSession::Show { id }) => commands::physiology(&client, out, id),
        Command::Comodulation(cli::OfSession::Show { id }) => {
            commands::comodulation(&client, out, id)
        }
        Command::EngineControl(command) => commands::engine_control(&client, out, &command),
        _ => unreachable_command(),
    }
}

fn unreachable_command() -> Result<()> {
    anyhow::bail!("this command does not talk to a server")
}

#[cfg(feature = "media")]
fn models_command(
    config: &lsie_schemas::config::Config,
    command: cli::Models,
    out: &mut Output<'_>,
) -> Result<ExitCode> {
    use cli::Models;
    let cache_dir = settings::cache_dir(&config.engine.cache_dir)?;
    match command {
        Models::List => models::list(&cache_dir, out.json, out.to)?,
        Models::Fetch { names, from } => {
            let origin = from
                .as_deref()
                .map_or(models::Origin::Registry, models::Origin::Folder);
            models::fetch(&cache_dir, &names, origin, out.to)?;
        }
        Models::Verify => models::verify(&cache_dir, out.json, out.to)?,
    }
    Ok(ExitCode::SUCCESS)
}
