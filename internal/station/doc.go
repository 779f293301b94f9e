// Package station is a principal's always-on program: it joins every epoch,
// sends the same cells at the same times whether anybody talks or not, runs
// introductions, healing and the reliable stream with its contacts, and keeps
// what it must in the vault.
//
// Node is the state machine (docs/protocol.md, sections 3 and 4); it touches
// neither clock nor socket. Station (station.go) runs a Node on real sockets and
// offers what the page, the commands and the HTTP API use.
//
// What an observer can see of a station is decided in exactly three files:
// attempt.go (JOIN, ONIONS, ACK), rounds.go (cells) and connection.go
// (reconnects). Everything in them happens at times fixed by the network file;
// none of it waits for the vault, for a contact or for a decryption.
//
// The package trusts its own machine and nothing else. It must never reveal
// through logs, metrics, timing or errors whether a lane is idle.
package station
