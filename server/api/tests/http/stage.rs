//! A listening server on a temporary store, and a client that sends exactly the bytes it is given.

use std::future::Future;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use lsie_schemas::config::{AuthMode, EngineConfig, ServerConfig, SessionConfig};
use lsie_schemas::link::{
    EngineCounters, EngineHeartbeat, EngineHello, EngineMessage, FrameDecoder, LINK_PROTOCOL,
    PeerGauges, PeerOrder, PeerRefusal, PeerReport, PeerRole, Sdp, ServerHello, ServerMessage,
    SessionStarted, Text, encode_frame,
};
use lsie_schemas::observation::CalibrationState;
use lsie_schemas::time::UtcMicros;
use lsie_store::{Store, StoreSettings};
use lsie_supervisor::{EngineSettings, Supervisor, SupervisorSettings, supervise};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::oneshot;

/// Nothing here is timed; this only ends a test that hangs.
pub(crate) const CEILING: Duration = Duration::from_secs(15);
/// The access token of every test server.
pub(crate) const TOKEN: &str = "0123456789abcdef0123456789abcdef";
/// Largest body the test servers take.
pub(crate) const MAX_BODY: usize = 4096;
const BUILD: &str = "test-build";
const PLAY: &str = "LSIE_TEST_ENGINE";

/// What plays the media process.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Engine {
    /// Says hello, opens every source, stamps every stimulus.
    Willing,
    /// Runs and says nothing.
    Silent,
    /// Ends at once.
    Dying,
}

/// The willing engine: what the server starts, this test binary again. As an ordinary test it does nothing.
#[test]
fn engine_entry() {
    if std::env::var(PLAY).is_err() {
        return;
    }
    let mut link = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned().unwrap());
    let mut pulse = link.try_clone().unwrap();
    let say = |link: &mut UnixStream, message: &EngineMessage| {
        if link.write_all(&encode_frame(message).unwrap()).is_err() {
            std::process::exit(0);
        }
    };
    say(&mut link, &EngineMessage::Hello(hello()));
    let beat = EngineHeartbeat {
        seq: 0,
        session_id: None,
        media_ns: 0,
        calibration: CalibrationState::default(),
        counters: EngineCounters::default(),
        observation_latency_ms: None,
        source_state: Text::cut("idle"),
        source: None,
        peers: PeerGauges::default(),
    };
    std::thread::Builder::new()
        .name("pulse".into())
        .spawn(move || {
            loop {
                say(
                    &mut pulse,
                    &EngineMessage::Heartbeat(Box::new(beat.clone())),
                );
                std::thread::sleep(Duration::from_millis(300));
            }
        })
        .unwrap();
    let (mut decoder, mut bytes) = (FrameDecoder::default(), vec![0; 65_536]);
    loop {
        let count = link.read(&mut bytes).unwrap_or(0);
        if count == 0 {
            std::process::exit(0);
        }
        decoder.push(&bytes[..count]);
        while let Some(order) = decoder.next_message::<ServerMessage>().unwrap() {
            if let Some(answer) = play(order) {
                say(&mut link, &answer);
            }
        }
    }
}

fn hello() -> EngineHello {
    EngineHello {
        protocol: LINK_PROTOCOL,
        build_id: Text::cut(BUILD),
        pid: std::process::id(),
        device: Text::cut("cpu: scripted"),
        models: [(Text::cut("face"), Text::cut("ready"))].into(),
        sources: [(Text::cut("demo"), Text::cut("the built-in presenter"))].into(),
    }
}

fn play(order: ServerMessage) -> Option<EngineMessage> {
    match order {
        ServerMessage::Start(start) => Some(EngineMessage::SessionStarted(SessionStarted {
            session_id: start.session_id,
            epoch: start.epoch.unwrap_or(UtcMicros(1_767_225_600_000_000)),
            resolution: Some((1280, 720)),
            codec: Text::cut("raw"),
            has_audio: true,
            pace: Text::cut("live"),
        })),
        ServerMessage::Stimulus {
            session_id,
            stimulus_id,
        } => Some(EngineMessage::StimulusStamped {
            session_id,
            stimulus_id,
            stimulus_time_s: 1_767_225_640.0,
            calibrated: true,
        }),
        ServerMessage::Peer(order) => {
            peer(*order).map(|report| EngineMessage::Peer(Box::new(report)))
        }
        _ => None,
    }
}

/// An offer, and an answer, that parse.
pub(crate) const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n\
    c=IN IP4 0.0.0.0\r\na=mid:0\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n";

/// Answers peers; refuses publishers by their name.
fn peer(order: PeerOrder) -> Option<PeerReport> {
    let (peer_id, role) = match order {
        PeerOrder::Open { peer_id, role, .. } => (peer_id, role),
        PeerOrder::Trickle { .. } | PeerOrder::Close { .. } => return None,
    };
    let why = match &role {
        PeerRole::Publish { name } => match name.as_str() {
            "bad" => Some(PeerRefusal::BadOffer),
            "other" => Some(PeerRefusal::NothingInCommon),
            "taken" => Some(PeerRefusal::NameTaken),
            "broken" => Some(PeerRefusal::Failed),
            "full" => Some(PeerRefusal::Full),
            _ => None,
        },
        PeerRole::View { .. } => None,
    };
    Some(match why {
        Some(why) => PeerReport::Refused {
            peer_id,
            why,
            detail: Text::cut("scripted"),
        },
        None => PeerReport::Answered {
            peer_id,
            answer: Sdp::parse(SDP).unwrap(),
        },
    })
}

