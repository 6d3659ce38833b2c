//! The registry: every scorer of the manifest, asked the same question.

use std::fmt;

use lsie_device::Device;
use lsie_infer::manifest::{ModelEntry, Scorer, ScorerKind, ScorerOutput};
use lsie_infer::{InferError, ModelStore};
use lsie_schemas::link::{Bounded, Text};
use lsie_schemas::semantic::{
    ScoreOutcome, ScoreScale, SemanticFailure, SemanticQuestion, SemanticScore, SemanticScorer,
    SemanticScores,
};

use super::encoder::Encoder;
use super::wordpiece::WordPiece;

/// Rules whose vectors are kept: an experiment has few, and each is compared many times.
const KEPT_RULES: usize = 16;
/// Hexadecimal digits of the model's hash in its version.
const HASH_DIGITS: usize = 12;

/// Every scorer that the manifest knows, installed or not. One thread owns it; a pair takes milliseconds.
///
/// The same question gives the same numbers, bit for bit, on the same build and machine.
#[derive(Debug)]
pub struct SemanticScorers {
    slots: Vec<Slot>,
}

/// One way to compare, with its model or the reason why there is none.
struct Slot {
    scorer: SemanticScorer,
    version: Text<128>,
    model: Result<Model, Text<512>>,
}

/// A loaded scorer.
struct Model {
    encoder: Encoder,
    pieces: WordPiece,
    scale: ScoreScale,
    /// Newest last; for sentence embeddings only.
    rules: Vec<KeptRule>,
}

struct KeptRule {
    text: String,
    vector: Vec<f32>,
    is_cut: bool,
}

/// A raw number, or why there is none, and whether a text was cut.
type Reading = Result<(f64, bool), SemanticFailure>;

impl SemanticScorers {
    /// Opens what is installed, after its hashes are checked; takes a second or two. What is missing is a state, no error.
    pub fn open(store: &ModelStore, device: &dyn Device) -> Self {
        let kinds = [
            (SemanticScorer::CrossEncoder, ScorerKind::CrossEncoder),
            (
                SemanticScorer::SentenceEmbedding,
                ScorerKind::SentenceEmbedding,
            ),
        ];
        let slots = kinds.map(|(scorer, kind)| Slot::open(store, device, scorer, kind));
        Self {
            slots: slots.into_iter().collect(),
        }
    }

    /// Asks every scorer.
    pub fn score(&mut self, question: &SemanticQuestion) -> SemanticScores {
        let (rule, utterance) = (question.rule.as_str(), question.utterance.as_str());
        let scores = self
            .slots
            .iter_mut()
            .map(|slot| slot.score(rule, utterance));
        SemanticScores {
            request_id: question.request_id,
            // There are fewer slots than the bound.
            scores: Bounded::cut(scores.collect()).0,
        }
    }

    /// The answer when nothing can be asked now: each scorer named with the same reason.
    pub fn refused(question: &SemanticQuestion, reason: SemanticFailure) -> SemanticScores {
        let scorers = [
            SemanticScorer::CrossEncoder,
            SemanticScorer::SentenceEmbedding,
        ];
        let scores = scorers.map(|scorer| SemanticScore {
            scorer,
            model_version: Text::cut(""),
            outcome: ScoreOutcome::Failed { reason },
            is_cut: false,
        });
        SemanticScores {
            request_id: question.request_id,
            scores: Bounded::cut(scores.into_iter().collect()).0,
        }
    }
}

impl Slot {
    fn open(
        store: &ModelStore,
        device: &dyn Device,
        scorer: SemanticScorer,
        kind: ScorerKind,
    ) -> Self {
        let entries = store.manifest().models.iter();
        let mut suited = entries.filter_map(|entry| Some((entry, entry.scorer.as_ref()?)));
        let Some((entry, note)) = suited.find(|(_, note)| note.kind == kind) else {
            return Self {
                scorer,
                version: Text::cut(""),
                model: Err(Text::cut(&format!(
                    "unavailable: the model manifest has no scorer of this kind; describe one in {} of the cache folder",
                    lsie_infer::LOCAL_MANIFEST
                ))),
            };
        };
        Self {
            scorer,
            version: version_of(entry),
            model: Model::open(store, device, entry, note).map_err(|reason| Text::cut(&reason)),
        }
    }

    fn score(&mut self, rule: &str, utterance: &str) -> SemanticScore {
        let mut is_cut = false;
        let outcome = match &mut self.model {
            Err(how_to_get) => ScoreOutcome::Unavailable {
                how_to_get: how_to_get.clone(),
            },
            Ok(model) => match model.compare(rule, utterance) {
                Ok((value, cut)) => {
                    is_cut = cut;
                    let scale = model.scale;
                    ScoreOutcome::Raw { value, scale }
                }
                Err(reason) => ScoreOutcome::Failed { reason },
            },
        };
        SemanticScore {
            scorer: self.scorer,
            model_version: self.version.clone(),
            outcome,
            is_cut,
        }
    }
}

