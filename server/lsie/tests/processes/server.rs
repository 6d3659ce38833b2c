//! Starts and ends real servers, and talks to them.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

/// Ends a hanging wait for anything quick; no test depends on how quick the machine is.
pub(crate) const CEILING: Duration = Duration::from_secs(15);
/// Ends a hanging wait for something that takes seconds of media.
pub(crate) const MEDIA_CEILING: Duration = Duration::from_mins(2);
/// The seeded experiment.
pub(crate) const EXPERIMENT: &str = "greeting_line_v1";
const POLL: Duration = Duration::from_millis(50);

/// A folder of one test: the state folder, the log and whatever else the test puts there.
pub(crate) struct Place {
    root: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            root: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.root().join("state")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.root().join("server.log")
    }

    pub(crate) fn log_text(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }
}

/// Our binary with the models of this machine and nothing else of the caller's settings.
pub(crate) fn lsie() -> Command {
    lsie_at(Path::new(env!("CARGO_BIN_EXE_lsie")))
}

/// As [`lsie`], from another place.
pub(crate) fn lsie_at(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("LSIE_")) {
        command.env_remove(name);
    }
    command
        .env("LSIE_ENGINE_CACHE_DIR", cache_dir())
        .env("XDG_CONFIG_HOME", "/nonexistent");
    command
}

/// Where the models are.
pub(crate) fn cache_dir() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let chosen = set("LSIE_CACHE_DIR")
        .or_else(|| set("LSIE_ENGINE_CACHE_DIR"))
        .map(PathBuf::from)
        .or_else(|| set("XDG_CACHE_HOME").map(|base| PathBuf::from(base).join("lsie")))
        .or_else(|| set("HOME").map(|home| PathBuf::from(home).join(".cache/lsie")))
        .unwrap_or_default();
    assert!(
        chosen.join("models").is_dir(),
        "no models in {}: run ./test, it fetches the models",
        chosen.display()
    );
    chosen
}

/// A running server with its media process.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
    log: PathBuf,
    agent: ureq::Agent,
}

impl Server {
    /// Starts on any free port and waits for its address and for its engine.
    pub(crate) fn start(place: &Place, options: &[&str]) -> Self {
        let server = Self::start_on(place, &["--port", "0"], options);
        server.engine_pid();
        server
    }

    /// Starts with the given port options and waits for its address only.
    pub(crate) fn start_on(place: &Place, port: &[&str], options: &[&str]) -> Self {
        Self::start_as(lsie(), place, port, options)
    }

