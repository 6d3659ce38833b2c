//! The one configuration tree.
//!
//! Each crate receives its own section. Defaults live in the types; the doc comments below become the commented example
//! file ([`example_toml`]) and the reference. Layers are applied in the order defaults, file, environment, flags; an
//! unknown key is an error, and [`Layered`] remembers where each value came from.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::device::{DeviceChoice, Precision};

/// Everything that can be configured.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The loopback server.
    pub server: ServerConfig,
    /// The media process.
    pub engine: EngineConfig,
    /// Phones, which are reached through adb.
    pub device: DeviceConfig,
    /// Sessions and encounters.
    pub session: SessionConfig,
    /// Logging.
    pub log: LogConfig,
}

/// When a request needs the per-install token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuthMode {
    /// No token for our own user on loopback with no foreign origin; everything else needs it.
    #[default]
    Auto,
    /// Always.
    Token,
}

/// The loopback server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    /// Address to listen on. Anything but loopback forces `auth = "token"`.
    pub bind: String,
    /// Port to listen on. The default port gives way to the next free one when taken; a port you set does not.
    pub port: u16,
    /// When a request needs the token: `auto` or `token`.
    pub auth: AuthMode,
    /// Folder for the database, the token and the port file. Empty: the user's data folder.
    pub state_dir: String,
    /// Further names or addresses under which clients reach this server, without port, e.g. `["studio.local"]`. A request
    /// for any other host is refused. Needed where `bind` is `0.0.0.0` or `::`.
    pub hosts: Vec<String>,
    /// Largest request body in bytes.
    pub max_body_bytes: u32,
    /// Folder from which the console is served, for work on it. Empty: the console inside the binary.
    pub console_dir: String,
}

/// Port used when none is configured.
pub const DEFAULT_PORT: u16 = 8000;

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            bind: "127.0.0.1".into(),
            port: DEFAULT_PORT,
            auth: AuthMode::Auto,
            state_dir: String::new(),
            hosts: Vec::new(),
            max_body_bytes: 65_536,
            console_dir: String::new(),
        }
    }
}

/// The media process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EngineConfig {
    /// Compute device: `auto`, `cpu`, `wgpu`, `wgpu:N`, `cuda` or `cuda:N`, N counted from 0. `auto` takes the quickest of a short
    /// trial; a GPU that this processor computes runs only when named.
    pub device: DeviceChoice,
    /// Floats inside the face networks: `f32`, or `f16` for GPUs that are quicker with them.
    pub precision: Precision,
    /// Folder for models and derived files. Empty: the user's cache folder.
    pub cache_dir: String,
    /// First pause before a dead engine is started again, seconds; doubles up to `restart_max_s`.
    pub restart_min_s: f64,
    /// Longest pause before a restart, seconds.
    pub restart_max_s: f64,
    /// Deaths within `circuit_window_s` that open the circuit: no more restarts until reset.
    pub circuit_deaths: u32,
    /// Window of the circuit breaker, seconds.
    pub circuit_window_s: f64,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            device: DeviceChoice::Auto,
            precision: Precision::F32,
            cache_dir: String::new(),
            restart_min_s: 0.5,
            restart_max_s: 30.0,
            circuit_deaths: 5,
            circuit_window_s: 60.0,
        }
    }
}

/// Phones, which are reached through adb.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DeviceConfig {
    /// Port of the adb server on this machine.
    pub adb_port: u16,
    /// Program that starts the adb server when none answers. Empty: none is started.
    pub adb: String,
    /// File of the scrcpy server that is pushed to phones. Empty: the usual places are searched.
    pub scrcpy_server: String,
    /// Version of that file, needed when its content is no known release, e.g. `4.1`.
    pub scrcpy_version: String,
}

impl Default for DeviceConfig {
    fn default() -> Self {
        Self {
            adb_port: 5037,
            adb: "adb".into(),
            scrcpy_server: String::new(),
            scrcpy_version: String::new(),
        }
    }
}

/// Sessions and encounters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SessionConfig {
    /// Seconds a closed encounter waits for an attestation when no speech model can judge it.
    pub attest_wait_s: f64,
    /// Seconds the media process has to stamp a stimulus before it fails as `not_stamped`.
    pub stamp_wait_s: f64,
    /// Name of this installation in ledgers and posterior deltas.
    pub client_id: String,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            attest_wait_s: 30.0,
            stamp_wait_s: 10.0,
            client_id: "desktop-app".into(),
        }
    }
}

/// Logging.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// Level or filter, e.g. `info` or `lsie_engine=debug,info`.
    pub filter: String,
    /// `text` or `json`.
    pub format: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            filter: "info".into(),
            format: "text".into(),
        }
    }
}

