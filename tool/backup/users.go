package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// The users of ACL are in a file of the directory, a line each, as in a file for the
// directive aclfile. Their passwords are in it as hashes without a salt, from which a weak
// password can be guessed, so it is written only where that is asked for.

const usersName = "users.acl"

// usersSettle is how long servers may disagree about the users: a change reaches those that
// answer within a second. It is shorter in tests.
var usersSettle = 10 * time.Second

var (
	errUsersNoPlace = errors.New("an RDB file has no place for users: --users needs a directory")
	errNoUsers      = errors.New("has no users: a directory that was taken with --users has")
	errUsersDiffer  = errors.New("have different users")
)

// UsersPart is what is there of the users.
type UsersPart struct {
	File   string `json:"file"`
	Users  int    `json:"users"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// users asks a server for its users: a line each.
func (c *conn) users() (lines []string, err error) {
	r, err := c.do("ACL", "LIST")
	if err != nil {
		return nil, err
	}
	for _, e := range r.elems {
		line := string(e.text)
		if !isUser(line) {
			return nil, fmt.Errorf("%w: ACL LIST has a line about no user", errBadReply)
		}
		lines = append(lines, line)
	}
	return lines, nil
}

// isUser reports whether a line is about a user. His name has no spaces.
func isUser(line string) bool {
	words := strings.SplitN(line, " ", 3)
	return len(words) == 3 && words[0] == "user" && words[1] != ""
}

// userName returns whom a line is about.
func userName(line string) string { return strings.SplitN(line, " ", 3)[1] }

// userRules returns the rules of a line.
func userRules(line string) []string { return strings.Split(strings.SplitN(line, " ", 3)[2], " ") }

// users asks every server that has slots, until all say the same. One that was cut off may
// know older ones, and until the first change each goes by its own configuration.
func (t *topology) users(ctx context.Context) ([]string, error) {
	for since := time.Now(); ; {
		var lines []string
		var first string
		err := t.everywhere(ctx, func() { first = "" }, func(c *conn) error {
			own, err := c.users()
			switch {
			case err != nil:
				return err
			case first == "":
				first, lines = c.addr, own
			case !slices.Equal(own, lines):
				return fmt.Errorf("%s and %s %w", first, c.addr, errUsersDiffer)
			}
			return nil
		})
		if err == nil && first == "" {
			err = fmt.Errorf("users: no server has slots: %w", errUsersDiffer)
		}
		if !errors.Is(err, errUsersDiffer) || !again(ctx, since, usersSettle) {
			return lines, err
		}
		_ = t.refresh(ctx) // what fails is tried again
	}
}

// writeUsers puts users into the backup.
func (t *taking) writeUsers(lines []string, m *Manifest) error {
	for _, line := range lines {
		if strings.Contains(line, "\n") {
			return fmt.Errorf("a rule of user %.80q has a line break, for which there is no place in %s", userName(line), usersName)
		}
	}
	text := []byte(strings.Join(lines, "\n") + "\n")
	f, err := t.to.Create(usersName)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	sum := sha256.Sum256(text)
	m.Format = formatWithUsers
	m.Users = &UsersPart{File: usersName, Users: len(lines), Bytes: int64(len(text)), SHA256: hex.EncodeToString(sum[:])}
	return errors.Join(err, f.Close())
}

// hasUsers reports whether there are users in the source.
func (s *source) hasUsers() bool { return s.dir && s.manifest.Users != nil }

// users returns the lines about the users of a source that has some, checked.
func (s *source) users() ([]string, error) {
	p := s.manifest.Users
	if p.File != filepath.Base(p.File) {
		return nil, fmt.Errorf("%s: %w: file %.80q", s.path, errManifest, p.File)
	}
	path := filepath.Join(s.path, p.File)
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if int64(len(text)) != p.Bytes {
		return nil, fmt.Errorf("%s has %d bytes, the manifest says %d", path, len(text), p.Bytes)
	}
	if sum := sha256.Sum256(text); hex.EncodeToString(sum[:]) != p.SHA256 {
		return nil, fmt.Errorf("%s is not what the manifest says: another SHA-256", path)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	for i, line := range lines {
		if !isUser(line) {
			return nil, fmt.Errorf("%s: line %d is about no user", path, i+1)
		}
	}
	if len(lines) != p.Users {
		return nil, fmt.Errorf("%s has %d users, the manifest says %d", path, len(lines), p.Users)
	}
	return lines, nil
}
