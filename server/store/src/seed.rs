//! The experiment a fresh store starts with.
//!
//! Written by a migration, hence exactly once: an arm that the operator deletes stays deleted.

use lsie_schemas::time::UtcMicros;
use rusqlite::{Transaction, params};
use serde_json::json;

use crate::error::StoreError;

/// Code of the seeded experiment.
pub const GREETING_EXPERIMENT: &str = "greeting_line_v1";

const LABEL: &str = "Greeting line";
const STIMULUS_RULE: &str =
    "The operator or the host says the given line, or a close paraphrase of it, aloud.";

/// Arm, line to say, expected response.
const ARMS: [(&str, &str, &str); 4] = [
    (
        "warm_welcome",
        "Hey, welcome in! So glad you are here today.",
        "The streamer returns the welcome or smiles at it.",
    ),
    (
        "direct_question",
        "Hi! What has been the best part of your day so far?",
        "The streamer answers the question about their day.",
    ),
    (
        "compliment_content",
        "Hello! I really enjoy the way you explain things on this stream.",
        "The streamer thanks for or reacts to the compliment.",
    ),
    ("simple_hello", "Hello!", "The streamer says hello back."),
];

/// Inserts the experiment with its four arms at Beta(1, 1).
pub(crate) fn insert_greeting_experiment(
    transaction: &Transaction<'_>,
    now: UtcMicros,
) -> Result<(), StoreError> {
    transaction.execute(
        "INSERT INTO experiments (experiment_id, label, created_at_us, updated_at_us) VALUES (?1, ?2, ?3, ?3)",
        params![GREETING_EXPERIMENT, LABEL, now.0],
    )?;
    for (arm, line, response) in ARMS {
        let definition = json!({
            "stimulus_modality": "spoken_greeting",
            "stimulus_payload": { "content_type": "text", "text": line },
            "expected_stimulus_rule": STIMULUS_RULE,
            "expected_response_rule": response,
        });
        transaction.execute(
            "INSERT INTO arms (experiment_id, arm, stimulus_definition, updated_at_us) VALUES (?1, ?2, ?3, ?4)",
            params![GREETING_EXPERIMENT, arm, definition.to_string(), now.0],
        )?;
    }
    Ok(())
}
