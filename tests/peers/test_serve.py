"""ponder serve as openai-python and LangChain ask it: what they read, what they do with errors, a full queue, a stream that
is left and a server that is started again."""
import asyncio
import concurrent.futures
import re
import time

import openai
import peer
import pytest
from langchain_core.exceptions import ContextOverflowError
from langchain_openai import ChatOpenAI
from serving import KEY, QUESTION, Serving, soon, user

TEXT = QUESTION[0]["content"]
DRAWN = {"model": "nano", "temperature": 1, "top_p": 0.9}
# Some seconds of work at one completion at a time.
LONG = {"model": "nano", "prompt": "Count", "n": 16, "temperature": 1.5, "extra_body": {"ignore_eos": True}}


@pytest.fixture(scope="module")
def server():
    with Serving() as serving:
        yield serving


def client_of(server, kind=openai.OpenAI, *, strict=True, **options):
    """Holds every answer against the client's own classes (strict), and does not try again unless told to."""
    return kind(base_url=server.url, **{"api_key": KEY, "max_retries": 0, "_strict_response_validation": strict, **options})


def rows_of_generate(seed, count, max_tokens=60):
    return peer.run("generate", "--model", peer.NANO_BASE, "--prompt", TEXT, "-n", count, "--seed", seed, "--temperature", 1,
                    "--top-p", 0.9, "--max-tokens", max_tokens, "--json", "--quiet")


def logprobs_of(choice):
    return [token.logprob for token in choice.logprobs.content]


def said(answer):
    """The bytes of an answer without its name and time."""
    return re.sub(r'"(id|created)":[^,]*,', "", answer.text)


def test_models(server):
    client = client_of(server)
    names = [model.id for model in client.models.list()]
    assert names == [server.ready["model"], "nano"]
    assert client.models.retrieve("nano").model_sha256 == server.ready["model_sha256"]


def test_chat(server, figure):
    """n choices are the rows of ponder generate: texts, log-probabilities, usage."""
    rows = rows_of_generate(seed=7, count=4)
    answer = client_of(server).chat.completions.create(
        messages=QUESTION, n=4, seed=7, max_completion_tokens=60, logprobs=True, top_logprobs=3, **DRAWN)
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
    assert [choice.message.content for choice in answer.choices] == [row["text"] for row in rows]
    assert [choice.finish_reason for choice in answer.choices] == [row["finish_reason"] for row in rows]
    assert [logprobs_of(choice) for choice in answer.choices] == [row["logprobs"] for row in rows]
    for choice in answer.choices:
        for token in choice.logprobs.content:
            assert len(token.top_logprobs) == 3 and token.top_logprobs[0].logprob >= token.logprob
            assert bytes(token.bytes).decode() == token.token
    assert answer.usage.completion_tokens == sum(len(row["token_ids"]) for row in rows)
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.ponder["seed"] == 7 and answer._request_id == answer.id
    figure("ponder serve: chats with n, seed, logprobs, whole and streamed", "openai",
           "read by its classes; texts and log-probabilities are those of ponder generate")


def test_streamed_chat_is_the_whole_one(server):
    client = client_of(server)
    request = {"messages": QUESTION, "n": 3, "seed": 8, "max_tokens": 60, "logprobs": True, **DRAWN}
    whole = client.chat.completions.create(**request)
    texts, logprobs, reasons, usage = [""] * 3, [[], [], []], [None] * 3, None
    for event in client.chat.completions.create(stream=True, stream_options={"include_usage": True}, **request):
        assert event.id and usage is None
        usage = event.usage
        for choice in event.choices:
            texts[choice.index] += choice.delta.content or ""
            logprobs[choice.index] += logprobs_of(choice) if choice.logprobs else []
            reasons[choice.index] = choice.finish_reason
    assert texts == [choice.message.content for choice in whole.choices]
    assert logprobs == [logprobs_of(choice) for choice in whole.choices]
    assert reasons == [choice.finish_reason for choice in whole.choices]
    assert usage == whole.usage
    # The client's own way of joining a stream.
    del request["n"]
    with client.chat.completions.stream(**request) as stream:
        assert stream.get_final_completion().choices[0].message.content == texts[0]


