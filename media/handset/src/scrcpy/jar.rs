//! Which server jar is used and why it is trusted (device 3.1).

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::version::{ServerVersion, VersionError};

/// Largest jar that is read, in bytes.
pub const MAX_JAR_BYTES: u64 = 16 << 20;

/// A released jar that is known by its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JarPin {
    /// Version it must be started with.
    pub version: ServerVersion,
    /// SHA-256 of `scrcpy-server-v<version>`, lower-case hex.
    pub sha256: &'static str,
}

impl JarPin {
    /// Where upstream publishes it.
    #[must_use]
    pub fn url(&self) -> String {
        let version = self.version;
        format!(
            "https://github.com/Genymobile/scrcpy/releases/download/v{version}/scrcpy-server-v{version}"
        )
    }
}

/// Licence of every release (SPDX).
pub const SCRCPY_LICENCE: &str = "Apache-2.0";

/// Known releases, newest first.
pub const PINS: [JarPin; 9] = [
    pin(
        4,
        1,
        0,
        "deacb991ed2509715160ffdc7907e47b4160eb30d1566217e9047fd5b8850cae",
    ),
    pin(
        4,
        0,
        0,
        "84924bd564a1eb6089c872c7521f968058977f91f5ff02514a8c74aff3210f3a",
    ),
    pin(
        3,
        3,
        4,
        "8588238c9a5a00aa542906b6ec7e6d5541d9ffb9b5d0f6e1bc0e365e2303079e",
    ),
    pin(
        3,
        3,
        3,
        "7e70323ba7f259649dd4acce97ac4fefbae8102b2c6d91e2e7be613fd5354be0",
    ),
    pin(
        3,
        3,
        2,
        "2ee5ca0863ef440f5b7c75856bb475c5283d0a8359cb370b1c161314fd29dfd9",
    ),
    pin(
        3,
        3,
        1,
        "a0f70b20aa4998fbf658c94118cd6c8dab6abbb0647a3bdab344d70bc1ebcbb8",
    ),
    pin(
        3,
        3,
        0,
        "351cb2edc7e4c2c75f09a7933fdabcf137be52e2602df154f24ec02db46e9e51",
    ),
    pin(
        3,
        2,
        0,
        "b920e0ea01936bf2482f4ba2fa985c22c13c621999e3d33b45baa5acfc1ea3d0",
    ),
    pin(
        2,
        7,
        0,
        "a23c5659f36c260f105c022d27bcb3eafffa26070e7baa9eda66d01377a1adba",
    ),
];

const fn pin(major: u16, minor: u16, patch: u16, sha256: &'static str) -> JarPin {
    JarPin {
        version: ServerVersion::new(major, minor, patch),
        sha256,
    }
}

/// Folders in which a package manager puts the jar.
const PREFIXES: [&str; 3] = ["/usr", "/usr/local", "/opt/homebrew"];

/// Why there is no usable jar.
#[derive(Debug, Error)]
pub enum JarError {
    /// None of the places holds one.
    #[error("no scrcpy server found; name one with --scrcpy-server or device.scrcpy_server")]
    NotFound,
    /// The place that was asked for cannot be read.
    #[error("the scrcpy server at {path} cannot be read")]
    Unreadable {
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is larger than any server ever was.
    #[error("{0} is larger than {MAX_JAR_BYTES} bytes and no scrcpy server")]
    TooLarge(PathBuf),
    /// Its content is not a known release and no version was stated.
    #[error(
        "{path} is no known release (sha256 {sha256}); state its version with --scrcpy-version"
    )]
    Unknown {
        /// Where.
        path: PathBuf,
        /// Of what was read.
        sha256: String,
    },
    /// The stated version contradicts the content.
    #[error("{path} is release {actual}, not {stated}")]
    Contradicted {
        /// Where.
        path: PathBuf,
        /// Release with this content.
        actual: ServerVersion,
        /// What was stated.
        stated: ServerVersion,
    },
    /// Its version is not supported.
    #[error(transparent)]
    Version(#[from] VersionError),
}

/// Where a candidate comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JarOrigin {
    /// Somebody named this file; if it cannot be read, that is an error.
    Named,
    /// A usual place; passed over when nothing is there.
    Usual,
}

/// Where to look. The caller reads flags, configuration and environment; this crate reads none.
#[derive(Debug, Clone, Default)]
pub struct JarSearch {
    /// Value of `--scrcpy-server`.
    pub flag: Option<PathBuf>,
    /// Value of `device.scrcpy_server`.
    pub configured: Option<PathBuf>,
    /// Value of `LSIE_SCRCPY_SERVER`.
    pub environment: Option<PathBuf>,
    /// Value of `SCRCPY_SERVER_PATH`, which upstream's client reads too.
    pub upstream_environment: Option<PathBuf>,
    /// Our own data folder.
    pub data_dir: Option<PathBuf>,
    /// Value of `--scrcpy-version`, needed for a jar whose content is unknown.
    pub stated_version: Option<ServerVersion>,
}

