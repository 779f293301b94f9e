-- Contacts that are being burned. The row outlives the contact's keys and texts
-- until no page can hold a trace of them, and says nothing but a number that the
-- next contact may get.
CREATE TABLE burning (
	contact INTEGER PRIMARY KEY
) STRICT;

-- Tokens of programs. hash is SHA-256 of a random secret of 32 bytes, which is
-- nowhere else; scopes are separated by spaces.
CREATE TABLE tokens (
	id      BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 8),
	name    TEXT    NOT NULL UNIQUE,
	hash    BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32),
	scopes  TEXT    NOT NULL,
	created INTEGER NOT NULL
) STRICT;
