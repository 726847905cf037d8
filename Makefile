GO ?= go
KAFKA ?= fake
FUZZTIME ?= 30s
SOAK ?= 2h
WORKLOADS ?=
RUNS ?= 5
SCALE ?= 1
RIVALS ?=
JSON ?=
BASE ?= HEAD
COUNT ?= 10
KILLS ?= 100
PLACES ?= 10000
DURATION ?= 0
SEED ?= 0
SEEDS ?= 10000
FIRST ?= 1
CLUSTER ?= 1
VERSION ?= $(shell git describe --tags --always --dirty)
DIST ?= dist
PLATFORMS ?= linux-amd64 linux-arm64 darwin-amd64 darwin-arm64
PROGRAMS = $(foreach p,$(PLATFORMS),lowcap-cdc-$(p) lowcap-parquet-$(p))
SIGN_KEY ?=
# deploy/docker/Dockerfile builds with the same words, and a test compares the bytes.
GOBUILD = CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags='-s -w -X main.version=$(VERSION)'
CYCLONEDX = github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0
GOLANGCI = github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GOVULNCHECK = golang.org/x/vuln/cmd/govulncheck@v1.9.0

.PHONY: help build release notice check test test-matrix demo bench bench-compare performance benchmarks walkthrough lint huge fuzz soak soak-docs kills \
  upgrades notify-kills consumer-kills attribution-cost transaction-latency audit-places chaos simulate mutants \
  model deps deps-demo

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

build: ## bin/lowcap-cdc and bin/lowcap-parquet
	$(GOBUILD) -o bin/lowcap-cdc ./cmd/lowcap-cdc
	$(GOBUILD) -o bin/lowcap-parquet ./cmd/lowcap-parquet

release: sign-key $(PROGRAMS:%=$(DIST)/%) ## dist/: binaries of four platforms, what each is made of (CycloneDX), checksums, signed with SIGN_KEY=FILE
	for p in $(PROGRAMS); do $(GO) run $(CYCLONEDX) bin -json -std -noserial -notimestamp -version $(VERSION) \
	  -output $(DIST)/$$p.cdx.json $(DIST)/$$p || exit 1; done
	cp LICENSE NOTICE deploy/release/install.sh $(DIST)
	echo $(VERSION) > $(DIST)/VERSION
	cd $(DIST) && sha256sum VERSION LICENSE NOTICE install.sh $(foreach p,$(PROGRAMS),$(p) $(p).cdx.json) > SHA256SUMS
	rm -f $(DIST)/SHA256SUMS.sig
	ssh-keygen -q -Y sign -f '$(SIGN_KEY)' -n lowcap-cdc-release $(DIST)/SHA256SUMS

.PHONY: sign-key
sign-key:
	@[ -f '$(SIGN_KEY)' ] || { echo "a release is signed: say SIGN_KEY=FILE, a key of ssh-keygen -t ed25519 -f FILE" >&2; exit 1; }

.PHONY: $(PROGRAMS:%=$(DIST)/%)
$(PROGRAMS:%=$(DIST)/%): $(DIST)/lowcap-%:
	GOOS=$(word 2,$(subst -, ,$*)) GOARCH=$(word 3,$(subst -, ,$*)) $(GOBUILD) -o $@ ./cmd/lowcap-$(word 1,$(subst -, ,$*))

notice: ## NOTICE: the licences of everything that is linked into the programs
	$(GO) test ./deploy/notice -update -count=1

deps-demo:
	@.ci/deps postgres

deps:
	@.ci/deps postgres pgbouncer java faketime prometheus chromium systemd hadolint buildah debian qemu shells kubernetes kcat python node curl spin

# What needs no server: neither starts one, nor a program that does.
SERVERLESS = ./cdc ./cdc/internal/... ./cmd/lowcap-cdc ./cmd/lowcap-cdc/internal/... ./cmd/lowcap-parquet ./decode ./deploy/notice \
  ./schemas/... ./sink ./sink/file

check: ## vet, lint and the tests that need no server (under two minutes)
	$(GO) vet ./...
	$(GO) run $(GOLANGCI) run
	$(GO) test $(SERVERLESS)
	$(GO) test ./deploy/walkthrough -run 'TestDocument|TestDifference|TestReadme'

test: deps ## every test, against a real Postgres and a real Kafka (about 15 minutes)
	$(GO) vet ./...
	$(GO) test -count=1 -v ./deploy/simulate # says how many seeds it had time for; the race detector leaves it for few
	$(GO) test -race -count=1 -timeout 60m ./...

test-matrix: deps ## the end-to-end tests on Postgres 14 to 18 with Kafka 3.9 to 4.4, each with each (about 75 minutes)
	@.ci/matrix

