//! Proof that the file is whole and the numbers add up.

use rusqlite::Connection;

use crate::error::StoreError;

/// Result of a full check.
#[derive(Debug, Clone, PartialEq)]
pub struct VerifyReport {
    /// Findings of SQLite's `integrity_check`; empty when sound.
    pub integrity: Vec<String>,
    /// Rows whose foreign key points nowhere.
    pub dangling_rows: u64,
    /// Mass of every arm's posterior.
    pub posteriors: Vec<PosteriorMass>,
    /// Rows in the ledger.
    pub ledger_rows: u64,
    /// Encounters committed.
    pub encounter_rows: u64,
    /// Encounters without a ledger row, or ledger rows without an encounter.
    pub unmatched_rows: u64,
}

/// Mass of one arm's posterior (math 7.1): prior plus one per applied update.
#[derive(Debug, Clone, PartialEq)]
pub struct PosteriorMass {
    /// Experiment code.
    pub experiment_id: String,
    /// Arm.
    pub arm: String,
    /// Applied updates.
    pub applied: u64,
    /// alpha + beta as it must be.
    pub expected: f64,
    /// alpha + beta as stored.
    pub found: f64,
    /// Sum of the applied rewards on top of the prior: what alpha must be.
    pub expected_alpha: f64,
    /// alpha as stored.
    pub found_alpha: f64,
}

impl PosteriorMass {
    /// True when the mass is prior plus applied updates, up to rounding.
    pub fn is_sound(&self) -> bool {
        let tolerance = 1e-12 * (self.applied as f64 + 1.0) * self.expected.max(1.0);
        (self.found - self.expected).abs() <= tolerance
            && (self.found_alpha - self.expected_alpha).abs() <= tolerance
    }
}

impl VerifyReport {
    /// True when nothing was found.
    pub fn is_sound(&self) -> bool {
        self.integrity.is_empty()
            && self.dangling_rows == 0
            && self.unmatched_rows == 0
            && self.posteriors.iter().all(PosteriorMass::is_sound)
    }
}

/// Checks the whole file and the posterior arithmetic on one snapshot.
pub(crate) fn verify(connection: &mut Connection) -> Result<VerifyReport, StoreError> {
    let integrity = check(connection, "integrity_check")?;
    let snapshot = connection.transaction()?;
    let count = |sql: &str| -> Result<u64, StoreError> {
        Ok(snapshot
            .query_row(sql, [], |row| row.get::<_, i64>(0))?
            .unsigned_abs())
    };
    let dangling_rows = count("SELECT count(*) FROM pragma_foreign_key_check")?;
    let ledger_rows = count("SELECT count(*) FROM analytics_message_ledger")?;
    let encounter_rows = count("SELECT count(*) FROM encounter_log")?;
    let without_ledger = count(
        "SELECT count(*) FROM encounter_log e WHERE NOT EXISTS (SELECT 1 FROM analytics_message_ledger l
             WHERE l.segment_id = e.segment_id AND l.client_id = e.client_id AND l.arm = e.arm)",
    )?;
    let without_encounter = count(
        "SELECT count(*) FROM analytics_message_ledger l WHERE NOT EXISTS (SELECT 1 FROM encounter_log e
             WHERE l.segment_id = e.segment_id AND l.client_id = e.client_id AND l.arm = e.arm)",
    )?;
    let posteriors = posterior_masses(&snapshot)?;
    Ok(VerifyReport {
        integrity,
        dangling_rows,
        posteriors,
        ledger_rows,
        encounter_rows,
        unmatched_rows: without_ledger + without_encounter,
    })
}

/// Runs one of SQLite's own checks; empty when it says `ok`.
pub(crate) fn check(connection: &Connection, pragma: &str) -> Result<Vec<String>, StoreError> {
    let mut statement = connection.prepare(&format!("PRAGMA {pragma}"))?;
    let lines: Vec<String> = statement
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(lines.into_iter().filter(|line| line != "ok").collect())
}

fn posterior_masses(connection: &Connection) -> Result<Vec<PosteriorMass>, StoreError> {
    let mut statement = connection.prepare(
        "SELECT a.experiment_id, a.arm, count(e.id), a.prior_alpha, a.prior_beta, a.alpha, a.beta,
             coalesce(sum(e.gated_reward), 0.0)
         FROM arms a LEFT JOIN encounter_log e
             ON e.experiment_id = a.experiment_id AND e.arm = a.arm AND e.applied = 1
         GROUP BY a.arm_row_id ORDER BY a.experiment_id, a.arm",
    )?;
    let rows = statement.query_map([], |row| {
        let applied = row.get::<_, i64>(2)?.unsigned_abs();
        let (prior_alpha, prior_beta): (f64, f64) = (row.get(3)?, row.get(4)?);
        let (alpha, beta): (f64, f64) = (row.get(5)?, row.get(6)?);
        Ok(PosteriorMass {
            experiment_id: row.get(0)?,
            arm: row.get(1)?,
            applied,
            expected: prior_alpha + prior_beta + applied as f64,
            found: alpha + beta,
            expected_alpha: prior_alpha + row.get::<_, f64>(7)?,
            found_alpha: alpha,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
