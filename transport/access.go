package transport

import (
	"strings"
	"time"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/resp"
	"github.com/quorate/quorate/security"
)

// A session acts as a user. What he may do is looked at when a command arrives,
// again when EXEC runs it, and in the state machine for the commands of scripts.
// The texts are those of redis-server 7.0.15.

const errWrongPass = "WRONGPASS invalid username-password pair or user is disabled."

// SecurityCommands returns a table's commands as rules of users name them.
func SecurityCommands(t *Table) *security.Commands {
	var top []*command.Spec
	for _, n := range t.All() {
		top = append(top, n.Spec)
	}
	return security.NewCommands(top)
}

// User returns whom the session acts as. Safe for concurrent use.
func (s *Session) User() *security.User { return s.user.Load() }

// beDefault makes the session one that has just connected: the default user's,
// who has to authenticate if he has a password by now.
func (s *Session) beDefault() {
	u := s.srv.users.Default()
	s.user.Store(u)
	s.authenticated = u.Rules().Open()
}

// mustAuth reports whether nothing but AUTH, HELLO and the like is allowed yet.
func (s *Session) mustAuth() bool { return !s.authenticated && !s.srv.users.Default().Rules().Open() }

// login makes the session a user's if the password is right, or logs the attempt.
func (s *Session) login(name, password, object []byte) bool {
	u := s.srv.users.Authenticate(string(name), string(password))
	if u == nil {
		s.logDenied(security.Auth, s.context(), string(object), string(name))
		return false
	}
	s.user.Store(u)
	s.authenticated = true
	if u.Gone() { // deleted in this moment; who did that didn't see this session
		s.ending = true
	}
	return true
}

// context is what a command is part of, for ACL LOG.
func (s *Session) context() string {
	if s.tx.open || s.executing {
		return security.InMulti
	}
	return security.TopLevel
}

// logDenied enters something into ACL LOG.
func (s *Session) logDenied(r security.Reason, context, object, user string) {
	s.srv.users.Log.Add(security.Entry{Reason: r, Context: context, Object: object, Username: user,
		Client: strings.TrimSuffix(string(s.describe(nil)), "\n"), At: time.Now()})
}

// denied looks whether the session's user may run a command, and logs if not.
func (s *Session) denied(node *Node, args [][]byte, context string) security.Reason {
	u := s.User()
	d := u.Rules().Check(node.Spec, args)
	if d.Reason != security.Allowed {
		s.publish(false)
		s.logDenied(d.Reason, context, d.Object(node.Spec, args), u.Name)
	}
	return d.Reason
}

// errNoPerm is the reply to a command that its user may not run.
func errNoPerm(r security.Reason, spec *command.Spec) string {
	switch r {
	case security.Key:
		return "NOPERM this user has no permissions to access one of the keys used as arguments"
	case security.Channel:
		return "NOPERM this user has no permissions to access one of the channels used as arguments"
	}
	return "NOPERM this user has no permissions to run the '" + spec.FullName() + "' command"
}

// errNoPermNow is the reply to a queued command that its user may not run any more.
func errNoPermNow(r security.Reason) string {
	why := "no permission to execute the command or subcommand"
	switch r {
	case security.Key:
		why = "no permission to touch the specified keys"
	case security.Channel:
		why = "no permission to access one of the channels used as arguments to the command"
	}
	return "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. " +
		"This command is no longer allowed for the following reason: " + why
}

// as returns the user for a command that meets others or keys on its way; nil for
// other commands, and if nothing is forbidden to him.
func (s *Session) as(node *Node) *fsm.As {
	spec := node.Spec
	if spec.Group != "scripting" && spec.Name != "SORT" && spec.Name != "SORT_RO" {
		return nil
	}
	u := s.User()
	rules := u.Rules()
	if rules.Unlimited() {
		return nil
	}
	return &fsm.As{Rules: rules.Permissions(), Denied: func(r security.Reason, object string) {
		s.logDenied(r, security.InScript, object, u.Name)
	}}
}

// deniedReply is the reply, in the protocol's form, of a queued command that its user
// may not run any more; nil: he may.
func (s *Session) deniedReply(q *queuedCommand) []byte {
	r := s.denied(q.node, q.args, security.InMulti)
	if r == security.Allowed {
		return nil
	}
	var w resp.Writer
	w.Error(errNoPermNow(r))
	return w.Buf
}

// ApplyUsers ends the sessions that a change of the users concerns: those whose user
// is gone, and those that subscribe to what their user may not hear any more. by
// is the session that made the change, which still gets its answer; it may be nil.
func (s *Server) ApplyUsers(c security.Change, by *Session) {
	if len(c.Gone) == 0 && len(c.Limited) == 0 {
		return
	}
	gone, limited := map[*security.User]bool{}, map[*security.User]bool{}
	for _, u := range c.Gone {
		gone[u] = true
	}
	for _, u := range c.Limited {
		limited[u] = true
	}
	for _, session := range s.sessions.all() {
		u := session.User()
		switch {
		case gone[u], limited[u] && session.subs.any() && !s.hub.permits(session, u.Rules()):
		default:
			continue
		}
		switch {
		case session == by:
			session.ending = true
		case session.lastWords.Load():
			// It looks itself when it has answered.
		default:
			session.kill()
		}
	}
}

// EndUnproven ends the sessions of the default user, but for those that make a change.
// It is for a server that learns late that he has a password.
func (s *Server) EndUnproven() {
	for _, session := range s.sessions.all() {
		if session.User() == s.users.Default() && !session.lastWords.Load() {
			session.kill()
		}
	}
}

// Changing runs something that may end this very session by a change of the users
// that comes back from the cluster; it is answered before.
func (s *Session) Changing(run func()) {
	s.lastWords.Store(true)
	run()
	s.lastWords.Store(false)
	if u := s.User(); u.Gone() || s.subs.any() && !s.srv.hub.permits(s, u.Rules()) {
		s.ending = true
	}
}

// permits reports whether rules allow all of a session's subscriptions.
func (h *hub) permits(s *Session, rules *security.Rules) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for kind, names := range s.subs.names {
		for name := range names {
			if !rules.Hears([]byte(name), kind == patterns) {
				return false
			}
		}
	}
	return true
}
