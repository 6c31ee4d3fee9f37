# Every target is a line or two that can be pasted into a shell. `make` alone
# lists them; `make check` is what has to pass before a push.

PREFIX ?= /usr

# Static programs, the same from the same source wherever they are built.
GOBUILD = CGO_ENABLED=0 go build -trimpath -buildvcs=false

GOLANGCI = .tools/golangci-lint

.DEFAULT_GOAL := help
.PHONY: help build demo run setup test check lint vet tidy generated fmt generate fuzz simulate bench bench-compiler soak golden clean install

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 22

build: ## build every program into bin/
	$(GOBUILD) -o bin/ ./cmd/...
	$(GOBUILD) -o bin/rind-transport-tcp ./plugins/tcp
	$(GOBUILD) -o bin/rind-transport-udp ./plugins/udp
	$(GOBUILD) -o bin/rind-transport-uds ./plugins/uds
	$(GOBUILD) -o bin/examples/ ./examples/...

demo: build ## run examples/quickstart, access each socket once, show what happened
	bin/examples/demo -bin bin -units examples/quickstart

run: build ## run examples/quickstart in the foreground until ^C
	bin/examples/demo -bin bin -units examples/quickstart -stay

setup: ## install what the tests need (as root on Debian; else say what is missing)
	tools/setup

test: setup ## run every test with the race detector
	GORACE=atexit_sleep_ms=0 go test -race ./... # else each program that a test runs sleeps for a second at its end

check: ## everything that CI does
	bash .ci/run

lint: $(GOLANGCI) ## run the linters and check the formatting
	$(GOLANGCI) fmt --diff
	$(GOLANGCI) run ./...

vet: ## go vet, also for a platform that has no assembly of ours
	go vet ./...
	GOARCH=arm64 CGO_ENABLED=0 go vet ./...

tidy: ## go.mod and go.sum are as `go mod tidy` would write them
	go mod tidy -diff

generated: ## generated Go code is up to date
	tools/generate -check

fmt: $(GOLANGCI) ## format the source
	$(GOLANGCI) fmt

generate: ## regenerate the Go code of every .proto file
	tools/generate

fuzz: ## fuzz every target for 10 seconds
	tools/fuzz 10s

simulate: ## run the engine on random plans and events, with failures, for about a million steps
	go test -count 1 -run 'TestWorld|TestWhatFollows' -rapid.checks 10000 -timeout 30m ./runtime/flow

bench: ## run every benchmark
	go test -run '^$$' -bench . -benchmem ./...

bench-compiler: build ## how fast rindc is, next to its TOML decoder and to systemd-analyze verify
	go run ./e2e/compilebench -rindc bin/rindc

DURATION ?= 60s
soak: ## put a daemon under every kind of load for DURATION (60s); no connection may be lost
	go test ./e2e -count=1 -timeout 0 -run 'TestSoak$$' -v -soak $(DURATION)

golden: ## rewrite golden files and docs/conformance.md; read the diff before committing it
	go test $$(grep -rl '"update"' --include='*_test.go' . | xargs -n 1 dirname | sort -u) -update

clean: ## remove what the other targets made
	rm -rf bin .tools

install: build ## install into DESTDIR and PREFIX (/usr)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/rind/plugins
	install bin/rindc bin/rindrun $(DESTDIR)$(PREFIX)/bin
	install bin/rind-transport-* $(DESTDIR)$(PREFIX)/lib/rind/plugins
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system $(DESTDIR)$(PREFIX)/lib/tmpfiles.d
	sed 's,/usr/bin/,$(PREFIX)/bin/,' dist/systemd/rindrun.service > $(DESTDIR)$(PREFIX)/lib/systemd/system/rindrun.service
	install -m 644 dist/tmpfiles.d/rind.conf $(DESTDIR)$(PREFIX)/lib/tmpfiles.d

$(GOLANGCI): tools/go.mod
	GOBIN=$(CURDIR)/.tools go -C tools install github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	@touch $@
