//! The adb server above the phone: somebody's, or a genuine one of our own.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::device::Phone;
use super::error::SimulatorError;

/// Plugs a phone in below the adb server on this port, the way that behaves like USB: it is gone when it is unplugged, and
/// comes back by itself when it is plugged in again.
pub fn attach(adb_port: u16, phone: &Phone) -> Result<(), SimulatorError> {
    let no_server = |source| SimulatorError::NoAdbServer {
        port: adb_port,
        source,
    };
    let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, adb_port)).map_err(no_server)?;
    let service = format!("host:emulator:{}", phone.port());
    write!(socket, "{:04x}{service}", service.len()).map_err(no_server)?;
    // There is no answer but the end.
    let _ = socket.read_to_end(&mut Vec::new());
    Ok(())
}

/// A genuine adb server with its own port and its own home with its own key, ended by its own command. Runs until dropped.
#[derive(Debug)]
pub struct AdbServer {
    port: u16,
    home: PathBuf,
}

impl AdbServer {
    /// Starts one; `name` tells the homes of one process apart.
    pub fn start(name: &str) -> Result<Self, SimulatorError> {
        let installed = Command::new("adb").arg("version").output();
        installed.map_err(|_| SimulatorError::NoAdb)?;
        let server = Self::prepare(name)?;
        server.run("start-server")?;
        Ok(server)
    }

    /// Everything but the start, for who starts it himself.
    pub fn prepare(name: &str) -> Result<Self, SimulatorError> {
        let io = SimulatorError::io("preparing an adb server");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(&io)?;
        let port = listener.local_addr().map_err(&io)?.port();
        let home = std::env::temp_dir().join(format!("lsie-adb-{}-{name}", std::process::id()));
        fs::create_dir_all(&home).map_err(&io)?;
        let server = Self { port, home };
        let script = format!(
            "#!/bin/sh\nHOME='{home}' ANDROID_SDK_HOME='{home}' TMPDIR='{home}' ADB_LOCAL_TRANSPORT_MAX_PORT=5554 exec adb \"$@\"\n",
            home = server.home.display()
        );
        fs::write(server.program(), script).map_err(&io)?;
        make_executable(&server.program()).map_err(&io)?;
        Ok(server)
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Runs adb with this server's home.
    #[must_use]
    pub fn program(&self) -> PathBuf {
        self.home.join("adb")
    }

    /// A folder of its own that goes with it.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Ends the server, as if somebody had killed it.
    pub fn kill(&self) -> Result<(), SimulatorError> {
        self.run("kill-server")
    }

    fn run(&self, command: &str) -> Result<(), SimulatorError> {
        let status = Command::new(self.program())
            .args(["-P", &self.port.to_string(), command])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .map_err(SimulatorError::io("running adb"))?;
        if status.success() {
            Ok(())
        } else {
            Err(SimulatorError::AdbFailed(command.to_owned()))
        }
    }

    /// Plugs a phone in.
    pub fn attach(&self, phone: &Phone) -> Result<(), SimulatorError> {
        attach(self.port, phone)
    }
}

impl Drop for AdbServer {
    fn drop(&mut self) {
        let _ = self.kill();
        let _ = fs::remove_dir_all(&self.home);
    }
}

#[cfg(unix)]
fn make_executable(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn make_executable(_: &Path) -> std::io::Result<()> {
    Ok(())
}
