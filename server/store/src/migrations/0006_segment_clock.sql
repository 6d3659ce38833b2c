-- How the source's clock stood against the host's over a segment. Rows from before, and sources without a clock of their
-- own, have none.

ALTER TABLE segments ADD COLUMN clock_state TEXT CHECK (clock_state IN ('good', 'holdover', 'one_way', 'none'));
ALTER TABLE segments ADD COLUMN clock_offset_s REAL;
ALTER TABLE segments ADD COLUMN clock_drift_ppm REAL;
ALTER TABLE segments ADD COLUMN clock_uncertainty_ms REAL CHECK (clock_uncertainty_ms >= 0.0);
