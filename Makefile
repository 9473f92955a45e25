# Everything that one does with this repository. `make` lists it.

# A Go that was unpacked where its documentation says is found even if nobody put it on PATH.
export PATH := $(PATH):/usr/local/go/bin

# One set of build flags for everything: a second set is a second cold build of Caddy.
export CGO_ENABLED := 0
export GOFLAGS := -trimpath -tags=nobadger,nomysql,nopgx -buildvcs=false

VERSION ?= $(shell git describe --tags --match 'v*' --dirty 2>/dev/null | sed 's/^v//' | grep . || echo 0.1.0-dev)
GATEWAY_LDFLAGS := -s -w -X github.com/caddyserver/caddy/v2.CustomVersion=$(VERSION) -X github.com/caddyserver/caddy/v2.CustomBinaryName=cdxgate -X github.com/cdxgate/cdxgate/caddymodule.Version=$(patsubst v%,%,$(VERSION))
CLIENT_LDFLAGS := -s -w -X main.version=$(patsubst v%,%,$(VERSION))
CLIENT_PLATFORMS := linux-amd64 linux-arm64 darwin-amd64 darwin-arm64 windows-amd64 windows-arm64

# The Codex CLI that the end-to-end test logs in with.
CODEX_VERSION := 0.169.0
CODEX_CACHE ?= $(CURDIR)/.cache
CODEX_PREFIX := $(CODEX_CACHE)/codex-$(CODEX_VERSION)
CODEX := $(CODEX_PREFIX)/bin/codex
export CDXGATE_TEST_CODEX := $(CODEX)

# The checks of accessibility that the browser tests put pages through.
AXE_VERSION := 4.14.1
AXE_SHA256 := 29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c
AXE := $(CODEX_CACHE)/axe-$(AXE_VERSION).js
export CDXGATE_TEST_AXE := $(AXE)

# What does not know Caddy runs under the race detector, and only so. Caddy itself is never built a second time for it:
# what needs Caddy runs without, or as the binary that was built.
RACE_PACKAGES := ./internal/... ./db/...
BLACKBOX_PACKAGES := ./e2e/...

SQLC := bin/tools/sqlc
TEMPL := bin/tools/templ
XCADDY := bin/tools/xcaddy
GOLANGCI_LINT := bin/tools/golangci-lint

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' Makefile

.PHONY: run
run: ## build, find or install what is missing, start the gateway
	@tools/need.sh go postgres
	@$(MAKE) --no-print-directory build
	@CDXGATE_WELCOME=1 exec bin/cdxgate run --config Caddyfile

.PHONY: build
build: ## build the gateway and the client for this machine
	@tools/need.sh go
	go build -ldflags '$(GATEWAY_LDFLAGS)' -o bin/cdxgate ./cmd/cdxgate
	@$(MAKE) --no-print-directory client-$$(go env GOOS)-$$(go env GOARCH)

.PHONY: clients
clients: $(CLIENT_PLATFORMS:%=client-%) ## build the client for every platform

# No suffix on Windows either: the gateway serves these files by exactly this name.
client-%:
	GOOS=$(word 1,$(subst -, ,$*)) GOARCH=$(word 2,$(subst -, ,$*)) go build -ldflags '$(CLIENT_LDFLAGS)' -o bin/cdx.d/cdx-$* ./cmd/cdx

.PHONY: cross
cross: clients ## build cdx for every platform, and check its code and tests for those that are not this one
	GOOS=windows go vet ./internal/cdx/... ./cmd/cdx
	GOOS=darwin go vet ./internal/cdx/... ./cmd/cdx

.PHONY: test
test: ## everything that CI runs, with the seconds of each stage
	@tools/need.sh go gcc postgres node openssl python3 tmux chromium nss
	@tools/stages.sh tools=240 build=240 verify=60 lint=120 cross=240 test-race=420 test-unit=120 test-blackbox=300 e2e=300

.PHONY: test-race
test-race: ## unit and database tests of what does not know Caddy, under the race detector
	CGO_ENABLED=1 go test -race $(RACE_PACKAGES)

.PHONY: test-unit
test-unit: ## tests of what knows Caddy: adapt goldens, commands
	go test $$(go list ./... | grep -Ev '/(internal|db|e2e)(/|$$)')

