// Writes tests/golden/tokenizer: three tiny tokenizers, trained here on a few lines, and what Hugging Face
// `tokenizers` (the Rust library, through its npm package) makes of some texts with each.
//   npm install tokenizers@0.23.2 && node tools/make_tokenizer_golden.js tests/golden/tokenizer
'use strict';
const fs = require('fs');
const path = require('path');
const { createRequire } = require('module');
const { Tokenizer } = createRequire(path.join(process.cwd(), 'x.js'))('tokenizers');

const out = process.argv[2];

// Each byte as one printable character, as byte-level tokenizers write it.
const alphabet = [];
for (let byte = 0, next = 256; byte < 256; ++byte) {
  const printable = (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
  alphabet.push(String.fromCodePoint(printable ? byte : next++));
}

const corpus = `Let me think about the question step by step. First, I will compute 12 + 30 = 42.
Wait, that does not look right; let me check again. The answer is 42, so it's done. We'll say it isn't 41.
    for (int i = 0; i < 10; ++i) { sum += i * i; }
The café is déjà vu. Ответ: сорок два. 答案是四十二。 \\boxed{42} \\frac{1}{2}
`;

function train(numMerges) {
  const words = (corpus + corpus).match(/ ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+/gu)
    .map((word) => [...Buffer.from(word)].map((byte) => alphabet[byte]));
  const merges = [];
  while (merges.length < numMerges) {
    const counts = new Map();
    for (const word of words) {
      for (let i = 0; i + 1 < word.length; ++i) {
        const pair = word[i] + ' ' + word[i + 1];
        counts.set(pair, (counts.get(pair) || 0) + 1);
      }
    }
    const [best] = [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))[0];
    merges.push(best);
    const [left, right] = best.split(' ');
    for (const word of words) {
      for (let i = 0; i + 1 < word.length; ++i) {
        if (word[i] === left && word[i + 1] === right) word.splice(i, 2, left + right);
      }
    }
  }
  return merges;
}

// Merges of any two of these come first, so that nearly every border between words shows in the ids.
const borders = ["a", "S", "'", '1', '2', '!', '(', 'Ġ', 'Ċ', 'č', 'ĉ'];
const borderMerges = ["' s", "' Å", "'Å ¿", "'Å¿ a", "' l", "'l l"];
for (const left of borders) for (const right of borders) borderMerges.push(`${left} ${right}`);

// Texts of parts on which the patterns turn, from a linear congruential generator.
function randomTexts(count) {
  const parts = ["'s", "'S", "'\u017f", "'ll", "'LL", "'", ' ', '  ', '\n', '\r\n', '\t', 'a', 'S', 'the', '1', '21',
    '!', '((', '\u00a0', '\u3000', 'é', '漢', '½', 'e\u0301', '<tool>', '<mask>', '<|im_end|>'];
  let state = 1;
  const below = (bound) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor(state / 4294967296 * bound);
  };
  return Array.from({ length: count }, () =>
    Array.from({ length: 3 + below(14) }, () => parts[below(parts.length)]).join(''));
}

const byteLevel = (useRegex) =>
  ({ type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: useRegex });
const split = (regex) => ({
  type: 'Sequence',
  pretokenizers: [{ type: 'Split', pattern: { Regex: regex }, behavior: 'Isolated', invert: false },
    byteLevel(false)],
});
const newerPattern = (digits) => '(?i:\'s|\'t|\'re|\'ve|\'m|\'ll|\'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|' + digits +
  '| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';

function make({ added, wholeTokens = [], pairs = false, template = null, ignoreMerges, ...rest }) {
  const merges = [...new Set([...borderMerges, ...train(120)])];
  const vocab = {};
  for (const token of [...alphabet, ...merges.map((pair) => pair.replace(' ', '')), ...wholeTokens]) {
    if (!(token in vocab)) vocab[token] = Object.keys(vocab).length;
  }
  const firstAdded = Object.keys(vocab).length;
  const model = { type: 'BPE', dropout: null, unk_token: null, continuing_subword_prefix: null,
    end_of_word_suffix: null, fuse_unk: false, byte_fallback: false, vocab,
    merges: pairs ? merges.map((pair) => pair.split(' ')) : merges };
  if (ignoreMerges !== undefined) model.ignore_merges = ignoreMerges;
  const addedTokens = added.map((token, i) => ({ id: firstAdded + i, content: '', single_word: false,
    lstrip: false, rstrip: false, normalized: false, special: false, ...token }));
  const special = (content) => ({ SpecialToken: { id: content, type_id: 0 } });
  const processor = template && {
    type: 'TemplateProcessing',
    single: template.map((item) => item === null ? { Sequence: { id: 'A', type_id: 0 } } : special(item)),
    pair: [{ Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 1 } }],
    special_tokens: Object.fromEntries(template.filter((item) => item !== null).map((content) =>
      [content, { id: content, ids: [addedTokens.find((t) => t.content === content).id], tokens: [content] }])),
  };
  return { version: '1.0', truncation: null, padding: null, added_tokens: addedTokens, normalizer: null,
    post_processor: processor ? { type: 'Sequence', processors: [byteLevel(true), processor] } : byteLevel(true),
    decoder: byteLevel(true), model, ...rest };
}

