-- Times are milliseconds since 1970, 0 if not set. Identifiers are 16 bytes.
-- Every table of a contact's goes with it (ON DELETE CASCADE), so that deleting a
-- contact is one statement. items.number is stable and ascends with arrival: a
-- full-text index can refer to it.

CREATE TABLE contacts (
	number     INTEGER PRIMARY KEY,
	id         BLOB    NOT NULL UNIQUE CHECK (length(id) = 16),
	name       TEXT    NOT NULL,
	role       INTEGER NOT NULL CHECK (role IN (1, 2)),
	created    INTEGER NOT NULL,
	expires    INTEGER NOT NULL,
	verified   INTEGER NOT NULL CHECK (verified IN (0, 1)),
	muted      INTEGER NOT NULL CHECK (muted IN (0, 1)),
	invitation TEXT    NOT NULL
) STRICT;

-- Lanes are few and written as a whole.
CREATE TABLE lanes (
	lane    INTEGER NOT NULL,
	contact INTEGER NOT NULL REFERENCES contacts ON DELETE CASCADE,
	leaves  INTEGER NOT NULL, -- first epoch without the contact, 0 if not freed
	PRIMARY KEY (lane)
) STRICT, WITHOUT ROWID;

-- Keys and stream state of a contact (internal/pairwise).
CREATE TABLE sessions (
	contact INTEGER PRIMARY KEY REFERENCES contacts ON DELETE CASCADE,
	state   BLOB    NOT NULL
) STRICT;

-- Content of frames in flight.
CREATE TABLE frames (
	contact INTEGER NOT NULL REFERENCES contacts ON DELETE CASCADE,
	seq     INTEGER NOT NULL,
	payload BLOB    NOT NULL,
	PRIMARY KEY (contact, seq)
) STRICT, WITHOUT ROWID;

-- Signals, letters and messages of negotiations. header is the encoded header in
-- front of the content, as far as it arrived; an item of a negotiation has none.
-- size counts header and content, 0 while not known; done of these bytes are in
-- frames (outgoing) or here (incoming). finished is when it was delivered or had
-- arrived. digest is the running SHA-256 of an incoming content, then its value.
CREATE TABLE items (
	number   INTEGER PRIMARY KEY,
	id       BLOB    NOT NULL UNIQUE CHECK (length(id) = 16),
	contact  INTEGER NOT NULL REFERENCES contacts ON DELETE CASCADE,
	outgoing INTEGER NOT NULL CHECK (outgoing IN (0, 1)),
	class    INTEGER NOT NULL,
	header   BLOB    NOT NULL,
	parsed   INTEGER NOT NULL CHECK (parsed IN (0, 1)), -- header is whole
	size     INTEGER NOT NULL,
	done     INTEGER NOT NULL,
	created  INTEGER NOT NULL,
	finished INTEGER NOT NULL,
	read     INTEGER NOT NULL CHECK (read IN (0, 1)),
	damaged  INTEGER NOT NULL CHECK (damaged IN (0, 1)),
	digest   BLOB    NOT NULL
) STRICT;

CREATE INDEX items_by_contact ON items (contact, number);
CREATE INDEX items_waiting ON items (number) WHERE outgoing = 1 AND finished = 0;
CREATE INDEX items_unread ON items (number) WHERE outgoing = 0 AND read = 0;

-- Content in pieces; start counts from the first byte after the header.
CREATE TABLE chunks (
	item  INTEGER NOT NULL REFERENCES items ON DELETE CASCADE,
	start INTEGER NOT NULL,
	data  BLOB    NOT NULL,
	PRIMARY KEY (item, start)
) STRICT, WITHOUT ROWID;

CREATE TABLE settings (
	key   TEXT NOT NULL PRIMARY KEY,
	value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
