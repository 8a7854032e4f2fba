#!/usr/bin/env python3
"""Writes tests/golden/safetensors/*: files in the safetensors format made by other code than ponder's.

Development only; needs nothing but Python 3. The values are functions of their index, written again in
src/tensor/safetensors_test.cpp, so the test compares two independent implementations.
"""
import json
import pathlib
import struct

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "safetensors"


def value(index):
    """Exact in float32 and float16, and rounded by neither; positive, negative and fractional."""
    return (index * 37 % 101 - 50) / 16.0


def bf16(index):
    """The upper half of the float32: value() has at most 7 significant bits, so nothing is lost."""
    return struct.pack("<f", value(index))[2:]


def tensor(dtype, shape):
    count = 1
    for n in shape:
        count *= n
    pack = {
        "F32": lambda i: struct.pack("<f", value(i)),
        "F16": lambda i: struct.pack("<e", value(i)),
        "BF16": bf16,
    }[dtype]
    return b"".join(pack(i) for i in range(count))


def write(name, tensors, metadata=None, pad=0):
    header, data = {}, b""
    if metadata:
        header["__metadata__"] = metadata
    for tensor_name, dtype, shape in tensors:
        content = tensor(dtype, shape)
        header[tensor_name] = {
            "dtype": dtype,
            "shape": shape,
            "data_offsets": [len(data), len(data) + len(content)],
        }
        data += content
    # Keys in another order than the data, as the format allows.
    text = json.dumps(dict(sorted(header.items(), reverse=True))).encode() + b" " * pad
    (FOLDER / name).write_bytes(struct.pack("<Q", len(text)) + text + data)


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    write(
        "mixed.safetensors",
        [("a.f32", "F32", [3, 5]), ("b.f16", "F16", [7]), ("c.bf16", "BF16", [2, 3, 3]),
         ("d.scalar", "F32", []), ("e.empty", "F16", [0, 4]), ("f.ünïcode", "BF16", [1])],
        {"format": "pt", "note": "made by tools/make_safetensors_golden.py"},
        pad=3,
    )
