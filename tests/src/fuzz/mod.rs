//! One body per parser of foreign bytes (design 9.9).
//!
//! ```text
//! tests/fuzz/targets/NAME.rs ──▶ body ◀── tests/tests/fuzz_targets_run_on_stable.rs
//!     cargo fuzz, nightly           │          committed seeds and some thousand changed ones, stable
//!                                   └─▶ asserts what holds for any bytes
//! ```
//!
//! A body takes any bytes, panics only when something that must always hold does not, and touches no file.
//! To search on: `cd tests && cargo +nightly fuzz run link`.

#![expect(
    clippy::missing_panics_doc,
    reason = "a body panics exactly when an invariant is broken"
)]

mod change;
mod contracts;
mod handset;
mod safetensors;
mod seeds;
mod tflite;
mod words;

use lsie_analysis::semantic::WordPiece;
use lsie_graph::Draw;
use lsie_graph::pipeline::{Document, MAX_NODES, Registry};
use lsie_infer::convert::{bert_to_onnx, tflite_to_onnx};
use lsie_ingest::SourceAddress;
use lsie_schemas::api;
use lsie_schemas::config::{Layered, Origin};
use lsie_schemas::contract::parse_json;
use lsie_schemas::link::{EngineMessage, FrameDecoder, LinkError, ServerMessage, encode_frame};
use lsie_schemas::text::{canonical_json, float_text, round_half_even};
use lsie_schemas::time::{UtcMicros, canonical_offset_text};
use lsie_schemas::{bundle, privacy};
use lsie_segment::{DriftEstimator, DriftPoll};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

pub use change::Changes;
pub use contracts::{contracts, typed_contracts};
pub use handset::{adb_answers, adb_devices, phone_streams, shell_and_sync};
pub use seeds::seeds;
pub use words::{gray_band, live_outcomes};

/// Takes any bytes; panics when an invariant does not hold.
pub type Body = fn(&[u8]);

/// Every target: its name, which is that of its corpus folder and of its `cargo fuzz` target, and its body.
pub const TARGETS: &[(&str, Body)] = &[
    ("adb_answers", adb_answers),
    ("adb_devices", adb_devices),
    ("api_bodies", api_bodies),
    ("bundle", signed_bundle),
    ("config", config),
    ("contracts", contracts),
    ("drift", drift),
    ("gray_band", gray_band),
    ("link", link),
    ("live_outcomes", live_outcomes),
    ("model_manifest", model_manifest),
    ("phone_streams", phone_streams),
    ("pipeline", pipeline),
    ("privacy", perimeter),
    ("safetensors", safetensors),
    ("shell_and_sync", shell_and_sync),
    ("source_address", source_address),
    ("tflite", tflite),
    ("time_and_numbers", time_and_numbers),
    ("word_pieces", word_pieces),
];

/// Runs the target of that name. An unknown name is a panic, so that no search runs empty.
pub fn run(target: &str, data: &[u8]) {
    let found = TARGETS.iter().find(|(name, _)| *name == target);
    let Some((_, body)) = found else {
        panic!("no fuzz target {target}");
    };
    body(data);
}

/// The link, both directions: delivery in pieces changes nothing, and what decodes is written and read back the same.
pub fn link(data: &[u8]) {
    link_direction::<EngineMessage>(data);
    link_direction::<ServerMessage>(data);
}

fn link_direction<T: Serialize + DeserializeOwned>(data: &[u8]) {
    let step = data.first().map_or(1, |byte| usize::from(byte % 61) + 1);
    let pieces = frames::<T>(data.chunks(step));
    assert_eq!(
        pieces,
        frames::<T>([data].into_iter()),
        "in pieces of {step}"
    );
}

/// What each frame became, re-encoded; `None` for a malformed frame. Ends where the link would end.
fn frames<'a, T: Serialize + DeserializeOwned>(
    pieces: impl Iterator<Item = &'a [u8]>,
) -> Vec<Option<Vec<u8>>> {
    let mut decoder = FrameDecoder::default();
    let mut seen = Vec::new();
    for piece in pieces {
        decoder.push(piece);
        loop {
            match decoder.next_message::<T>() {
                Ok(Some(message)) => seen.push(rewritten(&message)),
                Ok(None) => break,
                Err(LinkError::TooLarge(_)) => return seen,
                Err(_) => seen.push(None),
            }
        }
    }
    seen
}

