// LangChain.js asks ponder serve: ChatOpenAI and OpenAI of @langchain/openai.
import { ContextOverflowError } from '@langchain/core/errors';
import { AIMessage, HumanMessage, SystemMessage } from '@langchain/core/messages';
import { ChatOpenAI, OpenAI } from '@langchain/openai';
import {
  assert, at, collected, each, endsUnderWork, frees, LONG, rightLogprobs, run, running, tellsTheEnd, TEXT, thrown, THOUGHTS,
  TOO_LARGE, TOO_LONG,
} from './steps.mjs';

const settings = (change, url = at.url) => ({ configuration: { baseURL: url }, apiKey: at.key, model: 'nano',
  temperature: 1, topP: 0.9, maxTokens: 12, maxRetries: 0, modelKwargs: { seed: 7 }, ...change });
const model = (change, url) => new ChatOpenAI(settings(change, url));
const greedy = { temperature: 0, maxTokens: 40 };
const long = { temperature: LONG.temperature, n: LONG.n, maxTokens: -1,
  modelKwargs: { seed: LONG.seed, ignore_eos: true } };
const joined = chunks => chunks.reduce((whole, chunk) => whole.concat(chunk));

async function chat() {
  const answer = await model().invoke(TEXT);
  assert.ok(answer instanceof AIMessage && answer.content.length > 0);
  assert.equal(answer.response_metadata.model_name, 'nano');
  assert.ok(['stop', 'length'].includes(answer.response_metadata.finish_reason));
  assert.equal(answer.usage_metadata.total_tokens,
    answer.usage_metadata.input_tokens + answer.usage_metadata.output_tokens);
  const same = await model().batch([TEXT, TEXT], { maxConcurrency: 1 });  // of the same seed
  assert.deepEqual(same.map(one => one.content), [answer.content, answer.content]);
  const told = await model().invoke([new SystemMessage('Be brief.'), new HumanMessage(TEXT), new AIMessage('31'),
    new HumanMessage([{ type: 'text', text: 'And 2+2?' }])]);
  assert.ok(told.usage_metadata.input_tokens > answer.usage_metadata.input_tokens);
}

async function streams() {
  const whole = await model().invoke(TEXT);
  const streamed = joined(await collected(await model().stream(TEXT)));
  assert.equal(streamed.content, whole.content);
  assert.equal(streamed.response_metadata.finish_reason, whole.response_metadata.finish_reason);
  // The whole one names kinds of tokens that are not there.
  assert.deepEqual(streamed.usage_metadata, JSON.parse(JSON.stringify(whole.usage_metadata)));
  let told = '';
  for await (const { event, data } of model().streamEvents(TEXT, { version: 'v2' }))
    if (event === 'on_chat_model_stream') told += data.chunk.content;
  assert.equal(told, whole.content);
}

async function choices() {
  const generated = async change => (await model({ n: 2, logprobs: true, ...change })
    .generate([[new HumanMessage(TEXT)]])).generations[0];
  const both = await generated({ topLogprobs: 1 });
  assert.equal(both.length, 2);
  assert.notEqual(both[0].text, both[1].text);
  for (const one of both) rightLogprobs(one.generationInfo.logprobs.content, 1);
  const whole = await generated({ maxTokens: 4 });
  const texts = ['', ''], logprobs = [[], []];
  const handleLLMNewToken = (text, { completion }, run, parent, tags, { chunk }) => {
    texts[completion] += text;
    logprobs[completion].push(...chunk.generationInfo?.logprobs?.content ?? []);
  };
  const streamed = model({ n: 2, logprobs: true, maxTokens: 4 });
  await collected(await streamed.stream(TEXT, { callbacks: [{ handleLLMNewToken }] }));
  assert.deepEqual(texts, whole.map(one => one.text));
  assert.deepEqual(logprobs, whole.map(one => one.generationInfo.logprobs.content));
}

async function stops() {
  const { content } = await model(greedy).invoke(TEXT);
  const stop = content.slice(5, 9);
  const stopped = await model(greedy).invoke(TEXT, { stop: ['never', stop] });
  assert.equal(stopped.content, content.slice(0, content.indexOf(stop)));
  assert.equal(stopped.response_metadata.finish_reason, 'stop');
  const streamed = await collected(await model(greedy).stream(TEXT, { stop: [stop] }));
  assert.equal(joined(streamed).content, stopped.content);
}

async function completions() {
  const change = { maxTokens: 8, frequencyPenalty: 0, presencePenalty: 0 };
  const whole = await new OpenAI(settings(change)).invoke(TEXT);
  assert.ok(whole.length > 0);
  assert.equal((await collected(await new OpenAI(settings(change)).stream(TEXT))).join(''), whole);
}