def test_completions(server):
    client = client_of(server)
    row = peer.run("generate", "--model", peer.NANO_BASE, "--prompt", TEXT, "--raw", "--seed", 9, "--temperature", 1,
                   "--top-p", 0.9, "--max-tokens", 30, "--json", "--quiet")[0]
    request = {"prompt": TEXT, "seed": 9, "max_tokens": 30, **DRAWN}
    whole = client.completions.create(logprobs=2, **request)
    assert whole.choices[0].text == row["text"] and whole.choices[0].logprobs.token_logprobs == row["logprobs"]
    assert whole.usage.completion_tokens == len(row["token_ids"])
    # Several prompts, as ids too: prompt by prompt, n each.
    ids = peer.run("tokenize", "--tokenizer", peer.NANO_BASE, rows=[{"text": TEXT}])[0]["ids"]
    many = client.completions.create(**{**request, "prompt": [ids, ids], "n": 2})
    assert [choice.index for choice in many.choices] == [0, 1, 2, 3]
    assert many.choices[0].text == many.choices[2].text == row["text"]
    # Its class wants a reason in each event, which OpenAI's own events do not have: not held against it.
    events = list(client_of(server, strict=False).completions.create(stream=True, **request))
    assert "".join(event.choices[0].text for event in events) == row["text"]
    assert [event.choices[0].finish_reason for event in events] == [None] * (len(events) - 1) + [row["finish_reason"]]


def test_any_bytes(server):
    """Texts whose characters lie across tokens, or are none: in streams as in the whole, beside all of their tokens."""
    request = {"model": "nano", "prompt": "é", "n": 16, "temperature": 2, "max_tokens": 200, "seed": 1, "logprobs": 0,
               "extra_body": {"ignore_eos": True, "return_token_ids": True}}
    client = client_of(server, strict=False)
    whole = client.completions.create(**request)
    texts, offsets, ids = [""] * 16, [[] for _ in range(16)], [[] for _ in range(16)]
    for event in client.completions.create(stream=True, **request):
        choice = event.choices[0]
        texts[choice.index] += choice.text
        ids[choice.index] += choice.token_ids
        if choice.logprobs:
            offsets[choice.index] += choice.logprobs.text_offset
    assert texts == [choice.text for choice in whole.choices] and any("\ufffd" in text for text in texts)
    assert ids == [choice.token_ids for choice in whole.choices]
    assert offsets == [choice.logprobs.text_offset for choice in whole.choices]


def test_stop(server):
    client = client_of(server)
    request = {"model": "nano", "messages": QUESTION, "temperature": 0, "max_tokens": 60}
    text = client.chat.completions.create(**request).choices[0].message.content
    stop = text[5:9]  # lies across tokens: "nswe"
    choice = client.chat.completions.create(stop=["never", stop], **request).choices[0]
    assert (choice.finish_reason, choice.stop_reason) == ("stop", stop)
    assert choice.message.content == text[:text.index(stop)]
    events = client.chat.completions.create(stop=stop, stream=True, **request)
    assert "".join(event.choices[0].delta.content or "" for event in events) == choice.message.content


def test_thought(tmp_path):
    """A model that thinks: its thought is not in the content, whole and in streams."""
    rows = peer.run("synth", "--domain", "arithmetic", "--count", 1, "--demonstrations", "--quiet")
    data = peer.write_rows(tmp_path / "rows.jsonl", rows)
    peer.run("sft", "--model", peer.NANO_BASE, "--data", data, "--epochs", 30, "--lr", 1e-3, "--out", tmp_path / "model",
             "--quiet")
    with Serving(model=tmp_path / "model") as server:
        request = {"model": "nano", "messages": user(rows[0]["question"]), "temperature": 0}
        client = client_of(server)
        message = client.chat.completions.create(**request).choices[0].message
        assert message.reasoning_content == message.reasoning == rows[0]["thought"]
        assert message.content == rows[0]["solution"]
        thought = content = ""
        for event in client.chat.completions.create(stream=True, **request):
            thought += getattr(event.choices[0].delta, "reasoning_content", "")
            content += event.choices[0].delta.content or ""
        assert (thought, content) == (rows[0]["thought"], rows[0]["solution"])


