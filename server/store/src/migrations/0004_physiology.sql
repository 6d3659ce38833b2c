-- Scalar physiology attached to segments, and the co-modulation of both people. Chunks and samples are never stored.

CREATE TABLE physiology_log (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    session_id        TEXT NOT NULL REFERENCES sessions (session_id),
    segment_id        TEXT NOT NULL CHECK (length(segment_id) = 64 AND segment_id NOT GLOB '*[^0-9a-f]*'),
    subject_role      TEXT NOT NULL CHECK (subject_role IN ('streamer', 'operator')),
    rmssd_ms          REAL CHECK (rmssd_ms >= 0.0),
    heart_rate_bpm    INTEGER CHECK (heart_rate_bpm BETWEEN 20 AND 300),
    freshness_s       REAL NOT NULL CHECK (freshness_s >= 0.0),
    is_stale          INTEGER NOT NULL CHECK (is_stale IN (0, 1)),
    provider          TEXT NOT NULL CHECK (length(provider) BETWEEN 1 AND 64),
    source_kind       TEXT NOT NULL CHECK (source_kind IN ('ibi', 'session')),
    derivation_method TEXT NOT NULL CHECK (derivation_method IN ('provider', 'server')),
    window_s          INTEGER NOT NULL CHECK (window_s > 0),
    validity_ratio    REAL NOT NULL CHECK (validity_ratio BETWEEN 0.0 AND 1.0),
    is_valid          INTEGER NOT NULL CHECK (is_valid IN (0, 1)),
    source_timestamp_us INTEGER NOT NULL,
    created_at_us     INTEGER NOT NULL,
    UNIQUE (session_id, segment_id, subject_role)
) STRICT;
CREATE INDEX physiology_log_by_role ON physiology_log (session_id, subject_role, created_at_us);
CREATE INDEX physiology_log_by_source ON physiology_log (session_id, source_timestamp_us);

CREATE TABLE comodulation_log (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    session_id        TEXT NOT NULL REFERENCES sessions (session_id),
    window_start_us   INTEGER NOT NULL,
    window_end_us     INTEGER NOT NULL,
    window_minutes    INTEGER NOT NULL DEFAULT 10 CHECK (window_minutes > 0),
    co_modulation_index REAL CHECK (co_modulation_index BETWEEN -1.0 AND 1.0),
    interval_low      REAL CHECK (interval_low BETWEEN -1.0 AND 1.0),
    interval_high     REAL CHECK (interval_high BETWEEN -1.0 AND 1.0),
    n_paired_observations INTEGER NOT NULL CHECK (n_paired_observations >= 0),
    coverage_ratio    REAL NOT NULL CHECK (coverage_ratio BETWEEN 0.0 AND 1.0),
    window_coverage   REAL NOT NULL CHECK (window_coverage BETWEEN 0.0 AND 1.0),
    streamer_rmssd_mean REAL CHECK (streamer_rmssd_mean >= 0.0),
    operator_rmssd_mean REAL CHECK (operator_rmssd_mean >= 0.0),
    null_reason       TEXT CHECK (null_reason IN
        ('no_eligible_rows', 'insufficient_pairs', 'zero_variance', 'not_computed')),
    created_at_us     INTEGER NOT NULL,
    UNIQUE (session_id, window_end_us),
    CHECK ((co_modulation_index IS NULL) = (null_reason IS NOT NULL)),
    CHECK (window_start_us < window_end_us)
) STRICT;
