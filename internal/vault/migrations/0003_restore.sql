-- After a restore from a backup both sides offer again what the other may not
-- have. An item that arrived and was erased here must not come back with that, so
-- its identifier, a random number, stays until the contact goes. So do those of
-- notes, which go when they have had their effect: a row does not tell that
-- somebody erased something.
CREATE TABLE erased (
	contact INTEGER NOT NULL REFERENCES contacts ON DELETE CASCADE,
	id      BLOB    NOT NULL CHECK (length(id) = 16),
	PRIMARY KEY (contact, id)
) STRICT, WITHOUT ROWID;

-- A contact that is deleted takes its items along, and nothing stays of them.
CREATE TRIGGER items_erased AFTER DELETE ON items
WHEN old.outgoing = 0 AND old.finished > 0 AND EXISTS (SELECT 1 FROM contacts WHERE number = old.contact)
BEGIN
	INSERT OR IGNORE INTO erased (contact, id) VALUES (old.contact, old.id);
END;
