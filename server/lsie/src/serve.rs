//! `lsie serve` and `lsie engine`: the two processes.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use lsie_schemas::config::{Config, Layered, LogConfig, Origin};
use lsie_schemas::device::DeviceChoice;
use lsie_schemas::link::{LINK_PROTOCOL, ServerHello};
use lsie_schemas::time::UtcMicros;
use lsie_store::{Store, StoreError, StoreSettings};
use lsie_supervisor::{EngineSettings, Supervisor, SupervisorSettings, supervise};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::cli::ServeArgs;
use crate::{settings, token};

/// How long an orderly end may take before the process leaves anyway.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// A server that is ready to answer.
pub(crate) struct Ready {
    pub(crate) listener: TcpListener,
    pub(crate) supervisor: Supervisor,
    pub(crate) token: String,
    pub(crate) address: String,
}

/// Starts the server and runs it until a signal.
pub(crate) fn serve(mut layered: Layered, args: &ServeArgs) -> Result<()> {
    let flag = |name: &str| Origin::Flag(name.to_owned());
    if let Some(port) = args.port {
        layered.apply_text("server.port", &port.to_string(), &flag("--port"))?;
    }
    if let Some(dir) = &args.state_dir {
        layered.apply_text(
            "server.state_dir",
            &dir.display().to_string(),
            &flag("--state-dir"),
        )?;
    }
    if let Some(device) = args.device {
        layered.apply_text("engine.device", &device.to_string(), &flag("--device"))?;
    }
    if let Some(precision) = args.precision {
        layered.apply_text("engine.precision", precision.as_str(), &flag("--precision"))?;
    }
    if let Some(dir) = &args.console_dir {
        layered.apply_text(
            "server.console_dir",
            &dir.display().to_string(),
            &flag("--console-dir"),
        )?;
    }
    let config = layered.config();
    start_log(&config.log);
    #[cfg(feature = "media")]
    check_device(
        config.engine.device,
        &settings::cache_dir(&config.engine.cache_dir)?,
    )?;
    let explicit_port = layered
        .explain()
        .iter()
        .any(|(key, _, origin)| key == "server.port" && *origin != Origin::Default);
    runtime()?.block_on(async {
        let state_dir = settings::state_dir(&config.server.state_dir)?;
        let stop = end_signal()?;
        let ready = prepare(&config, &state_dir, explicit_port).await?;
        tracing::info!(state_dir = %state_dir.display(), auth = ?config.server.auth, "server is listening");
        writeln!(std::io::stdout(), "LSIE is ready: {}", ready.address)?;
        std::io::stdout().flush()?;
        let supervisor = ready.supervisor.clone();
        let served = lsie_api::serve(
            ready.listener,
            ready.supervisor,
            &config.server,
            ready.token,
            stop,
        )
        .await;
        tracing::info!("stopping");
        token::withdraw(&state_dir);
        let _ = tokio::time::timeout(STOP_LIMIT, supervisor.shutdown()).await;
        served.context("serving")
    })
}

/// A multi-threaded runtime with named threads.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("server")
        .enable_all()
        .build()
        .context("starting the async runtime")
}

/// Binds, opens the store, recovers, starts the engine.
pub(crate) async fn prepare(
    config: &Config,
    state_dir: &Path,
    explicit_port: bool,
) -> Result<Ready> {
    let store = open_store(state_dir)?;
    let listener = lsie_api::bind(&config.server, explicit_port).await?;
    let address = format!("http://{}", listener.local_addr()?);
    let token = token::ensure(state_dir)?;
    token::announce(state_dir, &address)?;
    let supervisor = supervise(supervisor_settings(config)?, Arc::new(store))
        .await
        .context("starting the supervisor")?;
    Ok(Ready {
        listener,
        supervisor,
        token,
        address,
    })
}

fn open_store(state_dir: &Path) -> Result<Store> {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let store = Store::open(
        StoreSettings::new(state_dir),
        UtcMicros(since.as_micros() as i64),
    );
    store.map_err(|error| {
        anyhow::anyhow!(
            "opening the store in {}: {error}{}",
            state_dir.display(),
            next_step(&error)
        )
    })
}

