// Package clients follows a failover with the cluster clients that people use:
// go-redis, ioredis and redis-py. Each connects with one address, discovers the
// rest, writes and reads a thousand keys, keeps writing while a node is killed,
// and at the end reads every acknowledged write back.
//
//	go test ./test/clients                                       (starts bin/quorate)
//	QUORATE_CLUSTER=127.0.0.1:7001,... go test ./test/clients     (a running cluster; no node is killed)
//	QUORATE_CLIENTS_SERVER=redis go test ./test/clients           (a control: six nodes of redis-server)
//
// The scripts for Node.js and Python are told by a file that a node has been
// killed, and leave a file of their own when writes go on: see protocol.go.
package clients