const tokenizers = {
  qwen2: make({
    normalizer: { type: 'NFC' },
    pre_tokenizer: split(newerPattern('\\p{N}')),
    pairs: true,
    ignoreMerges: false,
    added: [{ content: '<|endoftext|>', special: true }, { content: '<|im_start|>', special: true },
      { content: '<|im_end|>', special: true }, { content: '<tool>' }, { content: '<tool>s' },
      { content: 'g\u0301s', normalized: true }],
  }),
  gpt2: make({
    pre_tokenizer: byteLevel(true),
    template: ['<s>', null, '</s>'],
    added: [{ content: '<s>', special: true }, { content: '</s>', special: true },
      { content: '<mask>', special: true, lstrip: true }, { content: '<end>', special: true, rstrip: true },
      { content: 'NASA', single_word: true, normalized: true }],
  }),
  llama3: make({
    pre_tokenizer: split(newerPattern('\\p{N}{1,3}')),
    wholeTokens: ['Ġreachedbynomerge', '365'],
    ignoreMerges: true,
    template: ['<|begin|>', null],
    added: [{ content: '<|begin|>', special: true }, { content: '<|end|>', special: true }],
  }),
};

const texts = [
  '', ' ', '  ', '\n', ' \n', '\t', '\r\n\r\n  x', 'a', 'Let me think about the question.',
  'The answer is 42, so it\'s done.', 'IT\'S we\'LL I\'M it\'\u017Fa \'Re \'vE isn\'t don\'T \'x \'',
  'trailing spaces   ', '   leading', 'two  spaces   three', 'tab\tand\u00a0nbsp\u2003em\u3000wide',
  'a\n\n  b\n   \n\tc\r\nd\u0085e\u2028f', '1234567890 365 3653 ½ Ⅷ ٣٤ 一二', '!!! ... ?!\n\n (a) ((b)) --\n',
  'cafe\u0301 caf\u00e9 \u212b \uac00\u1100\u1161 \u0344 q\u0307\u0323 \u2126', '\u01f5s and g\u0301s, g\u0301x',
  'Ответ: сорок два. 答案是四十二。', '👍🏽 👩‍👩‍👧 🇩🇪 \ufe0f', '\u200b\u200c\u200d\ufeff', 'naïve\u0300\u0316\u0301 x\u0338',
  '<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n', '<tool>s <tool>x<tool', '<|im_end|><|im_end|>',
  'a <mask> b  <mask><mask>\n<mask>', '<end>  x<end>\n\n<end>', 'NASA xNASA NASA1 NASA. _NASA NASANASA éNASA',
  '<s>x</s>', ' reachedbynomerge reachedbynomergex', '<|begin|>a <|end|> <|end|>',
  'for (int i = 0; i < 10; ++i) { sum += i * i; }', '\\boxed{42} \\frac{1}{2}', 'x'.repeat(50),
  'the'.repeat(20), '\u0000\u0001\u007f', 'ﬁ ǆ ʼn ª º ⅓ ₂ ²', 'हिन्दी ภาษาไทย עברית العربية',
  ...randomTexts(80),
];

async function main() {
  const rows = [];
  for (const [name, json] of Object.entries(tokenizers)) {
    const text = JSON.stringify(json);
    fs.writeFileSync(path.join(out, `${name}.json`), text + '\n');
    const tokenizer = Tokenizer.fromString(text);
    for (const input of texts) {
      for (const addSpecialTokens of [false, true]) {
        const ids = (await tokenizer.encode(input, null, { addSpecialTokens })).getIds();
        rows.push(JSON.stringify({ tokenizer: name, text: input, add_special_tokens: addSpecialTokens, ids,
          decoded: await tokenizer.decode(ids, false), decoded_skip_special: await tokenizer.decode(ids, true) }));
      }
    }
    // Ids that are no whole characters: what decoding does with broken UTF-8.
    for (const bytes of [[0xE2, 0x82], [0xE2, 0x82, 0x41], [0xF0, 0x9F, 0x91], [0xFF, 0xFE], [0xC3, 0xC3, 0xA9],
      [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0x80, 0x41, 0xBF], [0xE0, 0x80, 0xAF]]) {
      const ids = bytes.map((byte) => json.model.vocab[alphabet[byte]]);
      rows.push(JSON.stringify({ tokenizer: name, ids, decoded: await tokenizer.decode(ids, false) }));
    }
  }
  fs.writeFileSync(path.join(out, 'vectors.jsonl'), rows.join('\n') + '\n');
}

main();
