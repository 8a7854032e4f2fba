// What the scripts of this folder share: where they ask, their steps, and what a step holds. They are told as JSON in
// their first argument (test_javascript.py):
//   url, key   a server of models/nano-base as "nano", or a recorder in front of it
//   direct     the same server without a recorder
//   thinker    {url, question, thought, solution} of a model that thinks
//   full       a server of which one completion runs and one waits, at most, or a recorder in front of it
//   holder     the same without a recorder; then nothing waits for its room
//   ending     {url, pid} of a server that may be ended
// Steps that need what is not named are left out.
import { strict as assert } from 'node:assert';

export { assert };

export const at = JSON.parse(process.argv[2]);
export const TEXT = 'Compute 7+8*3.';
export const QUESTION = [{ role: 'user', content: TEXT }];
// Some seconds of work, unless nobody waits for it.
export const LONG = { prompt: 'Count', n: 16, temperature: 1.5, seed: 1, ignore_eos: true };
// nano-base does not think: a thought that was found among the drawn texts of six thousand seeds.
export const THOUGHTS = [{ url: at.url, temperature: 2, seed: 1500,
  question: 'Say <|begin_of_thought|>a<|end_of_thought|>',
  thought: 'is \\boxed{B is \\boxed{BFind is.f{', solution: 'The answer is' }];
if (at.thinker) THOUGHTS.push({ temperature: 0, seed: 1, ...at.thinker });
export const TOO_LONG = 'a '.repeat(2000);
export const TOO_LARGE = 'a'.repeat(9 << 20);

let step = '';
const asked = [];
const platform = globalThis.fetch;
globalThis.fetch = (...request) => {
  asked.push([step, request[0].url ?? String(request[0])]);
  return platform(...request);
};

// Runs them in turn and prints which were done, and for each request that went out the step and where it went.
export async function run(steps) {
  const done = [];
  for (const [name, needs, call] of steps) {
    if (needs.some(need => !at[need])) continue;
    step = name;
    await call().catch(error => {
      console.error(`in step "${name}":`);
      throw error;
    });
    done.push(name);
  }
  console.log(JSON.stringify({ done, asked }));
}

export async function each(values, call) {
  for (const value of values) await call(value);
}

// What a call throws; it must.
export async function thrown(call) {
  let answer;
  try {
    answer = await call();
  } catch (error) {
    return error;
  }
  assert.fail(`nothing was thrown, but this answered: ${JSON.stringify(answer)}`);
}

export async function collected(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return parts;
}

// Tokens and their log-probabilities, as chats have them.
export function rightLogprobs(content, numTop) {
  assert.ok(content.length > 0);
  for (const token of content) {
    assert.ok(token.logprob <= 0);
    assert.equal(token.top_logprobs.length, numTop);
    assert.equal(Buffer.from(token.bytes).toString(), token.token);
  }
}

// Has the server that may be ended do more than it is given time for, and tells it to end. Who looks on should ask for
// one completion alone: what a client has not read in time is cut off.
export async function endsUnderWork() {
  const body = JSON.stringify(LONG);
  const headers = { authorization: `Bearer ${at.key}`, 'content-type': 'application/json' };
  for (let i = 0; i < 7; ++i)
    platform(`${at.ending.url}/completions`, { method: 'POST', headers, body }).catch(() => {});
  await new Promise(resolve => setTimeout(resolve, 300));
  process.kill(at.ending.pid, 'SIGTERM');
}

// A stream of a server that ends never looks done. Of one that is behind with its reading fetch throws away what came last,
// the server's own words, and says that it was broken off.
export function tellsTheEnd(message) {
  assert.match(message, /the server ends|terminated/);
}

async function metric(url, name) {
  const answer = await platform(url.replace(/v1$/, 'metrics'), { headers: { authorization: `Bearer ${at.key}` } });
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(await answer.text())[1]);
}

export async function running(url) {
  return await metric(url, 'ponder_completions_running') + await metric(url, 'ponder_completions_waiting');
}

// Leaves a call of so many completions; their places are free soon, and they count as given up.
export async function frees(url, count, leave) {
  const before = await metric(url, 'ponder_completions_cancelled_total');
  await leave();
  const began = Date.now();
  while (await running(url) > 0) {
    assert.ok(Date.now() - began < 5000, 'the places are not free');
    await new Promise(resolve => setTimeout(resolve, 10));
  }
  assert.equal(await metric(url, 'ponder_completions_cancelled_total') - before, count);
}
