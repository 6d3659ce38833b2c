//! The server on the phone, both dialects: option line in, sockets out.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use super::device::{Phone, PhoneSettings};
use super::replay;
use super::services::say;
use super::transport::Pipe;

/// Somebody opened a socket that a server listens on.
pub(super) fn connected(pipe: &Arc<Pipe>, name: &str) {
    let mut state = pipe.link.phone.state();
    match state.sockets.get_mut(name) {
        Some((left, waiting)) if *left > 0 => {
            *left -= 1;
            waiting.push_back(Arc::clone(pipe));
        }
        _ => {
            drop(state);
            pipe.close();
        }
    }
}

/// A server that has its sockets.
pub(super) struct Server {
    pub(super) phone: Arc<Phone>,
    pub(super) pid: u32,
    pub(super) is_b: bool,
    pub(super) is_over: AtomicBool,
    /// When a recording begins to play, our clock, nanoseconds.
    pub(super) replays_at_ns: i64,
}

/// The model as it stands on the wire.
fn model(settings: &PhoneSettings) -> Vec<u8> {
    let recorded = settings.replay.as_ref().and_then(|replay| replay.model());
    let mut model = recorded.map_or_else(|| settings.model.clone().into_bytes(), <[u8]>::to_vec);
    model.resize(64, 0);
    model
}

/// Runs a start command to the server's end; its exit status.
pub(super) fn run(shell: &Arc<Pipe>, command: &str) -> io::Result<u8> {
    let phone = Arc::clone(&shell.link.phone);
    let settings = phone.settings().clone();
    let pid = {
        let mut state = phone.state();
        state.next_pid += 1;
        let pid = state.next_pid;
        state.running.push(pid);
        pid
    };
    let outcome = start(shell, &phone, &settings.server_version, pid, command);
    let mut state = phone.state();
    state.running.retain(|running| *running != pid);
    // The clean-up helper unlinks the jar.
    if let Some(jar) = between(command, "CLASSPATH=", ";") {
        state.files.remove(jar);
    }
    drop(state);
    outcome
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    Some(rest.split_once(after)?.0)
}

fn start(
    shell: &Arc<Pipe>,
    phone: &Arc<Phone>,
    version: &str,
    pid: u32,
    command: &str,
) -> io::Result<u8> {
    let settings = phone.settings();
    say(shell, &pid.to_string())?;
    let jar = between(command, "CLASSPATH=", ";").unwrap_or("");
    if !phone.state().files.contains_key(jar) {
        say(shell, "Error: could not find class")?;
        return Ok(1);
    }
    let (_, line) = command
        .split_once("com.genymobile.scrcpy.Server ")
        .unwrap_or_default();
    let mut words = line.split(' ');
    let told = words.next().unwrap_or("");
    if told != version {
        say(
            shell,
            &format!(
                "[server] ERROR: The server version ({version}) does not match the client ({told})"
            ),
        )?;
        return Ok(1);
    }
    if let Some(exit) = &settings.exit_at_start {
        say(shell, &exit.words)?;
        return Ok(exit.status);
    }
    // Before the clock is asked for the first time: the times of a recording are of its phone's clock.
    let replays_at_ns = replay::set_clock(phone);
    say(shell, "[server] INFO: Device: [lsie] sim (Android 14)")?;
    let options: HashMap<&str, &str> = words.filter_map(|word| word.split_once('=')).collect();
    let is_on = |key: &str| options.get(key).copied() != Some("false");
    let wanted: Vec<&str> = ["video", "audio", "control"]
        .into_iter()
        .filter(|key| is_on(key))
        .collect();
    thread::sleep(settings.late_socket);
    let name = format!("scrcpy_{}", options.get("scid").unwrap_or(&""));
    let Some(pipes) = accept(shell, phone, &name, wanted.len(), pid) else {
        return Ok(1);
    };
    let server = Arc::new(Server {
        phone: Arc::clone(phone),
        pid,
        is_b: version.starts_with('4'),
        is_over: AtomicBool::new(false),
        replays_at_ns,
    });
    server.stream(shell, &wanted, &pipes);
    Ok(0)
}

/// Listens until as many connected as there are streams, then no longer.
fn accept(
    shell: &Pipe,
    phone: &Phone,
    name: &str,
    count: usize,
    pid: u32,
) -> Option<Vec<Arc<Pipe>>> {
    phone
        .state()
        .sockets
        .insert(name.into(), (count, std::collections::VecDeque::new()));
    let mut pipes = Vec::new();
    while pipes.len() < count {
        shell.wait_closed(Duration::from_millis(2));
        let mut state = phone.state();
        let came = state.sockets.get_mut(name)?.1.pop_front();
        if shell.is_closed() || state.killed.contains(&pid) {
            state.sockets.remove(name);
            return None;
        }
        drop(state);
        if let Some(pipe) = came {
            if pipes.is_empty() && phone.settings().greets {
                pipe.write(&[0]).ok()?;
            }
            pipes.push(pipe);
        }
    }
    phone.state().sockets.remove(name);
    if phone.settings().greets {
        pipes.first()?.write(&model(phone.settings())).ok()?;
    }
    Some(pipes)
}