def test_same_bytes_alone_and_among_64(server, figure):
    async def ask():
        async with client_of(server, openai.AsyncOpenAI) as client:
            chat, completions = client.chat.completions.with_raw_response, client.completions.with_raw_response
            chats = [lambda seed=seed: chat.create(messages=QUESTION, seed=seed, n=2, max_tokens=60, logprobs=True, **DRAWN)
                     for seed in range(8)]
            texts = [lambda seed=seed: completions.create(prompt=TEXT, seed=seed, max_tokens=60, logprobs=0, **DRAWN)
                     for seed in range(8)]
            alone = [said(await call()) for call in chats + texts]
            others = [completions.create(prompt=f"Count {i}", max_tokens=40 + i, extra_body={"ignore_eos": True}, **DRAWN)
                      for i in range(48)]
            together = await asyncio.gather(*(call() for call in chats + texts), *others)
            assert [said(answer) for answer in together[:16]] == alone

            async def streamed(seed):
                stream = await client.chat.completions.create(messages=QUESTION, seed=seed, max_tokens=60, stream=True,
                                                              **DRAWN)
                return "".join([event.choices[0].delta.content or "" async for event in stream])
            texts = await asyncio.gather(*(streamed(seed) for seed in range(64)))
            for seed in (0, 31, 63):
                assert texts[seed] == await streamed(seed)
    asyncio.run(ask())
    figure("ponder serve: 16 calls alone and among 64", "openai", "the same bytes but for name and time")


@pytest.mark.parametrize("change, kind, status, code, param", [
    ({"model": "other"}, openai.NotFoundError, 404, "model_not_found", "model"),
    ({"temperature": 5}, openai.BadRequestError, 400, None, "temperature"),
    ({"n": 0}, openai.BadRequestError, 400, None, "n"),
    ({"messages": []}, openai.BadRequestError, 400, None, "messages"),
    ({"response_format": {"type": "json_object"}}, openai.BadRequestError, 400, None, "response_format"),
    ({"tools": [{"type": "function", "function": {"name": "f"}}]}, openai.BadRequestError, 400, None, "tools"),
    ({"messages": user("a " * 2000)}, openai.BadRequestError, 400, "context_length_exceeded", "messages"),
    ({"max_tokens": 2000}, openai.BadRequestError, 400, "context_length_exceeded", "messages"),
    ({"messages": user("a" * (9 << 20))}, openai.APIStatusError, 413, None, None)])
@pytest.mark.parametrize("stream", [False, True])
def test_errors(server, change, kind, status, code, param, stream):
    with pytest.raises(kind) as error:
        client_of(server).chat.completions.create(**{"model": "nano", "messages": QUESTION, **change}, stream=stream)
    assert (error.value.status_code, error.value.code, error.value.param) == (status, code, param)


def test_keys_and_places(server):
    for wrong in ({"api_key": "wrong"}, {"api_key": "x" * 1000}):
        with pytest.raises(openai.AuthenticationError):
            client_of(server, **wrong).models.list()
    with pytest.raises(openai.PermissionDeniedError):
        client_of(server, default_headers={"Host": "elsewhere.example"}).models.list()
    with pytest.raises(openai.NotFoundError):
        client_of(server).responses.create(model="nano", input=TEXT)
    with pytest.raises(openai.NotFoundError):
        client_of(server).models.retrieve("other")


def test_full_queue():
    """It is told at once, and a client that tries again gets its answer once there is room."""
    with Serving("--max-batch", 1, "--max-queue", 1) as server:
        held = client_of(server, strict=False).completions.create(stream=True, **LONG)
        next(iter(held))
        request = {"model": "nano", "messages": QUESTION, "max_tokens": 5}
        began = time.monotonic()
        with pytest.raises(openai.RateLimitError) as error:
            client_of(server).chat.completions.create(**request)
        assert error.value.code == "server_full" and error.value.response.headers["retry-after"] == "1"
        assert time.monotonic() - began < 1
        with concurrent.futures.ThreadPoolExecutor() as pool:
            patient = pool.submit(client_of(server, max_retries=8).chat.completions.create, **request)
            soon(lambda: server.metric("ponder_requests_total", 'code="429"') >= 2)
            held.close()
            assert patient.result(timeout=60).choices[0].message.content is not None


