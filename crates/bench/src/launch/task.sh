
say() { echo "$(date -u +%FT%TZ) shard $shard, $BENCH_ATTEMPT on ${SLURMD_NODENAME:-$HOSTNAME}: $*"; }

# Tells the next attempt, and `bench status`, that this one was killed.
mark_died() {
  for started in "$RESULTS"/journal/shard-*."$BENCH_ATTEMPT".*.started; do
    if [ -e "$started" ]; then : > "${started%.started}.died"; fi
  done
}

# TERM comes from whoever wants the machine back, and reaches bench as well, as a rule: told a second time, bench would
# leave at once, without a word. So only a bench that is still there after a while is told by us.
child='' why='' signalled='' told='' reminder=''
forward() { if [ -n "$child" ] && [ -z "$told" ]; then told=1 && kill -TERM "$child" 2>/dev/null; fi; }
remind() { (sleep "$PATIENCE"; forward) > /dev/null 2>&1 & reminder=$!; }

# Runs the shard with as many trials at a time; leaves in `code` how bench ended.
run_shard() {
  told=''
  say "begins"
  "${PROGRAM[@]}" "${SWEEP[@]}" "${retry[@]}" --jobs "$1" --shard "$shard/$SHARDS" &
  child=$!
  if [ -n "$signalled" ]; then forward; fi
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
}

# True if a signal killed bench that did not ask it to stop: 130 by bench itself, 143 before it listens.
was_killed() { [ "$code" -ge 128 ] && [ "$code" != 130 ] && [ "$code" != 143 ]; }
