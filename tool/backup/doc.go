// Package backup takes backups of a running server or cluster, restores them and
// other RDB files into one, and compares the two, as one of its clients.
//
// A backup has for each group of hash slots its state at one committed index. It is a
// directory with one RDB file a group and a manifest, or one RDB file of all groups with
// the manifest in an auxiliary field at its end. The users of ACL can be in a directory. See docs/backup.md.
package backup
