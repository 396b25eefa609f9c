
: "${SLURM_ARRAY_TASK_ID:?this script is a task of a Slurm array}"
# The numbers of an array have a limit; the argument is what this one's start at.
shard=$((${1:-0} + SLURM_ARRAY_TASK_ID))
# Not $SLURM_JOB_ID: in an array's last task that is the array's own number, and would requeue every task of it.
task=${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}
export BENCH_ATTEMPT=slurm-$task-r${SLURM_RESTART_COUNT:-0}
failures=$RESULTS/launch/failures/$task

# True if this attempt has written a trial: its file has more than the first line.
progress() { [ "$(cat -- "$RESULTS"/journal/shard-*."$BENCH_ATTEMPT".*.log 2>/dev/null | head -n 2 | wc -l)" -gt 1 ]; }

# Counts a slot that ended badly; true while there may be another. Only this task writes the file.
may_fail() {
  mkdir -p "$RESULTS/launch/failures"
  echo "$BENCH_ATTEMPT $1" >> "$failures"
  [ "$(wc -l < "$failures")" -le "$REQUEUES" ]
}

# Asks for another slot. Slurm does so by itself only if the machine is lost.
requeue() {
  for pause in 1 2 4 8 15 30 60; do
    if timeout 60 scontrol requeue "$task"; then
      say "asked for another slot"
      sleep "$PARTING" # Slurm ends this one
      return
    fi
    sleep "$pause"
  done
  say "Slurm did not take the task back: \`bench launch\` again runs what is missing"
}

cd "$HERE" || { say "no folder $HERE on this machine"; exit 2; }
retry=()
# Once: what fails in every slot would take all of each.
if [ "${SLURM_RESTART_COUNT:-0}" = 0 ]; then retry=("${RETRY[@]}"); fi

# USR1 comes before the time limit ends, to this script alone; TERM from scancel, and nobody wants the task back then.
trap 'why=limit; signalled=1; forward' USR1
trap 'why=cancel; signalled=1; remind' TERM
run_shard "${SLURM_CPUS_PER_TASK:-$CPUS}"
if was_killed; then
  mark_died
  sleep "$GRACE" # what killed it may be on its way to this script, too
fi
say "bench ended with $code${why:+, after the signal to stop ($why)}"

if [ "$code" -le 1 ]; then
  if [ "$code" = 1 ]; then say "through; some trials are not ok"; fi
  exit 0
elif [ "$why" = limit ]; then
  if progress || may_fail "no trial within the time limit"; then
    requeue
  else
    say "no trial within the time limit, again: not requeued"
  fi
elif [ -z "$why" ] && was_killed; then
  if may_fail "killed, $code"; then
    requeue
  else
    say "killed more than $REQUEUES times: not requeued"
  fi
fi
exit "$code"
