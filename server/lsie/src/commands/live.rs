//! `lsie live-session …` and `lsie stimulus …`

use anyhow::Result;
use lsie_schemas::api::{
    AttestAccepted, AttestRequest, EncounterV2, LiveReadback, StimulusAccepted, StimulusRequest,
};
use uuid::Uuid;

use super::Output;
use crate::cli::{LiveSession, Stimulus};
use crate::client::Client;
use crate::render::{MISSING, bar, facts, instant, number, table, text, word};

pub(crate) fn live_session(
    client: &Client,
    out: &mut Output<'_>,
    command: LiveSession,
) -> Result<()> {
    match command {
        LiveSession::Encounters { id, limit } => {
            let rows: Vec<EncounterV2> = client.get(&format!(
                "/api/v2/sessions/{id}/encounters?limit={}",
                limit.limit
            ))?;
            out.show(&rows, |rows| encounters(rows))
        }
        LiveSession::Readback { id } => {
            let readback: LiveReadback = client.get(&format!("/api/v2/sessions/{id}/readback"))?;
            out.show(&readback, show_readback)
        }
    }
}

pub(crate) fn stimulus(client: &Client, out: &mut Output<'_>, command: Stimulus) -> Result<()> {
    match command {
        Stimulus::Submit { id, note } => {
            let body = StimulusRequest {
                operator_note: note,
                client_action_id: Uuid::new_v4(),
            };
            let answer: StimulusAccepted =
                client.post(&format!("/api/v1/operator/sessions/{id}/stimulus"), &body)?;
            out.show(&answer, |answer| {
                let remark = answer
                    .message
                    .as_ref()
                    .map(|message| format!("\n{message}"))
                    .unwrap_or_default();
                format!(
                    "stimulus {} given at {}{remark}\n",
                    answer.client_action_id,
                    instant(answer.stimulus_time_utc)
                )
            })
        }
        Stimulus::Attest {
            id,
            delivered: _,
            not_delivered,
        } => {
            let body = AttestRequest {
                stimulus_id: None,
                delivered: !not_delivered,
                client_action_id: Uuid::new_v4(),
            };
            let answer: AttestAccepted =
                client.post(&format!("/api/v2/sessions/{id}/attest"), &body)?;
            out.show(&answer, |answer| {
                let remark = answer
                    .message
                    .as_ref()
                    .map(|message| format!(": {message}"))
                    .unwrap_or_default();
                format!("stimulus {} attested{remark}\n", answer.stimulus_id)
            })
        }
    }
}

/// Encounters; `chance` is the probability with which the arm had been drawn.
pub(super) fn encounters(rows: &[EncounterV2]) -> String {
    let cells: Vec<_> = rows
        .iter()
        .map(|e| {
            vec![
                instant(e.base.stimulus_time_utc),
                text(e.base.active_arm.clone()),
                e.state_v2.clone(),
                number(e.base.gated_reward, 4),
                number(e.base.p90_intensity, 4),
                text(e.base.n_frames_in_window),
                number(e.propensity, 3),
                text(e.skip_reason.clone()),
            ]
        })
        .collect();
    table(
        &[
            "stimulus", "arm", "state", "reward", "P90", "frames", "chance", "skipped",
        ],
        &cells,
    )
}

/// The source's clock over the newest segment that has one.
fn clock_words(r: &LiveReadback) -> Option<String> {
    let clock = r.segments.iter().find_map(|segment| segment.clock)?;
    let unit = |value: Option<f64>, digits, unit| {
        value.map_or_else(
            || MISSING.to_owned(),
            |value| format!("{} {unit}", number(Some(value), digits)),
        )
    };
    Some(format!(
        "{}, drift {}, within {}, offset {}",
        clock.state.word(),
        unit(clock.drift_ppm, 1, "ppm"),
        unit(clock.uncertainty_ms, 2, "ms"),
        unit(clock.offset_s, 3, "s")
    ))
}

fn show_readback(r: &LiveReadback) -> String {
    let visual = r.visual.as_ref();
    let score = visual.and_then(|v| v.au12);
    let voice = visual.and_then(|v| v.voice);
    let mut lines = vec![
        (
            "session",
            format!("{} ({})", r.session.session_id, word(&r.session.status)),
        ),
        ("source", format!("{} ({})", r.source_url, r.source_state)),
        ("arm", text(r.session.active_arm.clone())),
        (
            "face",
            visual.map_or_else(
                || MISSING.to_owned(),
                |v| v.absent.map_or_else(|| word(&v.status), |why| word(&why)),
            ),
        ),
        (
            "smile (AU12)",
            format!("{} {}", number(score, 3), bar(score)),
        ),
        (
            "head",
            visual.and_then(|v| v.pose).map_or_else(
                || MISSING.to_owned(),
                |p| {
                    format!(
                        "yaw {:.0}°, pitch {:.0}°, roll {:.0}°",
                        p.yaw_deg, p.pitch_deg, p.roll_deg
                    )
                },
            ),
        ),
        (
            "voice",
            voice.map_or_else(
                || MISSING.to_owned(),
                |v| {
                    format!(
                        "{} at {:.0} dBFS{}",
                        if v.speaking { "speaking" } else { "silent" },
                        v.rms_dbfs,
                        v.pitch_hz
                            .map_or_else(String::new, |hz| pitch_words(hz, v.pitch_harmonic))
                    )
                },
            ),
        ),
        ("encounter", r.encounter_state.clone()),
        ("stimulus", instant(r.stimulus_time_utc)),
    ];
    lines.extend(clock_words(r).map(|words| ("clock", words)));
    lines.extend(r.data_gaps.iter().map(|gap| {
        let (from, to) = (instant(Some(gap.from_utc)), instant(Some(gap.to_utc)));
        ("gap", format!("{from} to {to}: {}", gap.reason))
    }));
    format!("{}\n{}", facts(&lines), encounters(&r.encounters))
}

/// The pitch, and what it likely is where the spectrum says that it is too low.
fn pitch_words(hz: f32, harmonic: u8) -> String {
    match harmonic {
        0 | 1 => format!(", pitch {hz:.0} Hz"),
        _ => format!(
            ", pitch {hz:.0} Hz (likely {:.0})",
            hz * f32::from(harmonic)
        ),
    }
}
