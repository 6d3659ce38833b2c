-- Statistics of the action units over a segment, as a JSON list. Rows from before have none.

ALTER TABLE segments ADD COLUMN action_units TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(action_units));
