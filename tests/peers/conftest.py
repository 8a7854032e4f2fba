"""What all tests here share: the checkpoint, its tokenizer as Hugging Face reads it, and the figures they measure."""
import importlib.metadata
import re

import peer
import pytest
import smollm2
from tokenizers import Tokenizer

DOCUMENT = peer.REPOSITORY / "docs" / "peers.md"
BEGIN, END = "<!-- figures -->\n", "<!-- end of figures -->"
figures = []
ADDED_TOKENS = ["<reason>", "</reason>", "<|tool|>"]


def pytest_addoption(parser):
    parser.addoption("--write", action="store_true", help="put what was measured into docs/peers.md, if all that ran passed")


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """The folder of SmolLM2-135M-Instruct."""
    folder = tmp_path_factory.mktemp("smollm2")
    smollm2.make_checkpoint(folder)
    return folder


@pytest.fixture(scope="session")
def tokenizer(checkpoint):
    return Tokenizer.from_file(str(checkpoint / "tokenizer.json"))


@pytest.fixture(scope="session")
def reference(checkpoint, tokenizer):
    from reference import Reference  # torch is not there in the quick part
    return Reference(tokenizer, checkpoint)


@pytest.fixture(scope="session")
def grown(tmp_path_factory):
    """The folder of nano-base, trained a step with three tokens more."""
    folder = tmp_path_factory.mktemp("grown")
    data = peer.write_rows(folder / "rows.jsonl", [
        {"prompt": "Compute 7+8", "response": "<reason>7+8 is 15.</reason>15"}])
    peer.run("sft", "--model", peer.NANO_BASE, "--data", data, "--out", folder / "model", "--epochs", 1, "--lr", 1e-9,
             "--thought-tags", "<reason>,</reason>", "--thought-form", "as-written", "--add-tokens", ",".join(ADDED_TOKENS),
             "--quiet")
    return folder / "model"


def version(package):
    """Of this environment, else of one beside it."""
    beside = [str(site) for site in (peer.REPOSITORY / "build").glob("peers-*/lib/python3.*/site-packages")]
    for found in [*importlib.metadata.distributions(name=package), *importlib.metadata.distributions(name=package, path=beside)]:
        return found.version
    raise importlib.metadata.PackageNotFoundError(package)


@pytest.fixture
def figure():
    """figure(what, packages, measured): a row of the document's table."""
    def add(what, packages, measured):
        versions = ", ".join(f"{name} {version(name)}" for name in packages.split())
        figures.append(f"| {what} | {versions} | {measured} |")
        print("\n" + figures[-1])
    return add


def merged(before, measured):
    """Rows of the table: what was measured now in the place of the same comparison before, what is new behind it. What did not
    run keeps what it measured last; a row that no test writes any more is taken out by hand."""
    def compared(row):  # without counts and versions; f32, zero-2 are names
        return re.sub(r"(?<![A-Za-z-])[0-9][0-9.,]*", "", "|".join(row.split("|")[:3]))
    rows = {compared(row): row for row in before}
    rows.update({compared(row): row for row in measured})
    return [*rows.values()]


def pytest_sessionfinish(session, exitstatus):
    if not session.config.getoption("--write") or exitstatus != 0:
        return
    before, rest = DOCUMENT.read_text().split(BEGIN)
    table, rest = rest.split(END)
    head, rows = ["| compared | with | measured |", "|---|---|---|"], [row for row in table.splitlines() if row.startswith("| ")][1:]
    DOCUMENT.write_text(before + BEGIN + "\n" + "\n".join([*head, *merged(rows, figures)]) + "\n\n" + END + rest)
