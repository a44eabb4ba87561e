# nightshift. `make help` lists the targets.

GO     ?= go
PYTHON ?= python3
BIN    := bin
SEED   ?= 1
# The cluster of cluster-up and cluster-down.
SIZE    ?= light
CLUSTER ?= .nightshift/cluster
# Tools and environments are cached outside of the tree, by their versions.
CACHE  ?= $(or $(NIGHTSHIFT_CACHE),$(if $(XDG_CACHE_HOME),$(XDG_CACHE_HOME),$(HOME)/.cache)/nightshift)

GOLANGCI_VERSION    := v2.15.0
GOVULNCHECK_VERSION := v1.8.0
RUFF_VERSION        := 0.17.6

GOLANGCI    := $(CACHE)/tools/golangci-lint-$(GOLANGCI_VERSION)/golangci-lint
GOVULNCHECK := $(CACHE)/tools/govulncheck-$(GOVULNCHECK_VERSION)/govulncheck
RUFF        := $(CACHE)/tools/ruff-$(RUFF_VERSION)/bin/ruff
TEST_VENV   := $(CACHE)/venv/test-$(shell cat examples/fraud/requirements*.txt scripts/requirements-test.txt 2>/dev/null | cksum | cut -d' ' -f1)
RAY_VENV    := $(CACHE)/venv/ray-$(shell cksum < scripts/requirements-ray.txt | cut -d' ' -f1)

.PHONY: help build run demo-spot demo-night test test-long test-stores check generate generated fmt clean prove-guard prove-policy bench bench-other transcript bench-dataplane image e2e cluster-up cluster-down

help: ## show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 20

build: $(BIN)/nightshift ## build bin/nightshift

$(BIN)/nightshift: FORCE
	@CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o $@ ./cmd/nightshift # static and small: it travels into the pods of Ray clusters
FORCE:

run: build ## score the fraud example on this machine, from nothing
	@NIGHTSHIFT=$(BIN)/nightshift $(PYTHON) scripts/run.py

demo-spot: build ## a job with a deadline whose spot workers are killed, in minutes: DATA=FILE, SEED=N, SPEED=N
	@NIGHTSHIFT=$(BIN)/nightshift $(PYTHON) scripts/demo_spot.py

demo-night: build ## a night on real servers in nine minutes, with everything that goes wrong in one: DATA=FILE, SEED=N
	@rm -rf .nightshift/demo-night && mkdir -p .nightshift/demo-night
	@NIGHTSHIFT_TEST_PROGRAM=$(CURDIR)/$(BIN)/nightshift NIGHTSHIFT_NIGHT=$(CURDIR)/.nightshift/demo-night NIGHTSHIFT_NIGHT_SEED=$(SEED) NIGHTSHIFT_NIGHT_DATA="$(abspath $(DATA))" \
		$(GO) test -count=1 -timeout 20m -v -run '^TestNight$$' ./e2e/night

test: build $(TEST_VENV)/ready $(RAY_VENV)/ready ## run the tests, the race detector on; those that kill processes one after another
	NIGHTSHIFT_TEST_PYTHON=$(TEST_VENV)/bin/python NIGHTSHIFT_TEST_PROGRAM=$(CURDIR)/$(BIN)/nightshift \
		$(GO) test -race -shuffle=on -timeout 40m $$($(GO) list ./... | grep -v /e2e/)
	NIGHTSHIFT_TEST_PYTHON=$(TEST_VENV)/bin/python NIGHTSHIFT_TEST_PROGRAM=$(CURDIR)/$(BIN)/nightshift NIGHTSHIFT_TEST_RAY_PYTHON=$(RAY_VENV)/bin/python \
		$(GO) test -race -shuffle=on -timeout 40m -p 1 ./e2e/...
	NIGHTSHIFT_TEST_PYTHON=$(TEST_VENV)/bin/python NIGHTSHIFT_TEST_PROGRAM=$(CURDIR)/$(BIN)/nightshift NIGHTSHIFT_FAULT_SERVERS=3 \
		$(GO) test -race -shuffle=on -timeout 40m -run $(KILLS) ./e2e/faults

# The job flow's kill tests, which run on one NATS server and again on three.
KILLS := '^Test(Killed|WorkersGoOn|EndingWorker|Zombie|TwoOrchestrators|EverythingDies|Interrupted|SubmitIsIdempotent)'

test-long: ## the tests of the largest jobs, a million shards; SEED=N for another course
	NIGHTSHIFT_LONG=1 NIGHTSHIFT_LONG_SEED=$(SEED) $(GO) test -count=1 -timeout 60m -v -run '^TestMachineMillionShards$$' ./orchestrator/shard

test-stores: ## s3, gs and azblob against server programs (needs npm)
	@GO=$(GO) CACHE=$(CACHE) bash scripts/test-stores.sh

