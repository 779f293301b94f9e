-- The key with which a contact's principal publishes that it signs, as the user
-- noted it; empty if none is.
ALTER TABLE contacts ADD COLUMN seal_key BLOB NOT NULL DEFAULT x'' CHECK (length(seal_key) IN (0, 32));