/// Where an effective value came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "name")]
pub enum Origin {
    /// Built in.
    Default,
    /// The file of this name.
    File(String),
    /// The environment variable of this name.
    Environment(String),
    /// The command line flag of this name.
    Flag(String),
}

/// Why a layer could not be applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The key does not exist.
    #[error("unknown configuration key `{key}` from {origin}; known keys: {known}")]
    UnknownKey {
        /// Dotted path of the key.
        key: String,
        /// Layer it came from.
        origin: String,
        /// Keys that exist.
        known: String,
    },
    /// The value has the wrong type or is out of range.
    #[error("configuration value from {origin} is not acceptable: {reason}")]
    BadValue {
        /// Layer it came from.
        origin: String,
        /// What is wrong.
        reason: String,
    },
}

/// The tree while layers are being applied.
#[derive(Debug, Clone)]
pub struct Layered {
    tree: Value,
    origins: BTreeMap<String, Origin>,
}

impl Default for Layered {
    fn default() -> Self {
        let tree = serde_json::to_value(Config::default()).unwrap_or_default();
        let origins = leaves(&tree)
            .into_iter()
            .map(|(key, _)| (key, Origin::Default))
            .collect();
        Self { tree, origins }
    }
}

/// Variables of api 10 that name a key without its section.
const SHORT_VARIABLES: [(&str, &str); 3] = [
    ("LSIE_API_PORT", "server.port"),
    ("LSIE_STATE_DIR", "server.state_dir"),
    ("LSIE_SCRCPY_SERVER", "device.scrcpy_server"),
];

impl Layered {
    /// Applies a whole tree, e.g. a parsed file.
    pub fn apply_tree(&mut self, tree: &Value, origin: &Origin) -> Result<(), ConfigError> {
        for (key, value) in leaves(tree) {
            let is_empty_section = value == Value::Object(serde_json::Map::new());
            if is_empty_section
                && self
                    .tree
                    .pointer(&pointer(&key))
                    .is_some_and(Value::is_object)
            {
                continue;
            }
            self.set(&key, value, origin)?;
        }
        Ok(())
    }

    /// Applies one value written as text (environment, flag): read as JSON when the default is not text.
    pub fn apply_text(
        &mut self,
        key: &str,
        text: &str,
        origin: &Origin,
    ) -> Result<(), ConfigError> {
        let is_text = self
            .tree
            .pointer(&pointer(key))
            .is_some_and(Value::is_string);
        let value = if is_text {
            Value::String(text.to_owned())
        } else {
            serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
        };
        self.set(key, value, origin)
    }

