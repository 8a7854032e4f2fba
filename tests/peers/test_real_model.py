"""docs/studies.md, "A real pretrained model", against a fresh evaluation: the base model's scores, which are the same on every machine."""
import re

import peer
from peer import REPOSITORY

PAGE = REPOSITORY / "docs" / "studies.md"


def test_the_base_models_row(checkpoint, tmp_path):
    run = tmp_path / "run"
    peer.run("run", REPOSITORY / "recipes" / "smollm2-135m.toml", "--set", f"base={checkpoint}", "--until", "evaluate-M0",
             "--quiet", "--out", run)
    models = peer.run("compare", run, "--json")[0]["models"]
    assert [model["model"] for model in models] == ["M0"]
    told = re.search(r"In the third definition the base has (.*?): ", PAGE.read_text())[1]
    measured = [f"{name} {100 * score['mean']:.1f}" for name, score in models[0]["scores"].items()]
    assert told == ", ".join(measured)
