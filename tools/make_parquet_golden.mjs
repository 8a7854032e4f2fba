// Writes tests/golden/parquet: small Parquet files by two other implementations, in the encodings,
// codecs, page versions and nestings ponder reads, and the rows they hold as JSON.
//   npm install parquet-wasm@0.8.0 apache-arrow@21.2.0 hyparquet-writer@0.17.0
//   node tools/make_parquet_golden.mjs tests/golden/parquet
import fs from 'node:fs'
import path from 'node:path'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const require = createRequire(path.join(process.cwd(), 'x.js'))
const arrow = require('apache-arrow')
const wasm = require('parquet-wasm/node')
const hyparquet = await import(pathToFileURL(require.resolve('hyparquet-writer')))
const out = process.argv[2]

// A little of everything, drawn by a fixed generator.
let state = 12345
const random = (n) => {
  state = (Math.imul(state, 1103515245) + 12345) >>> 0
  return (state >>> 8) % n
}
const texts = ['What is 2 + 2?', 'naïve Ответ 答案', '', 'a "quoted"\nline', '\\boxed{42}', 'the same prefix, one',
  'the same prefix, two', 'x'.repeat(300)]
const text = () => texts[random(texts.length)]
const maybe = (make) => (random(4) === 0 ? null : make())
const list = (make, most) => Array.from({ length: random(most + 1) }, make)

function row(i) {
  return {
    id: i,
    question: maybe(text),
    score: maybe(() => random(1000) / 8 - 60),
    small: random(3) === 0 ? -random(100000) : random(50),
    unsigned: maybe(() => 4294967295 - random(10)),
    flag: maybe(() => random(2) === 1),
    ratio: random(64) / 64,
    tags: maybe(() => list(() => maybe(text), 3)),
    messages: list(() => ({ role: text(), content: maybe(text), weight: maybe(() => random(9)) }), 3),
    meta: maybe(() => ({ source: text(), level: maybe(() => random(5)) })),
    grid: maybe(() => list(() => maybe(() => list(() => random(10), 2)), 2)),
  }
}

const field = (name, type, nullable = true) => new arrow.Field(name, type, nullable)
const fields = [
  field('id', new arrow.Int64(), false),
  field('question', new arrow.Utf8()),
  field('score', new arrow.Float64()),
  field('small', new arrow.Int32(), false),
  field('unsigned', new arrow.Uint32()),
  field('flag', new arrow.Bool()),
  field('ratio', new arrow.Float32(), false),
  field('tags', new arrow.List(field('item', new arrow.Utf8()))),
  field('messages', new arrow.List(field('item', new arrow.Struct([field('role', new arrow.Utf8(), false),
    field('content', new arrow.Utf8()), field('weight', new arrow.Int32())])))),
  field('meta', new arrow.Struct([field('source', new arrow.Utf8()), field('level', new arrow.Int32())])),
  field('grid', new arrow.List(field('item', new arrow.List(field('item', new arrow.Int32()))))),
]

function arrowTable(rows) {
  const columns = fields.map((f) => {
    const builder = arrow.makeBuilder({ type: f.type, nullValues: [null, undefined] })
    for (const r of rows) {
      const value = r[f.name]
      builder.append(f.name === 'id' ? BigInt(value) : value)
    }
    builder.finish()
    return builder.toVector()
  })
  const schema = new arrow.Schema(fields)
  const data = arrow.makeData({
    type: new arrow.Struct(fields), length: rows.length, nullCount: 0, children: columns.map((c) => c.data[0]),
  })
  return wasm.Table.fromIPCStream(arrow.tableToIPC(new arrow.Table(schema, new arrow.RecordBatch(schema, data)), 'stream'))
}

const { Compression, Encoding, WriterVersion } = wasm
function write(name, rows, configure) {
  const properties = configure(new wasm.WriterPropertiesBuilder()).build()
  fs.writeFileSync(path.join(out, name), wasm.writeParquet(arrowTable(rows), properties))
}

fs.mkdirSync(out, { recursive: true })
const rows = Array.from({ length: 40 }, (_, i) => row(i))
write('v1_plain.parquet', rows, (p) => p.setWriterVersion(WriterVersion.V1).setDictionaryEnabled(false)
  .setCompression(Compression.UNCOMPRESSED))