.PHONY: test-blackbox
test-blackbox: build $(CODEX) ## tests of the built binaries, with the real Codex CLI
	go test -count=1 $(BLACKBOX_PACKAGES)

.PHONY: e2e
e2e: build $(AXE) ## play the dashboard in Chromium; pictures of every page are left in e2e/shots/
	@tools/need.sh chromium nss
	go -C e2e/browser test -count=1 -timeout 20m ./...

.PHONY: shots
shots: build $(AXE) ## make the README's pictures anew, with demo data
	@tools/need.sh chromium nss
	CDXGATE_SHOTS=$(CURDIR)/docs/shots go -C e2e/browser test -count=1 -run TestShots .

.PHONY: test-long
test-long: fuzz ## what one runs before a release

.PHONY: bench
bench: ## print what cdx costs: time before Codex, requests, memory
	@tools/need.sh go
	go test -run '^$$' -bench . -benchtime 100x ./internal/cdx ./internal/cdx/screen

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (60s)
	tools/fuzz.sh

.PHONY: lint
lint: $(GOLANGCI_LINT) ## run the linters
	$(GOLANGCI_LINT) run --allow-parallel-runners ./...
	cd e2e/browser && ../../$(GOLANGCI_LINT) run --allow-parallel-runners --config ../../.golangci.yml ./...

.PHONY: generate
generate: $(SQLC) $(TEMPL) ## make db/*.gen.go from queries/ and db/migrations/, templates/*_templ.go, docs/cdx.1 from internal/cdx
	tools/generated.sh write

.PHONY: verify
verify: $(SQLC) $(TEMPL) build ## fail when generated code, go.mod, gofmt or the Caddyfile's form is stale
	tools/generated.sh check
	go mod tidy -diff
	go -C tools mod tidy -diff
	go -C e2e/browser mod tidy -diff
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "not formatted, run gofmt -w: $$unformatted" >&2; exit 1; fi
	bin/cdxgate fmt Caddyfile >/dev/null

.PHONY: xcaddy
xcaddy: $(XCADDY) build ## build the gateway through xcaddy, as those do who add modules, and compare
	XCADDY_GO_BUILD_FLAGS="-ldflags '$(GATEWAY_LDFLAGS)'" $(XCADDY) build $$(go list -m -f '{{.Version}}' github.com/caddyserver/caddy/v2) \
		--with github.com/cdxgate/cdxgate@v0.0.0=. --output bin/cdxgate-xcaddy
	bin/cdxgate list-modules >bin/modules.want
	bin/cdxgate-xcaddy list-modules | diff bin/modules.want -
	bin/cdxgate-xcaddy list-modules --packages | grep cdxgate

.PHONY: tools
tools: $(SQLC) $(TEMPL) $(GOLANGCI_LINT) $(CODEX) $(AXE) ## build or download what the tests and checks call

.PHONY: clean
clean: ## remove what was built and downloaded; data/ stays
	rm -rf bin .cache

# Tools are built once, and again when their versions change.
$(SQLC): tools/go.mod tools/go.sum
	go -C tools build -o ../$@ github.com/sqlc-dev/sqlc/cmd/sqlc

$(TEMPL): tools/go.mod tools/go.sum
	go -C tools build -o ../$@ github.com/a-h/templ/cmd/templ

$(XCADDY): tools/go.mod tools/go.sum
	go -C tools build -o ../$@ github.com/caddyserver/xcaddy/cmd/xcaddy

$(GOLANGCI_LINT): tools/go.mod tools/go.sum
	go -C tools build -o ../$@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

$(CODEX):
	@tools/need.sh node
	npm install --global --prefix $(CODEX_PREFIX) --no-audit --no-fund --loglevel=error @openai/codex@$(CODEX_VERSION)

$(AXE):
	@tools/need.sh node
	@mkdir -p $(@D)
	cd $(@D) && npm pack --silent axe-core@$(AXE_VERSION) >/dev/null
	tar -xzOf $(@D)/axe-core-$(AXE_VERSION).tgz package/axe.min.js >$@
	echo "$(AXE_SHA256)  $@" | sha256sum --check --quiet
	rm $(@D)/axe-core-$(AXE_VERSION).tgz
