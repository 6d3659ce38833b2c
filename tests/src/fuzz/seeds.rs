//! The seeds of every target: small inputs that get behind the first checks. The corpus below `tests/fuzz` holds them.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use lsie_schemas::config::example_toml;
use lsie_schemas::contract::Au12Observation;
use lsie_schemas::id::SegmentId;
use lsie_schemas::link::{
    Bounded, EngineHello, EngineMessage, LINK_PROTOCOL, SegmentKind, SegmentMessage, ServerHello,
    ServerMessage, StartSession, Text, encode_frame,
};
use lsie_schemas::observation::CalibrationState;
use lsie_schemas::time::UtcMicros;
use serde_json::Value;
use uuid::Uuid;

use super::safetensors::{liars, weights};
use super::tflite::one_operator;
use crate::vectors::VectorFolder;

/// File names and contents.
type Seeds = Vec<(String, Vec<u8>)>;

/// Seeds of a target; an unknown target has none.
pub fn seeds(target: &str) -> Result<Seeds> {
    Ok(match target {
        "adb_answers" => bytes(&ADB_ANSWERS),
        "adb_devices" => texts(&ADB_DEVICES),
        "api_bodies" => texts(&API_BODIES),
        "bundle" => cases("identity", "bundle_verify", "bundle")?,
        "config" => texts(&[
            ("example.toml", &example_toml()),
            (
                "set.toml",
                "[server]\nport = 9000\nauth = \"token\"\n[log]\n",
            ),
            (
                "environment.txt",
                "LSIE_SERVER_PORT=9000\nLSIE_SERVER_BIND=::1\nserver.auth=token\nserver.port=x",
            ),
        ]),
        "contracts" => valid_contracts()?,
        "drift" => texts(&DRIFT),
        "gray_band" => texts(&GRAY_BAND),
        "link" => link()?,
        "live_outcomes" => texts(&OUTCOMES),
        "model_manifest" => texts(&[("one.toml", MANIFEST)]),
        "phone_streams" => phone_streams(),
        "pipeline" => texts(&PIPELINES),
        "privacy" => cases("privacy", "inspect", "json")?,
        "safetensors" => safetensors(),
        "shell_and_sync" => bytes(&SHELL_AND_SYNC),
        "source_address" => texts(&ADDRESSES),
        "tflite" => tflite(),
        "time_and_numbers" => texts(&TIMES),
        "word_pieces" => texts(&WORDS),
        _ => Vec::new(),
    })
}

const ADB_ANSWERS: [(&str, &[u8]); 3] = [
    ("okay.bin", b"OKAY000cab\tdevice\n12"),
    ("fail.bin", b"FAIL0006closed"),
    ("blocks.bin", b"00000003abc0001x"),
];

const ADB_DEVICES: [(&str, &str); 3] = [
    (
        "short.txt",
        "R58M\tdevice\nab\tno permissions (user in plugdev group?); see\n",
    ),
    (
        "long.txt",
        "emulator-5580 device product:sim model:LSIE_Sim device:sim transport_id:7\n127.0.0.1:5555 offline transport_id:3\n",
    ),
    (
        "states.txt",
        "a\tunauthorized\nb\trecovery\nc\tauthorizing\n",
    ),
];

const SHELL_AND_SYNC: [(&str, &[u8]); 3] = [
    (
        "shell.bin",
        b"\x01\x05\0\0\x004242\n\x02\x01\0\0\0!\x03\x01\0\0\0\0",
    ),
    ("sync.bin", b"FAIL\x08\0\0\0no space"),
    (
        "control.bin",
        b"\0\0\0\0\x03abc\x01\0\0\0\0\0\0\0\x01\x02\0\x01\0\x01x",
    ),
];

