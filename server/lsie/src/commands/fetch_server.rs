//! `lsie device fetch-server`: the pinned scrcpy server, downloaded on this explicit word only and checked before it is used.

use std::fmt;
use std::fs;
use std::io::Write as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output as Done};

use anyhow::{Context as _, Result};
use lsie_handset::scrcpy::{MAX_JAR_BYTES, PINS, SCRCPY_LICENCE, ServerVersion};
use lsie_schemas::text::sha256_hex;
use serde::{Deserialize, Serialize};

use super::Output;
use crate::cli::FetchServerArgs;

/// Whole time that a download may take, seconds.
const PATIENCE_SECS: u32 = 300;
const CONNECT_SECS: u32 = 20;
const MAX_REDIRECTS: u32 = 5;
/// Largest manifest, bytes.
const MAX_MANIFEST_BYTES: u64 = 64 << 10;

/// What is fetched from where, and what makes it right.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pinned {
    version: String,
    url: String,
    sha256: String,
    licence: String,
}

/// Why there is no server file afterwards. Nothing is kept of a download that failed.
#[derive(Debug)]
pub(crate) enum FetchError {
    /// The program that downloads is not installed.
    NoCurl(std::io::Error),
    /// The address is neither https, nor http to this machine.
    Insecure(String),
    /// The server sent the download on to an address without https.
    InsecureRedirect,
    /// The host could not be reached in time.
    Unreachable(String),
    /// The host could not prove who it is.
    Untrusted(String),
    /// The host answered with an error.
    Refused(String),
    /// The connection ended before the whole file had come.
    Truncated,
    /// It is larger than any scrcpy server.
    TooLarge,
    /// It came whole and is another file.
    WrongHash {
        /// What the manifest says.
        wanted: String,
        /// What came.
        found: String,
    },
    /// The downloading program failed in another way.
    Failed(String),
}

impl fmt::Display for FetchError {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCurl(error) => write!(to, "curl cannot be run ({error}): apt-get install curl"),
            Self::Insecure(url) => write!(to, "{url} is not https"),
            Self::InsecureRedirect => {
                to.write_str("the download was sent on to an address that is not https")
            }
            Self::Unreachable(words) => write!(to, "the host was not reached: {words}"),
            Self::Untrusted(words) => write!(to, "the host could not prove who it is: {words}"),
            Self::Refused(words) => write!(to, "the host refused: {words}"),
            Self::Truncated => to.write_str("the download was cut short; try again"),
            Self::TooLarge => write!(
                to,
                "the download is larger than {MAX_JAR_BYTES} bytes and no scrcpy server"
            ),
            Self::WrongHash { wanted, found } => write!(
                to,
                "what came is another file: its sha256 is {found}, not {wanted}"
            ),
            Self::Failed(words) => write!(to, "curl failed: {words}"),
        }
    }
}

impl std::error::Error for FetchError {}

#[derive(Debug, Serialize)]
struct Fetched {
    version: String,
    licence: String,
    sha256: String,
    path: PathBuf,
    was_there: bool,
}

/// Puts the server into the folder where sessions and the doctor look for it.
pub(crate) fn fetch_server(
    args: &FetchServerArgs,
    cache_dir: &Path,
    out: &mut Output<'_>,
) -> Result<ExitCode> {
    let pinned = match &args.manifest {
        Some(path) => read_manifest(path)?,
        None => released(args.release)?,
    };
    let version: ServerVersion = pinned.version.parse().context("the version")?;
    version.dialect().context("the version")?;
    let folder = cache_dir.join("scrcpy");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let path = folder.join(format!("scrcpy-server-v{version}"));
    let was_there = fs::read(&path).is_ok_and(|bytes| sha256_hex(&bytes) == pinned.sha256);
    if !was_there {
        match download(&pinned, &folder, &path) {
            Ok(()) => {}
            Err(error) => {
                let code = if matches!(error, FetchError::NoCurl(_)) {
                    3
                } else {
                    1
                };
                writeln!(std::io::stderr(), "lsie: {error}")?;
                return Ok(ExitCode::from(code));
            }
        }
    }
    let fetched = Fetched {
        version: version.to_string(),
        licence: pinned.licence,
        sha256: pinned.sha256,
        path,
        was_there,
    };
    out.show(&fetched, |fetched| {
        format!(
            "scrcpy server {} ({}): {} {}\n",
            fetched.version,
            fetched.licence,
            if fetched.was_there {
                "is there already,"
            } else {
                "fetched,"
            },
            fetched.path.display()
        )
    })?;
    Ok(ExitCode::SUCCESS)
}

