// Package security holds the users of Redis's ACL: their rules, the check of a
// command against them, and the log of what was refused.
//
// Rules are immutable once they are in force, so a check takes no lock: a User is
// a name and an atomic pointer to its present Rules. The texts are those of
// redis-server 7.0.15.
package security
