#!/usr/bin/env bash
# Kills a real sweep, whole and in shards, at random moments, again and again, and checks that the results come out byte for byte as if
# nothing had happened. Usage: scripts/torture.sh [KILLS]   (default 100; 1000 before a release)
set -euo pipefail
cd "$(dirname "$0")/.."
BENCH_KILLS="${1:-100}" cargo test --locked -p bench --test kills -- --nocapture at_random_moments
