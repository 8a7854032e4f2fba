// The AI SDK asks ponder serve: generateText and streamText of `ai` with the provider @ai-sdk/openai-compatible. It has
// no n and no log-probabilities of its own: both go through its provider options and come back in the answer's body.
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { APICallError, generateText, RetryError, streamText } from 'ai';
import {
  assert, at, collected, each, endsUnderWork, frees, LONG, QUESTION, rightLogprobs, run, running, tellsTheEnd, TEXT, thrown,
  THOUGHTS, TOO_LARGE, TOO_LONG,
} from './steps.mjs';

globalThis.AI_SDK_LOG_WARNINGS = false;
const provided = (url, options = {}) =>
  createOpenAICompatible({ name: 'ponder', baseURL: url, apiKey: at.key, includeUsage: true, ...options });
const provider = provided(at.url);
const call = (change = {}) => ({ model: provider('nano'), messages: QUESTION, temperature: 1, topP: 0.9, seed: 7,
  maxOutputTokens: 12, maxRetries: 0, include: { responseBody: true }, ...change });
const greedy = (change = {}) => call({ temperature: 0, maxOutputTokens: 40, ...change });
const long = (url, n = LONG.n) => ({ model: provided(url).completionModel('nano'), prompt: LONG.prompt,
  temperature: LONG.temperature, seed: LONG.seed, maxRetries: 0, providerOptions: { ponder: { n, ignore_eos: true } },
  onError() {} });

async function chat() {
  const answer = await generateText(call());
  assert.ok(answer.text.length > 0 && answer.reasoningText === undefined);
  assert.equal(answer.finishReason, answer.response.body.choices[0].finish_reason);
  assert.equal(answer.response.modelId, 'nano');
  assert.equal(answer.response.id, answer.response.body.id);
  const { usage } = answer.response.body;
  assert.deepEqual([answer.usage.inputTokens, answer.usage.outputTokens, answer.usage.totalTokens],
    [usage.prompt_tokens, usage.completion_tokens, usage.total_tokens]);
  assert.equal((await generateText(call())).text, answer.text);  // of the same seed
  const told = await generateText(call({ instructions: 'Be brief.' }));
  assert.ok(told.usage.inputTokens > answer.usage.inputTokens);
}

async function streams() {
  const whole = await generateText(call());
  const streamed = streamText(call());
  assert.equal((await collected(streamed.textStream)).join(''), whole.text);
  assert.equal(await streamed.finishReason, whole.finishReason);
  assert.deepEqual(await streamed.usage, whole.usage);
}

async function choices() {
  const asked = { ponder: { n: 2, logprobs: true, top_logprobs: 1 } };
  const { response } = await generateText(call({ providerOptions: asked }));
  assert.deepEqual(response.body.choices.map(choice => choice.index), [0, 1]);
  for (const choice of response.body.choices) rightLogprobs(choice.logprobs.content, 1);
  const raw = [];
  const streamed = streamText(call({ maxOutputTokens: 4, include: { rawChunks: true },
    providerOptions: { ponder: { logprobs: true } } }));
  for await (const part of streamed.fullStream) if (part.type === 'raw') raw.push(part.rawValue);
  rightLogprobs(raw.flatMap(event => event.choices[0]?.logprobs?.content ?? []), 0);
}

async function stops() {
  const { text } = await generateText(greedy());
  const stop = text.slice(5, 9);
  const stopped = await generateText(greedy({ stopSequences: ['never', stop] }));
  assert.equal(stopped.text, text.slice(0, text.indexOf(stop)));
  assert.equal(stopped.finishReason, 'stop');
  const streamed = streamText(greedy({ stopSequences: [stop] }));
  assert.equal((await collected(streamed.textStream)).join(''), stopped.text);
}

async function completions() {
  const model = provider.completionModel('nano');
  const request = () => call({ model, messages: undefined, prompt: TEXT, maxOutputTokens: 8 });
  const whole = await generateText(request());
  assert.ok(whole.text.length > 0);
  const streamed = streamText(request());
  assert.equal((await collected(streamed.textStream)).join(''), whole.text);
  assert.equal((await streamed.usage).outputTokens, whole.usage.outputTokens);
}

