#!/bin/bash
# One run a task of a job array, each as long as it takes:
#
#     mkdir melt && vitrion new ckn melt            # copy and change melt/ckn.toml: one configuration a run, here runs/*.toml
#     sbatch --array=0-3 examples/slurm/array.sh runs/*.toml
#
# A minute before the time limit Slurm warns the run with USR1. It writes a checkpoint and ends with exit code 3, and the job is queued
# again, to go on where it stopped, until the run is finished. The same happens at preemption and at `scontrol requeue`; after a failure
# of the node at most `checkpoint_every` is lost. `scancel` ends it for good, with a checkpoint too. The result does not depend on any of
# this, bit for bit.
#
#SBATCH --job-name=vitrion
#SBATCH --cpus-per-task=1
#SBATCH --time=04:00:00
#SBATCH --signal=USR1@60
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=vitrion-%A_%a.log

config=("$@")
config=${config[${SLURM_ARRAY_TASK_ID:-0}]}

# Under srun the signals reach the program itself, and not this script. Newer versions of srun do not take over --cpus-per-task.
srun --ntasks=1 --cpus-per-task="${SLURM_CPUS_PER_TASK:-1}" vitrion run "$config"
code=$?
if [ "$code" -eq 3 ]; then
    # The number of a job can be that of its whole array.
    scontrol requeue "${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}${SLURM_ARRAY_TASK_ID:+_$SLURM_ARRAY_TASK_ID}"
fi
exit "$code"
