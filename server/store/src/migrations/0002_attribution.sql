-- Attribution ledger: the columns that are searched or constrained, and the whole record as JSON.

CREATE TABLE attribution_event (
    event_id          TEXT PRIMARY KEY CHECK (length(event_id) = 36),
    session_id        TEXT NOT NULL REFERENCES sessions (session_id),
    segment_id        TEXT NOT NULL CHECK (length(segment_id) = 64 AND segment_id NOT GLOB '*[^0-9a-f]*'),
    event_type        TEXT NOT NULL CHECK (event_type = 'stimulus_interaction'),
    event_time_us     INTEGER NOT NULL,
    reward_path_version TEXT NOT NULL,
    finality          TEXT NOT NULL CHECK (finality IN ('online_provisional', 'offline_final')),
    record            TEXT NOT NULL CHECK (json_valid(record)),
    created_at_us     INTEGER NOT NULL,
    UNIQUE (session_id, segment_id, event_type, reward_path_version)
) STRICT;
CREATE INDEX attribution_event_by_finality ON attribution_event (finality, event_time_us, event_id);
CREATE INDEX attribution_event_by_segment ON attribution_event (segment_id);

CREATE TABLE outcome_event (
    outcome_id        TEXT PRIMARY KEY CHECK (length(outcome_id) = 36),
    session_id        TEXT NOT NULL REFERENCES sessions (session_id),
    outcome_type      TEXT NOT NULL CHECK (outcome_type = 'creator_follow'),
    outcome_time_us   INTEGER NOT NULL,
    confidence        REAL NOT NULL CHECK (confidence BETWEEN 0.0 AND 1.0),
    finality          TEXT NOT NULL CHECK (finality IN ('online_provisional', 'offline_final')),
    record            TEXT NOT NULL CHECK (json_valid(record)),
    created_at_us     INTEGER NOT NULL
) STRICT;
CREATE INDEX outcome_event_by_session ON outcome_event (session_id, outcome_time_us);

CREATE TABLE event_outcome_link (
    link_id           TEXT PRIMARY KEY CHECK (length(link_id) = 36),
    event_id          TEXT NOT NULL REFERENCES attribution_event (event_id),
    outcome_id        TEXT NOT NULL REFERENCES outcome_event (outcome_id),
    lag_s             REAL NOT NULL CHECK (lag_s >= 0.0),
    horizon_s         REAL NOT NULL CHECK (horizon_s > 0.0),
    link_rule_version TEXT NOT NULL,
    finality          TEXT NOT NULL CHECK (finality IN ('online_provisional', 'offline_final')),
    record            TEXT NOT NULL CHECK (json_valid(record)),
    created_at_us     INTEGER NOT NULL,
    UNIQUE (event_id, outcome_id, link_rule_version),
    CHECK (lag_s <= horizon_s)
) STRICT;
CREATE INDEX event_outcome_link_by_outcome ON event_outcome_link (outcome_id);

CREATE TABLE attribution_score (
    score_id          TEXT PRIMARY KEY CHECK (length(score_id) = 36),
    event_id          TEXT NOT NULL REFERENCES attribution_event (event_id),
    outcome_id        TEXT REFERENCES outcome_event (outcome_id),
    attribution_method TEXT NOT NULL CHECK (length(attribution_method) BETWEEN 1 AND 64),
    score_raw         REAL,
    confidence        REAL CHECK (confidence BETWEEN 0.0 AND 1.0),
    finality          TEXT NOT NULL CHECK (finality IN ('online_provisional', 'offline_final')),
    record            TEXT NOT NULL CHECK (json_valid(record)),
    created_at_us     INTEGER NOT NULL
) STRICT;
CREATE INDEX attribution_score_by_event ON attribution_score (event_id);
CREATE INDEX attribution_score_by_outcome ON attribution_score (outcome_id);
