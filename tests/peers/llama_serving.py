"""A running llama-server of llama.cpp, for tests of what ponder asks servers of that kind."""
import json
import pathlib
import re
import subprocess
import tempfile
import time
import urllib.request

import peer
from serving import KEY

PROGRAM = peer.REPOSITORY / "build" / "peers-llama-server" / "bin" / "llama-server"
EXACT = ("-ctk", "f32", "-ctv", "f32", "-fa", "off")  # a cache in f32: its default, f16, rounds keys and values


def version():
    """Such as "0.5.0-dev (0c1e570)"."""
    done = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True)
    number, commit = re.search(r"version: (\S+) \(build \d+, commit (\S+)\)", done.stdout + done.stderr).groups()
    return f"{number} ({commit})"


def export(model, file, form="f32"):
    peer.run("export", model, "--gguf", form, "--out", file, "--quiet")
    return file


class LlamaServing:
    """Of a GGUF file, under a name, on a port of its own; with a key. To be used in a with statement."""

    def __init__(self, file, *flags, name="nano", key=KEY):
        self.key = key
        self.log = tempfile.NamedTemporaryFile(mode="w+")
        self.process = subprocess.Popen(
            [PROGRAM, "-m", file, "--alias", name, "--host", "127.0.0.1", "--port", "0", "--threads", str(peer.threads()),
             "--no-ui", "--offline", *(["--api-key", key] if key else []), *map(str, flags)],
            stdout=self.log, stderr=self.log)
        self.url = None
        while not self.url:
            assert self.process.poll() is None, self.said()
            found = re.search(r"listening on (http://\S+)", self.said())
            self.url = found and found.group(1)
            time.sleep(0.05)

    def said(self):
        return pathlib.Path(self.log.name).read_text(errors="replace")

    def get(self, path, body=None):
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        request = urllib.request.Request(self.url + path, headers={**headers, "Content-Type": "application/json"},
                                         data=None if body is None else json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())

    def busy(self):
        return sum(slot["is_processing"] for slot in self.get("/slots"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.log.close()
