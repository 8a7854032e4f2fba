"""Two or more programs measured in turn: each is a process that does one repetition for each line it is sent and
answers with one JSON object (`ponder bench --on-request`, torch_worker.py, llama_worker.py)."""
import json
import statistics
import subprocess
import sys
import time


class Missing(Exception):
    """A program that is not there, or says, with exit status 77, that what it needs is not installed."""


class Worker:
    def __init__(self, name, command):
        self.name = name
        try:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        except FileNotFoundError as none:
            raise Missing(name) from none
        self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if line:
            return json.loads(line)
        status = self.process.wait()
        if status == 77:
            raise Missing(self.name)
        sys.exit(f"{self.name} ended with status {status}: {' '.join(map(str, self.process.args))}")

    def turn(self):
        time.sleep(0.3)  # threads of the program before this one spin for a while before they sleep
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.answer()

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


class Outcome:
    """The repetitions of one program, in the order of the pairs."""

    def __init__(self):
        self.turns = []

    def __bool__(self):
        return bool(self.turns)

    def median(self, field):
        return statistics.median(turn[field] for turn in self.turns)

    def largest(self, field):
        return max(turn[field] for turn in self.turns)


def ratios(ours, theirs, field="tokens_per_second"):
    return [a[field] / b[field] for a, b in zip(ours.turns, theirs.turns)]


def in_turn(programs, pairs, resident):
    """`programs`: (name, command) each, ours first. Resident: all stay in memory, warm, and take turns. Otherwise
    each starts anew for every turn, warms up and ends, as two of them do not fit into memory. Gives an Outcome each;
    empty for a peer that is not installed."""
    outcomes = [Outcome() for _ in programs]
    missing = set()

    def start(index):
        if index in missing:
            return None
        try:
            return Worker(*programs[index])
        except Missing as missed:
            print(f"skipped: {missed} is not installed (bench/peers/setup)", file=sys.stderr)
            missing.add(index)
            return None

    workers = [start(i) for i in range(len(programs))] if resident else [None] * len(programs)
    for _ in range(pairs):
        for i, outcome in enumerate(outcomes):
            worker = workers[i] if resident else start(i)
            if worker:
                outcome.turns.append(worker.turn())
                if not resident:
                    worker.close()
    for worker in workers:
        if worker:
            worker.close()
    return outcomes