/// A release that this program knows; the newest without a wish.
fn released(wanted: Option<ServerVersion>) -> Result<Pinned> {
    let mut pins = PINS.iter();
    let pin = pins
        .find(|pin| wanted.is_none_or(|version| pin.version == version))
        .with_context(|| {
            let known: Vec<_> = PINS.iter().map(|pin| pin.version.to_string()).collect();
            format!("this version is not known; known: {}", known.join(", "))
        })?;
    Ok(Pinned {
        version: pin.version.to_string(),
        url: pin.url(),
        sha256: pin.sha256.to_owned(),
        licence: SCRCPY_LICENCE.to_owned(),
    })
}

fn read_manifest(path: &Path) -> Result<Pinned> {
    let about = || path.display().to_string();
    let length = fs::metadata(path).with_context(about)?.len();
    anyhow::ensure!(
        length <= MAX_MANIFEST_BYTES,
        "{} is too large",
        path.display()
    );
    let text = fs::read_to_string(path).with_context(about)?;
    let pinned: Pinned = toml::from_str(&text).with_context(about)?;
    let is_hash = pinned.sha256.len() == 64
        && pinned
            .sha256
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    anyhow::ensure!(is_hash, "sha256 is not 64 lower-case hexadecimal digits");
    anyhow::ensure!(!pinned.licence.trim().is_empty(), "licence names none");
    Ok(pinned)
}

/// Downloads beside the place, checks, and moves it there.
fn download(pinned: &Pinned, folder: &Path, path: &Path) -> Result<(), FetchError> {
    let protocols = protocols(&pinned.url)?;
    let failed = |error: std::io::Error| FetchError::Failed(error.to_string());
    let partial = tempfile::Builder::new()
        .prefix(".partial-")
        .tempfile_in(folder)
        .map_err(failed)?;
    let done = Command::new("curl")
        .args(["--silent", "--show-error", "--fail", "--location"])
        .args(["--proto", protocols, "--proto-redir", "=https"])
        .args(["--max-redirs", &MAX_REDIRECTS.to_string()])
        .args(["--max-filesize", &MAX_JAR_BYTES.to_string()])
        .args(["--max-time", &PATIENCE_SECS.to_string()])
        .args(["--connect-timeout", &CONNECT_SECS.to_string()])
        .arg("--output")
        .arg(partial.path())
        .args(["--", &pinned.url])
        .output()
        .map_err(FetchError::NoCurl)?;
    judge(&done)?;
    let bytes = fs::read(partial.path()).map_err(failed)?;
    let found = sha256_hex(&bytes);
    if found != pinned.sha256 {
        let wanted = pinned.sha256.clone();
        return Err(FetchError::WrongHash { wanted, found });
    }
    partial
        .persist(path)
        .map(drop)
        .map_err(|error| failed(error.error))
}

/// What curl may speak at first: https, and plain http with this machine alone.
fn protocols(url: &str) -> Result<&'static str, FetchError> {
    if url.starts_with("https://") {
        return Ok("=https");
    }
    let is_here = url.strip_prefix("http://").is_some_and(|rest| {
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        let address: Option<IpAddr> = name.trim_matches(['[', ']']).parse().ok();
        address.is_some_and(|address| address.is_loopback())
    });
    if is_here {
        Ok("=http")
    } else {
        Err(FetchError::Insecure(url.chars().take(200).collect()))
    }
}

/// What curl's exit status means.
fn judge(done: &Done) -> Result<(), FetchError> {
    let words = String::from_utf8_lossy(&done.stderr);
    let words = words.trim().chars().take(300).collect::<String>();
    Err(match done.status.code() {
        Some(0) => return Ok(()),
        Some(1) => FetchError::InsecureRedirect,
        Some(5 | 6 | 7 | 28 | 52 | 56) => FetchError::Unreachable(words),
        Some(18) => FetchError::Truncated,
        Some(22 | 47) => FetchError::Refused(words),
        Some(35 | 51 | 58 | 60 | 77 | 83) => FetchError::Untrusted(words),
        Some(63) => FetchError::TooLarge,
        _ => FetchError::Failed(words),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_spoken_with_this_machine_alone() {
        assert_eq!(protocols("https://host/x").unwrap(), "=https");
        assert_eq!(protocols("http://127.0.0.1:80/x").unwrap(), "=http");
        assert_eq!(protocols("http://[::1]:80/x").unwrap(), "=http");
        for url in [
            "http://host/x",
            "http://127.0.0.1.example.org/x",
            "http://127.0.0.1@host/",
            "ftp://x",
            "file:///etc/passwd",
            "",
        ] {
            assert!(
                matches!(protocols(url), Err(FetchError::Insecure(_))),
                "{url}"
            );
        }
    }

    #[test]
    fn a_known_release_has_an_address_a_hash_and_a_licence() {
        let newest = released(None).unwrap();
        assert_eq!(newest.version, PINS[0].version.to_string());
        assert!(newest.url.starts_with("https://") && newest.url.ends_with("scrcpy-server-v4.1"));
        assert_eq!(newest.licence, "Apache-2.0");
        assert!(released("1.0".parse().ok()).is_err());
    }
}