/// Compares encodings, not values: NaN may travel. A frame without names can be small and yet too large once named.
fn rewritten<T: Serialize + DeserializeOwned>(message: &T) -> Option<Vec<u8>> {
    let written = match encode_frame(message) {
        Ok(written) => written,
        Err(LinkError::TooLarge(_)) => return None,
        Err(error) => panic!("decoded but not encodable: {error}"),
    };
    let mut decoder = FrameDecoder::default();
    decoder.push(&written);
    let Ok(Some(again)) = decoder.next_message::<T>() else {
        panic!("written but not readable");
    };
    assert_eq!(encode_frame(&again).ok().as_ref(), Some(&written));
    Some(written)
}

/// The privacy walk: a planted raw field is always found, and normal keys stay normal.
pub fn perimeter(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let normal = privacy::normalise_key(&text);
    assert_eq!(privacy::normalise_key(&normal), normal);
    if privacy::inspect_key(&normal).is_some() {
        assert!(privacy::inspect_key(&text).is_some(), "{text:?}");
    }
    let Ok(value) = serde_json::from_slice::<Value>(data) else {
        return;
    };
    let found = privacy::inspect(&value);
    assert_eq!(privacy::inspect(&json!([value])), found, "one level deeper");
    assert!(privacy::inspect(&json!({"a": value, "raw_audio": ""})).is_some());
}

/// Signed bundles: the canonical text is its own canonical text, and no bundle passes without its signature.
pub fn signed_bundle(data: &[u8]) {
    let Ok(payload) = parse_json(data) else {
        return;
    };
    let now = payload
        .get("issued_at_utc")
        .and_then(Value::as_str)
        .and_then(|text| UtcMicros::parse(text).ok())
        .unwrap_or_default();
    assert!(bundle::verify(&payload, now, |_, _| false).is_err());
    let mut message = Vec::new();
    let verified = bundle::verify(&payload, now, |text, _| {
        message = text.to_vec();
        true
    });
    match bundle::canonical_text(&payload) {
        Ok(text) => {
            assert!(text.is_ascii());
            let again: Value = serde_json::from_str(&text).unwrap_or_default();
            assert_eq!(bundle::canonical_text(&again).as_ref(), Ok(&text));
            assert!(message.is_empty() || message == text.as_bytes());
        }
        Err(defects) => assert!(!defects.is_empty() && verified.is_err()),
    }
}

/// Instants and numbers: every accepted text has one canonical form, every float reads back bit by bit.
pub fn time_and_numbers(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(instant) = UtcMicros::parse(&text) {
        assert_eq!(UtcMicros::parse(&instant.to_text()), Ok(instant));
        assert_eq!(UtcMicros::parse(&instant.to_offset_text()), Ok(instant));
        assert_eq!(UtcMicros::parse_or_naive_utc(&text), Ok(instant));
        let signed = canonical_offset_text(&text);
        assert_eq!(signed.and_then(|text| UtcMicros::parse(&text)), Ok(instant));
    }
    let _ = UtcMicros::parse_or_naive_utc(&text);
    for bytes in data.as_chunks::<8>().0 {
        number(f64::from_le_bytes(*bytes));
    }
    if let Ok(value) = text.trim().parse() {
        number(value);
    }
}

fn number(value: f64) {
    if let Some(instant) = UtcMicros::from_epoch_secs(value) {
        assert_eq!(UtcMicros::parse(&instant.to_text()), Ok(instant));
    }
    let text = float_text(value);
    if value.is_finite() {
        assert_eq!(text.parse().map(f64::to_bits), Ok(value.to_bits()));
        assert_eq!(canonical_json(&json!(value)), text);
    } else {
        assert!(serde_json::from_str::<Value>(&text).is_err());
    }
    for places in [0, 3, 9] {
        let once = round_half_even(value, places);
        assert_eq!(once.is_nan(), value.is_nan());
        let twice = round_half_even(once, places);
        assert!(value.is_nan() || once.to_bits() == twice.to_bits());
    }
}

