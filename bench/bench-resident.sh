#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# X25519 on a software token that answers at once: what the worker and the channel add to its own time. Figures, never a verdict.
# Usage: bench-resident.sh [COUNT]
set -eu
build=${top_builddir:-.}
tmp=$(mktemp -d)
token=
trap 'kill "$token" 2>/dev/null || :; wait; rm -rf "$tmp"' EXIT

"$build/token/soft/wgfido-softtoken" run --quiet --state "$tmp/state" --socket "$tmp/key" &
token=$!
until [ -S "$tmp/key" ]; do
	kill -0 "$token"
	sleep 0.05
done
"$build/bench/resident-dh" "$build/token/wgfido-token" "$tmp/key" "${1:-2000}"
