#!/usr/bin/env node
// llama.cpp's side of a measurement: decoding of many sequences at once, one repetition for each line of standard input,
// one JSON object for each, as `ponder bench --task decode --on-request` does it.
//
//   cd FOLDER_WITH_NODE_LLAMA_CPP            (bench/peers/setup makes it)
//   node …/bench/peers/llama_worker.mjs --gguf T-f32.gguf --rows 64 --length 128 --steps 16
//
// llama.cpp is npm's node-llama-cpp with its prebuilt library, which brings a backend for each kind of CPU and takes the best.
// What is measured is llama_decode on one batch with a token of every sequence, and the greedy choice of the next ones:
// node-llama-cpp joins what all sequences ask for in one turn of the event loop into such a batch. The share of the time
// between the end of one llama_decode and the begin of the next is printed as `outside_decode`: dispatch, sampling and
// JavaScript; 1 / (1 - outside_decode) bounds what a program in C++ could gain.
import { createRequire } from 'node:module';
import path from 'node:path';
import process from 'node:process';
import readline from 'node:readline';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const { values: flags } = parseArgs({ options: {
  gguf: { type: 'string' }, rows: { type: 'string', default: '1' }, length: { type: 'string', default: '128' },
  steps: { type: 'string', default: '64' }, threads: { type: 'string', default: '0' }, task: { type: 'string', default: 'decode' },
  'warm-up': { type: 'string', default: '1' }, 'flash-attention': { type: 'boolean', default: false } } });
const rows = Number(flags.rows), length = Number(flags.length), steps = Number(flags.steps);

let llamaCpp;
try {
  const entry = createRequire(path.join(process.cwd(), 'x.js')).resolve('node-llama-cpp');
  llamaCpp = await import(pathToFileURL(entry));
} catch (error) {
  console.error(`node-llama-cpp cannot be loaded from ${process.cwd()}: ${error.message}; bench/peers/setup installs it`);
  process.exit(77);
}
const threads = Number(flags.threads) || (await import('node:os')).availableParallelism();
const llama = await llamaCpp.getLlama({ gpu: false, build: 'never', maxThreads: threads,
  logLevel: llamaCpp.LlamaLogLevel.error });
const model = await llama.loadModel({ modelPath: flags.gguf, gpuLayers: 0, useMmap: false });
const context = await model.createContext({ contextSize: Math.ceil((length + steps + 1) / 256) * 256, sequences: rows,
  batchSize: Math.max(512, rows), threads: { ideal: threads, min: threads }, flashAttention: flags['flash-attention'] });

// The time within llama_decode, for `outside_decode`, and how often it was called.
let decoding = 0, calls = 0;
const inner = context._ctx;
async function decodeBatch() {
  const start = process.hrtime.bigint();
  try { return await inner.decodeBatch(); } finally { ++calls; decoding += Number(process.hrtime.bigint() - start) * 1e-9; }
}
context._ctx = new Proxy({}, { get(_, name) {
  const value = inner[name];
  return name === 'decodeBatch' ? decodeBatch : typeof value === 'function' ? value.bind(inner) : value;
} });

const vocabulary = Math.min(500, model.fileInfo?.metadata?.tokenizer?.ggml?.tokens?.length ?? 500);
let state = 1;
const randomToken = () => { state = (state * 48271) % 2147483647; return state % vocabulary; };
const greedy = { generateNext: { token: true, options: { temperature: 0 } } };
const sequences = Array.from({ length: rows }, () => context.getSequence());

// Contexts: all but the last token, which the first step feeds.
for (const sequence of sequences) {
  await sequence.controlledEvaluate(Array.from({ length }, randomToken));
}

async function repetition() {
  let tokens = sequences.map(() => 1);
  decoding = calls = 0;
  const start = process.hrtime.bigint();
  for (let i = 0; i < steps; ++i) {
    const outputs = await Promise.all(sequences.map((sequence, r) => sequence.controlledEvaluate([[tokens[r], greedy]])));
    tokens = outputs.map((output) => output[0].next.token ?? 1);
  }
  const seconds = Number(process.hrtime.bigint() - start) * 1e-9;
  if (calls !== steps) throw new Error(`${steps} steps took ${calls} calls of llama_decode: not one batch a step`);
  const inside = decoding;
  for (const sequence of sequences) await sequence.eraseContextTokenRanges([{ start: length, end: sequence.nextTokenIndex }]);
  return { task: 'decode', tokens_per_second: rows * steps / seconds, seconds, threads, outside_decode: 1 - inside / seconds,
    peak_memory_bytes: process.resourceUsage().maxRSS * 1024 };
}

for (let i = 0; i < Number(flags['warm-up']); ++i) await repetition();
console.log(JSON.stringify({ ready: true }));
for await (const _ of readline.createInterface({ input: process.stdin })) console.log(JSON.stringify(await repetition()));
process.exit(0);
