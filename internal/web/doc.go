// Package web is how people and programs use a station: an HTTP API in JSON,
// described by OpenAPI 3.1, and its Go client, which the commands use.
//
// It sees what package station offers and nothing below it, never a key. The API
// listens on a unix socket that only its owner may open; whoever can open it is
// the principal. A request that shows a token is a program's and is limited to the
// token's scopes (token.go). Errors are application/problem+json (RFC 9457) whose type is
// "backchannel:" and the station's error code.
package web
