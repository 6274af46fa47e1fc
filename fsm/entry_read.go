package fsm

import (
	"bytes"
	"fmt"
)

// Steps calls visit with each line and command of an entry behind its header, for who
// wants to show them. A line begins with "#". The arguments are slices of body.
func Steps(body []byte, visit func(args [][]byte)) error {
	for len(body) > 0 {
		if body[0] == '#' {
			line, rest, ok := bytes.Cut(body, []byte("\r\n"))
			if !ok {
				return fmt.Errorf("%w: unfinished line %.40q", ErrEntry, body)
			}
			visit(bytes.Fields(line))
			body = rest
			continue
		}
		args, rest, ok := nextCommand(body, nil)
		if !ok {
			return fmt.Errorf("%w: at %.40q", ErrEntry, body)
		}
		visit(args)
		body = rest
	}
	return nil
}
