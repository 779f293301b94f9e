-- Up to which row of a room its user has looked: a number of room_rows, 0 before the
-- first, -1 for a room that was never looked at. What was here before this column is
-- nothing new.
ALTER TABLE rooms ADD COLUMN looked INTEGER NOT NULL DEFAULT -1;

UPDATE rooms SET looked = (SELECT coalesce(max(number), 0) FROM room_rows WHERE room = rooms.number);
