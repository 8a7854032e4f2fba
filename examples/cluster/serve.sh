#!/usr/bin/env bash
# One server of a model, on a list of servers (servers_file in a recipe's [fleet]) for as long as it can be asked.
#   serve.sh LIST MODEL_DIR NAME [FLAG…]
# SIGTERM ends it: it is taken off the list, so that nothing new comes, and what runs is answered first.
# From the environment:
#   KIND         ponder (default) or vllm; FLAGs are that program's
#   SERVER_HOST  how this machine is called by those that ask (default: 127.0.0.1, for this machine alone)
#   FLEET_KEY    the key to ask for, which a server that others reach must have
# On several machines LIST must be on a file system whose locks they share (flock: NFS 4, Lustre with -o flock).
set -euo pipefail
list=$1 model=$2 name=$3
shift 3
host=${SERVER_HOST:-127.0.0.1} listen=0.0.0.0
[[ $host != 127.0.0.1 ]] || listen=127.0.0.1
said=$(mktemp) server='' url='' stopping=''

change_list() {  # change_list add|remove: one at a time, and readers see the old file or the new one
  (
    flock 9
    { grep -vxF "$url" "$list" 2> /dev/null || true; } > "$list.new"
    [[ $1 == remove ]] || echo "$url" >> "$list.new"
    mv "$list.new" "$list"
  ) 9>> "$list.lock"
}
leave() {
  rm -f "$said"
  if [[ $url ]]; then change_list remove; fi
  url=''
}
stop() {
  stopping=1
  leave
  [[ ! $server ]] || kill "$server" 2> /dev/null || true
}
trap stop TERM INT
trap leave EXIT

case ${KIND:-ponder} in
  ponder)
    [[ ! ${FLEET_KEY:-} ]] || set -- --api-key-env FLEET_KEY "$@"
    ponder serve "$model" --host "$listen" --host-name "$host" --port 0 --json --quiet "$@" > "$said" &
    port() { sed -nE 's/.*"port": *([0-9]+).*/\1/p' "$said"; }  # nothing before it can be asked
    ;;
  vllm)
    free=$(python3 -c 'import socket; s = socket.socket(); s.bind(("", 0)); print(s.getsockname()[1])')
    VLLM_API_KEY=${FLEET_KEY:-} vllm serve "$model" --served-model-name "$name" --host "$listen" --port "$free" \
      --generation-config vllm "$@" &
    port() { ! curl -sf "http://127.0.0.1:$free/health" > /dev/null || echo "$free"; }
    ;;
  *) echo "serve.sh: KIND is ponder or vllm" >&2; exit 2 ;;
esac
server=$!
[[ ! $stopping ]] || kill "$server"  # told to end before there was one

until [[ $stopping ]] || { at=$(port) && [[ $at ]]; }; do
  kill -0 "$server" 2> /dev/null || { wait "$server"; exit 1; }
  sleep 0.2
done
if [[ ! $stopping ]]; then
  url=http://$host:$at
  change_list add
  echo "$name at $url"
fi
status=0
wait "$server" || status=$?  # which a signal interrupts
while [[ $stopping ]] && kill -0 "$server" 2> /dev/null; do wait "$server" || true; done
[[ $stopping ]] || exit "$status"
