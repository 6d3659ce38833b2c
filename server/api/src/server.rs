//! The listener: binds, serves, and ends within a stated time.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use lsie_schemas::config::ServerConfig;
use lsie_supervisor::Supervisor;
use tokio::net::TcpListener;

use crate::console::Console;
use crate::guard::Guard;
use crate::peer::Peer;
use crate::routes::router;

/// Ports tried after the default one is taken.
const PORTS_TO_TRY: u16 = 50;
/// How long open connections (event streams above all) may linger after the order to stop.
const DRAIN: Duration = Duration::from_millis(500);

/// Why the server cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The configured address does not parse.
    #[error("server.bind `{0}` is not an address")]
    BadAddress(String),
    /// A port that was asked for is taken.
    #[error(
        "port {port} on {address} is taken; choose another with --port, or leave it out to get a free one"
    )]
    PortTaken {
        /// Address.
        address: String,
        /// Port.
        port: u16,
    },
    /// The system refuses to listen.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Address.
        address: String,
        /// Reason.
        source: std::io::Error,
    },
}

/// Binds the configured address. A port that was set (`explicit_port`) and is taken is an error; the default port gives
/// way to the next free one.
pub async fn bind(config: &ServerConfig, explicit_port: bool) -> Result<TcpListener, ServeError> {
    let ip = config
        .bind
        .parse()
        .map_err(|_| ServeError::BadAddress(config.bind.clone()))?;
    let tries = if explicit_port { 1 } else { PORTS_TO_TRY };
    for offset in 0..tries {
        let address = SocketAddr::new(ip, config.port.saturating_add(offset));
        match TcpListener::bind(address).await {
            Ok(listener) => return Ok(listener),
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {}
            Err(source) => {
                return Err(ServeError::Listen {
                    address: address.to_string(),
                    source,
                });
            }
        }
    }
    Err(ServeError::PortTaken {
        address: config.bind.clone(),
        port: config.port,
    })
}

/// Serves until `stop` resolves, then gives open connections half a second.
pub async fn serve(
    listener: TcpListener,
    supervisor: Supervisor,
    config: &ServerConfig,
    token: String,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let address = listener.local_addr()?;
    let guard = Arc::new(Guard::new(address, &config.hosts, config.auth, token));
    let console = Arc::new(Console::new(&config.console_dir));
    let app = router(supervisor, guard, console, config.max_body_bytes as usize);
    let (stopping_tx, stopping_rx) = tokio::sync::oneshot::channel::<()>();
    let graceful = async move {
        stop.await;
        let _ = stopping_tx.send(());
    };
    let server = axum::serve(listener, app.into_make_service_with_connect_info::<Peer>())
        .with_graceful_shutdown(graceful);
    let cut = async {
        if stopping_rx.await.is_ok() {
            tokio::time::sleep(DRAIN).await;
        } else {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        ended = server.into_future() => ended,
        () = cut => Ok(()),
    }
}
