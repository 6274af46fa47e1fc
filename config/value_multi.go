package config

import (
	"errors"
	"fmt"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
)

// SavePoint is one pair of the save directive: snapshot if at least Changes
// writes happened in Seconds.
type SavePoint struct{ Seconds, Changes int64 }

var errSave = errors.New("Invalid save parameters")

// saveValue is the save directive: pairs of numbers, or one empty argument for none.
// In a file every line adds to the earlier ones, the first replaces the default.
type saveValue struct{}

func (saveValue) set(s *Settings, args []string, loading bool) error {
	if len(args) == 1 && args[0] == "" {
		s.Save, s.savesSeen = nil, true
		return nil
	}
	if len(args)%2 != 0 {
		return errSave
	}
	var points []SavePoint
	for i := 0; i < len(args); i += 2 {
		seconds, err1 := strconv.ParseInt(args[i], 10, 64)
		changes, err2 := strconv.ParseInt(args[i+1], 10, 64)
		if err1 != nil || err2 != nil || seconds < 1 || changes < 0 {
			return errSave
		}
		points = append(points, SavePoint{seconds, changes})
	}
	if loading && s.savesSeen {
		points = slices.Concat(s.Save, points)
	}
	s.Save, s.savesSeen = points, s.savesSeen || loading
	return nil
}

func (saveValue) get(s *Settings) string {
	words := make([]string, 0, len(s.Save))
	for _, p := range s.Save {
		words = append(words, fmt.Sprintf("%d %d", p.Seconds, p.Changes))
	}
	return strings.Join(words, " ")
}

func (saveValue) lines(s *Settings, name string) []string {
	if len(s.Save) == 0 {
		return []string{name + ` ""`}
	}
	var out []string
	for _, p := range s.Save {
		out = append(out, fmt.Sprintf("%s %d %d", name, p.Seconds, p.Changes))
	}
	return out
}

// Classes of clients that have an output limit of their own, indices of Settings.ClientOutputBufferLimit.
const (
	OutputNormal = iota
	OutputReplica
	OutputPubSub
	OutputClasses // number of classes
)

// OutputLimit bounds what may wait for a client to read it. The client is
// closed above Hard bytes at once, and above Soft bytes for SoftSeconds. 0 is no limit.
type OutputLimit struct {
	Hard, Soft  int64 // bytes
	SoftSeconds int64
}

var (
	errLimitArgs  = errors.New("Wrong number of arguments in buffer limit configuration.")
	errLimitClass = errors.New("Invalid client class specified in buffer limit configuration.")
	errLimitValue = errors.New("Error in hard, soft or soft_seconds setting in buffer limit configuration.")
)

// outputLimits is client-output-buffer-limit: groups of class, hard, soft,
// seconds. Classes that are not named keep their limits.
type outputLimits struct{}

func (outputLimits) set(s *Settings, args []string, _ bool) error {
	if len(args)%4 != 0 {
		return errLimitArgs
	}
	limits := s.ClientOutputBufferLimit
	for i := 0; i < len(args); i += 4 {
		var class int
		switch strings.ToLower(args[i]) {
		case "normal":
			class = OutputNormal
		case "replica", "slave":
			class = OutputReplica
		case "pubsub":
			class = OutputPubSub
		default:
			return errLimitClass
		}
		hard, err1 := ParseMemory(args[i+1])
		soft, err2 := ParseMemory(args[i+2])
		seconds, err3 := strconv.ParseInt(args[i+3], 10, 64)
		if err1 != nil || err2 != nil || err3 != nil || seconds < 0 || seconds > math.MaxInt32 {
			return errLimitValue
		}
		limits[class] = OutputLimit{hard, soft, seconds}
	}
	s.ClientOutputBufferLimit = limits
	return nil
}

func (outputLimits) get(s *Settings) string {
	// CONFIG GET of Redis 7.0 still says slave, its files say replica.
	var words []string
	for class, name := range []string{"normal", "slave", "pubsub"} {
		l := s.ClientOutputBufferLimit[class]
		words = append(words, fmt.Sprintf("%s %d %d %d", name, l.Hard, l.Soft, l.SoftSeconds))
	}
	return strings.Join(words, " ")
}

func (outputLimits) lines(s *Settings, name string) []string {
	var out []string
	for class, word := range []string{"normal", "replica", "pubsub"} {
		l := s.ClientOutputBufferLimit[class]
		out = append(out, fmt.Sprintf("%s %s %s %s %d", name, word, formatMemory(l.Hard), formatMemory(l.Soft), l.SoftSeconds))
	}
	return out
}

// list is a directive whose arguments are the elements; check refuses a bad
// list. One empty argument is the empty list.
type list struct {
	at    func(*Settings) *[]string
	check func([]string) error
}

func (v list) set(s *Settings, args []string, _ bool) error {
	if len(args) == 1 && args[0] == "" {
		args = nil
	}
	if err := v.check(args); err != nil {
		return err
	}
	*v.at(s) = slices.Clone(args)
	return nil
}

func (v list) get(s *Settings) string { return strings.Join(*v.at(s), " ") }

func (v list) lines(s *Settings, name string) []string {
	line := name
	for _, word := range *v.at(s) {
		line += " " + quoteIfNeeded(word)
	}
	if line == name {
		line += ` ""`
	}
	return []string{line}
}

// maxBindAddresses is Redis's CONFIG_BINDADDR_MAX.
const maxBindAddresses = 16

func checkBind(addresses []string) error {
	if len(addresses) > maxBindAddresses {
		return errors.New("Too many bind addresses specified.")
	}
	return nil
}

func checkNodes(nodes []string) error {
	for i, node := range nodes {
		host, port, err := net.SplitHostPort(node)
		if err != nil || host == "" {
			return fmt.Errorf("'%s' is not of the form host:port", node)
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return fmt.Errorf("'%s' has no valid port", node)
		}
		if slices.Contains(nodes[:i], node) {
			return fmt.Errorf("'%s' is named twice", node)
		}
	}
	return nil
}

// inert is a directive that nothing in the server reads. Its value is checked,
// kept and printed. With words, the number of arguments must be that.
type inert struct {
	name  string
	words int
	parse func(string) (string, error)
	quote bool
}

func (v inert) set(s *Settings, args []string, _ bool) error {
	if len(args) != max(v.words, 1) {
		return errArgCount
	}
	canonical := make([]string, len(args))
	for i, arg := range args {
		var err error
		if canonical[i], err = v.parse(arg); err != nil {
			return err
		}
	}
	s.inert[v.name] = strings.Join(canonical, " ")
	return nil
}

func (v inert) get(s *Settings) string { return s.inert[v.name] }

func (v inert) lines(s *Settings, name string) []string {
	if v.quote {
		return []string{name + " " + Quote(v.get(s))}
	}
	return []string{name + " " + v.get(s)}
}
