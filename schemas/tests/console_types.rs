//! The console's types are made from ours, and its reader of live messages is tested with messages of ours: the committed files
//! are what these tests would write.
//!
//! After a change of a type, write them again with `LSIE_WRITE=1 cargo test -p lsie-schemas --test console_types`.

use std::fmt::Write as _;
use std::path::Path;

use lsie_schemas::api::{
    AttestAccepted, AttestRequest, EventEnvelope, LifecycleAccepted, LiveReadback, Problem,
    SessionCreate, SessionEnd, StateBootstrap, Status, StimulusAccepted, StimulusRequest,
};
use lsie_schemas::contract::VisualStatus;
use lsie_schemas::live::{LiveMessage, LiveStream};
use lsie_schemas::observation::{
    CalibrationState, FaceMeasurement, FaceObservation, HeadPose, LANDMARK_COUNT, Landmarks,
    NullReason, UnitScores, VoiceObservation,
};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value};

const FILE: &str = "../console/src/generated/schemas.ts";
const MESSAGES: &str = "../console/test/liveMessages.json";
const HEAD: &str =
    "// Made from the types of `schemas/` by its test `console_types`; not to be edited.\n";

fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator()
}

fn add<T: JsonSchema>(generator: &mut SchemaGenerator) {
    generator.subschema_for::<T>();
}

fn made() -> String {
    let mut generator = generator();
    for add in [
        add::<StateBootstrap>,
        add::<LiveReadback>,
        add::<EventEnvelope>,
        add::<Status>,
        add::<SessionCreate>,
        add::<SessionEnd>,
        add::<LifecycleAccepted>,
        add::<StimulusRequest>,
        add::<StimulusAccepted>,
        add::<AttestRequest>,
        add::<AttestAccepted>,
        add::<Problem>,
    ] {
        add(&mut generator);
    }
    let mut out = HEAD.to_owned();
    let mut types: Vec<_> = generator.take_definitions(true).into_iter().collect();
    types.sort_by(|a, b| a.0.cmp(&b.0));
    for (name, schema) in types {
        declare(&mut out, &name, &schema);
    }
    out
}

fn declare(out: &mut String, name: &str, schema: &Value) {
    out.push('\n');
    comment(out, "", schema);
    match schema.get("properties").and_then(Value::as_object) {
        Some(members) if schema.get("oneOf").is_none() => {
            let _ = writeln!(out, "export interface {name} {{");
            let required = |name: &String| {
                let listed = schema.get("required").and_then(Value::as_array);
                listed.is_some_and(|all| all.iter().any(|item| item.as_str() == Some(name)))
            };
            for (member, inner) in members {
                comment(out, "  ", inner);
                let mark = if required(member) { "" } else { "?" };
                let _ = writeln!(out, "  {member}{mark}: {};", kind(inner));
            }
            out.push_str("}\n");
        }
        _ => drop(writeln!(out, "export type {name} = {};", kind(schema))),
    }
}

fn comment(out: &mut String, indent: &str, schema: &Value) {
    let words = schema.get("description").and_then(Value::as_str);
    if let Some(words) = words {
        let words: Vec<_> = words.split_whitespace().collect();
        let _ = writeln!(out, "{indent}/** {} */", words.join(" "));
    }
}

/// The TypeScript of a schema.
fn kind(schema: &Value) -> String {
    let Some(members) = schema.as_object() else {
        return "unknown".to_owned();
    };
    if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
        return reference.rsplit('/').next().unwrap_or("unknown").to_owned();
    }
    if let Some(value) = members.get("const") {
        return value.to_string();
    }
    let listed = |name: &str| members.get(name).and_then(Value::as_array);
    if let Some(values) = listed("enum") {
        return joined(values.iter().map(Value::to_string), " | ");
    }
    if let Some(choices) = listed("oneOf").or_else(|| listed("anyOf")) {
        return joined(choices.iter().map(kind), " | ");
    }
    if let Some(parts) = listed("allOf") {
        return joined(parts.iter().map(kind), " & ");
    }
    match members.get("type") {
        Some(Value::Array(types)) => joined(
            types.iter().map(|word| typed(word.as_str(), members)),
            " | ",
        ),
        word => typed(word.and_then(Value::as_str), members),
    }
}

fn joined(parts: impl Iterator<Item = String>, with: &str) -> String {
    let mut parts: Vec<_> = parts.collect();
    parts.dedup();
    parts.join(with)
}