demo: deps-demo build ## the sidecar at work, killed half way (about 20 seconds); KAFKA=real for a real broker
	$(GO) run ./deploy/demo -binary bin/lowcap-cdc -kafka $(KAFKA)

GO_PQ_CDC = deploy/bench/go-pq-cdc/run.sh
bench: deps build ## speed, latency and memory beside pg_recvlogical (WORKLOADS=w1,latency,notify RUNS=5 SCALE=1 RIVALS= JSON=FILE)
	$(if $(findstring $(GO_PQ_CDC),$(RIVALS)),$(GO_PQ_CDC) build)
	$(GO) run ./deploy/bench -binary bin/lowcap-cdc -workloads '$(WORKLOADS)' -runs $(RUNS) -scale $(SCALE) \
	  -rivals '$(RIVALS)' -json '$(JSON)'

DEBEZIUM = debezium=deploy/bench/debezium/run.sh;debezium-eos=deploy/bench/debezium/run.sh exactly-once
NUMBERS = docs/performance.json
performance: deps build ## docs/performance.md is measured and written anew, on a machine that does nothing else (20 to 25 minutes)
	rivals='$(DEBEZIUM)'; if $(GO_PQ_CDC) build; then rivals="$$rivals;go-pq-cdc-kafka=$(GO_PQ_CDC)"; \
	  else echo "go-pq-cdc-kafka is not measured" >&2; fi; \
	$(GO) run ./deploy/bench -binary bin/lowcap-cdc -runs 3 -scale 0.4 -latency-for 8s -workloads '$(WORKLOADS)' \
	  -rivals "$$rivals" -rival-workloads w1,w3-quiet,w5,latency -json '$(NUMBERS)'
	$(GO) run ./deploy/bench -json '$(NUMBERS)' -draw docs/performance.svg
	$(GO) run ./deploy/bench -json '$(NUMBERS)' -docs docs/performance.md

bench-compare: deps build ## this tree beside another one, in pairs of runs (BASE=main WORKLOADS=w1,w2 RUNS=7 SCALE=0.2)
	@work=$$(mktemp -d) && trap 'git worktree remove --force "$$work/base"; rm -rf "$$work"' EXIT && \
	git worktree add --quiet --detach "$$work/base" '$(BASE)' && \
	(cd "$$work/base" && CGO_ENABLED=0 $(GO) build -trimpath -o "$$work/lowcap-cdc" ./cmd/lowcap-cdc) && \
	$(GO) run ./deploy/bench -binary bin/lowcap-cdc -base "$$work/lowcap-cdc" -runs $(RUNS) -scale $(SCALE) -json '$(JSON)' \
	  -workloads '$(or $(WORKLOADS),w1,w2,w3-quiet,w3-loud,w5)'

benchmarks: deps ## decode, extract, diff, encode and commit by themselves, for benchstat (COUNT=10)
	$(GO) test -run '^$$' -bench . -benchmem -count $(COUNT) ./decode ./cdc ./schemas ./sink/kafka

walkthrough: deps ## docs/operations.md is run, command by command, and written with what comes out (about 5 minutes)
	$(GO) test ./deploy/walkthrough -run TestOperations -update -count=1 -timeout 30m

lint: ## golangci-lint and govulncheck
	$(GO) run $(GOLANGCI) run
	@$(GO) run $(GOVULNCHECK) ./... || .ci/vulndb-missing $$?

huge: deps ## one transaction of 10,000,000 rows, 100,000 subtransactions, a 20 MB document, a COPY of 1,000,000 positions
	$(GO) test ./cmd/lowcap-cdc/e2e -run TestHuge -huge-rows 10000000 -huge-subtransactions 100000 \
	  -huge-document 20 -huge-copy 1000000 -count=1 -timeout 0 -v

fuzz: ## each fuzz target for FUZZTIME
	$(GO) test ./decode -run '^$$' -fuzz FuzzDecode -fuzztime $(FUZZTIME)
	$(GO) test ./cdc -run '^$$' -fuzz FuzzFeaturesColumn -fuzztime $(FUZZTIME)
	$(GO) test ./decode -run '^$$' -fuzz FuzzFeatures -fuzztime $(FUZZTIME)
	$(GO) test ./decode -run '^$$' -fuzz FuzzMembers -fuzztime $(FUZZTIME)
	$(GO) test ./decode -run '^$$' -fuzz FuzzSieve -fuzztime $(FUZZTIME)
	$(GO) test ./decode -run '^$$' -fuzz FuzzLSN -fuzztime $(FUZZTIME)
	$(GO) test ./sink/kafka -run '^$$' -fuzz FuzzRecordSet -fuzztime $(FUZZTIME)
	$(GO) test ./sink/kafka -run '^$$' -fuzz FuzzAnswer -fuzztime $(FUZZTIME)
	$(GO) test ./schemas -run '^$$' -fuzz FuzzAvro -fuzztime $(FUZZTIME)
	$(GO) test ./schemas -run '^$$' -fuzz FuzzParse -fuzztime $(FUZZTIME)
	$(GO) test ./cmd/lowcap-cdc/internal/audit/seal -run '^$$' -fuzz FuzzLog -fuzztime $(FUZZTIME)
	$(GO) test ./cmd/lowcap-cdc/internal/audit/seal -run '^$$' -fuzz FuzzParse -fuzztime $(FUZZTIME)

