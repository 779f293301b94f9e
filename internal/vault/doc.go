// Package vault keeps a station's contacts, sessions, letters and settings in an
// encrypted SQLite database.
//
// Four files belong together: the database (NAME), its write-ahead log and shared
// memory (NAME-wal, NAME-shm) and the key file (NAME.key). The key file holds the
// master key, sealed under Argon2id of the passphrase, so that the passphrase can
// change without rewriting the database. Every page of database and log is
// encrypted with Adiantum under a key derived from the master key; NAME-shm holds
// page numbers only. NAME.lock keeps a second process out.
//
// Update is commit-then-send's first half: when it returns nil, what the function
// did is on the disk (write-ahead log, synchronous=FULL) and survives a crash of
// the process or the machine. When it returns an error, nothing of it is there.
// Reads (View) have a connection of their own and never delay a commit.
//
// What is deleted or replaced is overwritten with zeros in its page. The log keeps
// older pages for a while: it begins again after 1 MiB, and it is cut to nothing
// before a deletion of a contact or an item returns. Rows that were moved may leave
// copies between others; Burn therefore writes every page anew. Destroy removes
// the key file before anything else and needs no passphrase. A disk that moves
// blocks, a file system with snapshots and a backup may keep old bytes all the
// same: they are encrypted, but under the same key.
//
// Encryption hides content and keys from whoever has the files and not the
// passphrase. It does not hide sizes and times of writes, does not notice that
// all files were replaced by an older copy, and does not help against whoever
// controls the running machine.
//
// The package trusts the file system to keep what fsync said it keeps. Errors
// never contain names, keys or content.
//
// Specification: docs/protocol.md, section 4 (frames, commit-then-send).
package vault
