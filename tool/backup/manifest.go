package backup

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/quorate/quorate/fsm"
)

const (
	manifestName = "manifest.json"
	// auxManifest is the auxiliary field with the manifest of a backup in one file.
	auxManifest    = "quorate-backup"
	manifestFormat = 1
	// formatWithUsers is that of a backup with users: a program that doesn't know of them
	// would find the manifest's checksum wrong.
	formatWithUsers = 2
)

// Manifest says what is in a backup.
type Manifest struct {
	Format  int       `json:"format"` // of the manifest and the backup
	Began   time.Time `json:"began"`
	TookMs  int64     `json:"took_ms"` // until everything but the manifest was written
	Server  string    `json:"server"`  // its version
	Cluster string    `json:"cluster,omitempty"`
	Keys    int64     `json:"keys"`
	Expires int64     `json:"expires"` // keys with an expiry
	Bytes   int64     `json:"bytes"`   // of the RDB files; in one file: of what stands in front of the manifest
	Groups  []Part    `json:"groups"`
	// Users are there if they were asked for.
	Users *UsersPart `json:"users,omitempty"`
	// Checksum is the SHA-256 of the manifest as it is without it.
	Checksum string `json:"checksum,omitempty"`
}

// Part is what is there of one group.
type Part struct {
	fsm.Origin
	File   string `json:"file,omitempty"` // in the directory
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256,omitempty"` // of the file
}

// sum returns the checksum that the manifest should have.
func (m *Manifest) sum() string {
	bare := *m
	bare.Checksum = ""
	b, err := json.Marshal(bare)
	if err != nil {
		panic(err) // numbers and strings
	}
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// encode seals the manifest and returns it as text.
func (m *Manifest) encode() []byte {
	m.Checksum = m.sum()
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		panic(err) // numbers and strings
	}
	return append(b, '\n')
}

var errManifest = errors.New("the manifest is damaged")

// parseManifest reads what encode wrote.
func parseManifest(b []byte) (*Manifest, error) {
	var m Manifest
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, fmt.Errorf("%w: %w", errManifest, err)
	}
	if m.Format < manifestFormat || m.Format > formatWithUsers {
		return nil, fmt.Errorf("the backup is of format %d, this program knows %d and %d", m.Format, manifestFormat, formatWithUsers)
	}
	if m.Checksum != m.sum() {
		return nil, fmt.Errorf("%w: it doesn't have its checksum", errManifest)
	}
	return &m, nil
}
