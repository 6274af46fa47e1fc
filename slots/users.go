package slots

import "errors"

// User is a user of ACL as the control group keeps it: bytes, which need not be
// text.
type User struct {
	Name  []byte `json:"name"`
	Rules []byte `json:"rules"` // as ACL LIST shows them
}

// Users are all users of a cluster at a revision. Before the first change of any
// user it is 0, and every node goes by its configuration.
type Users struct {
	Revision uint64 `json:"revision"`
	All      []User `json:"all"`
}

// ErrUsersChanged refuses a change of users that rests on an older revision.
var ErrUsersChanged = errors.New("the users were changed meanwhile")

// users puts the next revision of the users in the place of the present one.
func (m *Map) users(u *Users) (*Map, error) {
	if u.Revision != m.Users.Revision+1 {
		return nil, ErrUsersChanged
	}
	next := m.Clone()
	next.Users = *u
	return next, nil
}
