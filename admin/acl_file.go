package admin

import (
	"fmt"

	"github.com/quorate/quorate/config"
	"github.com/quorate/quorate/security"
	"github.com/quorate/quorate/transport"
)

const errNoACLFile = "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER command and then issue a CONFIG REWRITE " +
	"(assuming you have a Redis configuration file set) in order to store users in the Redis configuration."

// LoadUsers gives a server the users of the configuration: the file of users if
// there is one, else the lines "user" and the password of the default user.
func LoadUsers(users *security.Users, s *config.Settings) error {
	followACL(users, s)
	users.DefaultPassword(s.RequirePass)
	if s.ACLFile != "" && len(s.Users) > 0 {
		return fmt.Errorf("configuring users both in the configuration and in an ACL file (%s) leads to errors: use one of them", s.ACLFile)
	}
	if s.ACLFile != "" {
		all, err := readUsers(users, s)
		if err != nil {
			return fmt.Errorf("aborting startup because of ACL errors: %w", err)
		}
		users.Replace(all)
		return nil
	}
	all, err := users.ParseLines(s.Users)
	if err != nil {
		return fmt.Errorf("in the configuration: %w", err)
	}
	if all[security.DefaultName] == nil {
		all[security.DefaultName] = users.Default().Rules()
	}
	users.Replace(all)
	return nil
}

func readUsers(users *security.Users, s *config.Settings) (map[string]*security.Rules, error) {
	path := s.Path(s.ACLFile)
	text, err := config.ReadText(path)
	if err != nil {
		return nil, fmt.Errorf("Error loading ACLs, opening file '%s': %w", path, err)
	}
	return users.ParseText(s.ACLFile, text)
}

// followACL has the users' log and new users be as the configuration says.
func followACL(users *security.Users, s *config.Settings) {
	users.Log.Limit(s.ACLLogMaxLen)
	users.OpenChannels(s.ACLPubSubDefault == "allchannels")
}

// aclLoad implements ACL LOAD.
func (a *Admin) aclLoad(s *transport.Session, _ [][]byte) {
	settings := a.Config.Current()
	if settings.ACLFile == "" {
		s.Error(errNoACLFile)
		return
	}
	_, err := a.changeUsers(s.Server(), s, func(users *security.Users) (security.Change, error) {
		all, err := readUsers(users, settings)
		if err != nil {
			return security.Change{}, err
		}
		return users.Replace(all), nil
	})
	if err != nil {
		userError(s, err)
		return
	}
	s.OK()
}

// aclSave implements ACL SAVE.
func (a *Admin) aclSave(s *transport.Session, _ [][]byte) {
	settings := a.Config.Current()
	if settings.ACLFile == "" {
		s.Error(errNoACLFile)
		return
	}
	if err := config.WriteText(settings.Path(settings.ACLFile), s.Server().Users().Text()); err != nil {
		a.Node.Log().Error("users not saved", "error", err)
		s.Error("ERR There was an error trying to save the ACLs. Please check the server logs for more information")
		return
	}
	s.OK()
}

// userLines are the users as the configuration's lines, but a default user who is
// what requirepass alone makes of him.
func userLines(users *security.Users, s *config.Settings) [][]string {
	plain := security.NewUsers(users.Commands)
	plain.DefaultPassword(s.RequirePass)
	var lines [][]string
	for _, u := range users.All() {
		if u.Name != security.DefaultName || u.Line() != plain.Default().Line() {
			lines = append(lines, u.Words())
		}
	}
	return lines
}
