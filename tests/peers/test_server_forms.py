"""Requests and answers of kinds vllm and sglang by these servers' own classes: server_forms.py, in an environment of its
own, since others of this folder's packages do something else where vLLM is there."""
import os
import subprocess

import conftest
import peer
import pytest

ENVIRONMENT = peer.REPOSITORY / "build" / "peers-servers"
PYTHON = ENVIRONMENT / "bin" / "python"


@pytest.mark.skipif(not [*ENVIRONMENT.glob("lib/python3.*/site-packages/vllm")], reason="vLLM and SGLang are not there")
def test_server_forms():
    file = peer.REPOSITORY / "tests" / "peers" / "server_forms.py"
    done = subprocess.run([PYTHON, "-m", "pytest", "-p", "no:cacheprovider", "-s", "-W", "ignore", file], check=False,
                          capture_output=True, text=True, env={**os.environ, "PONDER": str(peer.PONDER)})
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    rows = [line for line in done.stdout.split("\n") if line.startswith("| ")]
    print("\n" + "\n".join(rows))
    conftest.figures += rows
