#!/usr/bin/env bash
# Ends the Slurm that up.sh has started in ROOT: these daemons, by their numbers, and no others.
# Usage: scripts/slurm/down.sh ROOT
set -u
root=${1:?usage: down.sh ROOT}
[ -f "$root/slurm.conf" ] || exit 0
export SLURM_CONF=$root/slurm.conf
timeout 10 scancel --user=root 2>/dev/null
daemons=$(cat "$root"/slurmd.*.pid "$root/slurmctld.pid" "$root/munge/pid" 2>/dev/null)
for signal in TERM TERM TERM TERM TERM KILL; do
  left=""
  for daemon in $daemons; do
    if kill -s "$signal" "$daemon" 2>/dev/null; then left=1; fi
  done
  [ -n "$left" ] || exit 0
  sleep 0.5
done
