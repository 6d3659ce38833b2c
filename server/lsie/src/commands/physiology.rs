//! `lsie physiology …` and `lsie comodulation …`

use anyhow::Result;
use lsie_schemas::api::{CoModulation, CoModulationLogRow, PhysiologyV2, RoleSnapshot};
use uuid::Uuid;

use super::Output;
use crate::client::Client;
use crate::render::{duration, instant, number, table, text};

pub(crate) fn physiology(client: &Client, out: &mut Output<'_>, id: Uuid) -> Result<()> {
    let seen: PhysiologyV2 = client.get(&format!("/api/v2/sessions/{id}/physiology"))?;
    out.show(&seen, |seen| {
        let people = [
            ("streamer", &seen.streamer_state, &seen.base.streamer),
            ("operator", &seen.operator_state, &seen.base.operator),
        ];
        let rows: Vec<_> = people
            .into_iter()
            .map(|(who, state, snapshot)| person(who, state, snapshot.as_ref()))
            .collect();
        let index = seen.base.comodulation.as_ref().map(index_words);
        format!(
            "{}\nco-modulation  {}\n",
            table(
                &["who", "state", "RMSSD", "heart rate", "age", "provider"],
                &rows
            ),
            text(index)
        )
    })
}

pub(crate) fn comodulation(client: &Client, out: &mut Output<'_>, id: Uuid) -> Result<()> {
    let rows: Vec<CoModulationLogRow> = client.get(&format!("/api/v1/comodulation/{id}"))?;
    out.show(&rows, |rows| {
        let cells: Vec<_> = rows
            .iter()
            .map(|row| {
                vec![
                    instant(Some(row.window_end_utc)),
                    number(row.co_modulation_index, 3),
                    row.n_paired_observations.to_string(),
                    number(Some(row.coverage_ratio), 2),
                    number(row.streamer_rmssd_mean, 1),
                    number(row.operator_rmssd_mean, 1),
                ]
            })
            .collect();
        table(
            &[
                "window end",
                "index",
                "pairs",
                "coverage",
                "streamer",
                "operator",
            ],
            &cells,
        )
    })
}

fn person(who: &str, state: &str, snapshot: Option<&RoleSnapshot>) -> Vec<String> {
    let rmssd = snapshot.and_then(|one| one.rmssd_ms);
    let heart_rate = snapshot.and_then(|one| one.heart_rate_bpm);
    vec![
        who.to_owned(),
        state.to_owned(),
        text(rmssd.map(|ms| format!("{ms:.1} ms"))),
        text(heart_rate.map(|bpm| format!("{bpm} bpm"))),
        duration(snapshot.and_then(|one| one.freshness_s)),
        text(snapshot.and_then(|one| one.provider.clone())),
    ]
}

fn index_words(index: &CoModulation) -> String {
    match (index.co_modulation_index, &index.null_reason) {
        (Some(value), _) => format!("{value:.3} over {} minutes", index.n_paired_observations),
        (None, reason) => format!("none: {}", text(reason.as_ref())),
    }
}
