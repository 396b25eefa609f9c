#!/usr/bin/env bash
# A sweep through `bench launch slurm` on a real Slurm of two nodes, and everything that befalls one: killed workers,
# killed tasks, a lost node whose processes come back, torn files, a cancelled task, a controller that forgets what it
# accepted, a time limit, a model that takes its process with it. Merged results must be those of one machine, byte for
# byte, and each fault must be seen to have happened.
#
# Usage: scripts/slurm-test.sh [--install] [--require]    as root; about two minutes
#   --install   takes Slurm's packages from Debian if they are missing
#   --require   fails where it would be skipped
# Slurm runs in namespaces of its own, in a temporary folder: nothing is left, and no other Slurm is touched.
set -euo pipefail
repository=$(cd "$(dirname "$0")/.." && pwd)
tools=$repository/scripts/slurm

install='' require=''
for option in "$@"; do
  case $option in
    --install) install=1 ;;
    --require) require=1 ;;
    *) echo "unknown option $option: --install, --require"; exit 2 ;;
  esac
done

skip() {
  if [ -n "$require" ]; then
    echo "FAILED: $1"
    exit 1
  fi
  printf '\nSKIPPED: %s; `bench launch` was not tried on a real Slurm\n\n' "$1" >&2
  exit 0
}

present() { for program in slurmctld slurmd sbatch munged unshare ip; do command -v "$program" > /dev/null || return 1; done; }

export PATH=$PATH:/usr/sbin:/sbin
if [ -z "${BENCH_SLURM_TEST:-}" ]; then
  [ "$(id -u)" = 0 ] || skip "a Slurm of one's own needs root"
  if ! present && [ -n "$install" ]; then
    packages="slurmctld slurmd slurm-client munge util-linux iproute2"
    # Services of the system's are not to be started by it.
    { apt-get -qq update && DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -qq install -y --no-install-recommends $packages; } \
      > /dev/null 2>&1 || true
  fi
  present || skip "no Slurm here (on Debian, --install takes its packages)"
  unshare --net --pid --mount --fork --mount-proc --kill-child true 2> /dev/null || skip "no namespaces here"
  (cd "$repository" && cargo build --quiet --locked -p bench --example misbehaving)
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  chmod 755 "$work"
  # All that is started in there ends with it.
  env BENCH_SLURM_TEST="$work" unshare --net --pid --mount --fork --mount-proc --kill-child "$0" "$@"
  exit
fi

# ---- in namespaces of its own -----------------------------------------------------------------------------------------

work=$BENCH_SLURM_TEST
unset BENCH_SLURM_TEST BENCH_DATA BENCH_ATTEMPT
ip link set lo up
ip addr add 127.0.1.1/8 dev lo # with 127.0.0.1 alone, Slurm can't find its own address
cd "$repository"
bench=${CARGO_TARGET_DIR:-target}/debug/examples/misbehaving
root=$work/slurm
export SLURM_CONF=$root/slurm.conf
trap '"$tools/down.sh" "$root"' EXIT

