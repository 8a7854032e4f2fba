"""What ponder sends to vLLM and SGLang, by the classes they read it with, and answers of their classes as ponder reads them:
a server made of these classes, which answers with rows of ponder's own. Neither of their engines runs. test_server_forms.py
runs this in an environment that has both."""
import dataclasses
import http.server
import json
import threading

import peer
import pytest
from sglang.srt.entrypoints.openai import protocol as sglang_chat
from sglang.srt.managers.io_struct import GenerateReqInput
from sglang.srt.sampling.sampling_params import SamplingParams
from vllm.entrypoints.generate.base import protocol as vllm_common
from vllm.entrypoints.openai.chat_completion import protocol as vllm_chat
from vllm.entrypoints.openai.completion import protocol as completion
from vllm.entrypoints.serve.engine.protocol import ModelCard, ModelList, UsageInfo
from vllm.entrypoints.serve.tokenize.protocol import TokenizeChatRequest, TokenizeCompletionRequest, TokenizeResponse

QUESTIONS = ["Compute 7+8*3", "Compute 3*13", "Compute 63+2", "A lamp takes 50 J in 10 s. What is its power?"]
TURN = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
SAMPLING = ["--temperature", 0.5, "--top-p", 0.9, "--top-k", 7, "--max-tokens", 40]


class Double:
    """Answers each path by a function of the body: an object, or texts of events. Keeps what went wrong in one."""

    def __init__(self, paths):
        self.problems, self.asked = [], []
        double = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self, body):
                try:
                    double.asked.append(self.path)
                    said = paths[self.path](body)
                    if isinstance(said, dict):
                        kind, text = "application/json", json.dumps(said)
                    else:
                        kind, text = "text/event-stream", "".join(f"data: {event}\n\n" for event in [*said, "[DONE]"])
                    status = 200
                except Exception as problem:  # noqa: BLE001 - shown by the test
                    double.problems.append(f"{self.path}: {problem!r}")
                    status, kind, text = 400, "application/json", json.dumps({"error": {"message": str(problem)}})
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            def do_GET(self):
                self.answer(None)

            def do_POST(self):
                self.answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def known(kind, body):
    """As its class reads it; no field may be one that it does not know."""
    unknown = set(body) - set(kind.model_fields)
    assert not unknown, f"{kind.__name__} knows no {unknown}"
    return kind.model_validate(body)


def ids_of(text):
    return peer.run("tokenize", "--tokenizer", peer.NANO_BASE, rows=[{"text": text}])[0]["ids"]


@pytest.fixture(scope="module")
def problems(tmp_path_factory):
    return peer.write_rows(tmp_path_factory.mktemp("problems") / "problems.jsonl",
                           [{"id": f"p{i}", "question": text, "answer": "1"} for i, text in enumerate(QUESTIONS)])


@pytest.fixture(scope="module")
def rows(problems):
    """ponder's own, by the ids of their prompts."""
    made = peer.run("generate", "--model", peer.NANO_BASE, "--problems", problems, *SAMPLING, "--json", "--quiet")
    return {tuple(ids_of(TURN.format(text))): row for text, row in zip(QUESTIONS, made, strict=True)}


def asked_for_rows(double, kind, problems, *flags):
    made = peer.run("generate", "--model", peer.NANO_BASE, "--problems", problems, *SAMPLING, "--json", "--quiet",
                    "--server", double.url, "--server-kind", kind, "--patience", 10, *flags)
    assert not double.problems
    return [(row["problem_id"], row["token_ids"], row["text"], row["finish_reason"]) for row in made]


def expected(rows):
    return [(row["problem_id"], row["token_ids"], row["text"], row["finish_reason"]) for row in rows.values()]


def right_sampling(params):
    assert (params.temperature, params.top_p, params.top_k, params.min_p) == (0.5, 0.9, 7, 0)
    assert (params.repetition_penalty, params.presence_penalty, params.frequency_penalty) == (1, 0, 0)
    assert set(params.stop_token_ids) == {507} and not params.ignore_eos and not params.skip_special_tokens


