package transport

import (
	"bytes"

	"github.com/quorate/quorate/command"
)

// migrateCommands is MIGRATE, which is known, so that its keys and its
// documentation can be asked for, and refused. It would have to send a key to
// another server and delete it here as one step, while what is written here is
// decided by a majority: DUMP, RESTORE and DEL make every step visible.
func migrateCommands() []*Command {
	return []*Command{{Run: migrate, Spec: command.Spec{
		Name: "MIGRATE", Arity: -6, Flags: command.Write | command.MovableKeys, ACL: command.Keyspace | command.Dangerous,
		Keys: []command.KeySpec{
			{Flags: command.KeyRW | command.KeyAccess | command.KeyDelete, Pos: 3, Step: 1},
			{Flags: command.KeyRW | command.KeyAccess | command.KeyDelete | command.KeyIncomplete, Keyword: "KEYS", Pos: -2, Last: -1, Step: 1},
		},
		Extract: migrateKeys,
		Group:   "generic", Since: "2.6.0", Complexity: "O(1): it is refused",
		Syntax:  `host port <key | ""> destination-db timeout [COPY] [REPLACE] [AUTH password | AUTH2 username password] [KEYS key [key ...]]`,
		Summary: "Moves keys to another server.",
		Tips:    []string{"nondeterministic_output"},
	}}}
}

// migrate implements MIGRATE: see migrateCommands.
func migrate(s *Session, args [][]byte) { s.Error(errMigrate) }

const errMigrate = "ERR MIGRATE is not supported: copy the value with DUMP and RESTORE, then delete the key"

// migrateKeys finds MIGRATE's keys: the third argument, or, if that is empty,
// all behind KEYS.
func migrateKeys(args [][]byte) ([]int, bool) {
	for i := 6; i < len(args); i++ {
		switch word := string(bytes.ToUpper(args[i])); {
		case word == "AUTH":
			i++
		case word == "AUTH2":
			i += 2
		case word == "KEYS" && len(args[3]) > 0:
			return nil, false
		case word == "KEYS":
			var keys []int
			for i++; i < len(args); i++ {
				keys = append(keys, i)
			}
			return keys, len(keys) > 0
		}
	}
	return []int{3}, true
}
