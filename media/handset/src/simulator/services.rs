//! What adb offers on the phone: shell, exec, sync, abstract sockets.

use std::io;
use std::sync::Arc;

use super::device::Phone;
use super::scrcpy;
use super::transport::Pipe;

pub(super) fn is_offered(phone: &Phone, service: &str) -> bool {
    let (kind, rest) = service.split_once(':').unwrap_or((service, ""));
    match kind.split(',').next() {
        Some("shell" | "sync") => true,
        Some("exec") => phone.settings().runs_responder && phone.state().files.contains_key(rest),
        Some("localabstract") => {
            let state = phone.state();
            state.sockets.get(rest).is_some_and(|socket| socket.0 > 0)
        }
        _ => false,
    }
}

pub(super) fn serve(pipe: &Arc<Pipe>, service: &str) {
    let (kind, rest) = service.split_once(':').unwrap_or((service, ""));
    if kind == "localabstract" {
        // Lives on with the server model that listens there.
        return scrcpy::connected(pipe, rest);
    }
    let _ = match kind.split(',').next() {
        Some("shell") => shell(pipe, rest),
        Some("exec") => respond(pipe),
        _ => sync(pipe),
    };
    pipe.close();
}

/// The clock responder, native.
fn respond(pipe: &Pipe) -> io::Result<()> {
    let phone = &pipe.link.phone;
    loop {
        let echo = pipe.read(8)?;
        pipe.write(&phone.clock().answer(&echo, phone.host_ns()))?;
    }
}

pub(super) fn say(pipe: &Pipe, line: &str) -> io::Result<()> {
    packet(pipe, 1, format!("{line}\n").as_bytes())
}

fn packet(pipe: &Pipe, id: u8, bytes: &[u8]) -> io::Result<()> {
    let mut packet = vec![id];
    packet.extend((bytes.len() as u32).to_le_bytes());
    packet.extend(bytes);
    pipe.write(&packet)
}

fn shell(pipe: &Arc<Pipe>, command: &str) -> io::Result<()> {
    let phone = &pipe.link.phone;
    let words: Vec<&str> = command.split_whitespace().collect();
    let status = match words.as_slice() {
        ["rm", "-f", paths @ ..] => {
            let mut state = phone.state();
            for path in paths {
                state.files.remove(*path);
            }
            0
        }
        ["kill", pid] => {
            phone.state().killed.extend(pid.parse::<u32>());
            0
        }
        ["getprop", "ro.product.model"] => {
            say(pipe, &phone.settings().model)?;
            0
        }
        _ if command.contains("com.genymobile.scrcpy.Server") => scrcpy::run(pipe, command)?,
        _ => 127,
    };
    packet(pipe, 3, &[status])
}

fn sync(pipe: &Pipe) -> io::Result<()> {
    let phone = &pipe.link.phone;
    loop {
        let (id, length) = sync_head(pipe)?;
        if &id == b"QUIT" {
            return Ok(());
        }
        let target = String::from_utf8_lossy(&pipe.read(length)?).into_owned();
        if &id != b"SEND" {
            return Ok(());
        }
        let path = target.rsplit_once(',').map_or("", |(path, _)| path);
        let mut content = Vec::new();
        loop {
            match sync_head(pipe)? {
                (id, length) if &id == b"DATA" => content.extend(pipe.read(length)?),
                _ => break,
            }
        }
        if let Some(words) = &phone.settings().refuses_files {
            let mut refusal = b"FAIL".to_vec();
            refusal.extend((words.len() as u32).to_le_bytes());
            refusal.extend(words.bytes());
            return pipe.write(&refusal);
        }
        phone.state().files.insert(path.into(), content);
        pipe.write(b"OKAY\0\0\0\0")?;
    }
}

fn sync_head(pipe: &Pipe) -> io::Result<([u8; 4], usize)> {
    let head = pipe.read(8)?;
    let word = |at: usize| -> [u8; 4] {
        let bytes = head.get(at..at + 4).unwrap_or_default();
        bytes.try_into().unwrap_or_default()
    };
    Ok((word(0), u32::from_le_bytes(word(4)) as usize))
}