check: $(GOLANGCI) $(GOVULNCHECK) $(RUFF) ## lint, vulnerabilities, formatting, generated files
	@test -z "$$(gofmt -l .)" || { echo "not formatted:"; gofmt -l .; exit 1; }
	$(GO) mod tidy -diff
	$(GO) vet ./...
	$(GOLANGCI) run ./...
	@$(GOVULNCHECK) ./... > $(CACHE)/govulncheck.out 2>&1 && cat $(CACHE)/govulncheck.out || { \
		grep -q 'fetching vulnerabilities' $(CACHE)/govulncheck.out && echo "NOT CHECKED for vulnerabilities: their database cannot be reached from here" || { cat $(CACHE)/govulncheck.out; exit 1; }; }
	$(RUFF) check --line-length 120 .
	@$(MAKE) --no-print-directory generated

generate: ## write generated files
	$(GO) generate ./...

generated: ## fail when generated files are not what the sources say
	@before=$$(git status --porcelain | cksum; git diff | cksum); $(GO) generate ./... && after=$$(git status --porcelain | cksum; git diff | cksum); \
	test "$$before" = "$$after" || { echo "generated files have changed: commit what make generate writes"; git status --short; exit 1; }

fmt: ## format
	gofmt -w .

prove-guard: ## remove the commit guard in a scratch copy and see the fault tests fail
	bash scripts/prove-guard.sh

prove-policy: $(GOLANGCI) ## change one rule of the planner in a scratch copy and see every table of decisions change
	@PYTHON=$(PYTHON) GOLANGCI=$(GOLANGCI) bash scripts/prove-policy.sh

image: build ## an image of bin/nightshift without Docker: an OCI layout in .nightshift/image; ARCHIVE=FILE for docker load
	@mkdir -p .nightshift && $(GO) run ./manifests/image --program $(BIN)/nightshift --layout .nightshift/image $(if $(ARCHIVE),--archive $(ARCHIVE))

e2e: build $(RAY_VENV)/ready ## worker groups of RayClusters and runners of Argo on a real API server: one of its own, or that of KUBECONFIG, if cluster-up has written it
	@$(GO) build -o $(BIN)/cluster ./e2e/cluster && NIGHTSHIFT_CACHE=$(CACHE) NIGHTSHIFT_TEST_PROGRAM=$(CURDIR)/$(BIN)/nightshift NIGHTSHIFT_CLUSTER=$(SIZE) \
		NIGHTSHIFT_TEST_RAY_PYTHON=$(RAY_VENV)/bin/python \
		$(GO) test -count=1 -timeout 40m -p 1 -v ./e2e/raycluster ./e2e/argo

cluster-up: ## Kubernetes with KubeRay and fake GPUs, without Docker (e2e/cluster): SIZE=light, or full: real pods, as root; CLUSTER=DIR
	@$(GO) build -o $(BIN)/cluster ./e2e/cluster && NIGHTSHIFT_CACHE=$(CACHE) $(BIN)/cluster up --size $(SIZE) --dir $(CLUSTER)

cluster-down: ## end what cluster-up has started, and remove it: CLUSTER=DIR
	@$(GO) build -o $(BIN)/cluster ./e2e/cluster && $(BIN)/cluster down --dir $(CLUSTER)

bench: build ## decisions against published policies: DATA=DIR
	@NIGHTSHIFT=$(BIN)/nightshift $(PYTHON) scripts/bench.py $(DATA)

bench-other: build ## the same on other data than those of the tables: DATA=DIR
	@NIGHTSHIFT=$(BIN)/nightshift $(PYTHON) scripts/bench_other.py $(DATA)

transcript: ## write what make run prints into the README
	@$(PYTHON) scripts/transcript.py

bench-dataplane: build ## rows per second against a direct feed and Ray Data
	@PYTHON=$(PYTHON) NIGHTSHIFT=$(BIN)/nightshift CACHE=$(CACHE) bash scripts/bench-dataplane.sh

clean: ## remove what was built and run here
	@test ! -e .nightshift/cluster || $(MAKE) --no-print-directory cluster-down CLUSTER=.nightshift/cluster
	rm -rf $(BIN) .nightshift examples/*/data examples/*/out

$(GOLANGCI):
	GOBIN=$(dir $@) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)

$(GOVULNCHECK):
	GOBIN=$(dir $@) $(GO) install golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION)

$(RUFF):
	$(PYTHON) -m venv $(CACHE)/tools/ruff-$(RUFF_VERSION) && $(CACHE)/tools/ruff-$(RUFF_VERSION)/bin/pip install -q ruff==$(RUFF_VERSION)

$(TEST_VENV)/ready:
	rm -rf $(TEST_VENV) && $(PYTHON) -m venv $(TEST_VENV)
	$(TEST_VENV)/bin/pip install -q -r examples/fraud/requirements.txt -r examples/fraud/requirements-train.txt -r scripts/requirements-test.txt
	touch $@

$(RAY_VENV)/ready:
	rm -rf $(RAY_VENV) && $(PYTHON) -m venv $(RAY_VENV)
	$(RAY_VENV)/bin/pip install -q -r scripts/requirements-ray.txt
	touch $@
