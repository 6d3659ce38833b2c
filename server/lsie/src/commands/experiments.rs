//! `lsie experiments …`: what was learnt about the arms, to be looked at rather than read.

use anyhow::Result;
use lsie_schemas::api::{
    Arm, ArmReadout, ExperimentDetail, ExperimentReadout, ExperimentSummary, OffPolicyEstimate,
};

use super::{Output, escape};
use crate::cli::Experiments;
use crate::client::Client;
use crate::render::{MISSING, bar, facts, interval, number, table, text};

pub(crate) fn experiments(
    client: &Client,
    out: &mut Output<'_>,
    command: Experiments,
) -> Result<()> {
    match command {
        Experiments::List => {
            let rows: Vec<ExperimentSummary> = client.get("/api/v1/operator/experiments")?;
            out.show(&rows, |rows| list(rows))
        }
        Experiments::Show { id } => {
            let detail: ExperimentDetail =
                client.get(&format!("/api/v1/operator/experiments/{}", escape(&id)))?;
            out.show(&detail, show)
        }
        Experiments::Readout { id } => {
            let readout: ExperimentReadout =
                client.get(&format!("/api/v2/experiments/{}/readout", escape(&id)))?;
            out.show(&readout, show_readout)
        }
    }
}

fn list(rows: &[ExperimentSummary]) -> String {
    let cells: Vec<_> = rows
        .iter()
        .map(|e| {
            vec![
                e.experiment_id.clone(),
                text(e.label.clone()),
                e.arm_count.to_string(),
                number(e.latest_reward, 4),
            ]
        })
        .collect();
    table(&["experiment", "label", "arms", "latest reward"], &cells)
}

fn show(detail: &ExperimentDetail) -> String {
    let rows: Vec<_> = detail.arms.iter().map(arm_row).collect();
    let headings = [
        "arm",
        "alpha",
        "beta",
        "mean",
        "",
        "chosen",
        "recent reward",
        "enabled",
    ];
    format!(
        "{}\nchances, intervals, other policies:\n  lsie experiments readout {}\n",
        table(&headings, &rows),
        detail.experiment_id
    )
}

fn arm_row(arm: &Arm) -> Vec<String> {
    let mean = arm.posterior_alpha / (arm.posterior_alpha + arm.posterior_beta);
    vec![
        arm.arm_id.clone(),
        number(Some(arm.posterior_alpha), 3),
        number(Some(arm.posterior_beta), 3),
        number(Some(mean), 3),
        bar(Some(mean)),
        arm.selection_count.to_string(),
        number(arm.recent_reward_mean, 3),
        if arm.enabled { "yes" } else { "no" }.to_owned(),
    ]
}

/// Expectations above, hindsight below.
fn show_readout(readout: &ExperimentReadout) -> String {
    let expected: Vec<_> = readout.arms.iter().map(expectation).collect();
    let arms = readout
        .arms
        .iter()
        .map(|arm| (format!("always {}", arm.arm_id), arm.always));
    let policies = readout
        .policies
        .iter()
        .map(|policy| (policy.policy.clone(), policy.estimate));
    let hindsight: Vec<_> = policies
        .chain(arms)
        .map(|(name, estimate)| earned(name, estimate))
        .collect();
    let log = &readout.log;
    let older = if log.truncated {
        ", older ones left out"
    } else {
        ""
    };
    format!(
        "{}\n{}\n{}",
        facts(&[
            ("experiment", readout.experiment_id.clone()),
            ("arm in force", text(readout.active_arm_id.clone())),
            (
                "log",
                format!(
                    "{} applied encounters, {} unusable{older}",
                    log.encounters, log.unusable
                ),
            ),
        ]),
        table(
            &[
                "arm",
                "0  95 % interval  1",
                "mean",
                "floor",
                "best",
                "",
                "loss"
            ],
            &expected,
        ),
        table(
            &[
                "would have earned",
                "robust",
                "± se",
                "IPS",
                "norm.",
                "worth"
            ],
            &hindsight,
        )
    )
}

fn expectation(arm: &ArmReadout) -> Vec<String> {
    let chance = arm
        .probability_best
        .map_or_else(|| "off".to_owned(), |p| format!("{:.0} %", 100.0 * p));
    vec![
        arm.arm_id.clone(),
        interval(arm.interval_low, arm.mean, arm.interval_high),
        number(Some(arm.mean), 3),
        number(Some(arm.floor), 3),
        chance,
        bar(arm.probability_best),
        number(arm.expected_loss, 3),
    ]
}

fn earned(name: String, estimate: Option<OffPolicyEstimate>) -> Vec<String> {
    let Some(e) = estimate else {
        return [name.as_str(), MISSING, MISSING, MISSING, MISSING, MISSING]
            .map(str::to_owned)
            .to_vec();
    };
    vec![
        name,
        number(Some(e.doubly_robust), 3),
        number(e.doubly_robust_error, 3),
        number(Some(e.inverse_propensity), 3),
        number(e.self_normalised, 3),
        number(Some(e.effective_decisions), 1),
    ]
}
