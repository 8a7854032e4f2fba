#!/usr/bin/env python3
"""Writes tests/golden/arrow: small Arrow IPC files and streams by pyarrow, of the rows that the golden
Parquet files hold, in the types, codecs and framings ponder reads.

  pip install pyarrow==26.0.1
  python3 tools/make_arrow_golden.py tests/golden/parquet/rows.jsonl tests/golden/arrow
"""
import decimal
import json
import os
import sys

import pyarrow as pa
import pyarrow.feather as feather

rows = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
out = sys.argv[2]


def schema(text, list_of, small, dictionary=False):
    word = pa.dictionary(pa.int8(), text) if dictionary else text
    return pa.schema([
        ("id", pa.int64()), ("question", word), ("score", pa.float64()), ("small", small),
        ("unsigned", pa.uint32()), ("flag", pa.bool_()), ("ratio", pa.float32()),
        ("tags", list_of(word)),
        ("messages", list_of(pa.struct([("role", text), ("content", text), ("weight", pa.int32())]))),
        ("meta", pa.struct([("source", text), ("level", pa.int16())])),
        ("grid", list_of(list_of(pa.int32())))])


def write(name, table, kind, codec=None, batch=None):
    options = pa.ipc.IpcWriteOptions(compression=codec)
    with pa.OSFile(os.path.join(out, name), "wb") as sink:
        make = pa.ipc.new_file if kind == "file" else pa.ipc.new_stream
        with make(sink, table.schema, options=options) as writer:
            writer.write_table(table, max_chunksize=batch)


plain = pa.Table.from_pylist(rows, schema(pa.string(), pa.list_, pa.int32()))
large = pa.Table.from_pylist(rows, schema(pa.large_string(), pa.large_list, pa.int64()))
words = pa.Table.from_pylist(rows, schema(pa.string(), pa.list_, pa.int32(), dictionary=True))
views = pa.Table.from_pylist(rows, schema(pa.string_view(), pa.list_, pa.int32()))
write("file.arrow", plain, "file", batch=7)
write("stream_lz4.arrow", plain, "stream", "lz4")
write("file_large_zstd.arrow", large, "file", "zstd")
write("stream_dictionary.arrow", words, "stream", batch=9)
write("file_views.arrow", views, "file")
feather.write_feather(plain, os.path.join(out, "feather.arrow"))  # LZ4 is its default

# Columns of types that are not read, beside one that is.
few = rows[:4]
write("unread.arrow", pa.table({
    "price": pa.array([decimal.Decimal("1.50")] * 4, pa.decimal128(10, 2)),
    "wait": pa.array([(1, 2, 3)] * 4, pa.month_day_nano_interval()),
    "uuid": pa.array([b"0123456789abcdef"] * 4, pa.binary(16)),
    "half": pa.nulls(4, pa.float16()),
    "either": pa.UnionArray.from_dense(pa.array([0, 1, 0, 1], pa.int8()), pa.array([0, 0, 1, 1], pa.int32()),
                                       [pa.array([1, 2]), pa.array(["a", "b"])]),
    "runs": pa.RunEndEncodedArray.from_arrays(pa.array([3, 4], pa.int32()), pa.array(["a", "b"])),
    "views": pa.ListViewArray.from_arrays(pa.array([0, 1, 2, 3], pa.int32()), pa.array([1, 1, 1, 1], pa.int32()),
                                          pa.array([1, 2, 3, 4])),
    "nothing": pa.nulls(4),
    "question": pa.array([row["question"] for row in few]),
    "pair": pa.array([[1, 2], None, [3, 4], [5, 6]], pa.list_(pa.int8(), 2)),
    "map": pa.array([[("a", 1)], [], None, [("b", 2)]], pa.map_(pa.string(), pa.int8())),
    "bytes": pa.array([b"\xff", b"text", None, b""], pa.binary()),
    "day": pa.array([0, 1, 2, None], pa.date32()),
}), "file")
