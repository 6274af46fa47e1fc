# Quorate. `make help` lists the targets.
SHELL := /bin/bash
GO ?= go

.PHONY: help build test vet race fuzz faults sim compat suites client-suites clients bench bench-log e2e fmt

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | sort | expand -t 16

build: ## build bin/quorate
	$(GO) build -o bin/quorate .

test: vet build ## what CI runs: vet, formatting, all tests, the race detector on the concurrent packages
	$(GO) test -tags poison -timeout 15m ./... # freed memory is overwritten
	$(GO) test -race -short -timeout 10m ./store/... ./node/... ./transport/... ./config/...

vet: ## gofmt and go vet
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./...

race: ## every package under the race detector
	$(GO) test -race -timeout 30m ./...

sim: ## fifty simulated fault runs of two minutes each
	$(GO) test ./test/sim -run 'TestFaults|TestQueues' -sim.runs=50 -sim.time=2m -timeout 30m

e2e: build ## the tour with real processes and redis-cli
	$(GO) test ./test/e2e -v -count=1

faults: ## servers killed at named points of log, snapshots and votes, three times each; disks that fail; the log's crash matrix
	$(GO) test ./test/e2e -run 'TestKillAtPoints|TestBrokenDisk|TestFullDisk' -e2e.faultrounds=3 -timeout 30m -v -count=1
	$(GO) test ./store/wal -run 'Crash|Broken|Crafted' -count=5 -timeout 30m

compat: build ## a million random commands compared with redis-server
	$(GO) test ./test/compat -run TestCompat -timeout 60m -args -n 1000000

SUITE_ADDRESS ?= 127.0.0.1:6379
SUITE_MODE ?= A
suites: build ## Redis's own TCL suite; REDIS_SUITE is its source tree, SUITE_ADDRESS a server, SUITE_MODE A (plain) or D (cluster), SUITE_ARGS more for test/suites/run.sh
	test/suites/run.sh -m $(SUITE_MODE) $(SUITE_ARGS) $(SUITE_ADDRESS)

client-suites: ## the suites of go-redis and, with REDISPY_SUITE, its checkout, of redis-py against redis-server and Quorate
	test/suites/clients.sh go-redis
	[ -z "$$REDISPY_SUITE" ] || test/suites/clients.sh redis-py
	[ -z "$$REDISPY_SUITE" ] || test/suites/clients.sh redis-py-cluster

clients: build ## go-redis, ioredis and redis-py through a failover
	$(GO) test ./test/clients -v -count=1

bench: build ## side by side with redis-server and etcd, as ratios
	$(GO) run ./test/bench

LOG_DIR ?= /var/tmp
bench-log: ## the shared log beside raft-boltdb and raft-wal, on the disk of LOG_DIR
	cd test/bench/logstores && $(GO) run . -dir $(LOG_DIR) $(LOG_ARGS)

fuzz: ## each fuzz target for 30 seconds
	@for p in $$($(GO) list ./...); do for f in $$($(GO) test -list '^Fuzz' $$p | grep ^Fuzz); do \
		echo "$$p $$f"; $(GO) test $$p -run '^$$' -fuzz "^$$f$$" -fuzztime 30s || exit 1; done; done

fmt: ## format the code
	gofmt -w $$(git ls-files '*.go')
