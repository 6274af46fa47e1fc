package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/quorate/quorate/config"
	"github.com/quorate/quorate/security"
	"github.com/quorate/quorate/slots"
	"github.com/quorate/quorate/transport"
)

// ClusterUsers puts the users that the control group has agreed on in force on this
// node. It keeps them in a file too: a node that starts again must not let anybody
// in, before it has heard from the others, who couldn't get in before.
type ClusterUsers struct {
	Users *security.Users
	Path  string // of the file
	Warn  func(msg string, args ...any)
}

// Restore puts the users in force that this node knew when it stopped.
func (c *ClusterUsers) Restore() error {
	data, err := os.ReadFile(c.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var u slots.Users
	if err == nil {
		err = json.Unmarshal(data, &u)
	}
	if err != nil {
		return fmt.Errorf("users of the cluster in %s: %w", c.Path, err)
	}
	c.Users.Sync(u.Revision, rulesOf(u))
	return nil
}

// Sync puts a revision in force. srv is nil as long as there are no clients.
func (c *ClusterUsers) Sync(srv *transport.Server, u slots.Users) {
	before := c.Users.Revision()
	if u.Revision <= before {
		return
	}
	data, err := json.Marshal(u)
	if err == nil {
		err = config.WriteText(c.Path, string(data))
	}
	if err != nil {
		c.Warn("users of the cluster not kept on this node", "error", err)
	}
	open := c.Users.Default().Rules().Open()
	change := c.Users.Sync(u.Revision, rulesOf(u))
	if srv == nil {
		return
	}
	srv.ApplyUsers(change, nil)
	if before == 0 && open && !c.Users.Default().Rules().Open() {
		// Who came before this node knew that there is a password never gave one.
		srv.EndUnproven()
	}
}

func rulesOf(u slots.Users) map[string]string {
	all := map[string]string{}
	for _, user := range u.All {
		all[string(user.Name)] = string(user.Rules)
	}
	return all
}