/// Configuration as a file and as environment: the outcome is a configuration whatever was refused, and a refused text
/// changes nothing.
pub fn config(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut layered = Layered::default();
    if let Ok(tree) = text.parse::<toml::Table>() {
        let tree = serde_json::to_value(tree).unwrap_or_default();
        let _ = layered.apply_tree(&tree, &Origin::File("lsie.toml".into()));
    }
    for (name, value) in text.lines().filter_map(|line| line.split_once('=')) {
        let before = layered.config();
        let variable = (name.to_owned(), value.to_owned());
        if layered.apply_environment([variable].into_iter()).is_err() {
            assert_eq!(layered.config(), before);
        }
        let before = layered.config();
        let flag = Origin::Flag("--set".into());
        if layered.apply_text(name.trim(), value, &flag).is_err() {
            assert_eq!(layered.config(), before);
        }
    }
    let tree = serde_json::to_value(layered.config()).unwrap_or_default();
    let mut again = Layered::default();
    let applied = again.apply_tree(&tree, &Origin::File("again.toml".into()));
    assert_eq!(applied, Ok(()));
    assert_eq!(again.config(), layered.config());
    assert!(!layered.explain().is_empty());
}

/// The model converter: the same bytes give the same file, or the same refusal.
pub fn tflite(data: &[u8]) {
    match (tflite_to_onnx(data, &[]), tflite_to_onnx(data, &[])) {
        (Ok(first), Ok(second)) => assert!(!first.is_empty() && first == second),
        (Err(first), Err(second)) => assert_eq!(first.to_string(), second.to_string()),
        _ => panic!("two conversions of the same bytes differ"),
    }
}

/// The converter of text networks, likewise.
pub fn safetensors(data: &[u8]) {
    match (bert_to_onnx(data, 2), bert_to_onnx(data, 2)) {
        (Ok(first), Ok(second)) => assert!(!first.is_empty() && first == second),
        (Err(first), Err(second)) => assert_eq!(first.to_string(), second.to_string()),
        _ => panic!("two conversions of the same bytes differ"),
    }
}

/// Cutting words into pieces: no text exceeds its room, leaves the vocabulary, or becomes padding.
pub fn word_pieces(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(pieces) = WordPiece::parse(safetensors::VOCABULARY) else {
        panic!("the vocabulary is whole");
    };
    let (first, second) = text.split_once('\n').unwrap_or((&text, ""));
    for room in [5, 12, 512] {
        for tokens in [
            pieces.sentence(&text, room),
            pieces.pair(first, second, room),
        ] {
            assert!(tokens.ids.len() <= room && tokens.ids.len() == tokens.types.len());
            let known = 1..pieces.len() as u32;
            assert!(tokens.ids.iter().all(|id| known.contains(id)));
        }
    }
    // A vocabulary comes from a file, too.
    let _ = WordPiece::parse(&text);
}

