// Package pagetest tests a station's pages in a real Chromium against real
// stations in a small real network: relays, an entry and stations on loopback
// sockets with real vaults, at the preset of the demo. It has no code of its own
// beside the tests.
//
// Specification: issue 3 of the project and docs/using.md. The package trusts its
// own machine and reveals nothing: every key in it is made for one run.
package pagetest
