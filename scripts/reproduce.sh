#!/usr/bin/env bash
# Everything that the study of 2017 says, from nothing: its experiments, then tables, figures and words.
#
#   bash scripts/reproduce.sh            into results/, a good hour on two cores
#   bash scripts/reproduce.sh --quick    three draws and four sizes, in about ten minutes, into results/quick (not committed)
#
# Can be stopped and started again: finished trials are kept. Needs nothing but a Rust toolchain.
set -euo pipefail
cd "$(dirname "$0")/.."

experiments=(leek-2017 beam-2017 settle-0v1 settle-3v5 settle-4v9 settle-7v9 settle-10 settle-causes-0v1
  settle-replacement-0v1 settle-training-0v1 settle-steps-0v1 settle-steps-10)
root=results
narrow() { :; }
case "${1:-}" in
  "") ;;
  --quick)
    root=results/quick
    # Each study keeps at least the sizes that the words need.
    narrow() {
      case "$1" in
        settle-training-0v1) echo --repeats 3 ;;
        settle-steps-*) echo --repeats 3 --sizes 10,80,1280 ;;
        settle-*) echo --repeats 3 --sizes 10,20,40,80 ;;
      esac
    }
    ;;
  *) echo "usage: scripts/reproduce.sh [--quick]" >&2; exit 2 ;;
esac

cargo build --locked -p bench -p settle
for experiment in "${experiments[@]}"; do
  echo "== $experiment"
  # Exit code 1 says that some trials are not ok: they are counted and shown in the results.
  read -ra options <<<"$(narrow "$experiment")"
  cargo run -q --locked -p bench -- sweep "$experiment" --out "$root/$experiment" --quiet ${options[@]+"${options[@]}"} || [ $? -eq 1 ]
done
if [ "$root" = results ]; then
  cargo run -q --locked -p settle -- --maps
else
  cargo run -q --locked -p settle -- --results "$root"
fi
echo "== done: $root/settle-2017/README.md"
