//! A blocking client of the adb server, on plain TCP.

use std::io::{self, Read, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::device::{DeviceEntry, parse_devices};
use super::host::{HexBlocks, Status, StatusReader, encode_request};
use super::shell::{ShellPacket, ShellReader};
use super::sync::{
    MAX_CHUNK_BYTES, SyncReply, SyncReplyReader, sync_data, sync_done, sync_quit, sync_send,
};
use crate::error::HandsetError;

/// Port of an adb server where nothing else was said.
pub const DEFAULT_PORT: u16 = 5037;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest output of a command that is kept, in bytes.
const MAX_OUTPUT_BYTES: usize = 1 << 20;

/// Speaks to one adb server. Holds no connection; every service has its own.
#[derive(Debug, Clone, Copy)]
pub struct AdbClient {
    address: SocketAddr,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShellExit {
    /// Standard output and error as they came, at most 1 MiB.
    pub output: String,
    /// Exit status; `None` when the connection broke first.
    pub status: Option<u8>,
}

/// A connection to a service of the device: raw bytes both ways.
#[derive(Debug)]
pub struct DeviceStream {
    socket: TcpStream,
}

impl AdbClient {
    /// The server on this machine's loopback at `port`.
    #[must_use]
    pub fn new(port: u16) -> Self {
        Self {
            address: (Ipv4Addr::LOCALHOST, port).into(),
        }
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The server's protocol version; proof that an adb server listens there.
    pub fn version(&self) -> Result<u32, HandsetError> {
        let text = self.query("host:version")?;
        u32::from_str_radix(text.trim(), 16).map_err(|_| HandsetError::Refused {
            service: "host:version".into(),
            message: text,
        })
    }

    /// Everything that is attached, with models.
    pub fn devices(&self) -> Result<Vec<DeviceEntry>, HandsetError> {
        Ok(parse_devices(&self.query("host:devices-l")?))
    }

    /// Asks the server to attach a device again.
    pub fn reconnect(&self, serial: &str) -> Result<String, HandsetError> {
        self.query(&format!("host-serial:{serial}:reconnect"))
    }

    /// Attaches a network device. The answer is text in success and failure alike.
    pub fn attach(&self, address: &str) -> Result<String, HandsetError> {
        self.query(&format!("host:connect:{address}"))
    }

    /// Detaches a network device.
    pub fn detach(&self, address: &str) -> Result<String, HandsetError> {
        self.query(&format!("host:disconnect:{address}"))
    }

    /// Asks one question and reads the one block that answers it.
    pub fn query(&self, service: &str) -> Result<String, HandsetError> {
        let mut stream = self.connect()?;
        stream.request(service)?;
        stream.block(&mut HexBlocks::default())
    }

    /// Opens `host:track-devices`; read it with [`DeviceStream::block`].
    pub fn track(&self) -> Result<DeviceStream, HandsetError> {
        let mut stream = self.connect()?;
        stream.request("host:track-devices")?;
        Ok(stream)
    }

    /// Opens a service of a device, such as `localabstract:NAME`.
    pub fn open(&self, serial: &str, service: &str) -> Result<DeviceStream, HandsetError> {
        let mut stream = self.connect()?;
        stream.request(&format!("host:transport:{serial}"))?;
        stream.request(service)?;
        Ok(stream)
    }

    /// Writes a file on the device.
    pub fn push(
        &self,
        serial: &str,
        bytes: &[u8],
        path: &str,
        mode: u32,
    ) -> Result<(), HandsetError> {
        self.open(serial, "sync:")?.push(bytes, path, mode)
    }

    /// Runs a command and waits for its end, 10 s without output at most.
    pub fn shell(&self, serial: &str, command: &str) -> Result<ShellExit, HandsetError> {
        let mut stream = self.open(serial, &format!("shell,v2,raw:{command}"))?;
        let (mut reader, mut output, mut buffer) = (ShellReader::default(), Vec::new(), [0; 4096]);
        let mut status = None;
        while status.is_none() {
            let count = stream
                .read(&mut buffer)
                .map_err(HandsetError::io("shell"))?;
            if count == 0 {
                break;
            }
            reader.push(buffer.get(..count).unwrap_or_default());
            while let Some(packet) = reader.poll()? {
                match packet {
                    ShellPacket::Stdout(bytes) | ShellPacket::Stderr(bytes) => {
                        let room = MAX_OUTPUT_BYTES.saturating_sub(output.len());
                        output.extend(bytes.into_iter().take(room));
                    }
                    ShellPacket::Exit(code) => status = Some(code),
                    ShellPacket::Other(_) => {}
                }
            }
        }
        Ok(ShellExit {
            output: String::from_utf8_lossy(&output).into(),
            status,
        })
    }

    /// Runs `adb start-server` on our port. Call it only after the port refused.
    pub fn start_server(&self, program: &Path) -> Result<(), HandsetError> {
        let shown = program.display().to_string();
        let status = Command::new(program)
            .args(["-P", &self.port().to_string(), "start-server"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .map_err(|source| HandsetError::Program {
                program: shown.clone(),
                source,
            })?;
        if status.success() {
            return Ok(());
        }
        Err(HandsetError::StartFailed(shown))
    }

    fn connect(&self) -> Result<DeviceStream, HandsetError> {
        let address = self.address;
        let socket = TcpStream::connect_timeout(&address, CONNECT_TIMEOUT)
            .map_err(|source| HandsetError::NoServer { address, source })?;
        let prepare = || {
            socket.set_nodelay(true)?;
            socket.set_read_timeout(Some(ANSWER_TIMEOUT))?;
            socket.set_write_timeout(Some(ANSWER_TIMEOUT))
        };
        prepare().map_err(HandsetError::io("connecting to adb"))?;
        Ok(DeviceStream { socket })
    }
}

impl DeviceStream {
    /// Sends a request and reads its answer, not one byte of what follows.
    fn request(&mut self, service: &str) -> Result<(), HandsetError> {
        let lost = HandsetError::io("a request to adb");
        let request = encode_request(service)?;
        self.socket.write_all(&request).map_err(&lost)?;
        let (mut reader, mut buffer) = (StatusReader::default(), [0; 256]);
        loop {
            if let Some(status) = reader.poll()? {
                return match status {
                    Status::Okay => Ok(()),
                    Status::Fail(message) => Err(HandsetError::Refused {
                        service: service.into(),
                        message,
                    }),
                };
            }
            let wanted = reader.wanted().clamp(1, buffer.len());
            let place = buffer.get_mut(..wanted).unwrap_or_default();
            let count = self.read(place).map_err(&lost)?;
            if count == 0 {
                return Err(lost(io::ErrorKind::UnexpectedEof.into()));
            }
            reader.push(buffer.get(..count).unwrap_or_default());
        }
    }

    /// The next block of a query or of device tracking; `blocks` keeps what arrived of the one after it.
    pub fn block(&mut self, blocks: &mut HexBlocks) -> Result<String, HandsetError> {
        let lost = HandsetError::io("an answer of adb");
        let mut buffer = [0; 4096];
        loop {
            if let Some(text) = blocks.poll()? {
                return Ok(text);
            }
            let count = self.read(&mut buffer).map_err(&lost)?;
            if count == 0 {
                return Err(lost(io::ErrorKind::UnexpectedEof.into()));
            }
            blocks.push(buffer.get(..count).unwrap_or_default());
        }
    }

    /// Pushes a file over an open `sync:` and ends the service.
    pub fn push(&mut self, bytes: &[u8], path: &str, mode: u32) -> Result<(), HandsetError> {
        let lost = HandsetError::io("sending a file to the phone");
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let modified_secs = now.map_or(0, |now| now.as_secs() as u32);
        self.write_all(&sync_send(path, mode)).map_err(&lost)?;
        for chunk in bytes.chunks(MAX_CHUNK_BYTES) {
            self.write_all(&sync_data(chunk)).map_err(&lost)?;
        }
        self.write_all(&sync_done(modified_secs)).map_err(&lost)?;
        let (mut reader, mut buffer) = (SyncReplyReader::default(), [0; 512]);
        let reply = loop {
            if let Some(reply) = reader.poll()? {
                break reply;
            }
            let count = self.read(&mut buffer).map_err(&lost)?;
            if count == 0 {
                return Err(lost(io::ErrorKind::UnexpectedEof.into()));
            }
            reader.push(buffer.get(..count).unwrap_or_default());
        };
        match reply {
            SyncReply::Okay => {
                // The file is there; whether the farewell arrives changes nothing.
                let _ = self.write_all(&sync_quit());
                Ok(())
            }
            SyncReply::Fail(message) => Err(HandsetError::PushRefused {
                path: path.into(),
                message,
            }),
        }
    }

    /// Reads what is there, at least one byte; 0 at the end. Acknowledges at once, for the adb server writes small pieces
    /// with Nagle's algorithm on (device 1.5).
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.socket.read(buffer)?;
        self.acknowledge_at_once();
        Ok(count)
    }

    /// Writes everything.
    pub fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.socket.write_all(bytes)
    }

    /// How long a read may wait; `None` is for ever.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.socket.set_read_timeout(timeout)
    }

    /// A second handle, with which another thread can close the connection.
    pub fn try_clone(&self) -> io::Result<Self> {
        let socket = self.socket.try_clone()?;
        Ok(Self { socket })
    }

    /// Ends the connection; a read in another thread returns.
    pub fn close(&self) {
        // Already closed is as good.
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    #[cfg(target_os = "linux")]
    fn acknowledge_at_once(&self) {
        use std::os::linux::net::TcpStreamExt as _;
        // Only speed is lost where this fails.
        let _ = self.socket.set_quickack(true);
    }

    #[cfg(not(target_os = "linux"))]
    fn acknowledge_at_once(&self) {}
}
