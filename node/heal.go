package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/store"
)

// A group whose state machine has met a command that panics is thrown away and
// built again from its snapshot and log without that command. The command is
// written down first, so that a restart leaves it out too.

// poisonFile is the list of left-out steps in a group's directory.
func (n *Node) poisonFile(group uint32) string { return filepath.Join(n.dirOf(group), poisonName) }

const poisonName = "poison.json"

func (n *Node) loadPoison(group uint32) ([]fsm.Poison, error) { return readPoison(n.poisonFile(group)) }

func readPoison(path string) ([]fsm.Poison, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	var list []fsm.Poison
	if err == nil {
		err = json.Unmarshal(text, &list)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return list, nil
}

// heal rebuilds a group without the step that panicked.
func (n *Node) heal(group uint32, g *store.Group, e *fsm.PanicError) {
	n.log.Error("a command panicked: rebuilding the group without it; please report this",
		"group", group, "error", e, "stack", string(e.Stack))
	if err := n.rebuild(group, g, e.Poison); err != nil {
		n.opt.Fatal(fmt.Errorf("rebuild group %d: %w", group, err))
	}
}

func (n *Node) rebuild(group uint32, g *store.Group, p fsm.Poison) error {
	list, err := n.loadPoison(group)
	if err != nil {
		return err
	}
	text, err := json.Marshal(append(list, p))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(n.dirOf(group), 0o700); err != nil {
		return err
	}
	if err := writeFile(n.poisonFile(group), text); err != nil {
		return err
	}
	// Closing answers what is in flight; an error of it changes nothing.
	if err := g.Close(); err != nil {
		n.log.Warn("closing the broken group", "group", group, "error", err)
	}
	n.mu.Lock()
	if n.closed || n.groups[group] != g || n.busy[group] {
		n.mu.Unlock()
		return nil
	}
	n.busy[group] = true
	n.wg.Add(1)
	n.mu.Unlock()
	defer n.wg.Done()
	return n.openBusy(group, nil)
}