impl Model {
    fn open(
        store: &ModelStore,
        device: &dyn Device,
        entry: &ModelEntry,
        note: &Scorer,
    ) -> Result<Self, String> {
        let unavailable = |error: InferError| match error {
            InferError::ModelMissing { how_to_get, .. } => format!("unavailable: {how_to_get}"),
            other => format!("unavailable: {other}"),
        };
        let vocabulary = store.check(&note.vocabulary).map_err(unavailable)?;
        let vocabulary = std::fs::read_to_string(&vocabulary)
            .map_err(|error| format!("unavailable: {}: {error}", vocabulary.display()))?;
        let pieces =
            WordPiece::parse(&vocabulary).map_err(|fault| format!("unavailable: {fault}"))?;
        let path = store.check(&entry.name).map_err(unavailable)?;
        let network = store
            .runtime()
            .and_then(|runtime| runtime.open(&path))
            .map_err(unavailable)?;
        let is_pair = note.kind == ScorerKind::CrossEncoder;
        let encoder = Encoder::new(Box::new(network), device, note.max_tokens, is_pair)
            .map_err(|reason| format!("unavailable: {reason}"))?;
        if is_pair && encoder.numbers() != 1 {
            return Err("unavailable: the network gives more than one number".to_owned());
        }
        Ok(Model {
            encoder,
            pieces,
            scale: match note.output {
                ScorerOutput::Cosine => ScoreScale::Cosine,
                ScorerOutput::Logit => ScoreScale::Logit,
                ScorerOutput::Probability => ScoreScale::Probability,
            },
            rules: Vec::new(),
        })
    }

    fn compare(&mut self, rule: &str, utterance: &str) -> Reading {
        let (value, is_cut) = match self.scale {
            ScoreScale::Cosine => self.cosine(rule, utterance)?,
            ScoreScale::Logit | ScoreScale::Probability => self.pair(rule, utterance)?,
        };
        if value.is_finite() {
            Ok((value, is_cut))
        } else {
            Err(SemanticFailure::NotFinite)
        }
    }

    fn pair(&mut self, rule: &str, utterance: &str) -> Reading {
        let tokens = self.pieces.pair(rule, utterance, self.encoder.max_tokens());
        if !tokens.has_content {
            return Err(SemanticFailure::EmptyText);
        }
        let numbers = self.encoder.run(&tokens).map_err(|error| failed(&error))?;
        let value = numbers.first().copied().map_or(f64::NAN, f64::from);
        Ok((value, tokens.is_cut))
    }

    /// Cosine of the two vectors. The rule's is kept for the next utterance.
    fn cosine(&mut self, rule: &str, utterance: &str) -> Reading {
        let (said, said_cut) = self.vector(utterance)?;
        let known = self.rules.iter().position(|kept| kept.text == rule);
        let kept = if let Some(place) = known {
            self.rules.remove(place)
        } else {
            let (vector, is_cut) = self.vector(rule)?;
            KeptRule {
                text: rule.to_owned(),
                vector,
                is_cut,
            }
        };
        let value = cosine(&kept.vector, &said);
        let is_cut = said_cut || kept.is_cut;
        if self.rules.len() >= KEPT_RULES {
            self.rules.remove(0);
        }
        self.rules.push(kept);
        Ok((value, is_cut))
    }

    fn vector(&mut self, text: &str) -> Result<(Vec<f32>, bool), SemanticFailure> {
        let tokens = self.pieces.sentence(text, self.encoder.max_tokens());
        if !tokens.has_content {
            return Err(SemanticFailure::EmptyText);
        }
        let vector = self.encoder.run(&tokens).map_err(|error| failed(&error))?;
        if !vector.iter().all(|number| number.is_finite()) {
            return Err(SemanticFailure::NotFinite);
        }
        Ok((vector, tokens.is_cut))
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.model {
            Ok(_) => "ready",
            Err(reason) => reason.as_str(),
        };
        formatter
            .debug_struct("Slot")
            .field("scorer", &self.scorer)
            .field("version", &self.version)
            .field("state", &state)
            .finish_non_exhaustive()
    }
}

/// The library's words may quote numbers but no text; they go to the log, a code goes out.
fn failed(error: &InferError) -> SemanticFailure {
    tracing::error!(%error, "a semantic scorer failed");
    SemanticFailure::Network
}

/// In [-1, 1]; not finite where a vector has no length.
fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let product = |x: &[f32], y: &[f32]| -> f64 {
        let products = x.iter().zip(y).map(|(x, y)| f64::from(*x) * f64::from(*y));
        products.sum()
    };
    // Clamping takes rounding out and keeps NaN, which the caller refuses.
    (product(a, b) / (product(a, a) * product(b, b)).sqrt()).clamp(-1.0, 1.0)
}

/// Name, version and the hash of the file that is used.
fn version_of(entry: &ModelEntry) -> Text<128> {
    let used = entry
        .derive
        .last()
        .map_or(&entry.sha256, |file| &file.sha256);
    let digits: String = used.chars().take(HASH_DIGITS).collect();
    Text::cut(&format!("{}-{}@{digits}", entry.name, entry.version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosines_stay_in_range_and_nothing_is_invented() {
        assert!((cosine(&[1.0, 1.0], &[2.0, 2.0]) - 1.0).abs() < 1e-12);
        assert!(cosine(&[0.1; 300], &[0.1; 300]) <= 1.0);
        assert!((cosine(&[1.0, 0.0], &[-1.0, 0.0]) + 1.0).abs() < 1e-12);
        assert!(!cosine(&[0.0, 0.0], &[1.0, 0.0]).is_finite());
        assert!(!cosine(&[f32::NAN], &[1.0]).is_finite());
    }
}