/// Starts of streams: the first byte tells dialect, kind and place (see the target).
fn phone_streams() -> Seeds {
    let mut video = vec![0; 65];
    video.extend(b"h264\x80\0\0\0\0\0\x01\x40\0\0\0\xb4");
    video.extend(b"\x40\0\0\0\0\0\0\0\0\0\0\x05\0\0\x01\x67\x42");
    video.extend(b"\x20\0\0\0\0\0\0\x07\0\0\0\x04\0\0\x01\x65");
    let audio = b"\0raw\0\0\0\0\0\0\x03\xe8\0\0\0\x04abcd".to_vec();
    let mut older = b"h264\0\0\x01\x40\0\0\0\xb4".to_vec();
    older.extend(b"\x40\0\0\0\0\0\0\x07\0\0\0\x04\0\0\x01\x65");
    let seeds = [
        (0b101, "b.bin", video),
        (0b011, "sound.bin", audio),
        (0b000, "a.bin", older),
    ];
    let headed = |(head, name, stream): (u8, &str, Vec<u8>)| {
        (name.to_owned(), [vec![head], stream].concat())
    };
    seeds.into_iter().map(headed).collect()
}

fn bytes(seeds: &[(&str, &[u8])]) -> Seeds {
    let owned = |(name, bytes): &(&str, &[u8])| ((*name).to_owned(), bytes.to_vec());
    seeds.iter().map(owned).collect()
}

const PIPELINES: [(&str, &str); 4] = [
    (
        "chain.toml",
        "[pipeline]\nid = \"a\"\nstop = \"first\"\n[pipeline.params]\nrate = 5\n[[node]]\nname = \"s\"\nkind = \"const\"\nvalue = 1\ncount = 3\n[[node]]\nname = \"f\"\nkind = \"fps\"\nin = \"s\"\nfps = { param = \"rate\", default = 3, min = 1, max = 9 }\nedge = { capacity = 4, when_full = \"drop_oldest\" }\non_error = { restart = 3 }\n[[node]]\nname = \"o\"\nkind = \"null\"\nin = \"f\"\n",
    ),
    (
        "rows.json",
        r#"{"pipeline":{"id":"b"},"node":[{"name":"x","kind":"const","value":{"y":[1,null]}},{"name":"m","kind":"merge","in":{"l":"x","r":"x"},"how":"sync","leader":"r"},{"name":"s","kind":"split","in":"m"},{"name":"c","kind":"collect","in":"s:l","edge":"fused"},{"name":"p","kind":"map","in":"s:r","expr":"(y.0 + 1) * 2 > 3 and not it == null","parallel":3},{"name":"n","kind":"null","in":"p"}]}"#,
    ),
    (
        "circle.json",
        r#"{"pipeline":{"id":"c"},"node":[{"name":"a","kind":"map","in":"b","expr":"1"},{"name":"b","kind":"map","in":"a","expr":"1"},{"name":"a","kind":"nul","in":"c:d"}]}"#,
    ),
    (
        "numbers.toml",
        "[pipeline]\nid = \"n\"\n[[node]]\nname = \"d\"\nkind = \"delay\"\nin = \"d\"\nseconds = 1e308\ncapacity = 9223372036854775807\nwhen = 1979-05-27T07:32:00Z\n",
    ),
];

const API_BODIES: [(&str, &str); 4] = [
    (
        "start.json",
        r#"{"stream_url":"demo:presenter","experiment_id":"greeting","client_action_id":"043a7187-74c5-42bd-8a25-adbeb1bfcd5c","epoch_utc":"2026-01-01T00:00:00Z","planned_stimuli":[{"offset_s":60.5,"attested":true}]}"#,
    ),
    (
        "end.json",
        r#"{"client_action_id":"043a7187-74c5-42bd-8a25-adbeb1bfcd5c"}"#,
    ),
    (
        "stimulus.json",
        r#"{"operator_note":"said hello","client_action_id":"043a7187-74c5-42bd-8a25-adbeb1bfcd5c"}"#,
    ),
    (
        "attest.json",
        r#"{"stimulus_id":null,"delivered":true,"client_action_id":"043a7187-74c5-42bd-8a25-adbeb1bfcd5c"}"#,
    ),
];

const DRIFT: [(&str, &str); 3] = [
    ("good.txt", "1767225600.125\n 1767225601.1 \n1767225602\n"),
    (
        "outage.txt",
        "1767225600.1\n\nerror: device offline\n\n1767225604.2",
    ),
    ("odd.txt", "nan\ninf\n-inf\n1e999\n1e308\n-1e308\n0x10\n"),
];

const GRAY_BAND: [(&str, &str); 3] = [
    (
        "match.json",
        r#"{"reasoning":"gray_band_llm_match","is_match":"TRUE","confidence_score":7}"#,
    ),
    (
        "nonmatch.json",
        r#"{"reasoning":"gray_band_llm_nonmatch","is_match":0,"confidence_score":0.25}"#,
    ),
    (
        "words.txt",
        "say hello to the creator\nhello there, creator",
    ),
];

