#!/bin/bash
# Plateau below Slurm 20.11 or newer. Build on the login node (`make binaries`, or `make RANKS=2 binaries`), then, in the
# repository:
#
#   one experiment, on one node            sbatch examples/slurm.sh mnist
#   one experiment, shared by four nodes   sbatch --nodes=4 examples/slurm.sh mnist
#   a family, a job for each member        sbatch --array=0-24 examples/slurm.sh digits-ladder   (it has 25)
#   and its page, when these are done      sbatch --dependency=afterok:JOBID examples/slurm.sh digits-ladder
#   one stage after another                sbatch --dependency=afterok:JOBID examples/slurm.sh mnist report
#
# A stage that stops at the time limit, or whose node fails, goes on in the same job, which is queued again.
#
#SBATCH --job-name=plateau
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=2
#SBATCH --mem=2G
#SBATCH --time=02:00:00
#SBATCH --requeue
#SBATCH --signal=B:USR1@60
#SBATCH --open-mode=append

set -uo pipefail
experiment=${1:?usage: sbatch [options of sbatch] examples/slurm.sh EXPERIMENT [STAGE ...]}
shift
places=(--pipeline "${PIPELINE:-pipeline.yaml}" --artifacts "${A:-artifacts}")
nodes=${SLURM_JOB_NUM_NODES:-1}
# The job of an array may be restarted by itself.
job=${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}}
job=${job:-$SLURM_JOB_ID}

# What `make` lists of experiments: of which kind each is, members of families, and other experiments whose results it needs.
list=${A:-artifacts}/experiments.mk
params=target/release/params
[ "$nodes" = 1 ] || params=target/mpi/release/params
[ -x "$params" ] || { echo "error: $params is missing; run \`make binaries\` before, or \`make RANKS=2 binaries\` for several nodes" >&2; exit 2; }
"$params" "${places[@]}" || exit
places+=(--latency 10)
listed() { sed -n "s|^$1 *[:+]*= *||p" "$list"; }
is_among() { grep -qxF "$1" <<<"$(listed "$2" | tr ' ' '\n')"; }

members=($(listed "MEMBERS_OF_$experiment"))
if [ -n "${SLURM_ARRAY_TASK_ID:-}" ]; then
  experiment=${members[$SLURM_ARRAY_TASK_ID]:?"the family has ${#members[@]} members, see $list: sbatch --array=0-$((${#members[@]} - 1))"}
  stages=(fetch-data train eigen montecarlo bound)
elif [ ${#members[@]} -gt 0 ]; then
  stages=(family report)
elif is_among "$experiment" GIVEN; then
  stages=(montecarlo bound report)
elif is_among "$experiment" ALONE; then
  stages=(fetch-data train eigen answer)
else
  stages=(fetch-data train eigen montecarlo bound answer spectrum stream report)
fi
work=()
if [ $# -eq 0 ]; then
  for pilot in $(sed -n "s|^\$(A)/$experiment/bound/manifest.json: \$(A)/\(.*\)/montecarlo/manifest.json|\1|p" "$list"); do
    for stage in fetch-data train eigen montecarlo; do work+=("$pilot $stage"); done
  done
else
  stages=("$@")
fi
for stage in "${stages[@]}"; do work+=("$experiment $stage"); done

# Slurm tells this script 60 s before the limit: the stage is told, and writes down how far it is. srun hands a signal on.
step=
trap '[ -z "$step" ] || kill -USR1 "$step"' USR1
for each in "${work[@]}"; do
  read -r experiment stage <<<"$each"
  case $nodes,$stage in
    1,*) program=target/release/$stage; tasks=1; mpi=none ;;
    *,train | *,eigen | *,montecarlo | *,spectrum) program=target/mpi/release/$stage; tasks=$nodes; mpi=pmix ;;
    *) program=target/mpi/release/$stage; tasks=1; mpi=none ;;
  esac
  ranks=()
  [ "$tasks" = 1 ] || ranks=(--ranks "$tasks")
  # --exact: as much of the allocation as is asked for. -K: where one process ends, all do. srun from 22.05 on no longer takes
  # the cores of each task from the job.
  srun -Q -K --exact --mem=0 --mpi="$mpi" -N "$tasks" -n "$tasks" -c "${SLURM_CPUS_PER_TASK:-1}" \
    "$program" "${places[@]}" --experiment "$experiment" "${ranks[@]}" &
  step=$!
  wait "$step"
  code=$?
  # A signal ends the wait, not the step.
  while kill -0 "$step" 2>/dev/null; do wait "$step"; code=$?; done
  step=
  if [ "$code" = 75 ]; then
    echo "$stage of $experiment stopped; the job is queued again" >&2
    exec scontrol requeue "$job"
  fi
  # srun can end with 0 though a node failed: the manifest is asked.
  "$program" "${places[@]}" --experiment "$experiment" --check -q || exit $((code > 0 ? code : 1))
done
