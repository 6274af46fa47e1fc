package admin

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/quorate/quorate/config"
	"github.com/quorate/quorate/security"
	"github.com/quorate/quorate/slots"
	"github.com/quorate/quorate/transport"
)

// A change of users is this node's own in plain mode. In a cluster it is tried on a
// copy, and the whole set goes through the control group as the next revision; if
// another node was faster, once more. Enforcement follows from what comes back
// (Users.Sync), on this node before the client is answered.

const (
	changeTries = 20
	changeLimit = 5 * time.Second
)

// errUsersUnknown tells a client that it must look itself.
var errUsersUnknown = errors.New("UNCERTAIN the change of the users may or may not be made: the control group didn't answer in time")

// changeUsers makes a change of the users for a session, which may be nil. What
// edit returns is returned; an error from elsewhere begins with its own code.
func (a *Admin) changeUsers(srv *transport.Server, by *transport.Session, edit func(*security.Users) (security.Change, error)) (c security.Change, err error) {
	if !a.Node.Cluster() {
		c, err = edit(srv.Users())
		srv.ApplyUsers(c, by)
		return c, err
	}
	if by == nil {
		return a.changeClusterUsers(srv.Users(), edit)
	}
	by.Changing(func() { c, err = a.changeClusterUsers(srv.Users(), edit) })
	return c, err
}

func (a *Admin) changeClusterUsers(users *security.Users, edit func(*security.Users) (security.Change, error)) (security.Change, error) {
	ctx, cancel := context.WithTimeout(context.Background(), changeLimit)
	defer cancel()
	for range changeTries {
		draft, revision := users.Copy()
		before := draft.Text()
		change, problem := edit(draft)
		if draft.Text() == before {
			return change, problem
		}
		next := slots.Users{Revision: revision + 1}
		for _, u := range draft.All() {
			next.All = append(next.All, slots.User{Name: []byte(u.Name), Rules: []byte(u.Rules().String())})
		}
		err := a.Node.SetUsers(ctx, next)
		if err != nil && !strings.Contains(err.Error(), slots.ErrUsersChanged.Error()) {
			a.Node.Log().Warn("users not changed", "reason", err)
			return change, errUsersUnknown
		}
		// Ours, or the one that was faster, is going to be in force here.
		for users.Revision() <= revision {
			select {
			case <-ctx.Done():
				return change, errUsersUnknown
			case <-time.After(time.Millisecond):
			}
		}
		if err == nil {
			return change, problem
		}
	}
	return security.Change{}, errors.New("TRYAGAIN the users are being changed by others, nothing was executed")
}

// userError replies an error of changeUsers.
func userError(s *transport.Session, err error) {
	text := err.Error()
	if !strings.HasPrefix(text, "UNCERTAIN ") && !strings.HasPrefix(text, "TRYAGAIN ") {
		text = "ERR " + text
	}
	s.Error(text)
}

// FollowUsers has CONFIG SET of what concerns users take effect.
func (a *Admin) FollowUsers(srv *transport.Server) {
	users := srv.Users()
	follow := func(s *config.Settings) { followACL(users, s) }
	a.Config.OnChange("acllog-max-len", follow)
	a.Config.OnChange("acl-pubsub-default", follow)
	a.Config.OnApply(func(_, next *config.Settings) error {
		_, err := a.changeUsers(srv, nil, func(u *security.Users) (security.Change, error) {
			u.DefaultPassword(next.RequirePass)
			return security.Change{}, nil
		})
		return err
	}, "requirepass")
}