step() { printf '== %s (%s s)\n' "$1" "$SECONDS"; }
fail() {
  echo "FAILED: $1 (line ${BASH_LINENO[0]})"
  squeue --array 2>&1 | head -n 30 || true
  tail -n 4 "$work"/*/launch/log/*.log "$work"/*.txt 2> /dev/null || true
  exit 1
}
# until SECONDS WHAT COMMAND…: waits until the command succeeds.
until_true() {
  local seconds=$1 what=$2 end
  shift 2
  end=$((SECONDS + seconds))
  until "$@" > /dev/null 2>&1; do
    [ "$SECONDS" -lt "$end" ] || fail "not within $seconds s: $what"
    sleep 0.1
  done
}

# What the queue and the journal say. A task is ARRAY_INDEX, an attempt slurm-ARRAY_INDEX-rRESTARTS, or a pattern of such.
state() { squeue --noheader --array --jobs="$1" --format=%T 2> /dev/null | head -n 1; }
is_running() { [ "$(state "$1")" = RUNNING ]; }
is_queued() { [ -n "$(state "$1")" ]; }
queue_is_empty() { [ -z "$(squeue --noheader)" ]; }
node_of() { squeue --noheader --array --jobs="$1" --format=%N | head -n 1; }
ended_with() { [ "$(scontrol show job "$1" | sed -n 's/.* ExitCode=\([0-9]*\):.*/\1/p' | head -n 1)" = "$2" ]; }
is_over() { scontrol show job "$1" | grep -qE 'JobState=(COMPLETED|FAILED|CANCELLED)'; }
file_of() { find "$1/journal" -name "shard-*.$2.*.$3" | head -n 1; }
has_begun() { [ -n "$(file_of "$1" "$2" started)" ]; }
has_died() { [ -n "$(file_of "$1" "$2" died)" ]; }
records() { local log; log=$(file_of "$1" "$2" log); [ -n "$log" ] || { echo 0; return; }; grep -c '^[0-9a-f]\{8\} ' "$log" || true; }
has_records() { [ "$(records "$1" "$2")" -ge "$3" ]; }
process_of() { basename "$(file_of "$1" "$2" started)" | cut -d. -f4; }
parent_of() { awk '{print $4}' "/proc/$1/stat"; }
children_of() { for stat in /proc/[0-9]*/stat; do awk -v parent="$1" '$4 == parent {print $1}' "$stat" 2> /dev/null || true; done; }
is_gone() { [ ! -e "/proc/$1" ] || grep -q '^State:.Z' "/proc/$1/status"; }
is_stopped() { grep -q '^State:.T' "/proc/$1/status"; }
ids() { find "$1/journal" -name "shard-*.$2.*.log" -exec awk 'FNR > 1 {print $2}' {} + | sort; }
later() { echo "slurm-$1-r[1-9]*"; } # any attempt but the first
array_in() { sed -n 's/^array \([0-9]*\): shards .*/\1/p' "$1" | tail -n 1; }
merge_in() { sed -n 's/^merge \([0-9]*\):.*/\1/p' "$1" | tail -n 1; }
controller() { /usr/sbin/slurmctld -f "$SLURM_CONF"; }
answers() { scontrol ping | grep -q 'is UP'; }

step "a Slurm of two nodes"
"$tools/up.sh" "$root"

# Trials that take their time without taking a processor: faults find every shard at work.
cat > "$work/study.toml" << 'END'
name = "cluster"
seed = 11
[dataset]
name = "mnist"
classes = [4, 9]
[protocol]
sizes = [10, 20, 40]
repeats = 8
folds = 5
test_size = 100
[[model]]
name = "slow"
kind = "sleeps"
milliseconds = 1600
[[model]]
name = "floor"
kind = "majority"
[[model]]
name = "knn"
kind = "knn"
[[model]]
name = "leekasso"
kind = "linear-regression"
top_k = 10
END
cat > "$work/poison.toml" << 'END'
name = "poison"
seed = 11
[dataset]
name = "mnist"
classes = [4, 9]
[protocol]
sizes = [10, 20]
repeats = 2
folds = 2
test_size = 100
[[model]]
name = "poison"
kind = "aborts"
[[model]]
name = "floor"
kind = "majority"
END
sed -e 's/"cluster"/"slots"/' -e 's/repeats = 8/repeats = 5/' -e 's/sizes = .*/sizes = [10]/' "$work/study.toml" > "$work/slots.toml"

step "the same on one machine"
"$bench" sweep "$work/study.toml" --out "$work/one" --jobs 40 --quiet 2> "$work/one.txt" || fail "the sweep on one machine"
[ "$(cat "$work"/one/scores/*.csv | grep -vc '^model,')" = 480 ] || fail "not 480 trials"
"$bench" sweep "$work/slots.toml" --out "$work/slots-one" --jobs 50 --quiet 2> "$work/one.txt" || fail "the sweep on one machine"

out="$work/on the cluster" # a path that scripts must quote

step "a dry run writes nothing"
"$bench" launch slurm "$work/study.toml" --shards 8 --out "$out" --dry-run > "$work/dry.txt"
[ ! -e "$out" ] || fail "a dry run has written"
grep -q -- '--array=0-7' "$work/dry.txt" || fail "a dry run does not tell of its array"

step "a controller that dies after it has accepted"
scontrol update PartitionName=main State=DOWN # nothing begins
# The controller writes its state at most every few seconds: this makes it do so now, and what comes next must wait.
scancel "$(sbatch --parsable --hold --output=/dev/null --wrap=true)"
sleep 0.3
"$bench" launch slurm "$work/study.toml" --shards 8 --out "$out" --watch 8 --settle 2 > "$work/launch.txt" 2>&1 &
launch=$!
until_true 20 "the launch hands in a merge" grep -q '^merge ' "$work/launch.txt"
lost=$(array_in "$work/launch.txt")
kill -KILL "$(cat "$root/slurmctld.pid")" || fail "no controller to kill"
controller
until_true 20 "the controller answers again" answers
! scontrol show job "$lost" > /dev/null 2>&1 || fail "the controller has not lost array $lost: the fault did not happen"
wait "$launch" || fail "the launch: $(cat "$work/launch.txt")"
grep -q "accepted and lost" "$work/launch.txt" || fail "the launch did not notice that its array was lost"
[ "$(grep -c '^array .*: shards 0-7$' "$work/launch.txt")" = 2 ] || fail "not handed in twice"
array=$(array_in "$work/launch.txt")
merge=$(merge_in "$work/launch.txt")
[ "$(squeue --noheader --array --jobs="$array" | wc -l)" = 8 ] || fail "not 8 tasks in the queue"

step "three studies at once: all 8 shards of the first are at work"
scontrol update PartitionName=main State=UP
for shard in 0 1 2 3 4 5 6 7; do
  until_true 30 "shard $shard has records" has_records "$out" "slurm-${array}_$shard-r0" 5
done
"$bench" launch slurm "$work/slots.toml" --shards 1 --out "$work/slots" --watch 0 --time 1 --warning 45 --sbatch --nodelist=n1 > "$work/slots.txt" 2>&1
slots=$(array_in "$work/slots.txt")
"$bench" launch slurm "$work/poison.toml" --shards 2 --out "$work/poison" --watch 0 --no-isolate --sbatch --nodelist=n1 \
  --program "'$repository/$bench'" > "$work/poison.txt" 2>&1
poison=$(array_in "$work/poison.txt")
poison_merge=$(merge_in "$work/poison.txt")

[ "$("$bench" status "$out" | grep -cE '^ *[0-7] +running ')" = 8 ] || fail "status does not say that 8 shards run: $("$bench" status "$out")"

step "the last task of the array is killed, and its last record torn"
[ "$(scontrol show job "${array}_7" | sed -n 's/^JobId=\([0-9]*\) .*/\1/p')" = "$array" ] || fail "the last task has a number of its own"
dead=slurm-${array}_7-r0
process=$(process_of "$out" "$dead")
kill -KILL "$process"
until_true 5 "the process is dead" is_gone "$process"
log=$(file_of "$out" "$dead" log)
truncate --size=-7 "$log"
[ "$(tail -c 1 "$log" | wc -l)" = 0 ] || fail "the record is not torn"
torn=$(records "$out" "$dead")
until_true 10 "its death is on record" has_died "$out" "$dead"
until_true 30 "it comes back" has_begun "$out" "$(later "${array}_7")"
for shard in 0 1 2 3 4 5 6; do
  ! has_begun "$out" "$(later "${array}_$shard")" || fail "shard $shard was requeued with the last task"
  [ "$(scontrol show job "${array}_$shard" | sed -n 's/.* Restarts=\([0-9]*\) .*/\1/p')" = 0 ] || fail "shard $shard has restarted"
done

here=() there=()
for shard in 0 1 2 3 4 5 6; do
  is_running "${array}_$shard" || fail "shard $shard does not run any more: too quick for faults"
  if [ "$(node_of "${array}_$shard")" = n1 ]; then here+=("$shard"); else there+=("$shard"); fi
done
[ ${#there[@]} -ge 1 ] && [ ${#here[@]} -ge 3 ] || fail "shards on n1: ${here[*]}, on n2: ${there[*]}"
cancelled=${here[0]} killed=${here[1]} requeued=${here[2]}

step "shard $killed: its process is killed, and half a line stands behind its last record"
dead=slurm-${array}_$killed-r0
process=$(process_of "$out" "$dead")
kill -KILL "$process"
until_true 5 "the process is dead" is_gone "$process"
printf '0123abcd 00112233445566778899aabbccddeeff {"model":"sl' >> "$(file_of "$out" "$dead" log)"
ids "$out" "$dead" | grep -v 00112233445566778899aabbccddeeff > "$work/kept"

step "shard $requeued: requeued by hand"
scontrol requeue "${array}_$requeued" || fail "not requeued"

step "node n2: the processes of shards ${there[*]} freeze, its daemon dies"
frozen=()
for shard in "${there[@]}"; do
  process=$(process_of "$out" "slurm-${array}_$shard-r0")
  frozen+=("$process" "$(parent_of "$process")")
  for worker in $(children_of "$process"); do frozen+=("$worker"); done
done
kill -STOP "${frozen[@]}"
for process in "${frozen[@]}"; do until_true 5 "process $process is frozen" is_stopped "$process"; done
kill -KILL "$(cat "$root/slurmd.n2.pid")" || fail "no daemon to kill"

step "shard $cancelled: a worker is killed, and the task goes on; then the task is cancelled"
attempt=slurm-${array}_$cancelled-r0
process=$(process_of "$out" "$attempt")
worker=$(children_of "$process" | head -n 1)
[ -n "$worker" ] || fail "shard $cancelled has no worker to kill"
kill -KILL "$worker"
until_true 5 "the worker is dead" is_gone "$worker"
before=$(records "$out" "$attempt")
until_true 10 "the task goes on" has_records "$out" "$attempt" $((before + 1))
[ -d "/proc/$process" ] || fail "the task died with its worker"
scancel "${array}_$cancelled"
until_true 10 "it says so" grep -q "shard $cancelled, .*signal to stop (cancel)" "$out/launch/log/${array}_$cancelled.log"

step "killed and requeued tasks come back, and those of the lost node elsewhere"
until_true 30 "shard $killed is back" has_begun "$out" "$(later "${array}_$killed")"
grep -q "asked for another slot" "$out/launch/log/${array}_$killed.log" || fail "shard $killed did not ask for its slot"
[ "$(wc -l < "$out/launch/failures/${array}_$killed")" = 1 ] || fail "the death of shard $killed is not counted"
until_true 30 "shard $requeued is back" has_begun "$out" "$(later "${array}_$requeued")"
! has_died "$out" "slurm-${array}_$requeued-r0" || fail "a requeue by hand counts as a death"
for shard in "${there[@]}"; do
  until_true 45 "shard $shard is on the other node" has_begun "$out" "$(later "${array}_$shard")"
  [ "$(node_of "${array}_$shard")" = n1 ] || fail "shard $shard is not on n1"
done
grep -q "Nodes n2 not responding" "$root/log/slurmctld.log" || fail "the node was not lost"

step "the frozen processes thaw, and write beside those that took their place"
for shard in "${there[@]}"; do records "$out" "slurm-${array}_$shard-r0"; done > "$work/before"
kill -CONT "${frozen[@]}"
thawed=0
for shard in "${there[@]}"; do
  before=$(sed -n "$((thawed + 1))p" "$work/before")
  until_true 30 "the zombie of shard $shard writes" has_records "$out" "slurm-${array}_$shard-r0" $((before + 2))
  thawed=$((thawed + 1))
done

step "the cancelled task stays so, and the merge names what is missing"
until_true 90 "the merge of the first study is over" is_over "$merge"
! is_queued "${array}_$cancelled" && ! has_begun "$out" "$(later "${array}_$cancelled")" || fail "the cancelled task came back"
ended_with "$merge" 3 || fail "the merge did not end with 3: $(scontrol show job "$merge" | grep ExitCode)"
grep -q "once more in 2 s" "$out/launch/log/merge-$merge.log" || fail "the merge did not look twice"
grep -q "of 480 trials are missing" "$out/launch/log/merge-$merge.log" || fail "the merge does not say what is missing"
grep -q "  slow, n = " "$out/launch/log/merge-$merge.log" || fail "the merge does not name what is missing"
doubles=0
for shard in "${there[@]}"; do
  doubles=$((doubles + $(comm -12 <(ids "$out" "slurm-${array}_$shard-r0") <(ids "$out" "$(later "${array}_$shard")") | wc -l)))
done
[ "$doubles" -ge 1 ] || fail "no trial was written twice: the zombies did no harm to withstand"
again=$(comm -12 "$work/kept" <(ids "$out" "$(later "${array}_$killed")") | wc -l)
[ "$again" = 0 ] || fail "shard $killed ran $again trials again that were done before it was killed"
[ "$(records "$out" "slurm-${array}_7-r0")" = "$torn" ] || fail "the torn file was written to"

status=0
"$bench" status "$out" > "$work/status.txt" 2>&1 || status=$?
[ "$status" = 3 ] || fail "status ends with $status where trials are missing: $(cat "$work/status.txt")"
grep -qE "^ *$cancelled +stopped " "$work/status.txt" || fail "status does not say that shard $cancelled has stopped: $(cat "$work/status.txt")"

step "a second launch hands in the cancelled shard alone"
"$bench" launch slurm "$work/study.toml" --shards 8 --out "$out" --watch 0 --settle 2 > "$work/launch.txt" 2>&1 || fail "$(cat "$work/launch.txt")"
grep -q "^array [0-9]*: shards $cancelled$" "$work/launch.txt" || fail "not shard $cancelled alone: $(cat "$work/launch.txt")"
array=$(array_in "$work/launch.txt") merge=$(merge_in "$work/launch.txt")
[ "$(squeue --noheader --array --jobs="$array" | wc -l)" = 1 ] || fail "more than one task in the queue"
until_true 60 "its merge is over" is_over "$merge"
ended_with "$merge" 0 || fail "the merge did not end with 0"
"$bench" status "$out" > "$work/status.txt" 2>&1 || fail "status does not say that all is there: $(cat "$work/status.txt")"

step "a model that takes its process with it is given up, and its shards go through"
until_true 60 "the poisoned study is merged" is_over "$poison_merge"
for shard in 0 1; do
  deaths=$(find "$work/poison/journal" -name "shard-*.slurm-${poison}_$shard-r*.died" | wc -l)
  [ "$deaths" -ge 2 ] || fail "shard $shard of the poisoned study died $deaths times"
done
ended_with "$poison_merge" 1 || fail "the poisoned study is not complete with failed trials"
[ "$(grep -c ',20,.*,failed,.*process died 2 times' "$work/poison/scores/poison.csv")" = 4 ] || fail "poison: $(cat "$work/poison/scores/poison.csv")"
[ "$(grep -c ',ok,' "$work/poison/scores/floor.csv")" = 8 ] || fail "what stands beside the poison is not ok"

step "a task at its time limit checkpoints and goes on in another slot"
until_true 90 "the study in slots is through" queue_is_empty
grep -q "signal to stop (limit)" "$work/slots/launch/log/${slots}_0.log" || fail "no time limit was met"
has_begun "$work/slots" "$(later "${slots}_0")" || fail "no second slot"
! scontrol show job "${slots}_0" | grep -q TIMEOUT || fail "the task was ended at its limit"
[ -z "$(find "$work/slots/launch" -name failures)" ] || fail "a slot with progress counts as a failure"

step "merged results are those of one machine"
for part in scores predictions figures summary.csv experiment.lock.toml README.md; do
  diff -r "$work/one/$part" "$out/$part" > /dev/null || fail "$part differs from one machine's"
  diff -r "$work/slots-one/$part" "$work/slots/$part" > /dev/null || fail "$part of the study in slots differs"
done
echo "all faults happened and changed no byte: $doubles trials written twice, ${SECONDS} s"
