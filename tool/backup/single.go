package backup

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/quorate/quorate/fsm/rdb"
)

// writeSingle writes the groups as one file. Each group's keys are taken as they
// came: what stands between the head and the end of its file selects its database for itself.
func (t *taking) writeSingle(m *Manifest, libraries []string) error {
	f, err := t.to.Create("")
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	err = t.writeGroups(m, libraries, rdb.NewWriter(w))
	return errors.Join(err, w.Flush(), f.Close())
}

func (t *taking) writeGroups(m *Manifest, libraries []string, out *rdb.Writer) error {
	var e rdb.Encoder
	e.Header()
	e.Aux("redis-ver", "7.0.15")
	e.Aux("redis-bits", strconv.Itoa(strconv.IntSize))
	e.Aux("ctime", strconv.FormatInt(m.Began.Unix(), 10))
	for _, code := range libraries {
		e.Function(code)
	}
	if _, err := out.Write(e.Bytes()); err != nil {
		return err
	}
	chunk := make([]byte, 256<<10)
	const end = 1 + 8
	for i, p := range t.parts {
		keys := io.NewSectionReader(p.spool, p.head, p.Bytes-p.head-end)
		m.Groups[i].Bytes = keys.Size()
		if _, err := io.CopyBuffer(onlyWriter{out}, keys, chunk); err != nil {
			return err
		}
	}
	m.Bytes = out.Written()
	m.TookMs = time.Since(m.Began).Milliseconds()
	e.Reset()
	e.Aux(auxManifest, string(m.encode()))
	if _, err := out.Write(e.Bytes()); err != nil {
		return err
	}
	return out.Finish()
}

// onlyWriter hides what else a writer can do from io.Copy.
type onlyWriter struct{ io.Writer }

// libraries returns the code of all function libraries, each once. Groups that have
// a library in different versions are told of: only the first can be restored.
func (t *taking) libraries() (all []string) {
	have := map[string]string{}
	for _, p := range t.parts {
		for _, code := range p.libraries {
			name := libraryName(code)
			switch before, ok := have[name]; {
			case !ok:
				have[name] = code
				all = append(all, code)
			case before != code:
				t.show.say("warning: group %d has another version of the function library %s, which won't be restored", p.Group, name)
			}
		}
	}
	return all
}

// libraryName returns the name in a library's first line, "#!lua name=x", or for one
// without such a line something that only equal code has.
func libraryName(code string) string {
	first, _, _ := strings.Cut(code, "\n")
	for _, word := range strings.Fields(first) {
		if name, ok := strings.CutPrefix(word, "name="); ok {
			return name
		}
	}
	sum := sha256.Sum256([]byte(code))
	return hex.EncodeToString(sum[:])
}
