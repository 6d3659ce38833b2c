//! Area `identity`: hashes, identifiers, windows, canonical text and experiment bundles.

use lsie_schemas::id::{self, Part};
use lsie_schemas::text::{
    canonical_json, collapse_whitespace, float_text, rule_text_hash, sha256_hex,
};
use lsie_schemas::window::SegmentWindow;
use serde_json::{Value, json};

use super::{Case, Input, Outcome, RunError, bundle};

/// Runs one case.
pub(super) fn run(case: &Case<'_>) -> Result<Outcome, RunError> {
    let input = case.input;
    let output = match case.op {
        "canonical_utc" => json!({"text": input.instant("datetime")?.to_text()}),
        "segment_id" => segment_id(input)?,
        "grid_window" => grid_window(input)?,
        "stimulus_window" => window_json(
            SegmentWindow::around_stimulus(input.float("stimulus_time_s")?)
                .ok_or(RunError::Input("no window".into()))?,
        ),
        "stimulus_in_segment" => {
            let window = SegmentWindow::starting_at(input.instant("segment_start_utc")?);
            json!({"eligible": window.holds_stimulus(input.float("stimulus_time_s")?)})
        }
        "segment_pcm" => segment_pcm(input)?,
        "analytics_message_id" => {
            json!({"uuid": id::analytics_message_id(&input.segment_id("segment_id")?)})
        }
        "visual_state_message_id" => visual_state_message_id(input)?,
        "posterior_event_id" => posterior_event_id(input)?,
        "upload_id" => upload_id(input)?,
        "pcm_sha256" => {
            json!({"sha256": id::pcm_checksum(&bytes_from_hex(input.text("bytes_hex")?)?)})
        }
        "uuid5_namespaces" => {
            json!({"attribution": id::attribution_namespace(), "posterior_event": id::posterior_namespace()})
        }
        "uuid5_parts" => return uuid5_parts(case),
        "rule_text_hash" => {
            let text = input.text("text")?;
            json!({"sha256": rule_text_hash(text), "normalised": collapse_whitespace(text)})
        }
        "ledger_ids" => ledger_ids(input)?,
        "float_text" => json!({"text": float_text(float_from_hex(input.text("hex")?)?)}),
        "canonical_json" => {
            let text = canonical_json(input.get("value")?);
            json!({"sha256": sha256_hex(text.as_bytes()), "text": text})
        }
        "session_id_for_action" => {
            json!({"session_id": id::session_id_for_action(&input.uuid("client_action_id")?)})
        }
        "bundle_canonical" => return bundle::canonical(case),
        "bundle_verify" => return bundle::verify(case),
        _ => return Err(RunError::UnknownOperation),
    };
    Ok(Outcome::Output(output))
}

fn segment_id(input: Input<'_>) -> Result<Value, RunError> {
    let session = input.uuid("session_id")?;
    let (start, end) = (
        input.instant("window_start_utc")?,
        input.instant("window_end_utc")?,
    );
    Ok(json!({
        "segment_id": id::segment_id(&session, start, end),
        "material": id::segment_id_material(&session, start, end),
    }))
}

fn window_json(window: SegmentWindow) -> Value {
    json!({"start": window.start_utc, "end": window.end_utc})
}

fn grid_window(input: Input<'_>) -> Result<Value, RunError> {
    let anchor = if input.is_null("anchor_utc") {
        None
    } else {
        Some(input.instant("anchor_utc")?)
    };
    let number = u32::try_from(input.integer("segment_number")?)
        .map_err(|_| RunError::Input("segment_number".into()))?;
    Ok(window_json(SegmentWindow::grid(
        anchor,
        number,
        input.instant("now_utc")?,
    )))
}

fn segment_pcm(input: Input<'_>) -> Result<Value, RunError> {
    let window = SegmentWindow::starting_at(input.instant("segment_start_utc")?);
    let buffer_start = input.instant("buffer_start_utc")?;
    if input.text("fill")? != "byte k = (31*k+7) & 255" {
        return Err(RunError::Input("unknown fill".into()));
    }
    let buffer: Vec<u8> = (0..input.unsigned("buffer_bytes")? as usize)
        .map(|k| (31 * k + 7) as u8)
        .collect();
    let required = window.required_buffer_bytes(buffer_start);
    let Some(cut) = window.cut_pcm(buffer_start, buffer.len()) else {
        return Ok(json!({"ready": false, "required_buffer_bytes": required}));
    };
    let mut pcm = vec![0; cut.silence_prefix_bytes];
    pcm.extend_from_slice(&buffer[cut.buffer_range.clone()]);
    pcm.resize(pcm.len() + cut.silence_tail_bytes, 0);
    Ok(json!({
        "ready": true,
        "required_buffer_bytes": required,
        "byte_length": pcm.len(),
        "leading_zero_bytes": cut.silence_prefix_bytes,
        "sha256": id::pcm_checksum(&pcm),
    }))
}

/// The text inside this id keeps the offset the instant was given in, so it is passed through as written.
fn visual_state_message_id(input: Input<'_>) -> Result<Value, RunError> {
    let iso = input.text("timestamp_utc")?;
    let sequence = input.unsigned("sequence")?;
    let uuid = id::visual_state_message_id(
        &input.uuid("session_id")?,
        input.text("status")?,
        iso,
        sequence,
    );
    // An instant of ours is written in UTC; where the case is in UTC both must agree.
    let ours = input.instant("timestamp_utc")?.to_offset_text();
    let text = if iso.ends_with("+00:00") {
        ours
    } else {
        iso.to_owned()
    };
    Ok(json!({"uuid": uuid, "timestamp_text": text}))
}