// Thrown by a whole answer, and a part of a stream.
async function refused(change, expected) {
  const check = error => {
    assert.ok(APICallError.isInstance(error), `${error.name}: ${error.message}`);
    const { code, param, type, message } = error.data.error;
    assert.deepEqual({ status: error.statusCode, code, param, type }, { code: null, param: null, ...expected });
    assert.equal(error.message, message);
    assert.equal(error.isRetryable, expected.status === 429);
  };
  check(await thrown(() => generateText(call(change))));
  const parts = await collected(streamText(call({ ...change, onError() {} })).fullStream);
  check(parts.find(part => part.type === 'error').error);
}

async function errors() {
  const wrong = (param, code = null) => ({ status: 400, code, param, type: 'invalid_request_error' });
  await refused({ model: provider('other') },
    { status: 404, code: 'model_not_found', param: 'model', type: 'not_found_error' });
  await refused({ temperature: 5 }, wrong('temperature'));
  await refused({ presencePenalty: 1 }, wrong('presence_penalty'));
  await refused({ messages: [{ role: 'user', content: TOO_LONG }] }, wrong('messages', 'context_length_exceeded'));
  await refused({ model: provided(at.url, { apiKey: 'wrong' })('nano') },
    { status: 401, type: 'authentication_error' });
  await refused({ model: provided(`${at.url}/elsewhere`)('nano') }, { status: 404, type: 'not_found_error' });
}

async function tooLarge() {
  const messages = [{ role: 'user', content: TOO_LARGE }];
  await refused({ model: provided(at.direct)('nano'), messages }, { status: 413, type: 'invalid_request_error' });
}

async function aborts() {
  await frees(at.direct, LONG.n, async () => {
    const abort = new AbortController();
    const parts = [];
    for await (const part of streamText({ ...long(at.direct), abortSignal: abort.signal }).fullStream) {
      parts.push(part.type);
      if (part.type !== 'text-delta' || abort.signal.aborted) continue;
      assert.equal(await running(at.direct), LONG.n);
      abort.abort();
    }
    assert.equal(parts.at(-1), 'abort');
  });
  await frees(at.direct, LONG.n, async () => {
    const error = await thrown(() => generateText({ ...long(at.direct), abortSignal: AbortSignal.timeout(300) }));
    assert.equal(error.name, 'TimeoutError');
  });
}

// It reads reasoning_content, and reasoning where that is not there.
async function thoughts({ url, question, temperature, seed, thought, solution }) {
  const withoutFirst = async (...request) => {
    const answer = await fetch(...request);
    return new Response((await answer.text()).replaceAll('"reasoning_content"', '"elsewhere"'), answer);
  };
  for (const options of [{}, { fetch: withoutFirst }]) {
    const request = () => call({ model: provided(url, options)('nano'), temperature, topP: 1, seed, maxOutputTokens: 60,
      messages: [{ role: 'user', content: question }] });
    const whole = await generateText(request());
    assert.deepEqual([whole.reasoningText, whole.text], [thought, solution]);
    assert.ok(whole.usage.outputTokenDetails.reasoningTokens > 0);
    const streamed = streamText(request());
    const joined = { 'reasoning-delta': '', 'text-delta': '' };
    for await (const part of streamed.fullStream) if (part.type in joined) joined[part.type] += part.text;
    assert.deepEqual(joined, { 'reasoning-delta': thought, 'text-delta': solution });
  }
}

async function full() {
  const abort = new AbortController();
  const held = streamText({ ...long(at.holder ?? at.full), abortSignal: abort.signal });
  const parts = held.textStream[Symbol.asyncIterator]();
  await parts.next();
  const model = provided(at.full)('nano');
  await refused({ model }, { status: 429, code: 'server_full', type: 'rate_limit_error' });
  if (!at.holder) {
    const error = await thrown(() => generateText(call({ model, maxRetries: 1 })));
    assert.ok(RetryError.isInstance(error) && APICallError.isInstance(error.lastError));
    setTimeout(() => abort.abort(), 500);
    assert.ok((await generateText(call({ model, maxRetries: 3 }))).text.length > 0);
  }
  abort.abort();
}

// A server that ends says so and breaks off, both of which it tells.
async function ends() {
  const streamed = streamText(long(at.ending.url, 1));
  const ending = endsUnderWork();
  const problems = [];
  try {
    for await (const part of streamed.fullStream) if (part.type === 'error') problems.push(part.error.message);
  } catch (error) {
    problems.push(error.message);
  }
  await ending;
  tellsTheEnd(problems[0]);
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
