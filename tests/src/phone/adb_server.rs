//! A genuine adb server of our own: own port, own home with its own key, ended by its own command.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::device::Phone;

/// Runs until dropped.
#[derive(Debug)]
pub struct AdbServer {
    port: u16,
    home: PathBuf,
}

impl AdbServer {
    /// Starts one; `None`, with a loud word, where adb is not installed.
    pub fn start(name: &str) -> Result<Option<Self>> {
        if Command::new("adb").arg("version").output().is_err() {
            let words = "SKIPPED: adb is not installed (Debian: apt-get install adb), the genuine server was not tried";
            writeln!(std::io::stderr(), "{words}")?;
            return Ok(None);
        }
        let server = Self::prepare(name)?;
        server.run("start-server")?;
        Ok(Some(server))
    }

    /// Everything but the start, for who starts it himself.
    pub fn prepare(name: &str) -> Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        let home = std::env::temp_dir().join(format!("lsie-adb-{}-{name}", std::process::id()));
        fs::create_dir_all(&home)?;
        let server = Self { port, home };
        let script = format!(
            "#!/bin/sh\nHOME='{home}' ANDROID_SDK_HOME='{home}' TMPDIR='{home}' ADB_LOCAL_TRANSPORT_MAX_PORT=5554 exec adb \"$@\"\n",
            home = server.home.display()
        );
        fs::write(server.program(), script)?;
        fs::set_permissions(server.program(), fs::Permissions::from_mode(0o755))?;
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
    pub fn kill(&self) -> Result<()> {
        self.run("kill-server")
    }

    fn run(&self, command: &str) -> Result<()> {
        let status = Command::new(self.program())
            .args(["-P", &self.port.to_string(), command])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        ensure!(status.success(), "adb {command}: {status}");
        Ok(())
    }

    /// Plugs a phone in, the way that behaves like USB.
    pub fn attach(&self, phone: &Phone) -> Result<()> {
        let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))
            .context("the adb server does not listen")?;
        let service = format!("host:emulator:{}", phone.port());
        write!(socket, "{:04x}{service}", service.len())?;
        let mut rest = Vec::new();
        // There is no answer but the end.
        let _ = socket.read_to_end(&mut rest);
        Ok(())
    }
}

impl Drop for AdbServer {
    fn drop(&mut self) {
        let _ = self.kill();
        let _ = fs::remove_dir_all(&self.home);
    }
}
