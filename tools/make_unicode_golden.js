// Writes unicode.json (other tokenizers in it stay): for each tokenizer and each block of 4096 code points, the hash
// of what Hugging Face `tokenizers` (the Rust library, through its npm package) makes of every code point in seven
// contexts.
//   npm install tokenizers@0.23.2
//   node tools/make_unicode_golden.js tests/golden/tokenizer NAME=TOKENIZER_JSON[.gz] … \
//     classes=tests/golden/tokenizer/llama3.json
// What is hashed, for each context in order: the ids (as little-endian int32) of the texts of a block's code points,
// surrogates left out, joined by " | ", then -1; the first 8 hexadecimal digits of the sha256 are kept.
// "classes" hashes one digit a code point: 1 where \p{L} of a pattern matches, 2 \p{N}, 3 \s, else 0 (surrogates 0).
'use strict';
const fs = require('fs');
const path = require('path');
const zlib = require('zlib');
const crypto = require('crypto');
const { createRequire } = require('module');
const { Tokenizer } = createRequire(path.join(process.cwd(), 'x.js'))('tokenizers');

const contexts = [(c) => c, (c) => `a${c}b`, (c) => ` ${c}`, (c) => `1${c}1`, (c) => `!${c}\n`, (c) => `e${c}\u0301`,
  (c) => `${c}${c} x`];
const kBlock = 4096;

async function hashes(file) {
  let json = fs.readFileSync(file);
  if (file.endsWith('.gz')) json = zlib.gunzipSync(json);
  const tokenizer = Tokenizer.fromString(json.toString());
  const result = [];
  for (let first = 0; first < 0x110000; first += kBlock) {
    const characters = [];
    for (let c = first; c < first + kBlock; ++c) {
      if (c < 0xd800 || c > 0xdfff) characters.push(String.fromCodePoint(c));
    }
    const numbers = [];
    for (const context of contexts) {
      const text = characters.map(context).join(' | ');
      for (const id of (await tokenizer.encode(text, null, { addSpecialTokens: false })).getIds()) numbers.push(id);
      numbers.push(-1);
    }
    const bytes = Buffer.from(Int32Array.from(numbers).buffer);
    result.push(crypto.createHash('sha256').update(bytes).digest('hex').slice(0, 8));
  }
  return result;
}

// Of a tokenizer's Split with the pattern that removes what it matches.
async function classes(file) {
  const base = JSON.parse(fs.readFileSync(file));
  base.post_processor = null;
  const digits = new Uint8Array(0x110000).fill(48);
  for (const [digit, regex] of [[1, '\\p{L}'], [2, '\\p{N}'], [3, '\\s']]) {
    base.pre_tokenizer.pretokenizers[0] =
      { type: 'Split', pattern: { Regex: regex }, behavior: 'Removed', invert: false };
    const tokenizer = Tokenizer.fromString(JSON.stringify(base));
    for (let first = 0; first < 0x110000; first += kBlock) {
      const characters = [];
      for (let c = first; c < first + kBlock; ++c) if (c < 0xd800 || c > 0xdfff) characters.push(c);
      const encodings = await tokenizer.encodeBatch(characters.map((c) => String.fromCodePoint(c)),
        { addSpecialTokens: false });
      encodings.forEach((encoding, i) => { if (encoding.getLength() === 0) digits[characters[i]] = 48 + digit; });
    }
  }
  const result = [];
  for (let first = 0; first < 0x110000; first += kBlock) {
    const block = digits.subarray(first, first + kBlock);
    result.push(crypto.createHash('sha256').update(block).digest('hex').slice(0, 8));
  }
  return result;
}

function write(file, all) {
  const lines = Object.entries(all).map(([name, blocks]) => {
    const rows = [];
    for (let i = 0; i < blocks.length; i += 10) rows.push('    ' + blocks.slice(i, i + 10).map((b) => `"${b}"`).join(', '));
    return `  "${name}": [\n${rows.join(',\n')}\n  ]`;
  });
  fs.writeFileSync(file, `{\n${lines.join(',\n')}\n}\n`);
}

(async () => {
  const [out, ...pairs] = process.argv.slice(2);
  const file = path.join(out, 'unicode.json');
  const all = fs.existsSync(file) ? JSON.parse(fs.readFileSync(file)) : {};
  for (const pair of pairs) {
    const [name, tokenizer] = pair.split('=');
    all[name] = name === 'classes' ? await classes(tokenizer) : await hashes(tokenizer);
    write(file, all);
    console.error(`${name}: ${all[name].length} blocks`);
  }
})();