def test_left_streams_free_their_places(server, figure):
    """Closed, cancelled and timed out."""
    def running():
        return server.metric("ponder_completions_running") + server.metric("ponder_completions_waiting")

    def closed():
        stream = client_of(server, strict=False).completions.create(stream=True, **LONG)
        next(iter(stream))
        assert running() == 16
        stream.close()

    def timed_out():
        with pytest.raises(openai.APITimeoutError):
            client_of(server, timeout=0.3).completions.create(**LONG)

    async def cancelled():
        async with client_of(server, openai.AsyncOpenAI, strict=False) as client:
            stream = await client.completions.create(stream=True, **LONG)
            reading = asyncio.create_task(anext(aiter(stream)))
            await reading
            waiting = asyncio.create_task(client.completions.create(**LONG))
            await asyncio.sleep(0.2)
            assert running() == 32
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            await stream.close()

    slowest = 0
    for leave, count in ((closed, 16), (timed_out, 16), (lambda: asyncio.run(cancelled()), 32)):
        before = server.metric("ponder_completions_cancelled_total")
        leave()
        slowest = max(slowest, soon(lambda: running() == 0))
        assert server.metric("ponder_completions_cancelled_total") - before == count
    assert slowest < 5
    figure("ponder serve: streams closed, calls cancelled and timed out", "openai",
           f"places free after {slowest:.2f} s at most")


def test_restart(figure):
    """A call that a dead server took with it is made again by the client, with the same answer, once one is there."""
    request = {**LONG, "seed": 3, "n": 8, "max_tokens": 1000}
    with Serving("--max-batch", 1) as server:
        client = client_of(server, max_retries=20)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            call = pool.submit(client.completions.with_raw_response.create, **request)
            soon(lambda: server.metric("ponder_completions_running") == 1)
            server.kill()
            time.sleep(1)  # the client finds nobody there
            assert not call.done()
            with Serving(port=server.port) as again:
                answer = said(call.result(timeout=60))
                assert answer == said(client.completions.with_raw_response.create(**request))
                assert again.metric("ponder_requests_total", 'code="200"') >= 2
    figure("ponder serve: killed and started again under a call", "openai", "its retries get the same bytes")


def test_cut_streams():
    """A stream that did not end well raises: after a drain with the server's words, after a kill as a broken connection."""
    for drained in (True, False):
        with Serving("--max-batch", 1, "--drain", 1) as server:
            stream = client_of(server, strict=False).completions.create(stream=True, **LONG)
            next(iter(stream))
            began = time.monotonic()
            if drained:
                server.process.terminate()
            else:
                server.kill()
            with pytest.raises(openai.APIError) as error:
                for _ in stream:
                    pass
            assert not drained or "the server ends" in str(error.value)
            assert server.process.wait(timeout=30) == (0 if drained else -9) and time.monotonic() - began < 10


def test_langchain(server, figure):
    model = ChatOpenAI(base_url=server.url, api_key=KEY, model="nano", temperature=1, top_p=0.9, seed=7, max_tokens=60,
                       max_retries=0, stream_usage=True)
    row = rows_of_generate(seed=7, count=1)[0]
    answer = model.invoke(TEXT)
    assert answer.content == row["text"] and answer.response_metadata["finish_reason"] == row["finish_reason"]
    assert answer.usage_metadata["output_tokens"] == len(row["token_ids"])
    streamed = None
    for chunk in model.stream(TEXT):
        streamed = chunk if streamed is None else streamed + chunk
    assert streamed.content == row["text"] and streamed.usage_metadata == answer.usage_metadata
    assert [one.content for one in model.batch([TEXT] * 3)] == [row["text"]] * 3
    assert asyncio.run(model.ainvoke(TEXT)).content == row["text"]
    measured = model.bind(logprobs=True).invoke(TEXT).response_metadata["logprobs"]["content"]
    assert [token["logprob"] for token in measured] == row["logprobs"]
    with pytest.raises(openai.BadRequestError):
        model.bind(temperature=7).invoke(TEXT)
    with pytest.raises(ContextOverflowError):  # it knows it by the message
        model.invoke("a " * 2000)
    figure("ponder serve: chat called, streamed, in a batch, async", "langchain-openai langchain-core",
           "texts, log-probabilities and usage of ponder generate")
