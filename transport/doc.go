// Package transport serves clients: listeners, RESP2 and RESP3, sessions, MULTI,
// and the commands that concern the connection itself.
//
// One goroutine per connection reads what has arrived (frame.go, reader.go),
// resolves each command (dispatch.go), collects data commands into units for
// one group at a time (unit.go) and writes the replies of the whole pipeline
// at once. Everything below a session is behind Group and Router.
package transport
