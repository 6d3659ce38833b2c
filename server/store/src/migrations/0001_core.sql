-- Sessions, experiments, stimuli, segments and encounters.
-- Instants are INTEGER microseconds since the epoch (`_us`); UUIDs are lowercase text; JSON is text.

CREATE TABLE sessions (
    session_id        TEXT PRIMARY KEY CHECK (length(session_id) = 36),
    client_action_id  TEXT NOT NULL UNIQUE CHECK (length(client_action_id) = 36),
    client_id         TEXT NOT NULL CHECK (length(client_id) BETWEEN 1 AND 200),
    source_url        TEXT NOT NULL CHECK (length(source_url) BETWEEN 1 AND 4096),
    experiment_id     TEXT REFERENCES experiments (experiment_id),
    epoch_us          INTEGER,
    status            TEXT NOT NULL CHECK (status IN ('active', 'ended')),
    active_arm        TEXT,
    stimulus_definition TEXT CHECK (json_valid(stimulus_definition)),
    started_at_us     INTEGER NOT NULL,
    ended_at_us       INTEGER,
    end_reason        TEXT CHECK (length(end_reason) BETWEEN 1 AND 64),
    end_action_id     TEXT CHECK (length(end_action_id) = 36),
    CHECK ((status = 'active') = (ended_at_us IS NULL)),
    CHECK ((status = 'active') = (end_reason IS NULL)),
    CHECK (ended_at_us IS NULL OR ended_at_us >= started_at_us)
) STRICT;
CREATE UNIQUE INDEX sessions_at_most_one_open ON sessions (status) WHERE status = 'active';
CREATE INDEX sessions_by_start ON sessions (started_at_us);

CREATE TABLE experiments (
    experiment_row_id INTEGER PRIMARY KEY AUTOINCREMENT,
    experiment_id     TEXT NOT NULL UNIQUE CHECK (length(experiment_id) BETWEEN 1 AND 200),
    label             TEXT CHECK (length(label) BETWEEN 1 AND 200),
    created_at_us     INTEGER NOT NULL,
    updated_at_us     INTEGER NOT NULL
) STRICT;

CREATE TABLE arms (
    arm_row_id        INTEGER PRIMARY KEY AUTOINCREMENT,
    experiment_id     TEXT NOT NULL REFERENCES experiments (experiment_id),
    arm               TEXT NOT NULL CHECK (length(arm) BETWEEN 1 AND 200),
    stimulus_definition TEXT NOT NULL CHECK (json_valid(stimulus_definition)),
    prior_alpha       REAL NOT NULL DEFAULT 1.0 CHECK (prior_alpha > 0.0 AND prior_alpha < 1e15),
    prior_beta        REAL NOT NULL DEFAULT 1.0 CHECK (prior_beta > 0.0 AND prior_beta < 1e15),
    alpha             REAL NOT NULL DEFAULT 1.0 CHECK (alpha > 0.0 AND alpha < 1e15),
    beta              REAL NOT NULL DEFAULT 1.0 CHECK (beta > 0.0 AND beta < 1e15),
    enabled           INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
    end_dated_at_us   INTEGER,
    updated_at_us     INTEGER NOT NULL,
    UNIQUE (experiment_id, arm),
    CHECK (enabled = 1 OR end_dated_at_us IS NOT NULL)
) STRICT;

CREATE TABLE decisions (
    decision_id       INTEGER PRIMARY KEY AUTOINCREMENT,
    session_id        TEXT NOT NULL REFERENCES sessions (session_id),
    experiment_id     TEXT NOT NULL,
    selected_arm      TEXT NOT NULL,
    selection_time_us INTEGER NOT NULL,
    policy_version    TEXT NOT NULL,
    decision_context_hash TEXT NOT NULL
        CHECK (length(decision_context_hash) = 64 AND decision_context_hash NOT GLOB '*[^0-9a-f]*'),
    propensity        REAL CHECK (propensity > 0.0 AND propensity <= 1.0),
    snapshot          TEXT NOT NULL CHECK (json_valid(snapshot)),
    UNIQUE (session_id, selection_time_us),
    FOREIGN KEY (experiment_id, selected_arm) REFERENCES arms (experiment_id, arm)
) STRICT;
CREATE INDEX decisions_by_arm ON decisions (experiment_id, selected_arm, selection_time_us);

CREATE TABLE stimuli (
    stimulus_id       TEXT PRIMARY KEY CHECK (length(stimulus_id) = 36),
    session_id        TEXT NOT NULL REFERENCES sessions (session_id),
    client_action_id  TEXT NOT NULL UNIQUE CHECK (length(client_action_id) = 36),
    arm               TEXT,
    operator_note     TEXT CHECK (length(operator_note) <= 500),
    message           TEXT CHECK (length(message) <= 500),
    accepted_at_us    INTEGER NOT NULL,
    stimulus_time_us  INTEGER,
    state             TEXT NOT NULL
        CHECK (state IN ('planned', 'issued', 'measuring', 'analysing', 'awaiting_attestation', 'completed', 'failed')),
    failure_reason    TEXT CHECK (length(failure_reason) BETWEEN 1 AND 64),
    CHECK (state NOT IN ('measuring', 'analysing', 'awaiting_attestation') OR stimulus_time_us IS NOT NULL),
    CHECK ((state = 'failed') = (failure_reason IS NOT NULL))
) STRICT;
CREATE INDEX stimuli_by_session ON stimuli (session_id, accepted_at_us);

