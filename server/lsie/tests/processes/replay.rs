//! The same media, session id, epoch and stimulus times give the same segments, rewards and posteriors, bit for bit,
//! whether the media is played at its own speed or as fast as it can be measured.

use lsie_schemas::api::SessionStatus;
use lsie_schemas::id::session_id_for_action;
use lsie_schemas::time::UtcMicros;
use lsie_store::rows::{EncounterRow, MetricsRow, SegmentRow};
use lsie_store::{EncounterFilter, Store, StoreSettings, WindowKind};
use serde_json::json;
use uuid::Uuid;

use crate::server::{EXPERIMENT, MEDIA_CEILING, Place, Server, accepted_session, wait};

const EPOCH: &str = "2026-04-01T08:40:00.000000Z";
const ACTION: Uuid = Uuid::from_u128(0x7e57_0000_4000_8000_0000_0000_0000_0001);

/// The store of a server that has ended.
pub(crate) fn open_store(place: &Place) -> Store {
    Store::open(StoreSettings::new(place.state()), UtcMicros(0)).unwrap()
}

/// What one run left in the store, without the instants at which it was written.
#[derive(Debug, PartialEq)]
struct Run {
    segments: Vec<SegmentRow>,
    metrics: Vec<MetricsRow>,
    encounter: EncounterRow,
    bits: Vec<Option<u64>>,
    posteriors: Vec<(String, u64, u64)>,
}

fn run(pace: &str) -> Run {
    let place = Place::new();
    let server = Server::start(&place, &[]);
    let session = accepted_session(server.post(
        "/api/v2/sessions",
        &json!({
            "stream_url": format!("demo:presenter?pace={pace}"),
            "experiment_id": EXPERIMENT,
            "client_action_id": ACTION,
            "epoch_utc": EPOCH,
            "planned_stimuli": [{ "offset_s": 20.0, "attested": true }],
        }),
    ));
    assert_eq!(session, session_id_for_action(&ACTION).to_string());
    wait(
        "the first grid window and the stimulus window are stored",
        MEDIA_CEILING,
        || {
            let rows = server.get("/api/v2/status")["rows"].clone();
            let enough = rows["encounters"].as_u64()? >= 1 && rows["segments"].as_u64()? >= 2;
            enough.then_some(())
        },
    );
    let end = json!({ "client_action_id": Uuid::new_v4() });
    let (status, answer) = server.post(&format!("/api/v1/sessions/{session}/end"), &end);
    assert_eq!(status, 200, "{answer}");
    server.stop();
    read(&place, session.parse().unwrap())
}

fn read(place: &Place, id: Uuid) -> Run {
    let epoch = UtcMicros::parse(EPOCH).unwrap();
    let filter = EncounterFilter {
        session_id: Some(id),
        ..EncounterFilter::default()
    };
    let store = open_store(place);
    let (segments, metrics, encounters, arms) = store
        .reader()
        .read(move |view| {
            assert_eq!(
                view.session(id)?.map(|row| row.status),
                Some(SessionStatus::Ended)
            );
            Ok((
                view.segments(id, 500)?,
                view.metrics_series(id)?,
                view.encounters(&filter, 10)?,
                view.arms(EXPERIMENT)?,
            ))
        })
        .unwrap();
    // A fast run gets further before it is stopped: compare the first window of the grid and the stimulus window.
    let limit = epoch.0 + 30_000_000;
    let mut segments: Vec<_> = segments
        .into_iter()
        .filter(|row| row.window_end.0 <= limit)
        .collect();
    segments.sort_by_key(|row| row.window_end);
    let mut metrics: Vec<_> = metrics
        .into_iter()
        .filter(|row| row.timestamp.0 <= limit)
        .collect();
    for row in &mut segments {
        row.created_at = epoch;
    }
    for row in &mut metrics {
        row.created_at = epoch;
    }
    assert_eq!(encounters.len(), 1);
    let mut encounter = encounters.into_iter().next().unwrap();
    encounter.created_at = epoch;
    let bits = [
        encounter.gated_reward,
        encounter.p90_intensity,
        encounter.au12_baseline_pre,
    ]
    .map(|value| value.map(f64::to_bits))
    .to_vec();
    let posteriors = arms
        .into_iter()
        .map(|arm| {
            (
                arm.arm,
                arm.posterior.alpha.to_bits(),
                arm.posterior.beta.to_bits(),
            )
        })
        .collect();
    Run {
        segments,
        metrics,
        encounter,
        bits,
        posteriors,
    }
}

#[test]
fn paced_and_fast_replays_are_equal_bit_for_bit() {
    let fast = run("fast");
    assert!(fast.encounter.applied, "{:?}", fast.encounter);
    assert!(fast.encounter.n_frames_in_window.unwrap() > 0);
    let kinds: Vec<_> = fast.segments.iter().map(|row| row.kind).collect();
    assert_eq!(kinds, [WindowKind::Stimulus, WindowKind::Grid]);
    assert!(
        fast.segments
            .iter()
            .all(|row| row.pcm_sha256.is_some() && row.n_observations > 0)
    );
    let moved = |(_, alpha, beta): &&(String, u64, u64)| {
        *alpha != 1f64.to_bits() || *beta != 1f64.to_bits()
    };
    assert_eq!(fast.posteriors.iter().filter(moved).count(), 1);

    let paced = run("paced");
    assert_eq!(paced, fast);
}
