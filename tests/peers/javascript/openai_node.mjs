// openai-node asks ponder serve.
import OpenAI from 'openai';
import {
  assert, at, collected, each, endsUnderWork, frees, LONG, QUESTION, rightLogprobs, run, running, tellsTheEnd, TEXT, thrown,
  THOUGHTS, TOO_LARGE, TOO_LONG,
} from './steps.mjs';

const connected = (url, options = {}) => new OpenAI({ baseURL: url, apiKey: at.key, maxRetries: 0, ...options });
const client = connected(at.url);
const DRAWN = { model: 'nano', messages: QUESTION, temperature: 1, top_p: 0.9, seed: 7, max_completion_tokens: 12 };
const GREEDY = { model: 'nano', messages: QUESTION, temperature: 0, seed: 7, max_tokens: 40 };
const textsOf = answer => answer.choices.map(choice => choice.message.content);

async function models() {
  const listed = await collected(await client.models.list());
  assert.equal(listed.at(-1).id, 'nano');
  assert.equal((await client.models.retrieve('nano')).model_sha256, listed[0].model_sha256);
}

async function chat() {
  const { data, response, request_id: name } = await client.chat.completions.create(DRAWN).withResponse();
  assert.equal(response.status, 200);
  assert.equal(data.object, 'chat.completion');
  assert.equal(data._request_id, data.id);
  assert.equal(name, data.id);
  assert.equal(data.choices[0].message.role, 'assistant');
  assert.ok(data.choices[0].message.content.length > 0);
  assert.ok(['stop', 'length'].includes(data.choices[0].finish_reason));
  assert.equal(data.usage.total_tokens, data.usage.prompt_tokens + data.usage.completion_tokens);
  // Parts of a content, a developer, and what was said before.
  const told = await client.chat.completions.create({ ...DRAWN, messages: [
    { role: 'developer', content: 'Be brief.' }, { role: 'user', content: [{ type: 'text', text: TEXT }] },
    { role: 'assistant', content: '31' }, { role: 'user', content: 'And 2+2?' }] });
  assert.ok(told.usage.prompt_tokens > data.usage.prompt_tokens);
}

async function seeds() {
  const said = async () => (await (await client.chat.completions.create(DRAWN).asResponse()).text())
    .replace(/"(id|created)":[^,]*,/g, '');
  assert.equal(await said(), await said());
}

// n = 2 and log-probabilities, whole and in a stream: the same.
async function choices() {
  const request = { ...DRAWN, n: 2, logprobs: true };
  const whole = await client.chat.completions.create(request);
  assert.deepEqual(whole.choices.map(choice => choice.index), [0, 1]);
  assert.notEqual(...textsOf(whole));
  for (const choice of whole.choices) rightLogprobs(choice.logprobs.content, 0);
  const events = await collected(await client.chat.completions.create(
    { ...request, stream: true, stream_options: { include_usage: true } }));
  const texts = ['', ''], logprobs = [[], []], reasons = [];
  for (const { choices: [choice] } of events.slice(0, -1)) {
    texts[choice.index] += choice.delta.content ?? '';
    logprobs[choice.index].push(...choice.logprobs?.content ?? []);
    reasons[choice.index] = choice.finish_reason;
  }
  assert.deepEqual(texts, textsOf(whole));
  assert.deepEqual(logprobs, whole.choices.map(choice => choice.logprobs.content));
  assert.deepEqual(reasons, whole.choices.map(choice => choice.finish_reason));
  assert.deepEqual(events.at(-1).choices, []);
  assert.deepEqual(events.at(-1).usage, whole.usage);
  const top = await client.chat.completions.create(
    { ...DRAWN, max_completion_tokens: 4, logprobs: true, top_logprobs: 2 });
  rightLogprobs(top.choices[0].logprobs.content, 2);
}

// Its own way of joining a stream.
async function joined() {
  const whole = await client.chat.completions.create(DRAWN);
  const runner = client.chat.completions.stream({ ...DRAWN, stream_options: { include_usage: true } });
  let text = '';
  runner.on('content', (delta, snapshot) => {
    text += delta;
    assert.equal(snapshot, text);
  });
  const final = await runner.finalChatCompletion();
  assert.equal(text, whole.choices[0].message.content);
  assert.deepEqual(textsOf(final), textsOf(whole));
  assert.equal(final.choices[0].finish_reason, whole.choices[0].finish_reason);
  const { prompt_tokens, completion_tokens, total_tokens } = whole.usage;
  assert.deepEqual(await runner.totalUsage(), { prompt_tokens, completion_tokens, total_tokens });
}