write('v1_dictionary_snappy.parquet', rows, (p) => p.setWriterVersion(WriterVersion.V1).setCompression(Compression.SNAPPY))
write('v2_dictionary_gzip.parquet', rows, (p) => p.setWriterVersion(WriterVersion.V2).setCompression(Compression.GZIP))
write('v2_delta_zstd.parquet', rows, (p) => p.setWriterVersion(WriterVersion.V2).setDictionaryEnabled(false)
  .setCompression(Compression.ZSTD)
  .setColumnEncoding('id', Encoding.DELTA_BINARY_PACKED).setColumnEncoding('small', Encoding.DELTA_BINARY_PACKED)
  .setColumnEncoding('question', Encoding.DELTA_BYTE_ARRAY).setColumnEncoding('score', Encoding.BYTE_STREAM_SPLIT)
  .setColumnEncoding('ratio', Encoding.BYTE_STREAM_SPLIT))
write('v2_lengths_groups.parquet', rows, (p) => p.setWriterVersion(WriterVersion.V2).setDictionaryEnabled(false)
  .setCompression(Compression.SNAPPY).setMaxRowGroupSize(9).setDataPageSizeLimit(64).setWriteBatchSize(4)
  .setColumnEncoding('question', Encoding.DELTA_LENGTH_BYTE_ARRAY))
write('v1_groups.parquet', rows, (p) => p.setWriterVersion(WriterVersion.V1).setMaxRowGroupSize(7)
  .setDataPageSizeLimit(64).setWriteBatchSize(2).setCompression(Compression.ZSTD))
write('lz4.parquet', rows.slice(0, 2), (p) => p.setCompression(Compression.LZ4_RAW))
fs.writeFileSync(path.join(out, 'rows.jsonl'), rows.map((r) => JSON.stringify(r) + '\n').join(''))

// What a file of demonstrations looks like when a data set is published: a list of structs.
const turns = (question, thought, solution) => [{ role: 'user', content: question },
  { role: 'assistant', content: `<think>\n${thought}\n</think>\n\n${solution}` }]
const conversations = [turns('What is 2 + 3?', 'Two and three make five.', 'It is \\boxed{5}.'),
  turns('What is 4 * 6?', 'Four times six is twenty-four.', 'It is \\boxed{24}.'),
  turns('What is 2 + 3?', 'Again five.', 'It is \\boxed{5}.'),  // a duplicate
  [{ role: 'user', content: 'Who answers?' }]]  // nobody
const turnsType = new arrow.List(field('element', new arrow.Struct([field('role', new arrow.Utf8()),
  field('content', new arrow.Utf8())])))
const builder = arrow.makeBuilder({ type: turnsType, nullValues: [null] })
for (const conversation of conversations) builder.append(conversation)
builder.finish()
const turnsSchema = new arrow.Schema([field('messages', turnsType)])
const turnsTable = new arrow.Table(turnsSchema, new arrow.RecordBatch(turnsSchema, arrow.makeData({
  type: new arrow.Struct(turnsSchema.fields), length: conversations.length, nullCount: 0,
  children: [builder.toVector().data[0]] })))
fs.writeFileSync(path.join(out, 'demonstrations.parquet'), wasm.writeParquet(
  wasm.Table.fromIPCStream(arrow.tableToIPC(turnsTable, 'stream')),
  new wasm.WriterPropertiesBuilder().setCompression(Compression.SNAPPY).build()))

// The other writer: a column of JSON, messages as it guesses them, and a type ponder refuses.
const small = rows.slice(0, 5)
fs.writeFileSync(path.join(out, 'hyparquet.parquet'), Buffer.from(hyparquet.parquetWriteBuffer({
  columnData: [
    { name: 'question', data: small.map((r) => r.question), type: 'STRING' },
    { name: 'extra', data: small.map((r) => r.meta), type: 'JSON' },
    { name: 'flag', data: small.map((r) => r.flag), type: 'BOOLEAN' },
    { name: 'score', data: small.map((r) => r.score), type: 'DOUBLE' },
  ],
})))
fs.writeFileSync(path.join(out, 'uuid.parquet'), Buffer.from(hyparquet.parquetWriteBuffer({
  columnData: [{ name: 'key', data: ['00000000-0000-0000-0000-000000000001'], type: 'UUID' }],
})))
