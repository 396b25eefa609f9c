
shard=${HQ_TASK_ID:?this script is a task of HyperQueue}
failed=0

cd "$HERE" || { echo "no folder $HERE on this machine"; exit 2; }
retry=("${RETRY[@]}")
trap 'why=cancel; signalled=1; remind' TERM INT

# HyperQueue runs a task again if its worker is lost, not if its program is killed.
while :; do
  export BENCH_ATTEMPT=hq-${HQ_JOB_ID}_$shard-r${HQ_INSTANCE_ID:-0}-$failed
  run_shard "$CPUS"
  say "bench ended with $code"
  if [ "$code" -le 1 ]; then exit 0; fi
  if ! was_killed; then exit "$code"; fi
  mark_died
  failed=$((failed + 1))
  if [ -n "$why" ] || [ "$failed" -gt "$REQUEUES" ]; then exit "$code"; fi
  retry=()
done