async function stops() {
  const text = textsOf(await client.chat.completions.create(GREEDY))[0];
  const stop = text.slice(5, 9);
  const whole = await client.chat.completions.create({ ...GREEDY, stop: ['never', stop] });
  assert.equal(whole.choices[0].finish_reason, 'stop');
  assert.equal(whole.choices[0].stop_reason, stop);
  assert.equal(textsOf(whole)[0], text.slice(0, text.indexOf(stop)));
  const events = await collected(await client.chat.completions.create({ ...GREEDY, stop, stream: true }));
  assert.equal(events.map(event => event.choices[0].delta.content ?? '').join(''), textsOf(whole)[0]);
}

async function completions() {
  const request = { model: 'nano', prompt: TEXT, temperature: 1, seed: 9, max_tokens: 8 };
  const whole = await client.completions.create({ ...request, n: 2, logprobs: 1 });
  assert.equal(whole.object, 'text_completion');
  assert.equal(whole.choices.length, 2);
  for (const { logprobs } of whole.choices) assert.equal(logprobs.tokens.length, logprobs.token_logprobs.length);
  const events = await collected(await client.completions.create({ ...request, stream: true }));
  assert.equal(events.map(event => event.choices[0].text).join(''), whole.choices[0].text);
}

const chatWith = (change, options = {}) => () =>
  connected(at.url, options).chat.completions.create({ ...DRAWN, ...change });

async function refused(call, kind, expected) {
  const error = await thrown(call);
  assert.ok(error instanceof kind, `${error.constructor.name}: ${error.message}`);
  const { status, code, param, type } = error;
  assert.deepEqual({ status, code, param, type }, { code: null, param: null, ...expected });
  assert.ok(error.message.startsWith(`${status} `) && error.error.message.length > 0);
}

async function errors() {
  const { AuthenticationError, BadRequestError, NotFoundError, PermissionDeniedError } = OpenAI;
  const wrong = (param, code = null) => ({ status: 400, code, param, type: 'invalid_request_error' });
  for (const stream of [false, true]) {
    await refused(chatWith({ model: 'other', stream }), NotFoundError,
      { status: 404, code: 'model_not_found', param: 'model', type: 'not_found_error' });
    await refused(chatWith({ temperature: 5, stream }), BadRequestError, wrong('temperature'));
  }
  await refused(chatWith({ n: 0 }), BadRequestError, wrong('n'));
  await refused(chatWith({ messages: [] }), BadRequestError, wrong('messages'));
  await refused(chatWith({ response_format: { type: 'json_object' } }), BadRequestError, wrong('response_format'));
  await refused(chatWith({ tools: [{ type: 'function', function: { name: 'f' } }] }), BadRequestError, wrong('tools'));
  await refused(chatWith({ logprobs: true, top_logprobs: 2, stream: true }), BadRequestError, wrong('stream'));
  await refused(chatWith({ messages: [{ role: 'user', content: TOO_LONG }] }), BadRequestError,
    wrong('messages', 'context_length_exceeded'));
  await refused(chatWith({}, { apiKey: 'wrong' }), AuthenticationError,
    { status: 401, type: 'authentication_error' });
  await refused(chatWith({}, { defaultHeaders: { Origin: 'http://elsewhere.example' } }), PermissionDeniedError,
    { status: 403, type: 'permission_error' });
  await refused(() => client.models.retrieve('other'), NotFoundError,
    { status: 404, code: 'model_not_found', param: 'model', type: 'not_found_error' });
  await refused(() => client.responses.create({ model: 'nano', input: TEXT }), NotFoundError,
    { status: 404, type: 'not_found_error' });
  await refused(() => client.embeddings.create({ model: 'nano', input: TEXT, encoding_format: 'float' }), NotFoundError,
    { status: 404, type: 'not_found_error' });
  await refused(() => client.get('/chat/completions'), OpenAI.APIError, { status: 405, type: 'invalid_request_error' });
}

async function tooLarge() {
  await refused(() => connected(at.direct).chat.completions.create(
    { ...DRAWN, messages: [{ role: 'user', content: TOO_LARGE }] }), OpenAI.APIError,
    { status: 413, type: 'invalid_request_error' });
}

