"""What llama.cpp computes with an exported model."""
import peer
import pytest
from test_model import PROMPTS

llama_cpp = pytest.importorskip("llama_cpp", reason="llama-cpp-python was not built")


@pytest.fixture(scope="module")
def llama(checkpoint, tmp_path_factory):
    file = tmp_path_factory.mktemp("gguf") / "model.gguf"
    peer.run("export", checkpoint, "--gguf", "f32", "--out", file, "--quiet")
    # A cache in f32: its default, f16, rounds keys and values.
    return llama_cpp.Llama(str(file), n_ctx=2048, n_threads=peer.threads(), n_threads_batch=peer.threads(), verbose=False,
                           type_k=llama_cpp.GGML_TYPE_F32, type_v=llama_cpp.GGML_TYPE_F32, flash_attn=False)


def test_tokens(checkpoint, llama):
    texts = (peer.REPOSITORY / "README.md").read_text().split("\n\n")
    found = peer.run("tokenize", "--tokenizer", checkpoint, rows=[{"text": text} for text in texts])
    assert [row["ids"] for row in found] == [llama.tokenize(text.encode(), add_bos=False, special=True) for text in texts]


def test_greedy(checkpoint, llama, tmp_path, figure):
    found = peer.greedy(checkpoint, PROMPTS, tmp_path, max_tokens=64)
    asked = peer.run("tokenize", "--tokenizer", checkpoint, "--chat", rows=[
        {"messages": [{"role": "user", "content": prompt}], "add_generation_prompt": True} for prompt in PROMPTS])
    expected = []
    for row in asked:
        generated = []
        for token in llama.generate(row["ids"], temp=0.0, repeat_penalty=1.0):
            generated.append(token)
            if token == llama.token_eos() or len(generated) == 64:
                break
        expected.append(generated)
    assert found == expected
    figure("GGUF in f32 with an f32 cache: greedy texts of up to 64 tokens", "llama-cpp-python",
           f"all of {len(found)} equal, and the token ids of README.md")
