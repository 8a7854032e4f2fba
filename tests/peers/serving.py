"""A running ponder serve, for tests of its clients."""
import json
import os
import re
import subprocess
import tempfile
import time
import urllib.request

import peer

KEY = "only-for-tests"


def user(content):
    return [{"role": "user", "content": content}]


QUESTION = user("Compute 7+8*3.")


class Serving:
    """Of nano-base, as "nano", unless told otherwise. To be used in a with statement."""

    def __init__(self, *flags, model=peer.NANO_BASE, port=0):
        # Standard error goes to a file: a pipe that nobody reads would fill up.
        self.errors = tempfile.TemporaryFile(mode="w+")
        self.process = subprocess.Popen(
            [peer.PONDER, "serve", model, "--alias", "nano", "--port", str(port), "--threads", "1", "--json", "--quiet",
             "--api-key-env", "PONDER_TEST_KEY", *map(str, flags)],
            stdout=subprocess.PIPE, stderr=self.errors, text=True, env={**os.environ, "PONDER_TEST_KEY": KEY})
        line = self.process.stdout.readline()
        self.errors.seek(0)
        assert line, self.errors.read()
        self.ready = json.loads(line)
        self.port = self.ready["port"]
        self.url = f"{self.ready['url']}/v1"

    def get(self, path):
        request = urllib.request.Request(self.ready["url"] + path, headers={"Authorization": f"Bearer {KEY}"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read().decode()

    def metric(self, name, label=""):
        """The sum of all of that name whose labels hold this one."""
        lines = re.findall(rf"^{name}(?:\{{(.*)\}})? (\S+)$", self.get("/metrics"), re.M)
        return sum(float(value) for labels, value in lines if label in labels)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.kill()
        self.process.stdout.close()
        self.errors.close()


def soon(condition, seconds=20):
    """The seconds it took until it held."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, "it does not come about"
        time.sleep(0.01)
    return time.monotonic() - began