@pytest.fixture(scope="module")
def likeliest(tmp_path_factory):
    """What ponder's own greedy answers to the questions of a check say next, by the ids before it."""
    texts = [f"What is {7 * i} + {30 - i}?" for i in range(1, 13)]
    file = peer.write_rows(tmp_path_factory.mktemp("check") / "questions.jsonl",
                           [{"id": f"q{i}", "question": text, "answer": "1"} for i, text in enumerate(texts)])
    made = peer.run("generate", "--model", peer.NANO_BASE, "--problems", file, "--temperature", 0, "--max-tokens", 64,
                    "--json", "--quiet")
    said = {}
    for text, row in zip(texts, made, strict=True):
        ids = ids_of(TURN.format(text))
        for token, logprob in zip(row["token_ids"], row["logprobs"], strict=True):
            said[tuple(ids)] = (token, logprob)
            ids = [*ids, token]
    return said


def test_vllm(problems, rows, likeliest, figure):
    def say_likeliest(body):
        request = known(completion.CompletionRequest, body)
        assert (request.max_tokens, request.temperature, request.logprobs, request.stream) == (1, 0, 5, False)
        assert request.return_tokens_as_token_ids
        token, logprob = likeliest[tuple(body["prompt"])]
        name = f"token_id:{token}"
        return completion.CompletionResponse(model="m", choices=[completion.CompletionResponseChoice(
            index=0, text="", finish_reason="length", token_ids=[token], prompt_token_ids=body["prompt"],
            logprobs=completion.CompletionLogProbs(tokens=[name], token_logprobs=[logprob], text_offset=[0],
                                                   top_logprobs=[{name: logprob}]))],
            usage=UsageInfo(prompt_tokens=len(body["prompt"]), completion_tokens=1,
                            total_tokens=len(body["prompt"]) + 1)).model_dump()

    def complete(body):
        request = known(completion.CompletionRequest, body)
        known(vllm_common.StreamOptions, body["stream_options"])
        params = request.to_sampling_params(request.max_tokens, {"temperature": 9})
        row = rows.get(tuple(body["prompt"]))
        if row:
            right_sampling(params)
            assert params.max_tokens == 40 and params.seed == body["seed"] and not params.spaces_between_special_tokens
        else:  # the question of a check
            row = {"text": "No.", "token_ids": [*ids_of("No."), 507], "finish_reason": "stop"}
        ids = row["token_ids"]
        stopped = row["finish_reason"] == "stop"
        for i, token in enumerate(ids):
            last = i == len(ids) - 1
            yield completion.CompletionStreamResponse(id="cmpl-1", model="m", choices=[
                completion.CompletionResponseStreamChoice(
                    index=0, text=row["text"] if i == 0 else "", logprobs=None, token_ids=[token],
                    prompt_token_ids=body["prompt"] if i == 0 else None,
                    finish_reason=row["finish_reason"] if last else None,
                    stop_reason=token if last and stopped else None)]).model_dump_json(exclude_unset=True)
        yield completion.CompletionStreamResponse(id="cmpl-1", model="m", choices=[], usage=UsageInfo(
            prompt_tokens=len(body["prompt"]), completion_tokens=len(ids),
            total_tokens=len(body["prompt"]) + len(ids))).model_dump_json(exclude_none=True)

    def tokenize(body):
        if "messages" in body:
            request = known(TokenizeChatRequest, body)
            assert request.add_generation_prompt and not request.add_special_tokens
            ids = ids_of(TURN.format(body["messages"][0]["content"]))
        else:
            request = known(TokenizeCompletionRequest, body)
            assert not request.add_special_tokens
            ids = ids_of(request.prompt)
        return TokenizeResponse(count=len(ids), max_model_len=1024, tokens=ids).model_dump()

    models = ModelList(data=[ModelCard(id="m", max_model_len=1024)]).model_dump()
    with Double({"/v1/models": lambda _: models, "/tokenize": tokenize,
                 "/v1/completions": lambda body: list(complete(body)) if body["stream"] else say_likeliest(body),
                 }) as double:
        assert asked_for_rows(double, "vllm", problems) == expected(rows)
        checks = peer.run("fleet", "check", "--server", double.url, "--model", peer.NANO_BASE, "--server-kind", "vllm",
                          "--json", "--quiet")
        assert not double.problems
        assert [check["check"] for check in checks if check["result"] == "ok"] == [
            "reached", "key", "model", "weights", "tokenizer", "template", "rollout", "seed"]
    figure("servers of kind vllm: requests, streamed answers, models, tokenizer", "vllm",
           f"its classes take them; {len(rows)} rows are read as they are meant")


