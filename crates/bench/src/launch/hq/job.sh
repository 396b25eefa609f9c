
shard=${HQ_TASK_ID:?this script is a task of HyperQueue}
failed=0

say() { echo "$(date -u +%FT%TZ) shard $shard, $BENCH_ATTEMPT on $HOSTNAME: $*"; }

# Tells the next attempt, and `bench status`, that this one was killed.
mark_died() {
  for started in "$RESULTS"/journal/shard-*."$BENCH_ATTEMPT".*.started; do
    if [ -e "$started" ]; then : > "${started%.started}.died"; fi
  done
}

cd "$HERE" || { echo "no folder $HERE on this machine"; exit 2; }
retry=("${RETRY[@]}")
# What asks this script to stop reaches bench as well, as a rule: told a second time, bench would leave at once, without a
# word. So only a bench that is still there after a while is told by us.
child='' why='' signalled='' reminder=''
remind() { (sleep "$PATIENCE"; kill -TERM "$child") > /dev/null 2>&1 & reminder=$!; }
trap 'why=cancel; signalled=1; remind' TERM INT

# HyperQueue runs a task again if its worker is lost, not if its program is killed.
while :; do
  export BENCH_ATTEMPT=hq-${HQ_JOB_ID}_$shard-r${HQ_INSTANCE_ID:-0}-$failed
  say "begins"
  "${PROGRAM[@]}" "${SWEEP[@]}" "${retry[@]}" --jobs "$CPUS" --shard "$shard/$SHARDS" &
  child=$!
  if [ -n "$signalled" ]; then kill -TERM "$child"; fi
  # A trapped signal ends `wait` early, with a code of its own.
  code=127
  while :; do
    signalled=''
    wait "$child"
    new=$?
    if [ "$new" != 127 ]; then code=$new; fi
    if [ -z "$signalled" ]; then break; fi
  done
  if [ -n "$reminder" ]; then kill "$reminder" 2>/dev/null; fi
  say "bench ended with $code"
  if [ "$code" -le 1 ]; then exit 0; fi
  # Asked to stop: 130 by bench itself, 143 before it listens.
  if [ "$code" -lt 128 ] || [ "$code" = 130 ] || [ "$code" = 143 ]; then exit "$code"; fi
  mark_died
  failed=$((failed + 1))
  if [ -n "$why" ] || [ "$failed" -gt "$REQUEUES" ]; then exit "$code"; fi
  retry=()
done
