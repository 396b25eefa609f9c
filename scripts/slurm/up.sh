#!/usr/bin/env bash
# Starts a Slurm of its own in the folder ROOT: two nodes, n1 and n2, on loopback, as root, without systemd, cgroups or
# accounting. Everything that it writes is in ROOT. SLURM_CONF=ROOT/slurm.conf makes Slurm's programs talk to it.
# Usage: scripts/slurm/up.sh ROOT
set -euo pipefail
root=${1:?usage: up.sh ROOT}
host=$(hostname -s)
port=${SLURM_PORT:-17800}
mkdir -p "$root"/{state,spool/n1,spool/n2,log,munge}
chmod 755 "$root"

# A munge of its own: no service of the system's is asked or changed.
dd if=/dev/urandom of="$root/munge/key" bs=128 count=1 status=none
chmod 400 "$root/munge/key"
chown -R munge: "$root/munge"
chmod 711 "$root/munge"
setpriv --reuid=munge --regid=munge --clear-groups /usr/sbin/munged --socket="$root/munge/socket" \
  --key-file="$root/munge/key" --pid-file="$root/munge/pid" --log-file="$root/munge/log" --seed-file="$root/munge/seed"

# Short times: a lost node is noticed within seconds, and a requeued task need not wait two minutes for its credential.
cat > "$root/slurm.conf" <<END
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=$root/munge/socket,cred_expire=5
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmctldPort=$port
SlurmctldPidFile=$root/slurmctld.pid
SlurmctldLogFile=$root/log/slurmctld.log
SlurmdPidFile=$root/slurmd.%n.pid
SlurmdLogFile=$root/log/slurmd.%n.log
SlurmdSpoolDir=$root/spool/%n
StateSaveLocation=$root/state
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core,CR_LLN
SlurmdParameters=config_overrides
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,sched_min_interval=0,bf_interval=1
MessageTimeout=3
SlurmctldTimeout=10
SlurmdTimeout=4
InactiveLimit=0
KillWait=2
MinJobAge=3600
JobRequeue=1
ReturnToService=2
MaxArraySize=${SLURM_MAX_ARRAY:-1001}
NodeName=n1 NodeAddr=127.0.0.1 NodeHostname=$host Port=$((port + 1)) CPUs=16 RealMemory=1024 State=UNKNOWN
NodeName=n2 NodeAddr=127.0.0.1 NodeHostname=$host Port=$((port + 2)) CPUs=16 RealMemory=1024 State=UNKNOWN
PartitionName=main Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
END
export SLURM_CONF=$root/slurm.conf
/usr/sbin/slurmctld -c -f "$SLURM_CONF"
for node in n1 n2; do /usr/sbin/slurmd -f "$SLURM_CONF" -N "$node"; done
for _ in $(seq 100); do
  if [ "$(sinfo --noheader --Node --format=%t 2>/dev/null | grep -c '^idle$')" = 2 ]; then exit 0; fi
  sleep 0.1
done
echo "Slurm did not come up; the last that its controller said:" >&2
tail -n 5 "$root/log/slurmctld.log" >&2
exit 1