impl JarSearch {
    /// Every place in the order in which they are tried.
    #[must_use]
    pub fn candidates(&self) -> Vec<(PathBuf, JarOrigin)> {
        let named = [
            &self.flag,
            &self.configured,
            &self.environment,
            &self.upstream_environment,
        ];
        let named = named.into_iter().flatten().cloned();
        let usual = PREFIXES
            .iter()
            .map(|prefix| Path::new(prefix).join("share/scrcpy/scrcpy-server"));
        let ours = self.data_dir.iter().flat_map(|folder| {
            PINS.iter()
                .map(move |pin| folder.join(format!("scrcpy-server-v{}", pin.version)))
        });
        named
            .map(|path| (path, JarOrigin::Named))
            .chain(usual.chain(ours).map(|path| (path, JarOrigin::Usual)))
            .collect()
    }

    /// Reads the first candidate that is there and says which version it is.
    pub fn load(&self) -> Result<ServerJar, JarError> {
        for (path, origin) in self.candidates() {
            if origin == JarOrigin::Usual && !path.is_file() {
                continue;
            }
            let bytes = read_capped(&path)?;
            return ServerJar::identify(path, bytes, self.stated_version);
        }
        Err(JarError::NotFound)
    }
}

fn read_capped(path: &Path) -> Result<Vec<u8>, JarError> {
    let unreadable = |source| JarError::Unreadable {
        path: path.into(),
        source,
    };
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    let mut capped = file.take(MAX_JAR_BYTES + 1);
    capped.read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_JAR_BYTES {
        return Err(JarError::TooLarge(path.into()));
    }
    Ok(bytes)
}

/// A jar whose version is known and supported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerJar {
    /// Where it was read.
    pub path: PathBuf,
    /// Its content.
    pub bytes: Vec<u8>,
    /// The version it has to be started with.
    pub version: ServerVersion,
    /// SHA-256 of its content, lower-case hex.
    pub sha256: String,
    /// Whether its content is that of a known release.
    pub is_pinned: bool,
}

impl ServerJar {
    /// Knows a release by its content; anything else needs a stated version.
    pub fn identify(
        path: PathBuf,
        bytes: Vec<u8>,
        stated: Option<ServerVersion>,
    ) -> Result<Self, JarError> {
        let sha256 = lsie_schemas::text::hex_lower(&Sha256::digest(&bytes));
        let known = PINS.iter().find(|pin| pin.sha256 == sha256);
        let version = match (known.map(|pin| pin.version), stated) {
            (Some(actual), Some(stated)) if actual != stated => {
                return Err(JarError::Contradicted {
                    path,
                    actual,
                    stated,
                });
            }
            (Some(actual), _) => actual,
            (None, Some(stated)) => stated,
            (None, None) => return Err(JarError::Unknown { path, sha256 }),
        };
        version.dialect()?;
        Ok(Self {
            path,
            bytes,
            version,
            sha256,
            is_pinned: known.is_some(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pin_is_a_whole_hash_of_a_supported_version() {
        for pin in PINS {
            assert_eq!(pin.sha256.len(), 64);
            assert!(pin.sha256.bytes().all(|b| b.is_ascii_hexdigit()));
            assert!(pin.version.dialect().is_ok());
        }
        assert!(PINS.is_sorted_by(|a, b| a.version > b.version));
    }

    #[test]
    fn named_places_come_first_and_in_order() {
        let search = JarSearch {
            flag: Some("/a".into()),
            configured: Some("/b".into()),
            environment: Some("/c".into()),
            upstream_environment: Some("/d".into()),
            data_dir: Some("/data".into()),
            stated_version: None,
        };
        let places = search.candidates();
        let named: Vec<_> = places.iter().filter(|p| p.1 == JarOrigin::Named).collect();
        assert_eq!(named.len(), 4);
        assert_eq!(places[0].0, Path::new("/a"));
        assert_eq!(places[3].0, Path::new("/d"));
        assert_eq!(places[4].0, Path::new("/usr/share/scrcpy/scrcpy-server"));
        assert!(
            places
                .iter()
                .any(|p| p.0 == Path::new("/data/scrcpy-server-v4.1"))
        );
    }

    #[test]
    fn an_unknown_jar_needs_a_stated_version_that_is_supported() {
        let identify = |stated: Option<&str>| {
            let stated = stated.map(|text| text.parse().unwrap());
            ServerJar::identify("/x".into(), b"PK".to_vec(), stated)
        };
        assert!(matches!(identify(None), Err(JarError::Unknown { .. })));
        assert!(matches!(identify(Some("5.0")), Err(JarError::Version(_))));
        let jar = identify(Some("4.1")).unwrap();
        assert!(!jar.is_pinned);
        assert_eq!(jar.version.to_string(), "4.1");
    }

    #[test]
    fn a_named_place_that_holds_nothing_is_an_error() {
        let search = JarSearch {
            flag: Some("/nowhere/scrcpy-server".into()),
            ..JarSearch::default()
        };
        assert!(matches!(search.load(), Err(JarError::Unreadable { .. })));
    }
}
