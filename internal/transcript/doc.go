// Package transcript writes down conversations: as JSON, as Markdown, as a page
// to print and as a script, a plain text that a person can edit.
//
// A transcript proves nothing. The station exports a real conversation and forges
// a made-up one through the same functions of this package, from the same values,
// so the two are the same bytes; and neither holds anything but what anybody can
// write: names, times to the minute, texts, and names, sizes and hashes of files.
// No identifier, key, signature or exact time may ever be part of one, for it
// would tell a real transcript from a forged one.
//
// The package is pure. It trusts nobody: names, subjects and texts are written
// such that they cannot pass for another entry, and a page runs no script and
// asks for nothing.
//
// Specification: docs/protocol.md, section 4 (deniability).
package transcript