CREATE TABLE segments (
    segment_id        TEXT PRIMARY KEY CHECK (length(segment_id) = 64 AND segment_id NOT GLOB '*[^0-9a-f]*'),
    session_id        TEXT NOT NULL REFERENCES sessions (session_id),
    kind              TEXT NOT NULL CHECK (kind IN ('grid', 'stimulus')),
    window_start_us   INTEGER NOT NULL,
    window_end_us     INTEGER NOT NULL,
    pcm_sha256        TEXT CHECK (length(pcm_sha256) = 64 AND pcm_sha256 NOT GLOB '*[^0-9a-f]*'),
    silence_prefix_s  REAL NOT NULL CHECK (silence_prefix_s BETWEEN 0.0 AND 30.0),
    speech_s          REAL CHECK (speech_s >= 0.0 AND speech_s < 31.0),
    rms_dbfs          REAL,
    peak_dbfs         REAL,
    n_observations    INTEGER NOT NULL CHECK (n_observations >= 0),
    n_frames          INTEGER NOT NULL CHECK (n_frames >= 0),
    absent            TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(absent)),
    baseline_ratio    REAL CHECK (baseline_ratio > 0.0 AND baseline_ratio < 1e6),
    gaps              TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(gaps)),
    created_at_us     INTEGER NOT NULL,
    CHECK (window_end_us - window_start_us = 30000000)
) STRICT;
CREATE INDEX segments_by_session ON segments (session_id, window_end_us);

CREATE TABLE metrics (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    session_id        TEXT NOT NULL REFERENCES sessions (session_id),
    segment_id        TEXT NOT NULL REFERENCES segments (segment_id),
    timestamp_us      INTEGER NOT NULL,
    au12_intensity    REAL CHECK (au12_intensity BETWEEN 0.0 AND 1.0),
    f0_valid_measure            INTEGER CHECK (f0_valid_measure IN (0, 1)),
    f0_valid_baseline           INTEGER CHECK (f0_valid_baseline IN (0, 1)),
    perturbation_valid_measure  INTEGER CHECK (perturbation_valid_measure IN (0, 1)),
    perturbation_valid_baseline INTEGER CHECK (perturbation_valid_baseline IN (0, 1)),
    voiced_coverage_measure_s   REAL CHECK (voiced_coverage_measure_s >= 0.0),
    voiced_coverage_baseline_s  REAL CHECK (voiced_coverage_baseline_s >= 0.0),
    f0_mean_measure_hz          REAL CHECK (f0_mean_measure_hz >= 0.0),
    f0_mean_baseline_hz         REAL CHECK (f0_mean_baseline_hz >= 0.0),
    f0_delta_semitones          REAL,
    jitter_mean_measure         REAL CHECK (jitter_mean_measure >= 0.0),
    jitter_mean_baseline        REAL CHECK (jitter_mean_baseline >= 0.0),
    jitter_delta                REAL,
    shimmer_mean_measure        REAL CHECK (shimmer_mean_measure >= 0.0),
    shimmer_mean_baseline       REAL CHECK (shimmer_mean_baseline >= 0.0),
    shimmer_delta               REAL,
    created_at_us     INTEGER NOT NULL,
    UNIQUE (session_id, segment_id)
) STRICT;
CREATE INDEX metrics_by_time ON metrics (session_id, timestamp_us);

CREATE TABLE evaluations (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    session_id        TEXT NOT NULL REFERENCES sessions (session_id),
    segment_id        TEXT NOT NULL REFERENCES segments (segment_id),
    timestamp_us      INTEGER NOT NULL,
    reasoning         TEXT NOT NULL,
    is_match          INTEGER NOT NULL CHECK (is_match IN (0, 1)),
    confidence        REAL NOT NULL CHECK (confidence BETWEEN 0.0 AND 1.0),
    semantic_method   TEXT NOT NULL,
    semantic_method_version TEXT NOT NULL CHECK (length(semantic_method_version) BETWEEN 1 AND 200),
    created_at_us     INTEGER NOT NULL,
    UNIQUE (session_id, segment_id)
) STRICT;