async function aborts() {
  const direct = connected(at.direct);
  const begun = async signal => {
    const stream = await direct.completions.create({ model: 'nano', ...LONG, stream: true }, { signal });
    const events = stream[Symbol.asyncIterator]();
    assert.ok((await events.next()).value.choices[0].text.length > 0);
    assert.equal(await running(at.direct), LONG.n);
    return [stream, events];
  };
  await frees(at.direct, LONG.n, async () => (await begun())[0].controller.abort());
  await frees(at.direct, LONG.n, async () => {
    const abort = new AbortController();
    const [, events] = await begun(abort.signal);
    abort.abort();
    while (!(await events.next()).done);  // its stream ends without a word
  });
  // A loop that is left.
  await frees(at.direct, LONG.n, async () => {
    for await (const event of await direct.completions.create({ model: 'nano', ...LONG, stream: true })) {
      assert.ok(event.id);
      break;
    }
  });
  // Whole answers that nobody waits for.
  await frees(at.direct, LONG.n, async () => {
    const signal = AbortSignal.timeout(300);
    const error = await thrown(() => direct.completions.create({ model: 'nano', ...LONG }, { signal }));
    assert.ok(error instanceof OpenAI.APIUserAbortError);
  });
  await frees(at.direct, LONG.n, async () => {
    const error = await thrown(() => direct.completions.create({ model: 'nano', ...LONG }, { timeout: 300 }));
    assert.ok(error instanceof OpenAI.APIConnectionTimeoutError);
  });
}

// The thought stands in both fields, whole and in a stream; its class knows neither and passes them on.
async function thoughts({ url, question, temperature, seed, thought, solution }) {
  const messages = [{ role: 'user', content: question }];
  const request = { model: 'nano', messages, temperature, seed, max_tokens: 60 };
  const { message } = (await connected(url).chat.completions.create(request)).choices[0];
  assert.deepEqual([message.reasoning_content, message.reasoning, message.content], [thought, thought, solution]);
  const joined = { reasoning_content: '', reasoning: '', content: '' };
  for await (const event of await connected(url).chat.completions.create({ ...request, stream: true }))
    for (const field of Object.keys(joined)) joined[field] += event.choices[0].delta[field] ?? '';
  assert.deepEqual(joined, { reasoning_content: thought, reasoning: thought, content: solution });
  // What was thought may be said again.
  const again = await connected(url).chat.completions.create({ ...request, max_tokens: 1,
    messages: [...messages, message, ...messages] });
  assert.ok(again.usage.prompt_tokens > 0);
}

// One completion runs and one waits: the next is told so, and has its answer once it tries again in time.
async function full() {
  const held = await connected(at.holder ?? at.full).completions.create({ model: 'nano', ...LONG, stream: true });
  const events = held[Symbol.asyncIterator]();
  await events.next();
  const request = { ...DRAWN, max_completion_tokens: 2 };
  const error = await thrown(() => connected(at.full).chat.completions.create(request));
  assert.ok(error instanceof OpenAI.RateLimitError);
  assert.deepEqual([error.status, error.code, error.type], [429, 'server_full', 'rate_limit_error']);
  assert.equal(error.headers.get('retry-after'), '1');
  if (at.holder) return held.controller.abort();
  const patient = connected(at.full, { maxRetries: 5 }).chat.completions.create(request);
  setTimeout(() => held.controller.abort(), 500);
  assert.ok((await patient).choices[0].finish_reason);
}

// A server that ends tells its streams, and whoever asks on a connection that is still there.
async function ends() {
  const client = connected(at.ending.url);
  await Promise.all([client.models.retrieve('nano'), client.models.retrieve('nano')]);
  const long = { model: 'nano', ...LONG, n: 1, stream: true };
  const reading = thrown(async () => collected(await client.completions.create(long)));
  await endsUnderWork();
  await new Promise(resolve => setTimeout(resolve, 300));
  const late = await thrown(() => client.chat.completions.create(DRAWN));
  assert.ok(late instanceof OpenAI.InternalServerError, late.constructor.name);
  assert.deepEqual([late.status, late.type, late.headers.get('retry-after')], [503, 'server_error', '1']);
  const error = await reading;
  assert.ok(error instanceof OpenAI.APIError || error.message === 'terminated', error.constructor.name);
  tellsTheEnd(error.message);
}

await run([
  ['models', [], models],
  ['chat', [], chat],
  ['seeds', [], seeds],
  ['choices', [], choices],
  ['joined stream', [], joined],
  ['stop', [], stops],
  ['completions', [], completions],
  ['errors', [], errors],
  ['too large', ['direct'], tooLarge],
  ['aborts', ['direct'], aborts],
  ['thoughts', [], () => each(THOUGHTS, thoughts)],
  ['full', ['full'], full],
  ['the end', ['ending'], ends],
]);
