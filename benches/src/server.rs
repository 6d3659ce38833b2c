//! A server of our own: started on a free port with a fresh state folder, asked over its API, ended when dropped.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use lsie_schemas::api::{
    AttestAccepted, AttestRequest, LifecycleAccepted, LiveReadback, SessionCreate, Status,
    StimulusAccepted, StimulusRequest,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::TempDir;
use uuid::Uuid;

use crate::call::Call;
use crate::models::cache_dir;

const EXPERIMENT: &str = "greeting_line_v1";
/// Longest wait for anything; the first use of the demo renders it.
const PATIENCE: Duration = Duration::from_mins(3);
const STOP_PATIENCE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(10);

/// A running server and its engine.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: String,
    agent: ureq::Agent,
    /// Removed after the server is gone.
    _state_dir: TempDir,
}

impl Server {
    /// Starts `lsie serve` with `settings` (`key=value`) and waits until its engine is up with every model.
    pub fn start(call: &Call, settings: &[&str]) -> Result<Self> {
        let program = match call.text("lsie") {
            Some(path) => PathBuf::from(path),
            None => program(call)?,
        };
        let state_dir = tempfile::tempdir().context("making a state folder")?;
        let cache = format!("engine.cache_dir={}", cache_dir(call)?.display());
        let mut child = command(&program, &cache, settings, state_dir.path())
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let stdout = child.stdout.take().context("the server has no output")?;
        let address = BufReader::new(stdout)
            .lines()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("LSIE is ready: ").map(str::to_owned));
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(30)))
            .build();
        let server = Server {
            child,
            address: address.unwrap_or_default(),
            agent: agent.into(),
            _state_dir: state_dir,
        };
        ensure!(!server.address.is_empty(), "the server ended at its start");
        let status = server.wait("the engine did not come up", |server| {
            let status = server.status()?;
            Ok((status.engine.state == "ok").then_some(status))
        })?;
        let models = status.engine.models.iter();
        let missing: Vec<_> = models.filter(|(_, state)| *state != "ready").collect();
        ensure!(missing.is_empty(), "models are missing: {missing:?}");
        Ok(server)
    }

    /// Process id of the server.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its status.
    pub fn status(&self) -> Result<Status> {
        self.get("/api/v2/status")
    }

    /// Starts a session and waits until its source plays.
    pub fn start_session(&self, source_url: &str) -> Result<Uuid> {
        let body = SessionCreate {
            stream_url: source_url.to_owned(),
            experiment_id: EXPERIMENT.to_owned(),
            client_action_id: Uuid::new_v4(),
            epoch_utc: None,
            planned_stimuli: Vec::new(),
        };
        let started: LifecycleAccepted = self.post("/api/v1/sessions", &body)?;
        let id = started.session_id;
        self.wait("the source did not play", |server| {
            Ok((server.readback(id)?.source_state == "playing").then_some(id))
        })
    }

    /// What is measured in a session right now.
    pub fn readback(&self, session_id: Uuid) -> Result<LiveReadback> {
        self.get(&format!("/api/v2/sessions/{session_id}/readback"))
    }

    /// Gives a stimulus and attests its delivery.
    pub fn stimulus(&self, session_id: Uuid) -> Result<()> {
        let body = StimulusRequest {
            operator_note: None,
            client_action_id: Uuid::new_v4(),
        };
        let path = format!("/api/v1/operator/sessions/{session_id}/stimulus");
        let _: StimulusAccepted = self.post(&path, &body)?;
        let body = AttestRequest {
            stimulus_id: None,
            delivered: true,
            client_action_id: Uuid::new_v4(),
        };
        let path = format!("/api/v2/sessions/{session_id}/attest");
        let _: AttestAccepted = self.post(&path, &body)?;
        Ok(())
    }

    /// Looks every 10 ms until something is found.
    pub fn wait<T>(
        &self,
        failure: &str,
        mut look: impl FnMut(&Self) -> Result<Option<T>>,
    ) -> Result<T> {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if let Some(found) = look(self)? {
                return Ok(found);
            }
            sleep(POLL);
        }
        bail!("{failure} within {} s", PATIENCE.as_secs())
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let answer = self.agent.get(format!("{}{path}", self.address)).call();
        read("GET", path, answer)
    }

    fn post<B: Serialize, T: DeserializeOwned>(&self, path: &str, body: &B) -> Result<T> {
        let request = self.agent.post(format!("{}{path}", self.address));
        read("POST", path, request.send_json(body))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = kill(
            Pid::from_raw(self.child.id().cast_signed()),
            Signal::SIGTERM,
        );
        let until = Instant::now() + STOP_PATIENCE;
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > until {
                let _ = self.child.kill();
            }
            sleep(POLL);
        }
    }
}

fn command(program: &Path, cache: &str, settings: &[&str], state_dir: &Path) -> Command {
    let mut command = Command::new(program);
    for setting in [cache, "log.filter=error"].iter().chain(settings) {
        command.args(["--set", *setting]);
    }
    command
        .args(["serve", "--port", "0", "--state-dir"])
        .arg(state_dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    command
}

fn read<T: DeserializeOwned>(
    method: &str,
    path: &str,
    answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> Result<T> {
    let mut answer = answer.with_context(|| format!("{method} {path}"))?;
    answer
        .body_mut()
        .read_json()
        .with_context(|| format!("reading {method} {path}"))
}

/// The server with the profile of this bench, in the folder above `deps`. For numbers it is built, so that it is the tree's own; in a
/// test it is what the tests were built with, which others are running right now.
fn program(call: &Call) -> Result<PathBuf> {
    let ours = std::env::current_exe()?;
    let profile_dir = ours
        .parent()
        .and_then(Path::parent)
        .context("this bench lies in no target folder; pass --lsie")?;
    let program = profile_dir.join("lsie");
    if !call.measures() && program.exists() {
        return Ok(program);
    }
    let target_dir = profile_dir.parent().context("no target folder")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "-p", "lsie", "--target-dir"]);
    command
        .arg(target_dir)
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let status = command.status().context("starting cargo")?;
    ensure!(status.success(), "the server could not be built");
    Ok(program)
}
