#!/usr/bin/env bash
# Servers on this machine's GPUs, one on each. In a recipe's [fleet]:
#   servers_file = "servers.txt"
#   command = ["./node-servers.sh", "start", "{model_dir}", "{served_name}"]    (behind these: flags of the server)
#   stop_command = ["./node-servers.sh", "stop"]
# "start" ends once all of them can be asked, "stop" once their processes, and so what they held of the GPUs, are gone.
# GPUS (8) says how many there are; KIND and what else serve.sh reads is passed on. Their output is in server-N.log.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
gpus=${GPUS:-8}
patience=120  # seconds for servers to end by themselves

running() {  # the processes of servers.pids that are there; a number may be another program's by now
  local pid
  [[ -f servers.pids ]] || return 0
  while read -r pid; do
    if grep -qs serve.sh "/proc/$pid/cmdline"; then echo "$pid"; fi
  done < servers.pids
}
stop() {
  local pid waited=0
  for pid in $(running); do kill "$pid" 2> /dev/null || true; done
  while [[ $(running) ]]; do
    if ((waited++ == patience * 5)); then
      echo "node-servers.sh: servers did not end in $patience s and are killed" >&2
      for pid in $(running); do kill -KILL -- "-$pid" 2> /dev/null || true; done
    fi
    sleep 0.2
  done
  rm -f servers.pids
  : > servers.txt
}
start() {
  local gpu pid pids=()
  stop
  trap 'stop; exit 143' TERM
  for ((gpu = 0; gpu < gpus; ++gpu)); do
    # A session of its own: it outlives this script, and can be killed as a whole.
    CUDA_VISIBLE_DEVICES=$gpu setsid ./serve.sh servers.txt "$@" > "server-$gpu.log" 2>&1 < /dev/null &
    pids+=($!)
    echo $! >> servers.pids
  done
  while (($(wc -l < servers.txt) < gpus)); do
    for pid in "${pids[@]}"; do
      kill -0 "$pid" 2> /dev/null && continue
      tail -n 5 server-*.log >&2
      stop
      echo "node-servers.sh: a server ended before it could be asked" >&2
      exit 1
    done
    sleep 0.2
  done
}

case ${1:-} in
  start) shift; start "$@" ;;
  stop) stop ;;
  *) echo "usage: node-servers.sh start MODEL_DIR NAME [FLAG…] | stop" >&2; exit 2 ;;
esac