upgrades: deps ## go on after every upgrade, move, rename and restore, on both sinks, killed at each step and under load (about 45 minutes)
	$(GO) test ./cmd/lowcap-cdc/e2e -run 'TestAdopt' -upgrades -count=1 -timeout 60m -v
	$(GO) test ./deploy/walkthrough -run TestUpgradeGuide -count=1 -timeout 30m -v
	$(GO) test ./deploy/chaos -run TestServerChanges -changes -long 1m -count=1 -timeout 90m -v

SAMPLES ?= bin/soak.jsonl
soak: deps build ## one sidecar and notify under the load of the bot for SOAK: what must not grow, judged and drawn; Ctrl-C ends it
	$(GO) build -o bin/bench ./deploy/bench
	bin/bench -binary bin/lowcap-cdc -soak $(SOAK) -samples '$(SAMPLES)' -draw bin/soak.svg

soak-docs: ## docs/performance.md is written anew with the soak that SAMPLES holds
	cp '$(SAMPLES)' docs/soak.jsonl
	$(GO) run ./deploy/bench -samples docs/soak.jsonl -draw docs/soak.svg -docs docs/performance.md

kills: deps ## kill -9 under load for DURATION (0: thirty kills)
	$(GO) test ./cmd/lowcap-cdc/e2e -run TestKilledUnderLoad -kills-for $(DURATION) -count=1 -timeout 0 -v

notify-kills: deps ## kill -9 of notify, sidecar and broker while receivers answer as they like, KILLS times on each sink
	$(GO) test ./cmd/lowcap-cdc/e2e -run TestNotifyKilled -notify-kills $(KILLS) -parallel 4 -count=1 -timeout 0 -v

attribution-cost: deps ## what init --attribution costs a write: pgbench, medians of 20 turns (about 6 minutes)
	$(GO) test ./cdc/pg -run TestAttributionCost -pairs 20 -count=1 -timeout 0 -v

transaction-latency: deps ## latency with transactions of version 1 and 2, in turns, on CLUSTER brokers (about 8 minutes)
	$(GO) test ./sink/kafka -run TestLatencyOfBothVersions -latency-seconds 20 -latency-brokers $(CLUSTER) -count=1 -timeout 0 -v

consumer-kills: deps ## kill -9 of two consumers in Python, KILLS times: the package, and exactly once into Postgres
	$(GO) test ./deploy/consumers -run 'TestPythonPackageKilled|TestExactlyOnce' -consumer-kills $(KILLS) -count=1 -timeout 0 -v

audit-places: deps ## audit at, at PLACES random places, against queries in snapshots there (10,000: an hour or two)
	$(GO) test ./cmd/lowcap-cdc/e2e -run 'TestAtAnyMoment|TestExitsWantedAtAnyMoment' -places $(PLACES) -count=1 -timeout 0 -v

model: deps ## the commit protocol, exhausted by spin (docs/model/README.md; about 20 minutes)
	$(GO) test ./deploy/model -model-pairs -count=1 -timeout 0 -v

simulate: ## SEEDS seeds of the simulation from FIRST on, on every core; Ctrl-C ends it (deploy/simulate/README.md)
	$(GO) test -c -o bin/simulate.test ./deploy/simulate
	cd deploy/simulate && ../../bin/simulate.test -test.run '^TestSeeds$$' -test.timeout 0 -test.v -seeds $(SEEDS) -first $(FIRST) -within 0

mutants: ## build the sidecar with each fault of a list, and count the seeds until the simulation finds it
	$(GO) test ./deploy/simulate -run '^TestMutants$$' -mutants -parallel 2 -seeds $(SEEDS) -within 0 -count=1 -timeout 0 -v

chaos: deps build ## every kind of fault until KILLS or DURATION; SEED repeats one; CLUSTER=3 moves leaders (docs/chaos.md)
	$(GO) run ./deploy/chaos -binary bin/lowcap-cdc -kills $(KILLS) -duration $(DURATION) -seed $(SEED) -cluster $(CLUSTER)
