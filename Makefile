# The commands of the project. Each does all of its own set-up; `make` alone lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo demo-kafka test lint samples histories histories-mutants fuzz chaos bench kafka setup docs

# Arguments for demo, demo-kafka, chaos and bench: make demo ARGS="--seed 7"
ARGS ?=

# `make test KAFKA=optional` goes on where no real Kafka can be had, and says at its end what was skipped. Not in CI.
KAFKA ?= required

# Each test on a real Kafka adds a line to this file; tests/kafka/count reads it.
export KAFKA_TESTS_LOG := $(CURDIR)/.cache/kafka/tests.log

# Each fault on a real Kafka adds a line to this file; tests/kafka/table prints it.
export CHAOS_TABLE := $(CURDIR)/.cache/kafka/chaos.log

## make demo        the whole job in one process, with a simulated Heroku and a broker for trying
demo:
	@deploy/prerequisites build
	@cargo build --locked
	@cargo run --locked --quiet --bin heroku-deprovisioner -- demo $(ARGS)

## make demo-kafka  the same on a real Apache Kafka, with a SIGKILL between a removal and its answer
demo-kafka:
	@deploy/prerequisites build kafka
	@tests/kafka/fetch
	@cargo build --locked
	@cargo run --locked --quiet --bin heroku-deprovisioner -- demo --kafka $(ARGS)

## make test        everything: format, lints, docs, all tests, those on a real Apache Kafka included
test:
	@deploy/prerequisites build lint
	@tests/kafka/ready $(KAFKA)
	@mkdir -p $(dir $(KAFKA_TESTS_LOG)) && : >$(KAFKA_TESTS_LOG) && : >$(CHAOS_TABLE)
	@$(MAKE) --no-print-directory lint docs
	cargo test --locked --all-features
	@tests/histories/play 20000
	@tests/kafka/table
	@tests/kafka/count $(KAFKA)

## make lint        what `make test` checks before it runs a test; the border of the core first, it builds fastest
lint:
	@deploy/prerequisites build lint
	cargo fmt --check
	cargo clippy --locked --no-default-features --lib -- -D warnings
	cargo clippy --locked --all-targets --all-features -- -D warnings
	cargo clippy --locked --no-default-features --features service -- -D warnings
	cargo clippy --locked --no-default-features --features simulator -- -D warnings
	@if command -v cargo-deny >/dev/null; then set -x; cargo deny --locked --all-features check bans licenses sources; \
	else echo "cargo-deny is not installed: the rules of deny.toml were NOT checked"; fi

## make docs        the documentation of the code; a warning is an error
docs:
	@deploy/prerequisites build
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --all-features

## make samples     what each sample record is read as; where somebody may expect something else, the argument
samples:
	@deploy/prerequisites build
	@cargo test --locked --all-features --quiet --test samples table::table -- --nocapture

# How many, and the first seed; without one, a new one.
N ?= 10000
SEED ?=

## make histories   random histories of the engine in virtual time: N=10000 SEED=1
histories:
	@deploy/prerequisites build
	@tests/histories/play "$(N)" "$(SEED)"

## make histories-mutants  breaks the engine in forty ways; histories, or else stories, must notice each
histories-mutants:
	@deploy/prerequisites build
	@tests/mutants/run $(N) $(SEED)

# Which decoder, all of them without a name; and how long for each, in seconds of CPU time.
TARGET ?=
TIME ?= 60

## make fuzz        cargo-fuzz on the decoders: TARGET=okta TIME=900
fuzz:
	@deploy/prerequisites build
	@tests/fuzz/run $(TIME) $(TARGET)

## make chaos       faults on a real Apache Kafka while leavers go through, at length: ARGS=brokers SEED=1
chaos:
	@deploy/prerequisites build kafka
	@tests/kafka/fetch
	@mkdir -p $(dir $(CHAOS_TABLE)) && : >$(CHAOS_TABLE)
	@CHAOS=long $(if $(SEED),SEED=$(SEED)) cargo test --locked --all-features --test real_kafka chaos::$(ARGS) -- \
		--nocapture --test-threads=1 && verdict=0 || verdict=$$?; tests/kafka/table; exit $$verdict

## make bench       the benchmarks, each a ratio to a baseline of the same run
bench:
	@deploy/prerequisites build kafka
	@tests/kafka/fetch
	cargo bench --locked $(ARGS)

## make kafka       fetches the jars of Apache Kafka into .cache, once
kafka:
	@deploy/prerequisites kafka
	@tests/kafka/fetch

## make setup       everything that the other commands would fetch or install, now
setup:
	@deploy/prerequisites build lint kafka
	@tests/kafka/fetch
	@tests/registry/fetch
	@cargo fetch --locked
	@echo "ready"

help:
	@sed -n 's/^## //p' $(firstword $(MAKEFILE_LIST))