    /// Applies every `LSIE_SECTION_KEY` of the given variables that names a key, and the older short names of api 10; other
    /// variables are not ours to judge. Where both spellings of a key are set the long one wins.
    pub fn apply_environment(
        &mut self,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<(), ConfigError> {
        let names: BTreeMap<String, String> = self
            .origins
            .keys()
            .map(|key| {
                (
                    format!("LSIE_{}", key.replace('.', "_").to_uppercase()),
                    key.clone(),
                )
            })
            .collect();
        let variables: BTreeMap<String, String> = variables.collect();
        let short = SHORT_VARIABLES.iter().copied();
        let long = names
            .iter()
            .map(|(name, key)| (name.as_str(), key.as_str()));
        for (name, key) in short.chain(long) {
            if let Some(text) = variables.get(name) {
                self.apply_text(key, text, &Origin::Environment(name.to_owned()))?;
            }
        }
        Ok(())
    }

    fn set(&mut self, key: &str, value: Value, origin: &Origin) -> Result<(), ConfigError> {
        let known = || self.origins.keys().cloned().collect::<Vec<_>>().join(", ");
        if !self.origins.contains_key(key) {
            return Err(ConfigError::UnknownKey {
                key: key.into(),
                origin: format!("{origin:?}"),
                known: known(),
            });
        }
        let previous = self.tree.clone();
        if let Some(slot) = self.tree.pointer_mut(&pointer(key)) {
            *slot = value;
        }
        if let Err(error) = serde_json::from_value::<Config>(self.tree.clone()) {
            self.tree = previous;
            return Err(ConfigError::BadValue {
                origin: format!("{origin:?}"),
                reason: format!("{key}: {error}"),
            });
        }
        self.origins.insert(key.to_owned(), origin.clone());
        Ok(())
    }

    /// The effective configuration.
    #[must_use]
    pub fn config(&self) -> Config {
        serde_json::from_value(self.tree.clone()).unwrap_or_default()
    }

    /// Every key with its effective value and its origin, sorted by key.
    #[must_use]
    pub fn explain(&self) -> Vec<(String, Value, Origin)> {
        leaves(&self.tree)
            .into_iter()
            .map(|(key, value)| {
                let origin = self.origins.get(&key).cloned().unwrap_or(Origin::Default);
                (key, value, origin)
            })
            .collect()
    }
}

fn pointer(key: &str) -> String {
    format!("/{}", key.replace('.', "/"))
}

fn leaves(tree: &Value) -> Vec<(String, Value)> {
    fn walk(prefix: &str, value: &Value, out: &mut Vec<(String, Value)>) {
        match value {
            Value::Object(map) if !map.is_empty() => {
                for (name, child) in map {
                    let path = if prefix.is_empty() {
                        name.clone()
                    } else {
                        format!("{prefix}.{name}")
                    };
                    walk(&path, child, out);
                }
            }
            other => out.push((prefix.to_owned(), other.clone())),
        }
    }
    let mut out = Vec::new();
    walk("", tree, &mut out);
    out
}

/// The commented example file: every key with its documentation and default.
#[must_use]
pub fn example_toml() -> String {
    let schema = schemars::schema_for!(Config).to_value();
    let defaults = serde_json::to_value(Config::default()).unwrap_or_default();
    let mut out = String::from("# LSIE configuration. Every key is shown with its default.\n");
    let Some(sections) = defaults.as_object() else {
        return out;
    };
    for (section, keys) in sections {
        let definition = schema
            .pointer(&format!("/properties/{section}/$ref"))
            .and_then(Value::as_str)
            .and_then(|reference| schema.pointer(reference.trim_start_matches('#')));
        let _ = write!(out, "\n[{section}]\n");
        for (key, value) in keys.as_object().into_iter().flatten() {
            let words = definition
                .and_then(|d| d.pointer(&format!("/properties/{key}/description")))
                .and_then(Value::as_str)
                .unwrap_or_default();
            for line in words.lines() {
                let _ = writeln!(out, "# {line}");
            }
            let _ = writeln!(out, "{key} = {value}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_layers_win_and_are_remembered() {
        let mut layered = Layered::default();
        let file = Origin::File("lsie.toml".into());
        layered
            .apply_tree(&serde_json::json!({"server": {"port": 9000}}), &file)
            .unwrap();
        layered
            .apply_environment([("LSIE_SERVER_PORT".to_owned(), "9001".to_owned())].into_iter())
            .unwrap();
        assert_eq!(layered.config().server.port, 9001);
        let explained = layered.explain();
        let (_, value, origin) = explained
            .iter()
            .find(|(key, ..)| key == "server.port")
            .unwrap();
        assert_eq!(value, 9001);
        assert_eq!(origin, &Origin::Environment("LSIE_SERVER_PORT".into()));
    }

    #[test]
    fn short_variables_name_their_keys_and_yield_to_the_long_ones() {
        let variables = |set: &[(&str, &str)]| {
            let set: Vec<_> = set
                .iter()
                .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
                .collect();
            let mut layered = Layered::default();
            layered.apply_environment(set.into_iter()).unwrap();
            layered.config().server
        };
        let short = variables(&[("LSIE_API_PORT", "9100"), ("LSIE_STATE_DIR", "/srv/lsie")]);
        assert_eq!((short.port, short.state_dir.as_str()), (9100, "/srv/lsie"));
        let both = variables(&[("LSIE_SERVER_PORT", "9200"), ("LSIE_API_PORT", "9100")]);
        assert_eq!(both.port, 9200);
    }

    #[test]
    fn unknown_keys_and_bad_values_are_refused_and_leave_the_tree_alone() {
        let mut layered = Layered::default();
        let flag = Origin::Flag("--set".into());
        assert!(matches!(
            layered.apply_text("server.prot", "1", &flag),
            Err(ConfigError::UnknownKey { .. })
        ));
        assert!(matches!(
            layered.apply_text("server.port", "70000", &flag),
            Err(ConfigError::BadValue { .. })
        ));
        assert!(matches!(
            layered.apply_text("server.auth", "maybe", &flag),
            Err(ConfigError::BadValue { .. })
        ));
        assert_eq!(layered.config(), Config::default());
    }

    #[test]
    fn an_unknown_section_is_refused_even_when_empty_and_a_known_one_may_be_empty() {
        let mut layered = Layered::default();
        let file = Origin::File("lsie.toml".into());
        let unknown = layered.apply_tree(&serde_json::json!({"nonsense": {}}), &file);
        assert!(matches!(unknown, Err(ConfigError::UnknownKey { .. })));
        layered
            .apply_tree(&serde_json::json!({"server": {}}), &file)
            .unwrap();
        assert_eq!(layered.config(), Config::default());
    }

    #[test]
    fn the_example_names_every_key_with_words() {
        let example = example_toml();
        for (key, ..) in Layered::default().explain() {
            let (section, name) = key.split_once('.').unwrap();
            assert!(
                example.contains(&format!("[{section}]"))
                    && example.contains(&format!("\n{name} = ")),
                "{key}"
            );
        }
        assert!(example.contains("# Port to listen on."));
    }
}
