#!/usr/bin/env node
// Does llama.cpp compute with our GGUF file what ponder computes with the checkpoint? Exports MODEL as f32,
// lets ponder continue prompts greedily, and asks llama.cpp (npm's node-llama-cpp, on the CPU) for the same:
// the ids of every prompt's text, and after every token of ours the token it likes best and how likely it
// finds ours.
//   npm install node-llama-cpp@3.22.1          (in a folder outside of the repository; run from there)
//   node .../tools/check_gguf_llama_cpp.mjs --ponder .../build/release/ponder --model .../models/nano-base
// Flags: --prompts N (64), --max-tokens N (32), --raw (bare questions, for models without a chat template
// that ponder knows), --type f32 (or f16, bf16, q8_0).
// Prints one JSON object. Exit 0: all prompts agree, ids too; 1: they do not; 77: node-llama-cpp is not there.
// A token is a near-tie when llama.cpp finds its own at most 1e-3 likelier, in log-probability: then the
// two programs' rounding may decide. `padding_likelier` counts the places where an embedding row without a
// token was likelier still: ponder never samples one. Near-ties count apart from `different`.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const { values: flags } = parseArgs({ options: {
  ponder: { type: 'string' }, model: { type: 'string' }, prompts: { type: 'string', default: '64' },
  'max-tokens': { type: 'string', default: '32' }, type: { type: 'string', default: 'f32' },
  raw: { type: 'boolean', default: false } } });
const NEAR_TIE = 1e-3;

let llamaCpp;
try {
  const entry = createRequire(path.join(process.cwd(), 'x.js')).resolve('node-llama-cpp');
  llamaCpp = await import(pathToFileURL(entry));
} catch (error) {
  console.error(`skipped: node-llama-cpp cannot be loaded from ${process.cwd()}: ${error.message}`);
  process.exit(77);
}

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'check-gguf-'));
process.on('exit', () => fs.rmSync(folder, { recursive: true, force: true }));
const ponder = (...words) => execFileSync(flags.ponder, [...words, '--threads', '1', '--quiet'],
  { encoding: 'utf8', maxBuffer: 1 << 30 });
const readLines = (text) => text.split('\n').filter(Boolean).map((line) => JSON.parse(line));
const writeLines = (name, rows) => {
  const file = path.join(folder, name);
  fs.writeFileSync(file, rows.map((row) => JSON.stringify(row) + '\n').join(''));
  return file;
};

// What ponder does.
const file = path.join(folder, 'model.gguf');
const exported = JSON.parse(ponder('export', flags.model, '--gguf', flags.type, '--out', file, '--json'));
const questions = readLines(ponder('synth', '--domain', 'arithmetic', '--count', flags.prompts))
  .map((problem) => problem.question);
let prompts;
if (flags.raw) {
  const rows = questions.map((question) => ({ text: question }));
  const ids = readLines(ponder('tokenize', writeLines('questions.jsonl', rows), '--tokenizer', flags.model));
  prompts = rows.map((row, i) => ({ ...row, ids: ids[i].ids }));
} else {
  const rows = questions.map((question) => (
    { messages: [{ role: 'user', content: question }], add_generation_prompt: true }));
  prompts = readLines(ponder('tokenize', writeLines('chats.jsonl', rows), '--chat', '--tokenizer', flags.model));
}
const problems = prompts.map((prompt, i) => ({ id: `p${i}`, question: prompt.text, answer: '0' }));
const rollouts = readLines(ponder('generate', '--model', flags.model, '--problems',
  writeLines('problems.jsonl', problems), '--raw', '--temperature', '0', '--max-tokens', flags['max-tokens']));

// What llama.cpp says to it.
const llama = await llamaCpp.getLlama({ gpu: false, build: 'never', maxThreads: 1, logLevel: llamaCpp.LlamaLogLevel.error });
const model = await llama.loadModel({ modelPath: file, gpuLayers: 0 });
const context = await model.createContext({ contextSize: 512, sequences: 1, threads: 1, flashAttention: false,
  experimentalKvCacheKeyType: 'F32', experimentalKvCacheValueType: 'F32' });
const sequence = context.getSequence();
const result = { model: path.basename(path.resolve(flags.model)), type: flags.type, bytes: exported.bytes,
  tensors: exported.tensors, prompts: 0, prompts_with_equal_ids: 0, prompts_with_equal_tokens: 0, tokens: 0,
  equal: 0, padding_likelier: 0, near_ties: 0, different: 0, largest_logprob_difference: 0, examples: [] };
const say = (example) => { if (result.examples.length < 10) result.examples.push(example); };
for (const [i, rollout] of rollouts.entries()) {
  const { text, ids } = prompts[i];
  if (rollout.problem_id !== `p${i}`) throw new Error(`rollout ${i} is of ${rollout.problem_id}`);
  ++result.prompts;
  const theirIds = [...model.tokenize(text, true)];
  if (JSON.stringify(theirIds) === JSON.stringify(ids)) ++result.prompts_with_equal_ids;
  else say({ prompt: text, our_ids: ids, their_ids: theirIds });

  const ours = rollout.token_ids;
  const input = [...ids, ...ours.slice(0, -1)].map((id, at) => at < ids.length - 1 ? id : [id, {
    generateNext: { totalLogitWeight: true, options: { temperature: 0 },
      logits: { filter: { tokens: [ours[at - ids.length + 1]], includeTop: 400 } } } }]);
  await sequence.clearHistory();
  const outputs = (await sequence.controlledEvaluate(input)).slice(ids.length - 1);
  let all = true;
  ours.forEach((token, at) => {
    const { logits, totalLogitWeight } = outputs[at].next;
    const [top] = logits;
    // ponder never samples an id that stands for no token; llama.cpp would.
    const theirs = [...logits.keys()].find((id) => !model.getTokenAttributes(id).unused);
    if (theirs !== top[0]) ++result.padding_likelier;
    const logprob = (id) => logits.get(id) - top[1] - Math.log(totalLogitWeight);
    const gap = logprob(theirs) - logprob(token);
    ++result.tokens;
    result.largest_logprob_difference =
      Math.max(result.largest_logprob_difference, Math.abs(logprob(token) - rollout.logprobs[at]));
    if (theirs === token) { ++result.equal; return; }
    if (gap <= NEAR_TIE) ++result.near_ties; else { ++result.different; all = false; }
    say({ prompt: i, at, our_token: token, our_logprob: rollout.logprobs[at], their_token: theirs,
      their_logprob_of_ours: logprob(token), their_logprob_of_theirs: logprob(theirs) });
  });
  if (all) ++result.prompts_with_equal_tokens;
}
console.log(JSON.stringify(result, null, 1));
const good = result.prompts === Number(flags.prompts) && result.prompts_with_equal_ids === result.prompts &&
  result.prompts_with_equal_tokens === result.prompts;
process.exit(good ? 0 : 1);
