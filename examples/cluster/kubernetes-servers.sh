#!/usr/bin/env bash
# Servers as the StatefulSet of kubernetes.yaml. In a recipe's [fleet]:
#   servers = ["http://ponder-0.ponder:8321", …]
#   command = ["./kubernetes-servers.sh", "start", "{model_dir}"]
#   stop_command = ["./kubernetes-servers.sh", "stop"]
# "start" ends once all SERVERS (8) are ready, "stop" once their pods are gone.
set -euo pipefail

stop() {
  kubectl scale statefulset/ponder --replicas=0
  while [[ $(kubectl get pods --selector=app=ponder --output=name) ]]; do sleep 1; done
}

case ${1:-} in
  start)
    stop  # all at once: one after another, as a rolling update has it, takes eight times as long
    kubectl set env statefulset/ponder "MODEL_DIR=$2"
    kubectl scale statefulset/ponder --replicas="${SERVERS:-8}"
    kubectl rollout status statefulset/ponder --timeout=30m
    ;;
  stop) stop ;;
  *) echo "usage: kubernetes-servers.sh start MODEL_DIR | stop" >&2; exit 2 ;;
esac