/// A server of its own thread; ends when dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) supervisor: Supervisor,
    go: Option<oneshot::Sender<()>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    _folder: TempDir,
}

impl Server {
    pub(crate) fn open(engine: Engine) -> Self {
        Self::with_auth(engine, AuthMode::Auto)
    }

    pub(crate) fn with_auth(engine: Engine, auth: AuthMode) -> Self {
        let mut server = Self::prepare(engine, auth);
        server.go();
        if engine == Engine::Willing {
            eventually("the engine is up", || {
                server.get("/api/v2/status").json()["engine"]["state"] == "ok"
            });
        }
        server
    }

    /// A server that listens and does not accept yet.
    pub(crate) fn prepare(engine: Engine, auth: AuthMode) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let config = ServerConfig {
            port: 0,
            auth,
            max_body_bytes: MAX_BODY as u32,
            ..ServerConfig::default()
        };
        let (ready_tx, ready_rx) = mpsc::sync_channel(1);
        let (go, go_rx) = oneshot::channel::<()>();
        let (stop, stop_rx) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new()
            .name("server".into())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .unwrap();
                runtime.block_on(async move {
                    let store =
                        Arc::new(Store::open(StoreSettings::new(state), UtcMicros(0)).unwrap());
                    let supervisor = supervise(settings(engine), store).await.unwrap();
                    let listener = lsie_api::bind(&config, true).await.unwrap();
                    ready_tx
                        .send((listener.local_addr().unwrap(), supervisor.clone()))
                        .unwrap();
                    let _ = go_rx.await;
                    let stop = async {
                        let _ = stop_rx.await;
                    };
                    lsie_api::serve(listener, supervisor.clone(), &config, TOKEN.into(), stop)
                        .await
                        .unwrap();
                    supervisor.shutdown().await.unwrap();
                });
            });
        let (address, supervisor) = ready_rx.recv_timeout(CEILING).unwrap();
        let thread = Some(thread.unwrap());
        Self {
            address,
            supervisor,
            go: Some(go),
            stop: Some(stop),
            thread,
            _folder: folder,
        }
    }

    /// Begins to accept.
    pub(crate) fn go(&mut self) {
        if let Some(go) = self.go.take() {
            let _ = go.send(());
        }
    }

    /// Head of a request with our own host.
    pub(crate) fn head(&self, method: &str, path: &str, headers: &str, body: &str) -> String {
        let (host, length) = (self.address, body.len());
        format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        )
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send(&self.head("GET", path, "", ""))
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> Answer {
        self.send(&self.head("POST", path, "Content-Type: application/json\r\n", body))
    }

    /// Sends these bytes on a fresh connection and reads until it closes, or to the end of the head of an event stream.
    pub(crate) fn send(&self, bytes: &str) -> Answer {
        let mut stream = self.connect();
        stream.write_all(bytes.as_bytes()).unwrap();
        Answer::read(&mut stream)
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(CEILING)).unwrap();
        stream
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.go();
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn settings(engine: Engine) -> SupervisorSettings {
    let (program, arguments) = match engine {
        Engine::Willing => {
            let own = std::env::current_exe().unwrap().display().to_string();
            let arguments = vec![
                format!("{PLAY}=1"),
                own,
                "--exact".into(),
                "stage::engine_entry".into(),
            ];
            ("/usr/bin/env", arguments)
        }
        Engine::Silent => ("/bin/sh", vec!["-c".into(), "exec sleep 60".into()]),
        Engine::Dying => ("/bin/sh", vec!["-c".into(), "exit 3".into()]),
    };
    let hello = ServerHello {
        protocol: LINK_PROTOCOL,
        build_id: BUILD.into(),
        cache_dir: String::new(),
        device: "cpu".into(),
        precision: lsie_schemas::device::Precision::F32,
        phones: lsie_schemas::config::DeviceConfig::default(),
    };
    SupervisorSettings {
        engine: EngineSettings {
            program: PathBuf::from(program),
            arguments,
            hello,
        },
        engine_config: EngineConfig {
            restart_min_s: 0.02,
            restart_max_s: 0.05,
            ..EngineConfig::default()
        },
        session_config: SessionConfig::default(),
        build_id: BUILD.into(),
    }
}

/// A response taken apart.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Header lines in lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    fn read(stream: &mut TcpStream) -> Self {
        let mut bytes = Vec::new();
        let mut part = [0; 8192];
        loop {
            let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
            if let Some(end) = end {
                let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
                let is_stream = head.contains("text/event-stream");
                if is_stream {
                    return Self::of(head, String::new());
                }
            }
            match stream.read(&mut part) {
                Ok(0) => break,
                Ok(count) => bytes.extend_from_slice(&part[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
                Err(error) => panic!("no answer: {error}"),
            }
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text.as_str(), ""));
        Self::of(head.to_ascii_lowercase(), body.to_owned())
    }

    fn of(head: String, body: String) -> Self {
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|word| word.parse().ok())
            .unwrap_or(0);
        Self { status, head, body }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    pub(crate) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// Asserts the form every refusal has and returns it.
    pub(crate) fn refusal(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        let body = self.json();
        let keys: Vec<_> = body
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(keys, ["detail", "code", "hint"], "{self:?}");
        assert_eq!(body["detail"].is_array(), status == 422, "{self:?}");
        for fault in body["detail"].as_array().into_iter().flatten() {
            assert!(
                fault["type"].is_string() && fault["msg"].is_string() && fault["loc"].is_array(),
                "{self:?}"
            );
        }
        body
    }
}

/// Polls until something holds.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + CEILING;
    while !holds() {
        assert!(Instant::now() < end, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits for a future of the supervisor, whose own runtime drives it.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}
