-- The probability with which an encounter's arm had been drawn, kept with the encounter. Rows from before have none and
-- read the one of the newest decision for their arm before the stimulus.

ALTER TABLE encounter_log ADD COLUMN propensity REAL CHECK (propensity > 0.0 AND propensity <= 1.0);
