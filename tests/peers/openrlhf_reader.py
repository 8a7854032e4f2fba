"""OpenRLHF's reader of rows, without the package around it, which wants flash-attn and deepspeed."""
import importlib.util
import pathlib
import sys
import types

import datasets
import transformers

found = importlib.util.find_spec("openrlhf")
if not found:
    raise ImportError("openrlhf is not installed")
FOLDER = pathlib.Path(found.origin).parent if found.origin else pathlib.Path(next(iter(found.submodule_search_locations)))


def package(name, folder):
    module = types.ModuleType(name)
    module.__path__ = [str(folder)]
    sys.modules[name] = module


package("openrlhf", FOLDER)
package("openrlhf.datasets", FOLDER / "datasets")
package("openrlhf.utils", FOLDER / "utils")
utils = types.ModuleType("openrlhf.utils.utils")
utils.zero_pad_sequences = None  # of batches, which are not made here
sys.modules["openrlhf.utils.utils"] = utils
from openrlhf.datasets.sft_dataset import SFTDataset  # noqa: E402


def sft_rows(file, model, max_length):
    """(ids, mask) of each row, as its trainer is given them."""
    names = types.SimpleNamespace(data=types.SimpleNamespace(input_key="prompt", output_key="completion",
                                                             apply_chat_template=False))
    rows = datasets.load_dataset("json", data_files=str(file), split="train", cache_dir=str(file.parent / "cache"))
    dataset = SFTDataset(rows, transformers.AutoTokenizer.from_pretrained(model), max_length,
                         types.SimpleNamespace(args=names), num_processors=1)
    return [(ids[0].tolist(), [int(m) for m in mask[0].tolist()]) for ids, _, mask in map(dataset.__getitem__,
                                                                                         range(len(dataset)))]
