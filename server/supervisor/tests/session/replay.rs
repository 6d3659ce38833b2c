//! A session on a real store, replayed from its rows alone: every choice follows again, bit for bit.

use std::collections::BTreeMap;

use lsie_analytics::bandit::{DecisionContext, Mismatch, Posterior, verify_decision};
use lsie_schemas::contract::ArmPosterior;
use lsie_store::GREETING_EXPERIMENT;
use lsie_store::rows::DecisionRow;
use uuid::Uuid;

use crate::stage::{Engine, Options, World, eventually, segment, smile};

const ENCOUNTERS: usize = 6;

fn context(row: &DecisionRow, experiment_row_id: i64) -> DecisionContext<'_> {
    DecisionContext {
        session_id: row.session_id,
        // The arm is drawn when its window starts.
        window_start_utc: row.snapshot.selection_time_utc,
        stimulus_time_secs: None,
        experiment_code: &row.experiment_id,
        experiment_row_id,
    }
}

/// Gives and closes the encounters, one after the other; each draws the next arm.
async fn live_through(world: &World, engine: &mut Engine, id: Uuid) {
    for k in 0..ENCOUNTERS {
        let (action, t) = world.stimulus(engine, id, 40.0 + 30.0 * k as f64).await;
        // Delivered, not delivered, and without a frame: two that teach and one that must not.
        world.attest(id, k % 3 != 1).await;
        let series = if k % 3 == 2 { Vec::new() } else { smile(t) };
        engine.segment(segment(id, action, t, series)).await;
        eventually("the encounter is committed", || async {
            world.rows(id).len() == k + 1
        })
        .await;
        eventually("the next arm is drawn", || async {
            let reader = world.store.reader();
            let drawn = reader.read(move |view| view.decisions(id, 100));
            drawn.unwrap().len() == k + 2
        })
        .await;
    }
}

#[tokio::test]
async fn the_rows_of_a_session_give_its_choices_again() {
    let world = World::open(Options::default()).await;
    let (mut engine, id) = world.calibrated().await;
    live_through(&world, &mut engine, id).await;
    let (mut decisions, experiment) = world
        .store
        .reader()
        .read(move |view| {
            Ok((
                view.decisions(id, 100)?,
                view.experiment(GREETING_EXPERIMENT)?,
            ))
        })
        .unwrap();
    let experiment = experiment.unwrap();
    decisions.sort_by_key(|row| row.decision_id);
    let mut encounters = world.rows(id);
    encounters.sort_by_key(|row| row.id);
    let mut learnt: BTreeMap<String, Posterior> = experiment
        .arms
        .iter()
        .map(|arm| (arm.arm.clone(), Posterior::PRIOR))
        .collect();
    for (row, encounter) in decisions
        .iter()
        .zip(encounters.iter().map(Some).chain([None]))
    {
        let snapshot = &row.snapshot;
        let held: BTreeMap<String, ArmPosterior> = learnt
            .iter()
            .map(|(arm, posterior)| {
                let (alpha, beta) = (posterior.alpha(), posterior.beta());
                (arm.clone(), ArmPosterior { alpha, beta })
            })
            .collect();
        assert_eq!(snapshot.posterior_by_arm, held, "what was known then");
        let replay = verify_decision(snapshot, &context(row, experiment.experiment.row_id));
        let replay = replay.unwrap();
        assert!(replay.draws_recomputed && replay.is_bit_exact);
        let stored = row.propensity.unwrap();
        assert_eq!(replay.propensity.to_bits(), stored.to_bits());
        // The encounter showed that arm and taught what its row says.
        let Some(encounter) = encounter else { continue };
        assert_eq!(encounter.arm, snapshot.selected_arm_id);
        assert_eq!(encounter.propensity, row.propensity);
        assert_eq!(encounter.applied, encounter.n_frames_in_window != Some(0));
        if encounter.applied {
            let posterior = learnt.get_mut(&encounter.arm).unwrap();
            *posterior = posterior.updated(encounter.gated_reward.unwrap()).unwrap();
        }
        let after = learnt[&encounter.arm];
        assert_eq!(
            (after.alpha(), after.beta()),
            (
                encounter.posterior_after.alpha,
                encounter.posterior_after.beta
            )
        );
    }
    assert_eq!(
        (decisions.len(), encounters.len()),
        (ENCOUNTERS + 1, ENCOUNTERS)
    );
    assert_eq!(encounters.iter().filter(|row| row.applied).count(), 4);
    // A row that was touched does not replay.
    let mut touched = decisions[3].clone();
    touched.snapshot.random_seed ^= 1;
    let verdict = verify_decision(
        &touched.snapshot,
        &context(&touched, experiment.experiment.row_id),
    );
    assert_eq!(verdict, Err(Mismatch::Seed));
}