const OUTCOMES: [(&str, &str); 2] = [
    (
        "follow.json",
        r#"{"event_type":" Creator_Follow ","timestamp_utc":"2026-01-01T00:00:00Z","payload":{"msg_id":7},"event_id":"e1"}"#,
    ),
    (
        "metrics.json",
        r#"{"outcome_event":{"outcome_type":"follow","outcome_time_utc":"2026-01-01T00:00:00.5Z","confidence":9,"outcome_value":-1e308},"outcome_events":[{"event_type":"user_follow","event_time_utc":"2026-01-01T00:00:01Z"}],"_creator_follow":true}"#,
    ),
];

const WORDS: [(&str, &str); 4] = [
    (
        "greeting.txt",
        "Hello, and welcome to the stream!\nhello stream",
    ),
    (
        "scripts.txt",
        "Ünïcödé İSTANBUL 東京 हिन्दी العربية 👩\u{200d}👧",
    ),
    (
        "odd.txt",
        "[PAD]\u{0}[CLS]\u{fffd}\u{301}\u{301} a\u{200b}b\tc\n\n",
    ),
    ("vocabulary.txt", super::safetensors::VOCABULARY),
];

const ADDRESSES: [(&str, &str); 6] = [
    (
        "phone.txt",
        "android://192.168.1.7:5555?source=display&audio=playback&size=720x1280&server_version=4.1",
    ),
    (
        "file.txt",
        "file:///data/talk%20one.mp4?pace=fast&start=2.5",
    ),
    ("relative.txt", "file:clip.mkv"),
    (
        "test.txt",
        "test:bars?size=64x48&fps=30&seconds=5&pace=paced&start=1",
    ),
    ("demo.txt", "demo:presenter?mask=1&pace=fast&start=1e3"),
    ("unknown.txt", "rtsp://camera/1"),
];

const TIMES: [(&str, &str); 5] = [
    ("utc.txt", "2026-01-01T00:00:00Z"),
    ("offset.txt", "2025-12-31T19:30:00.25-04:30"),
    ("last.txt", "9999-12-31T23:59:59.999999Z"),
    ("naive.txt", "2026-02-03T04:05:06.12"),
    ("numbers.txt", "-1.7976931348623157e+308"),
];

const MANIFEST: &str = r#"[[model]]
name = "a"
task = "t"
kind = "network"
version = "1"
licence = "MIT"
licence_file = "LICENSE"
redistributable = false
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
size_bytes = 1
source = { kind = "pypi", package = "p", version = "1", python = "3.11", inner_path = "p/a.tflite" }
self_test = { tolerance = 1e-3, expect = [{ output = "o", index = 0, value = 1.0 }] }

[[model.derive]]
tool = "tflite_to_onnx"
tool_version = "1"
output = "a.onnx"
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
size_bytes = 1
"#;

fn texts(named: &[(&str, &str)]) -> Seeds {
    let seed = |(name, text): &(&str, &str)| ((*name).to_owned(), text.as_bytes().to_vec());
    named.iter().map(seed).collect()
}

/// The inputs of golden cases of one operation, at most six.
fn cases(area: &str, op: &str, key: &str) -> Result<Seeds> {
    let file = VectorFolder::committed().read(area)?;
    let cases = file["cases"].as_array().context("no cases")?;
    let chosen = cases.iter().filter(|case| case["op"] == op).take(6);
    Ok((1..)
        .zip(chosen)
        .map(|(number, case)| {
            (
                format!("{op}-{number}.json"),
                json_bytes(&case["input"][key]),
            )
        })
        .collect())
}

/// The golden payloads that satisfy their contract, the first of each.
fn valid_contracts() -> Result<Seeds> {
    let file = VectorFolder::committed().read("contracts")?;
    let cases = file["cases"].as_array().context("no cases")?;
    let mut first = BTreeMap::new();
    for case in cases {
        let name = case["op"].as_str().context("a case without operation")?;
        let payload = &case["input"]["json"];
        if lsie_schemas::contract::validate(name, payload).is_ok() {
            first
                .entry(format!("{name}.json"))
                .or_insert_with(|| json_bytes(payload));
        }
    }
    Ok(first.into_iter().collect())
}

