-- Negotiations. A room is made by a formation; both stand in one row, so that a
-- room and what led to it go together. Times of statements are in milliseconds like
-- all others.
--
-- form is the random number that messages about the formation carry.
-- room is the room's id once it exists. All else are encodings of
-- internal/negotiation: local has vouch keys and tags, lasting is the same without
-- them and as a restored station has it, private is what the user keeps to itself.
CREATE TABLE rooms (
	number    INTEGER PRIMARY KEY,
	form      BLOB    NOT NULL UNIQUE CHECK (length(form) = 16),
	room      BLOB    UNIQUE CHECK (length(room) = 32),
	created   INTEGER NOT NULL,
	formation BLOB    NOT NULL,
	charter   BLOB    NOT NULL, -- empty until the room exists
	local     BLOB    NOT NULL,
	lasting   BLOB    NOT NULL,
	private   BLOB    NOT NULL
) STRICT;

-- Who takes part, or was invited to, as far as it is a contact. A contact that goes
-- takes its rooms along.
CREATE TABLE room_members (
	room    INTEGER NOT NULL REFERENCES rooms ON DELETE CASCADE,
	contact INTEGER NOT NULL REFERENCES contacts ON DELETE CASCADE,
	PRIMARY KEY (room, contact)
) STRICT, WITHOUT ROWID;

CREATE INDEX room_members_by_contact ON room_members (contact, room);

CREATE TRIGGER rooms_burned AFTER DELETE ON room_members BEGIN
	DELETE FROM rooms WHERE number = old.room;
END;

-- Statements as a room keeps them, in order of arrival (negotiation.Row).
CREATE TABLE room_rows (
	room    INTEGER NOT NULL REFERENCES rooms ON DELETE CASCADE,
	number  INTEGER NOT NULL, -- from 1
	sender  BLOB    NOT NULL,
	told    BLOB    NOT NULL, -- member, empty for all
	at      INTEGER NOT NULL,
	id      BLOB    NOT NULL,
	raw     BLOB    NOT NULL,
	erased  INTEGER NOT NULL CHECK (erased IN (0, 1)),
	refused TEXT    NOT NULL,
	PRIMARY KEY (room, number)
) STRICT;

-- Blind rounds and signings under way: secret, and gone when they end.
CREATE TABLE machines (
	room  INTEGER NOT NULL REFERENCES rooms ON DELETE CASCADE,
	kind  TEXT    NOT NULL,
	id    BLOB    NOT NULL,
	state BLOB    NOT NULL,
	PRIMARY KEY (room, kind, id)
) STRICT, WITHOUT ROWID;

-- What contacts sent about rooms that are not here, as it came.
CREATE TABLE strays (
	number  INTEGER PRIMARY KEY,
	contact INTEGER NOT NULL REFERENCES contacts ON DELETE CASCADE,
	at      INTEGER NOT NULL,
	raw     BLOB    NOT NULL,
	reason  TEXT    NOT NULL
) STRICT;

CREATE INDEX strays_by_contact ON strays (contact, number);

-- Messages that arrived whole and were not read yet.
CREATE INDEX items_messages ON items (finished, number) WHERE outgoing = 0 AND class = 2 AND finished > 0;