// The client's own errors, with a word of LangChain's where it has one.
async function refused(one, expected, text = TEXT) {
  const check = error => {
    const { status, code, param, type, lc_error_code: word } = error;
    assert.deepEqual({ status, code, param, type, word }, { code: null, param: null, word: undefined, ...expected });
  };
  check(await thrown(() => one.invoke(text)));
  check(await thrown(async () => collected(await one.stream(text))));
}

async function errors() {
  const invalid = { status: 400, type: 'invalid_request_error' };
  const missing = { status: 404, type: 'not_found_error' };
  await refused(model({ model: 'other' }), { ...missing, code: 'model_not_found', param: 'model',
    word: 'MODEL_NOT_FOUND' });
  await refused(model({ temperature: 5 }), { ...invalid, param: 'temperature' });
  await refused(model({ presencePenalty: 1 }), { ...invalid, param: 'presence_penalty' });
  await refused(model({ apiKey: 'wrong' }), { status: 401, type: 'authentication_error',
    word: 'MODEL_AUTHENTICATION' });
  await refused(model({}, `${at.url}/elsewhere`), { ...missing, word: 'MODEL_NOT_FOUND' });
  await refused(model().bindTools([{ type: 'function', function: { name: 'f', parameters: {} } }]),
    { ...invalid, param: 'tools' });
  // It knows it by the message.
  assert.ok(ContextOverflowError.isInstance(await thrown(() => model().invoke(TOO_LONG))));
}

const tooLarge = () => refused(model({}, at.direct), { status: 413, type: 'invalid_request_error' }, TOO_LARGE);

async function aborts() {
  await frees(at.direct, LONG.n, async () => {
    const abort = new AbortController();
    const error = await thrown(async () => {
      for await (const chunk of await model(long, at.direct).stream(LONG.prompt, { signal: abort.signal })) {
        if (abort.signal.aborted) continue;
        assert.ok(chunk instanceof Object);
        assert.equal(await running(at.direct), LONG.n);
        abort.abort();
      }
    });
    assert.match(`${error.name} ${error.message}`, /abort/i);
  });
  await frees(at.direct, LONG.n, async () => {
    for await (const chunk of await model(long, at.direct).stream(LONG.prompt)) if (chunk) break;
  });
  await frees(at.direct, LONG.n, async () => {
    const error = await thrown(() => model(long, at.direct).invoke(LONG.prompt, { signal: AbortSignal.timeout(300) }));
    assert.match(`${error.name} ${error.message}`, /abort|timeout/i);
  });
  await frees(at.direct, LONG.n, async () => {
    const error = await thrown(() => model({ ...long, timeout: 300 }, at.direct).invoke(LONG.prompt));
    assert.equal(error.name, 'TimeoutError');
  });
}

async function thoughts({ url, question, temperature, seed, thought, solution }) {
  const one = model({ temperature, topP: 1, maxTokens: 60, modelKwargs: { seed } }, url);
  const whole = await one.invoke(question);
  assert.deepEqual([whole.additional_kwargs.reasoning_content, whole.content], [thought, solution]);
  assert.ok(whole.usage_metadata.output_token_details.reasoning > 0);
  const streamed = joined(await collected(await one.stream(question)));
  assert.deepEqual([streamed.additional_kwargs.reasoning_content, streamed.content], [thought, solution]);
}

async function full() {
  const abort = new AbortController();
  const stream = await model(long, at.holder ?? at.full).stream(LONG.prompt, { signal: abort.signal });
  const held = stream[Symbol.asyncIterator]();
  await held.next();
  await refused(model({}, at.full),
    { status: 429, code: 'server_full', type: 'rate_limit_error', word: 'MODEL_RATE_LIMIT' });
  if (at.holder) return abort.abort();
  const patient = model({ maxRetries: 5 }, at.full).invoke(TEXT);
  setTimeout(() => abort.abort(), 500);
  assert.ok((await patient).content.length > 0);
}

async function ends() {
  const reading = thrown(async () => collected(await model({ ...long, n: 1 }, at.ending.url).stream(LONG.prompt)));
  await endsUnderWork();
  tellsTheEnd((await reading).message);
}

await run([
  ['chat', [], chat],
  ['stream', [], streams],
  ['choices', [], choices],
  ['stop', [], stops],
  ['completions', [], completions],
  ['errors', [], errors],
  ['too large', ['direct'], tooLarge],
  ['aborts', ['direct'], aborts],
  ['thoughts', [], () => each(THOUGHTS, thoughts)],
  ['full', ['full'], full],
  ['the end', ['ending'], ends],
]);