/// What the operator can do about a store that does not open.
fn next_step(error: &StoreError) -> &'static str {
    match error {
        StoreError::AlreadyOpen { .. } => {
            "\n  use that server, stop it, or name another folder with --state-dir"
        }
        // A full disk refuses the write-ahead log's files first, which SQLite reports as a failure of input or output.
        StoreError::StoreFull | StoreError::Database(_) => {
            "\n  free space on that disk (`df -h`), or name a folder on another one with --state-dir"
        }
        StoreError::Folder { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
            "\n  the disk is full: free space (`df -h`), or name a folder on another one with --state-dir"
        }
        _ => "",
    }
}

fn supervisor_settings(config: &Config) -> Result<SupervisorSettings> {
    let program = own_binary().context("finding our own binary")?;
    let cache_dir = settings::cache_dir(&config.engine.cache_dir)?;
    Ok(SupervisorSettings {
        engine: EngineSettings {
            program,
            arguments: vec![
                "--set".into(),
                format!("log.filter={}", config.log.filter),
                "--set".into(),
                format!("log.format={}", config.log.format),
                "engine".into(),
            ],
            hello: ServerHello {
                protocol: LINK_PROTOCOL,
                build_id: build_id(),
                cache_dir: cache_dir.display().to_string(),
                device: config.engine.device.to_string(),
                precision: config.engine.precision,
                phones: config.device.clone(),
            },
        },
        engine_config: config.engine.clone(),
        session_config: config.session.clone(),
        build_id: build_id(),
    })
}

/// The very file that runs, also after another one took its name: a rebuilt binary must not become the engine of an older
/// server.
pub(crate) fn own_binary() -> std::io::Result<PathBuf> {
    let running = PathBuf::from("/proc/self/exe");
    if running.exists() {
        return Ok(running);
    }
    std::env::current_exe()
}

/// Identity of this build: version plus size and time of the binary, which both processes share.
fn build_id() -> String {
    let stamp = own_binary().and_then(std::fs::metadata).ok().map(|data| {
        let modified = data
            .modified()
            .ok()
            .and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok())
            .unwrap_or_default();
        format!("{:x}-{:x}", data.len(), modified.as_nanos())
    });
    format!(
        "{}+{}",
        env!("CARGO_PKG_VERSION"),
        stamp.unwrap_or_else(|| "unknown".into())
    )
}

/// Resolves at SIGTERM or SIGINT. From this call on, not from its first poll, neither kills the process any more.
fn end_signal() -> Result<impl Future<Output = ()> + Send + 'static> {
    let mut term = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut int = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    Ok(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
    })
}

/// Sends the log to standard error.
pub(crate) fn start_log(config: &LogConfig) {
    let filter = EnvFilter::try_new(&config.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    // A second call (tests, check) keeps the first subscriber.
    let _ = if config.format == "json" {
        builder.json().try_init()
    } else {
        builder.with_target(false).try_init()
    };
}

/// A device that was named and is not there is told here, not by a media process that never comes up.
#[cfg(feature = "media")]
fn check_device(choice: DeviceChoice, cache_dir: &Path) -> Result<()> {
    if matches!(choice, DeviceChoice::Auto | DeviceChoice::Cpu) {
        return Ok(());
    }
    lsie_engine::choose_device(choice, cache_dir)
        .map(drop)
        .with_context(|| format!("opening the compute device {choice}"))
}

/// The media process: its end of the link is its standard input.
#[cfg(feature = "media")]
pub(crate) fn engine(log: &LogConfig, device: Option<DeviceChoice>) -> Result<()> {
    use std::os::fd::AsFd as _;
    start_log(log);
    // Started by way of /proc/self/exe, it would be listed as "exe". Only a name: where it cannot be set, nothing is lost.
    let _ = std::fs::write("/proc/self/comm", "lsie-engine");
    let link = std::io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .context("taking the link")?;
    let device = device.map_or(
        lsie_engine::EngineDevice::Ordered,
        lsie_engine::EngineDevice::Choice,
    );
    lsie_engine::run_with(link.into(), &build_id(), device).context("engine")
}

/// The light client has no media plane.
#[cfg(not(feature = "media"))]
pub(crate) fn engine(_: &LogConfig, _: Option<DeviceChoice>) -> Result<()> {
    anyhow::bail!("this build has no media plane")
}