def test_sglang(problems, rows, figure):
    def generate(body):
        unknown = set(body) - {field.name for field in dataclasses.fields(GenerateReqInput)}
        assert not unknown, unknown
        request = GenerateReqInput(**body)
        request.normalize_batch_and_arguments()
        params = SamplingParams(**body["sampling_params"])  # throws at what it does not know
        params.normalize(None)
        params.verify(512)
        right_sampling(params)
        assert params.max_new_tokens == 40 and params.no_stop_trim and not params.spaces_between_special_tokens
        row = rows[tuple(body["input_ids"])]
        ids, stopped = row["token_ids"], row["finish_reason"] == "stop"
        # As its tokenizer_manager.py puts it together.
        return {"text": row["text"] + ("<|im_end|>" if stopped else ""), "output_ids": ids, "meta_info": {
            "id": body["rid"],
            "finish_reason": {"type": "stop", "matched": ids[-1]} if stopped else {"type": "length", "length": 40},
            "prompt_tokens": len(body["input_ids"]), "completion_tokens": len(ids), "cached_tokens": 0,
            "output_token_logprobs": [[-0.5, token, None] for token in ids], "weight_version": "default"}}

    models = {"object": "list", "data": [{"id": "m", "object": "model", "owned_by": "sglang", "max_model_len": 512}]}
    with Double({"/health": lambda _: {}, "/v1/models": lambda _: models, "/generate": generate}) as double:
        assert asked_for_rows(double, "sglang", problems) == expected(rows)
    figure("servers of kind sglang: requests", "sglang", "its classes take them")


@pytest.mark.parametrize("package, chat, common, usage, thought", [
    ("vllm", vllm_chat, vllm_common, UsageInfo, "reasoning"),
    ("sglang", sglang_chat, sglang_chat, sglang_chat.UsageInfo, "reasoning_content")])
def test_chat(problems, tmp_path, figure, package, chat, common, usage, thought):
    """A served model is scored: the requests of kind openai, and thoughts under their names."""
    def complete(body):
        request = known(chat.ChatCompletionRequest, body)
        known(common.StreamOptions, body["stream_options"])
        assert request.stream and len(request.messages) == 1
        for delta in ({"role": "assistant", "content": ""}, {thought: "7+8 is 15."}, {"content": "The answer is "},
                      {"content": "\\boxed{1}."}, {}):
            yield chat.ChatCompletionStreamResponse(id="chatcmpl-1", model="m", choices=[
                chat.ChatCompletionResponseStreamChoice(index=0, delta=common.DeltaMessage(**delta),
                                                        finish_reason=None if delta else "stop")]).model_dump_json()
        yield chat.ChatCompletionStreamResponse(id="chatcmpl-1", model="m", choices=[], usage=usage(
            prompt_tokens=9, completion_tokens=9, total_tokens=18)).model_dump_json()

    models = {"object": "list", "data": [{"id": "m", "object": "model"}]}
    with Double({"/v1/models": lambda _: models, "/v1/chat/completions": lambda body: list(complete(body))}) as double:
        out = tmp_path / "answers.jsonl"
        score = peer.run("eval", "--model", double.url + "/v1", "--served-model", "m", "--benchmark", problems, "--out", out,
                         "--patience", 10, "--json", "--quiet")[0]
        assert not double.problems
        assert score["accuracy"] == 1 and {row["thought"] for row in peer.read_rows(out)} == {"7+8 is 15."}
    figure("served models: chats and their streamed answers", package, "its classes take them; thoughts are read as such")
