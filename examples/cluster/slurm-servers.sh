#!/usr/bin/env bash
# Servers as a Slurm array (servers.sbatch). In a recipe's [fleet]:
#   servers_file = "servers.txt"
#   command = ["./slurm-servers.sh", "start", "{model_dir}", "{served_name}"]    (behind these: flags of the server)
#   stop_command = ["./slurm-servers.sh", "stop"]
# "start" ends as soon as the array is submitted: the run waits for ready_timeout until one of its tasks can be asked,
# and takes up the others as they come. "stop" ends once no task is left.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

stop() {
  [[ -s servers.job ]] || return 0
  local job
  job=$(< servers.job)
  scancel "$job"
  while [[ $(squeue --noheader --jobs="$job" 2> /dev/null) ]]; do sleep 1; done
  rm -f servers.job
  : > servers.txt  # of tasks that were killed
}

case ${1:-} in
  start)
    shift
    stop
    sbatch --parsable servers.sbatch "$@" > servers.job
    ;;
  stop) stop ;;
  *) echo "usage: slurm-servers.sh start MODEL_DIR NAME [FLAG…] | stop" >&2; exit 2 ;;
esac