fn posterior_event_id(input: Input<'_>) -> Result<Value, RunError> {
    let (client, arm) = (input.text("client_id")?, input.text("arm_id")?);
    let (segment, experiment) = (
        input.segment_id("segment_id")?,
        input.integer("experiment_id")?,
    );
    Ok(json!({
        "uuid": id::posterior_event_id(client, &segment, experiment, arm),
        "namespace": id::posterior_namespace(),
        "name": format!("{client}:{segment}:{experiment}:{arm}"),
    }))
}

fn upload_id(input: Input<'_>) -> Result<Value, RunError> {
    let payload = input.text("payload_json")?;
    let (endpoint, kind, key) = (
        input.text("endpoint")?,
        input.text("payload_type")?,
        input.text("dedupe_key")?,
    );
    Ok(json!({
        "upload_id": id::upload_id(endpoint, kind, key, payload),
        "payload_sha256": sha256_hex(payload.as_bytes()),
    }))
}

fn ledger_ids(input: Input<'_>) -> Result<Value, RunError> {
    let refused = |_| RunError::Input("a part holds the separator".into());
    let session = input.uuid("session_id")?;
    let segment = input.segment_id("segment_id")?;
    let event = id::attribution_event_id(&session, &segment, "stimulus_interaction", "7B.v3.4")
        .map_err(refused)?;
    let outcome = id::outcome_event_id(
        &session,
        "creator_follow",
        input.instant("outcome_time_utc")?,
        "tiktok_webcast",
        input.optional_text("source_event_ref")?,
    )
    .map_err(refused)?;
    let link = id::event_outcome_link_id(&event, &outcome, "event_outcome_lag_horizon_v1")
        .map_err(refused)?;
    let scored_outcome = input.boolean("score_has_outcome")?.then_some(&outcome);
    let score = id::attribution_score_id(&event, scored_outcome, "soft_reward_candidate", "7E.v1")
        .map_err(refused)?;
    Ok(json!({"event_id": event, "outcome_id": outcome, "link_id": link, "score_id": score}))
}

/// A part with the separator collides by name; the checked builder must refuse exactly those.
fn uuid5_parts(case: &Case<'_>) -> Result<Outcome, RunError> {
    let kind = case.input.text("kind")?;
    let uuids: Vec<_> = case
        .input
        .list("parts")?
        .iter()
        .map(|part| Input(part).uuid("value").unwrap_or_default())
        .collect();
    let mut parts = Vec::new();
    let mut holds_separator = false;
    for (part, uuid) in case.input.list("parts")?.iter().map(Input).zip(&uuids) {
        parts.push(match part.text("type")? {
            "NoneType" => Part::Null,
            "str" => Part::Text(part.text("value")?),
            "float" => Part::Float(part.float("value")?),
            "int" => Part::Int(part.integer("value")?),
            "bool" => Part::Bool(part.boolean("value")?),
            "datetime" => Part::Instant(part.instant("value")?),
            "UUID" => Part::Uuid(uuid),
            other => return Err(RunError::Input(format!("part type {other}"))),
        });
        holds_separator |= matches!(parts.last(), Some(Part::Text(text)) if text.contains('|'));
    }
    let namespace = id::attribution_namespace();
    let name = id::uuid5_name(kind, &parts);
    let by_name = uuid::Uuid::new_v5(&namespace, name.as_bytes());
    let checked = id::uuid5_parts(&namespace, kind, &parts).ok();
    if checked != (!holds_separator).then_some(by_name) {
        return Ok(Outcome::Verdict(Err(format!(
            "checked builder gave {checked:?} for {name}"
        ))));
    }
    Ok(Outcome::Output(json!({"uuid": by_name, "name": name})))
}

pub(super) fn bytes_from_hex(text: &str) -> Result<Vec<u8>, RunError> {
    let malformed = || RunError::Input("malformed hex".into());
    text.as_bytes()
        .chunks(2)
        .map(|pair| {
            std::str::from_utf8(pair)
                .ok()
                .and_then(|pair| u8::from_str_radix(pair, 16).ok())
                .ok_or_else(malformed)
        })
        .collect()
}

/// Reads `[-]0x1.<hex>p<exponent>`, the exact float notation of the vectors.
fn float_from_hex(text: &str) -> Result<f64, RunError> {
    let parse = || {
        let (sign, body) = text
            .strip_prefix('-')
            .map_or((1.0, text), |rest| (-1.0, rest));
        let (mantissa, exponent) = body.strip_prefix("0x")?.split_once('p')?;
        let (whole, fraction) = mantissa.split_once('.')?;
        let digits = u64::from_str_radix(&format!("{whole}{fraction}"), 16).ok()? as f64;
        let exponent = exponent.parse::<i32>().ok()? - 4 * i32::try_from(fraction.len()).ok()?;
        // Two steps: a single 2^-1074 scale would underflow before the product.
        let half = exponent / 2;
        Some(sign * digits * 2_f64.powi(half) * 2_f64.powi(exponent - half))
    };
    parse().ok_or_else(|| RunError::Input(format!("malformed float {text}")))
}