    /// As [`Server::start_on`], with a program of the caller's.
    pub(crate) fn start_as(
        mut program: Command,
        place: &Place,
        port: &[&str],
        options: &[&str],
    ) -> Self {
        let log = File::options()
            .create(true)
            .append(true)
            .open(place.log())
            .unwrap();
        let mut child = program
            .args(options)
            .arg("serve")
            .args(port)
            .arg("--state-dir")
            .arg(place.state())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let Some(address) = line.trim().strip_prefix("LSIE is ready: ") else {
            let _ = child.kill();
            panic!(
                "the server said {line:?} instead of its address; its log:\n{}",
                place.log_text()
            );
        };
        Self {
            child,
            address: address.to_owned(),
            log: place.log(),
            agent: agent(),
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the engine is up and gives its process id.
    pub(crate) fn engine_pid(&self) -> u32 {
        wait("the engine is up", CEILING, || {
            let engine = &self.get("/api/v2/status")["engine"];
            (engine["state"] == "ok").then(|| engine["pid"].as_u64().unwrap() as u32)
        })
    }

    /// GET that must succeed.
    pub(crate) fn get(&self, path: &str) -> Value {
        let (status, body) = read(self.agent.get(format!("{}{path}", self.address)).call());
        assert_eq!(status, 200, "GET {path}: {body}");
        body
    }

    /// POST with whatever answer it gets.
    pub(crate) fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let request = self.agent.post(format!("{}{path}", self.address));
        read(request.send_json(body))
    }

    /// Asks for a session.
    pub(crate) fn ask_session(&self, url: &str) -> (u16, Value) {
        let body = json!({ "stream_url": url, "experiment_id": EXPERIMENT, "client_action_id": Uuid::new_v4() });
        self.post("/api/v2/sessions", &body)
    }

    /// Opens a session that must be accepted, gives its id.
    pub(crate) fn session(&self, url: &str) -> String {
        accepted_session(self.ask_session(url))
    }

    /// Gives the stimulus and attests its delivery; gives the stimulus id.
    pub(crate) fn attested_stimulus(&self, session: &str) -> Uuid {
        let id = Uuid::new_v4();
        let path = format!("/api/v1/operator/sessions/{session}/stimulus");
        let (status, answer) = self.post(&path, &json!({ "client_action_id": id }));
        assert_eq!(status, 200, "{answer}");
        assert!(answer["stimulus_time_utc"].is_string(), "{answer}");
        let path = format!("/api/v2/sessions/{session}/attest");
        let body = json!({ "delivered": true, "client_action_id": Uuid::new_v4() });
        let (status, answer) = self.post(&path, &body);
        assert_eq!(status, 200, "{answer}");
        id
    }

    pub(crate) fn readback(&self, session: &str) -> Value {
        self.get(&format!("/api/v2/sessions/{session}/readback"))
    }

    /// Committed encounters, newest first.
    pub(crate) fn encounters(&self, session: &str) -> Vec<Value> {
        let rows = self.get(&format!("/api/v2/sessions/{session}/encounters"));
        let mut rows = rows.as_array().unwrap().clone();
        rows.retain(|row| row["segment_id"].is_string());
        rows
    }

    /// Waits until `count` encounters are committed.
    pub(crate) fn wait_encounters(&self, session: &str, count: usize) -> Vec<Value> {
        wait("the encounter is committed", MEDIA_CEILING, || {
            Some(self.encounters(session)).filter(|rows| rows.len() >= count)
        })
    }

    /// Waits for the first measured picture.
    pub(crate) fn wait_picture(&self, session: &str) {
        wait("a picture is measured", MEDIA_CEILING, || {
            let seen = self.readback(session);
            assert!(seen["session"]["ended_at_utc"].is_null(), "{seen}");
            seen["visual"].is_object().then_some(())
        });
    }

    /// Waits for the neutral baseline.
    pub(crate) fn wait_calibrated(&self, session: &str) {
        wait("the baseline is complete", MEDIA_CEILING, || {
            let seen = self.readback(session);
            assert!(seen["session"]["ended_at_utc"].is_null(), "{seen}");
            (seen["session"]["is_calibrating"] == false).then_some(())
        });
    }

    /// Waits until the session is closed and gives its view.
    pub(crate) fn wait_ended(&self, session: &str) -> Value {
        wait("the session is closed", MEDIA_CEILING, || {
            let seen = self.get(&format!("/api/v1/operator/sessions/{session}"));
            (seen["status"] == "ended").then_some(seen)
        })
    }

    /// Arms of the experiment with their posteriors.
    pub(crate) fn posteriors(&self) -> Vec<(Value, Value, Value)> {
        let detail = self.get(&format!("/api/v1/operator/experiments/{EXPERIMENT}"));
        let row = |arm: &Value| {
            let part = |name: &str| arm[name].clone();
            (
                part("arm_id"),
                part("posterior_alpha"),
                part("posterior_beta"),
            )
        };
        detail["arms"].as_array().unwrap().iter().map(row).collect()
    }

    /// Words of the newest alerts.
    pub(crate) fn alerts(&self) -> String {
        self.get("/api/v1/operator/alerts").to_string()
    }

    /// Kills the server without a word.
    pub(crate) fn kill(mut self) {
        kill(self.pid());
        let _ = self.child.wait();
    }

    /// Ends the server as an operator does, and waits for it.
    pub(crate) fn stop(mut self) {
        signal("TERM", self.pid());
        let ended = wait("the server ends", CEILING, || {
            self.child.try_wait().unwrap()
        });
        assert!(ended.success(), "{ended}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            let tail = lines.len().saturating_sub(60);
            eprintln!("--- end of the server's log\n{}", lines[tail..].join("\n"));
        }
    }
}

/// Id of a session that was accepted.
pub(crate) fn accepted_session((status, answer): (u16, Value)) -> String {
    assert_eq!(status, 200, "{answer}");
    answer["session_id"].as_str().unwrap().to_owned()
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .timeout_global(Some(CEILING))
        .http_status_as_error(false)
        .build()
        .into()
}

fn read(answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> (u16, Value) {
    let mut answer = answer.unwrap();
    let status = answer.status().as_u16();
    let text = answer.body_mut().read_to_string().unwrap();
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    (status, body)
}

/// Asks again and again until there is an answer.
pub(crate) fn wait<T>(what: &str, ceiling: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + ceiling;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            Instant::now() < until,
            "not seen within {} s: {what}",
            ceiling.as_secs()
        );
        sleep(POLL);
    }
}

/// SIGKILL.
pub(crate) fn kill(pid: u32) {
    signal("KILL", pid);
}

fn signal(name: &str, pid: u32) {
    let status = Command::new("sh")
        .args(["-c", &format!("kill -{name} {pid}")])
        .status();
    assert!(status.unwrap().success(), "process {pid} is not there");
}

/// Whether the process runs. One that waits for its parent to notice its end does not.
pub(crate) fn runs(pid: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return false;
    };
    let state = stat
        .rsplit_once(") ")
        .and_then(|(_, rest)| rest.chars().next());
    !matches!(state, Some('Z' | 'X') | None)
}