/// The model manifest: accepted names are unique, and no file name leaves its folder.
pub fn model_manifest(data: &[u8]) {
    let Ok(manifest) = lsie_infer::Manifest::parse(&String::from_utf8_lossy(data)) else {
        return;
    };
    for entry in &manifest.models {
        let name = entry.file_name();
        assert!(!name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\0']));
        let same = manifest
            .models
            .iter()
            .filter(|other| other.name == entry.name);
        assert_eq!(same.count(), 1);
        let found = manifest
            .entry(&entry.name)
            .map(|found| found.sha256.as_str());
        assert_eq!(found.ok(), Some(entry.sha256.as_str()));
    }
}

/// Source addresses: accepted numbers are finite and not negative, wherever the source is asked to begin.
pub fn source_address(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(address) = SourceAddress::parse(&text) else {
        return;
    };
    assert_eq!(SourceAddress::parse(&text).ok().as_ref(), Some(&address));
    for secs in [address.start_secs(), f64::NAN, f64::INFINITY, -1.0, 1e300] {
        let moved = address.clone().starting_at(secs);
        assert!(moved.start_secs().is_finite() && moved.start_secs() >= 0.0);
        assert_eq!(moved.pace(), address.pace());
    }
    if let SourceAddress::Test {
        width,
        height,
        fps,
        duration_secs,
        ..
    } = address
    {
        assert!(width > 0 && height > 0 && fps > 0);
        assert!(duration_secs.is_none_or(|secs| secs.is_finite() && secs >= 0.0));
    }
}

/// Pipeline documents: what is read is written and read back the same in both spellings, with the same hash; what is
/// checked is drawn, and its full form is its own full form; every refusal has words.
pub fn pipeline(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let registry = Registry::basic();
    let document = match Document::parse(&text) {
        Ok(document) => document,
        Err(problems) => {
            assert!(
                problems
                    .iter()
                    .all(|problem| !problem.to_string().is_empty())
            );
            assert!(!problems.is_empty());
            return;
        }
    };
    assert!(document.nodes.len() <= MAX_NODES);
    let as_json = Document::parse(&document.to_json());
    assert_eq!(as_json.as_ref(), Ok(&document));
    let as_toml = Document::parse(&document.to_toml()).map(|document| document.hash());
    assert_eq!(as_toml, Ok(document.hash()));
    match document.check(&registry) {
        Ok(checked) => {
            assert!(!checked.draw(Draw::Tree).is_empty());
            let again = checked.document().check(&registry);
            assert_eq!(again.map(|again| again.hash()).ok(), Some(checked.hash()));
        }
        Err(problems) => {
            assert!(!problems.is_empty());
            let words: Vec<_> = problems.iter().map(ToString::to_string).collect();
            assert!(words.iter().all(|words| !words.is_empty()));
        }
    }
}

/// Request bodies of the API: what is read is written and read back the same.
pub fn api_bodies(data: &[u8]) {
    request::<api::SessionCreate>(data);
    request::<api::SessionEnd>(data);
    request::<api::StimulusRequest>(data);
    request::<api::AttestRequest>(data);
    request::<api::PlannedStimulusRequest>(data);
}

fn request<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(data: &[u8]) {
    let Ok(body) = serde_json::from_slice::<T>(data) else {
        return;
    };
    let written = serde_json::to_vec(&body).unwrap_or_default();
    assert_eq!(serde_json::from_slice::<T>(&written).ok(), Some(body));
}

/// Polls of a device clock: whatever the device prints, the offset stays a number and three failures freeze it.
pub fn drift(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut drift = DriftEstimator::default();
    let mut failures = 0;
    for (poll, line) in text.lines().enumerate() {
        let now_mono_s = poll as f64;
        let before = drift.state(now_mono_s);
        let reply = DriftPoll::Reply {
            before_s: 1_767_225_600.0 + now_mono_s,
            after_s: 1_767_225_600.25 + now_mono_s,
            device_text: line,
        };
        let state = drift.record(reply, now_mono_s);
        let is_number = line.trim().parse().is_ok_and(f64::is_finite);
        failures = if is_number { 0 } else { failures + 1 };
        assert!(state.offset_s.is_finite() && state.uncertainty_s >= 0.0);
        assert_eq!(
            state.is_frozen,
            failures >= DriftEstimator::FAILURES_TO_FREEZE
        );
        assert!(is_number || state.offset_s.to_bits() == before.offset_s.to_bits());
    }
    for bytes in data.as_chunks::<24>().0 {
        let [before_s, after_s, device_s] = [0, 8, 16].map(|at| {
            let part = bytes.get(at..at + 8).and_then(|part| part.try_into().ok());
            f64::from_le_bytes(part.unwrap_or_default())
        });
        let state = drift.record(
            DriftPoll::Value {
                before_s,
                after_s,
                device_s,
            },
            after_s,
        );
        assert!(state.offset_s.is_finite() && state.uncertainty_s.is_finite());
        assert!(state.uncertainty_s >= 0.0);
    }
}