fn json_bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

fn link() -> Result<Seeds> {
    let hello = encode_frame(&ServerMessage::Hello(ServerHello {
        protocol: LINK_PROTOCOL,
        build_id: "b".into(),
        cache_dir: "c".into(),
        device: "auto".into(),
        precision: lsie_schemas::device::Precision::F32,
        phones: lsie_schemas::config::DeviceConfig::default(),
    }))?;
    let start = encode_frame(&ServerMessage::Start(Box::new(StartSession {
        session_id: Uuid::nil(),
        source_url: "demo:presenter".into(),
        epoch: Some(UtcMicros(0)),
        resume_at_ns: 0,
        calibration: CalibrationState {
            accepted: 45,
            ratio_sum: f64::NAN,
        },
        planned: Vec::new(),
    })))?;
    let end = encode_frame(&ServerMessage::End {
        session_id: Uuid::nil(),
    })?;
    let engine_hello = encode_frame(&EngineMessage::Hello(EngineHello {
        protocol: LINK_PROTOCOL,
        build_id: Text::cut("b"),
        pid: 1,
        device: Text::cut("cpu"),
        models: BTreeMap::from([(Text::cut("face_mesh"), Text::cut("ready"))]),
        sources: BTreeMap::from([(Text::cut("demo"), Text::cut("presenter"))]),
    }))?;
    let segment = encode_frame(&EngineMessage::Segment(Box::new(segment()?)))?;
    let mut malformed = vec![0, 0, 0, 2, 0xc1, 0xc1];
    malformed.extend(&end);
    // One frame of lists within lists, deeper than any message.
    let mut deep = 0x0800_u32.to_be_bytes().to_vec();
    deep.resize(4 + 0x0800, 0x91);
    let server = [hello, start, end].concat();
    let named = [
        ("server.bin", server),
        ("engine_hello.bin", engine_hello),
        ("segment.bin", segment),
        ("malformed.bin", malformed),
        ("deep.bin", deep),
        ("too_large.bin", vec![0xff; 8]),
    ];
    Ok(named.map(|(name, bytes)| (name.to_owned(), bytes)).into())
}

fn segment() -> Result<SegmentMessage> {
    Ok(SegmentMessage {
        session_id: Uuid::nil(),
        segment_id: SegmentId::new("0".repeat(64))?,
        kind: SegmentKind::Stimulus {
            stimulus_id: Uuid::nil(),
            stimulus_time_s: 25.0,
        },
        window_start: UtcMicros(0),
        window_end: UtcMicros(30_000_000),
        au12_series: Bounded::cut(vec![Au12Observation {
            timestamp_s: 25.5,
            intensity: 0.5,
        }])
        .0,
        frames: 1,
        action_units: Bounded::default(),
        absent: BTreeMap::new(),
        acoustic: None,
        voice: None,
        pcm_sha256: None,
        silence_prefix_s: 0.0,
        gaps: Bounded::default(),
        baseline_ratio: Some(0.9),
        clock: None,
    })
}

/// Whole weights of both kinds, and files that lie.
fn safetensors() -> Seeds {
    let whole = [
        ("pair.safetensors", weights(true)),
        ("sentence.safetensors", weights(false)),
    ];
    let all = whole.into_iter().chain(liars());
    all.map(|(name, bytes)| (name.to_owned(), bytes)).collect()
}

fn tflite() -> Seeds {
    let relu = one_operator(19, &[], &[]);
    let multiply = one_operator(18, &[(&[1], &[0.5])], &[(0, 0)]);
    let convolution = one_operator(
        3,
        &[(&[1, 1, 1, 1], &[0.5]), (&[1], &[0.25])],
        &[(0, 1), (1, 1), (2, 1), (3, 1)],
    );
    let pool = one_operator(17, &[], &[(0, 0), (1, 1), (2, 1), (3, 1), (4, 1)]);
    let unknown = one_operator(99, &[], &[]);
    let named = [
        ("relu.tflite", relu),
        ("multiply.tflite", multiply),
        ("convolution.tflite", convolution),
        ("pool.tflite", pool),
        ("unknown.tflite", unknown),
    ];
    named.map(|(name, bytes)| (name.to_owned(), bytes)).into()
}
