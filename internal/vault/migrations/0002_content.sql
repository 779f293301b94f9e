-- Conversations: what people did with items, drafts, self-expiry and the full-text
-- index.
--
-- items.number is from here on the time shown in milliseconds times 2^20 plus a
-- random number, so that it ascends with time, and neither a gap nor an order tells
-- that something was erased, put in or changed (docs/decisions/0015).
PRAGMA defer_foreign_keys = ON;
UPDATE chunks SET item = (SELECT (created << 20) + (number & 1048575) FROM items WHERE number = item) ;
UPDATE items SET number = (created << 20) + (number & 1048575);

-- expiry: own copies are erased so many seconds after they were delivered or read,
-- 0 never.
ALTER TABLE contacts ADD COLUMN expiry INTEGER NOT NULL DEFAULT 0 CHECK (expiry >= 0);

-- acknowledged: when a person said so, theirs (outgoing) or one's own (incoming).
-- cancelled: withdrawn by its sender. seen: when an incoming item was first marked
-- as read. note: 0, or the kind of a message about another item, which nobody is
-- shown and which goes once it was delivered or has had its effect.
ALTER TABLE items ADD COLUMN acknowledged INTEGER NOT NULL DEFAULT 0;
ALTER TABLE items ADD COLUMN cancelled    INTEGER NOT NULL DEFAULT 0 CHECK (cancelled IN (0, 1));
ALTER TABLE items ADD COLUMN seen         INTEGER NOT NULL DEFAULT 0;
ALTER TABLE items ADD COLUMN note         INTEGER NOT NULL DEFAULT 0;
UPDATE items SET seen = finished WHERE outgoing = 0 AND read = 1;

CREATE INDEX items_counted ON items (contact, class, outgoing, read, finished, note) WHERE outgoing = 0 AND read = 0 AND finished > 0 AND note = 0;
CREATE INDEX items_retained ON items (contact, iif(outgoing, finished, seen)) WHERE finished > 0 AND note = 0;

-- What can be read of an item that is here whole, found and shown without opening
-- its content. owner is the contact as a word of the index.
CREATE TABLE texts (
	item      INTEGER PRIMARY KEY REFERENCES items ON DELETE CASCADE ON UPDATE CASCADE,
	owner     TEXT NOT NULL,
	subject   TEXT NOT NULL,
	body      TEXT NOT NULL,
	names     TEXT NOT NULL,
	body_type TEXT NOT NULL,
	parts     TEXT NOT NULL -- JSON, empty for none
) STRICT;

CREATE VIRTUAL TABLE search USING fts5 (
	owner, subject, body, names,
	content = 'texts', content_rowid = 'item', tokenize = "unicode61 remove_diacritics 2", prefix = '1 2 3'
);
INSERT INTO search (search, rank) VALUES ('secure-delete', 1);

CREATE TRIGGER texts_in AFTER INSERT ON texts BEGIN
	INSERT INTO search (rowid, owner, subject, body, names) VALUES (new.item, new.owner, new.subject, new.body, new.names);
END;
CREATE TRIGGER texts_out AFTER DELETE ON texts BEGIN
	INSERT INTO search (search, rowid, owner, subject, body, names) VALUES ('delete', old.item, old.owner, old.subject, old.body, old.names);
END;
CREATE TRIGGER texts_change AFTER UPDATE ON texts BEGIN
	INSERT INTO search (search, rowid, owner, subject, body, names) VALUES ('delete', old.item, old.owner, old.subject, old.body, old.names);
	INSERT INTO search (rowid, owner, subject, body, names) VALUES (new.item, new.owner, new.subject, new.body, new.names);
END;

CREATE TABLE drafts (
	contact INTEGER PRIMARY KEY REFERENCES contacts ON DELETE CASCADE,
	kind    TEXT NOT NULL,
	subject TEXT NOT NULL,
	body    TEXT NOT NULL
) STRICT;

-- Headers and letters are read by the program, which finds this and removes it.
INSERT INTO settings (key, value) VALUES ('unindexed', x'01');