CREATE TABLE encounter_log (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    session_id        TEXT NOT NULL REFERENCES sessions (session_id),
    segment_id        TEXT NOT NULL REFERENCES segments (segment_id),
    stimulus_id       TEXT UNIQUE REFERENCES stimuli (stimulus_id),
    client_id         TEXT NOT NULL,
    experiment_id     TEXT NOT NULL,
    arm               TEXT NOT NULL,
    timestamp_us      INTEGER NOT NULL,
    stimulus_time_us  INTEGER,
    gated_reward      REAL CHECK (gated_reward BETWEEN 0.0 AND 1.0),
    p90_intensity     REAL CHECK (p90_intensity BETWEEN 0.0 AND 1.0),
    semantic_gate     INTEGER CHECK (semantic_gate IN (0, 1)),
    n_frames_in_window INTEGER CHECK (n_frames_in_window >= 0),
    au12_baseline_pre REAL CHECK (au12_baseline_pre BETWEEN 0.0 AND 1.0),
    applied           INTEGER NOT NULL CHECK (applied IN (0, 1)),
    skip_reason       TEXT CHECK (length(skip_reason) BETWEEN 1 AND 64),
    alpha_after       REAL NOT NULL CHECK (alpha_after > 0.0),
    beta_after        REAL NOT NULL CHECK (beta_after > 0.0),
    attested          INTEGER NOT NULL CHECK (attested IN (0, 1)),
    data_gap          INTEGER NOT NULL CHECK (data_gap IN (0, 1)),
    state             TEXT NOT NULL CHECK (state IN
        ('completed', 'rejected_no_frames', 'rejected_gate_closed', 'rejected_semantic_unavailable',
         'rejected_data_gap')),
    notes             TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(notes)),
    physiology_stale  INTEGER CHECK (physiology_stale IN (0, 1)), -- NULL: no wearable data attached
    created_at_us     INTEGER NOT NULL,
    UNIQUE (session_id, segment_id, arm),
    FOREIGN KEY (experiment_id, arm) REFERENCES arms (experiment_id, arm),
    CHECK ((applied = 0) = (skip_reason IS NOT NULL)),
    CHECK (applied = 0 OR gated_reward IS NOT NULL)
) STRICT;
CREATE INDEX encounter_log_by_session ON encounter_log (session_id, timestamp_us);
CREATE INDEX encounter_log_by_arm ON encounter_log (experiment_id, arm, timestamp_us);
CREATE INDEX encounter_log_by_time ON encounter_log (timestamp_us);

CREATE TABLE analytics_message_ledger (
    message_id        TEXT PRIMARY KEY CHECK (length(message_id) = 36),
    segment_id        TEXT NOT NULL CHECK (length(segment_id) = 64 AND segment_id NOT GLOB '*[^0-9a-f]*'),
    client_id         TEXT NOT NULL,
    arm               TEXT NOT NULL,
    schema_version    TEXT NOT NULL,
    reward_path_version TEXT NOT NULL,
    processed_at_us   INTEGER NOT NULL,
    UNIQUE (segment_id, client_id, arm)
) STRICT;

CREATE TABLE data_gaps (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    session_id        TEXT NOT NULL REFERENCES sessions (session_id),
    cause             TEXT NOT NULL CHECK (length(cause) BETWEEN 1 AND 64),
    start_us          INTEGER NOT NULL,
    end_us            INTEGER CHECK (end_us >= start_us),
    UNIQUE (session_id, cause, start_us)
) STRICT;

CREATE TABLE alerts (
    alert_id          TEXT PRIMARY KEY CHECK (length(alert_id) = 36),
    severity          TEXT NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    kind              TEXT NOT NULL CHECK (kind IN ('subsystem_degraded', 'subsystem_recovering', 'subsystem_error',
        'physiology_stale', 'stimulus_failed', 'session_ended', 'data_gap')),
    message           TEXT NOT NULL CHECK (length(message) BETWEEN 1 AND 500),
    session_id        TEXT REFERENCES sessions (session_id),
    subsystem_key     TEXT CHECK (length(subsystem_key) BETWEEN 1 AND 64),
    emitted_at_us     INTEGER NOT NULL,
    acknowledged_at_us INTEGER
) STRICT;
CREATE INDEX alerts_by_time ON alerts (emitted_at_us);

CREATE TABLE live_session_state (
    session_id        TEXT PRIMARY KEY REFERENCES sessions (session_id),
    calibration_accepted INTEGER NOT NULL CHECK (calibration_accepted >= 0),
    calibration_ratio_sum REAL NOT NULL CHECK (calibration_ratio_sum >= 0.0 AND calibration_ratio_sum < 1e12),
    media_ns          INTEGER NOT NULL CHECK (media_ns >= 0),
    updated_at_us     INTEGER NOT NULL
) STRICT;

CREATE TABLE idempotency (
    client_action_id  TEXT PRIMARY KEY CHECK (length(client_action_id) = 36),
    action            TEXT NOT NULL CHECK (length(action) BETWEEN 1 AND 200),
    answer            TEXT NOT NULL CHECK (json_valid(answer)),
    created_at_us     INTEGER NOT NULL
) STRICT;
CREATE INDEX idempotency_by_time ON idempotency (created_at_us);
