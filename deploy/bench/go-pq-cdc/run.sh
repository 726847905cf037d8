#!/usr/bin/env bash
# go-pq-cdc-kafka, tuned, as a rival for the bench:
#   make bench RIVALS="go-pq-cdc-kafka=deploy/bench/go-pq-cdc/run.sh"
# It is a library: main.go is the program that a user would write around it, in a module of its own, which the sidecar does not
# know. `run.sh build` builds it into bin/ and ends, so that no measurement contains that; 69 says that its modules cannot be had.
# Then GO_PQ_CDC_SOURCE may name a directory with clones of the repositories go-pq-cdc and go-pq-cdc-kafka, at the versions of
# go.mod. It needs Go.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
built=$(cd "$here/../../.." && pwd)/bin/go-pq-cdc
program=$built/go-pq-cdc-kafka
unavailable=69 # sysexits.h

build() {
  mkdir -p "$built"
  cp "$here/go.mod" "$built/go.mod" # go.sum is written beside it
  if [ -n "${GO_PQ_CDC_SOURCE:-}" ]; then
    clones=$(cd "$GO_PQ_CDC_SOURCE" && pwd)
    go mod edit -replace "github.com/Trendyol/go-pq-cdc=$clones/go-pq-cdc" \
      -replace "github.com/Trendyol/go-pq-cdc-kafka=$clones/go-pq-cdc-kafka" "$built/go.mod"
  fi
  cd "$here"
  export GOWORK=off CGO_ENABLED=0
  if ! go list -deps -modfile="$built/go.mod" -mod=mod . >/dev/null; then
    echo "$0: its modules cannot be had here; GO_PQ_CDC_SOURCE may name a directory with clones of them" >&2
    exit "$unavailable"
  fi
  go build -modfile="$built/go.mod" -mod=mod -trimpath -o "$program" .
}

if [ "${1:-}" = build ]; then
  build
  exit
fi
[ "$program" -nt "$here/main.go" ] && [ "$program" -nt "$here/go.mod" ] || (build)
# The library cannot be told what it does about TLS, and the bench's server offers it; the others are measured without.
PGSSLMODE=disable exec "$program"