fn typed(word: Option<&str>, members: &Map<String, Value>) -> String {
    match word {
        Some("string") => "string".to_owned(),
        Some("integer" | "number") => "number".to_owned(),
        Some("boolean") => "boolean".to_owned(),
        Some("null") => "null".to_owned(),
        Some("array") => match members.get("prefixItems").and_then(Value::as_array) {
            Some(parts) => format!("[{}]", joined_all(parts)),
            None => format!(
                "Array<{}>",
                members.get("items").map_or("unknown".into(), kind)
            ),
        },
        Some("object") => object(members),
        _ => "unknown".to_owned(),
    }
}

fn object(members: &Map<String, Value>) -> String {
    if let Some(inner) = members.get("properties").and_then(Value::as_object) {
        let parts = inner
            .iter()
            .map(|(name, schema)| format!("{name}: {}", kind(schema)));
        return format!("{{ {} }}", parts.collect::<Vec<_>>().join("; "));
    }
    let value = members
        .get("additionalProperties")
        .map_or("unknown".into(), kind);
    format!("Record<string, {value}>")
}

fn joined_all(parts: &[Value]) -> String {
    parts.iter().map(kind).collect::<Vec<_>>().join(", ")
}

#[test]
fn the_committed_types_are_those_of_the_schemas() {
    holds(FILE, &made());
}

#[test]
fn the_committed_messages_are_those_that_the_engine_sends() {
    let points: Vec<[f32; 3]> = (0..LANDMARK_COUNT)
        .map(|index| [index as f32 / 1000.0, 0.5, -0.01])
        .collect();
    let seen = FaceObservation {
        seq: 300,
        pts_ns: 66_033_333_333,
        host_time_ns: 1,
        frame_width: 1280,
        frame_height: 720,
        faces: 2,
        face: Ok(FaceMeasurement {
            subject: 1,
            box_in_frame: [100.5, 200.25, 300.0, 310.0],
            confidence: 0.5,
            pose: HeadPose {
                yaw_deg: -1.5,
                pitch_deg: 2.0,
                roll_deg: 0.25,
            },
            ratio: Some(1.25),
            ratio_absent: None,
            landmarks: Landmarks::from_normalised(&points),
        }),
        calibration: CalibrationState {
            accepted: 45,
            ratio_sum: 50.5,
        },
        score: Some(0.75),
        units: UnitScores {
            inner_brow: Some(0.125),
            lips_part: Some(0.5),
            eye_closure: Some(1.0),
            ..UnitScores::default()
        },
        status: VisualStatus::Ready,
    };
    let unseen = FaceObservation {
        face: Err(NullReason::NoFace),
        score: None,
        units: UnitScores::default(),
        status: VisualStatus::WaitingForFace,
        ..seen.clone()
    };
    let voice = VoiceObservation {
        pts_ns: 66_000_000_000,
        speech_probability: Some(0.5),
        speaking: true,
        rms_dbfs: -20.5,
        peak_dbfs: -10.25,
        pitch_hz: None,
        pitch_harmonic: 1,
    };
    let stream = LiveStream {
        flowing: false,
        age_ms: 1500,
    };
    let messages = [
        ("seen", LiveMessage::face(&seen)),
        ("unseen", LiveMessage::face(&unseen)),
        ("voice", LiveMessage::voice(&voice)),
        ("stream", LiveMessage::Stream(stream)),
    ];
    let mut made = String::from("{\n");
    for (index, (name, message)) in messages.iter().enumerate() {
        let mut hex = String::new();
        for byte in message.encode().unwrap() {
            let _ = write!(hex, "{byte:02x}");
        }
        let end = if index + 1 < messages.len() { "," } else { "" };
        let _ = writeln!(made, "  {name:?}: {hex:?}{end}");
    }
    made.push_str("}\n");
    holds(MESSAGES, &made);
}

/// The committed file holds `made`; with `LSIE_WRITE` set, it is written first.
fn holds(file: &str, made: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::env::var_os("LSIE_WRITE").is_some() {
        let written = std::fs::write(&path, made);
        assert!(written.is_ok(), "{file} cannot be written: {written:?}");
    }
    assert!(
        std::fs::read_to_string(&path).unwrap_or_default() == made,
        "{file} is stale: write it with LSIE_WRITE=1 cargo test -p lsie-schemas --test console_types"
    );
}
