#!/usr/bin/env python3
"""Cases for the judge out of other projects' own tests: JSON lines for bench/peers/judge.py.

usage: build/peers/bin/python bench/peers/judge_sets.py OUT [--latex2sympy2 CHECKOUT]

Writes OUT/math_verify.jsonl (the parametrised tests of Math-Verify's source package, which pip downloads, whole),
OUT/sympy.jsonl (the pairs of sympy's tests of its LaTeX parser) and, with a checkout of
github.com/huggingface/latex2sympy2_extended, OUT/latex2sympy2_extended.jsonl. Of the two parsers' tests, which hold LaTeX and the
expression that it must be read as, gold is sympy's LaTeX of that expression (expected: correct); and neighbours in the order of the
tests whose expressions have different values at three points, or are different finite sets, are pairs too (incorrect).
Nothing of these tests is kept in this repository.
"""
import argparse
import ast
import glob
import importlib.util
import json
import math
import os
import re
import subprocess
import sys
import tarfile
import tempfile

import pytest
import sympy


def write(path, rows, kind="equivalence"):
    seen, kept = set(), []
    for gold, prediction, right in rows:
        if (gold, prediction) in seen or not gold.strip() or not prediction.strip():
            continue
        seen.add((gold, prediction))
        kept.append({"kind": kind, "gold": gold, "response" if kind == "response" else "prediction": prediction,
                     "expected": "correct" if right else "incorrect"})
    with open(path, "w", encoding="utf-8") as file:
        for row in kept:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    right = sum(row["expected"] == "correct" for row in kept)
    print(f"{path}: {len(kept)} rows, {right} correct, {len(kept) - right} incorrect; {len(rows) - len(kept)} repeated, empty or not printed")


def parametrised(path):
    """(gold, prediction, expected) of the tests of one file whose parameters are gold, pred and a verdict."""
    tree = ast.parse(open(path, encoding="utf-8").read())
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        for mark in function.decorator_list:
            if not (isinstance(mark, ast.Call) and getattr(mark.func, "attr", "") == "parametrize"):
                continue
            names = ast.literal_eval(mark.args[0])
            names = names.replace(" ", "").split(",") if isinstance(names, str) else list(names)
            if names[:2] != ["gold", "pred"]:
                continue
            # Not literals alone: some are f-strings.
            for row in eval(compile(ast.Expression(mark.args[1]), path, "eval"), {"math": math}):
                yield row[0], row[1], bool(row[names.index("result" if "result" in names else "expected")])


def math_verify(folder):
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", "-d", folder, "math-verify==0.9.0"]
    subprocess.run(command, check=True)
    with tarfile.open(glob.glob(os.path.join(folder, "math_verify-*.tar.gz"))[0]) as archive:
        archive.extractall(folder)
    tests = sorted(glob.glob(os.path.join(folder, "math_verify-*", "tests", "test_*.py")))
    return [row for path in tests for row in parametrised(path)]


def values(expression):
    """Its values at three points, or None where it has none."""
    points = (sympy.Rational(37, 25), sympy.Rational(113, 50), sympy.Rational(71, 20))
    found = []
    for shift, point in enumerate(points):
        names = sorted(expression.free_symbols, key=str)
        at = {name: point + sympy.Rational(7 * position + shift, 11) for position, name in enumerate(names)}
        value = expression.subs(at).doit().evalf(20)
        if not value.is_number or value.has(sympy.nan, sympy.zoo):
            return None
        found.append(complex(value))
    return found


def differ(one, other):
    """True only where it is certain."""
    try:
        if isinstance(one, sympy.FiniteSet) and isinstance(other, sympy.FiniteSet):
            return len(one) != len(other) and one.is_subset(other) is False
        if not (isinstance(one, sympy.Expr) and isinstance(other, sympy.Expr)):
            return False
        if one.free_symbols != other.free_symbols or one.has(sympy.Integral, sympy.Derivative, sympy.Limit):
            return False
        ours, theirs = values(one), values(other)
        return ours is not None and theirs is not None and all(abs(a - b) > 1e-3 * (1 + abs(a)) for a, b in zip(ours, theirs))
    except Exception:  # what sympy cannot evaluate is no pair
        return False


def printed(expression):
    """Its LaTeX; "" where sympy's printer loses something: names with a bar."""
    if expression is None:  # a test that the parser gives nothing
        return ""
    text = sympy.latex(expression.replace(lambda e: isinstance(e, sympy.log) and len(e.args) == 2,
                                          lambda e: sympy.log(e.args[0]) / sympy.log(e.args[1])))
    return "" if re.search(r"(?<!\\)bar\{", text) else text


def of_readings(readings):
    rows = []
    for text, expression in readings:
        rows.append((printed(expression), text, True))
    for (_, one), (text, other) in zip(readings, readings[1:]):
        if differ(one, other):
            rows.append((printed(one), text, False))
    return rows


def sympy_tests():
    path = os.path.join(os.path.dirname(sympy.__file__), "parsing", "tests", "test_latex.py")
    spec = importlib.util.spec_from_file_location("sympy_latex_tests", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return of_readings([(text, sympy.sympify(expression, evaluate=False)) for text, expression in module.GOOD_PAIRS])


class Recorder:
    """A plugin of pytest: every LaTeX that a test compares with an expression, in the tests' order."""

    def __init__(self):
        self.readings = []

    def pytest_collection_finish(self, session):
        for item in session.items:
            item.module.assert_equal = self.record

    def record(self, latex, expression, symbolically=False, variables=None):
        if not variables:
            self.readings.append((latex, sympy.sympify(expression)))


def latex2sympy2_tests(checkout):
    recorder = Recorder()
    here = os.getcwd()
    os.chdir(checkout)
    sys.path.insert(0, checkout)
    with open(os.devnull, "w") as nothing:
        out, sys.stdout = sys.stdout, nothing
        pytest.main(["-q", "-p", "no:cacheprovider", "tests", "-o", "python_files=*_test.py"], plugins=[recorder])
        sys.stdout = out
    os.chdir(here)
    return of_readings(recorder.readings)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--latex2sympy2", metavar="CHECKOUT")
    given = parser.parse_args()
    out = os.path.abspath(given.out)
    os.makedirs(out, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        # Bare answers and sentences: texts in which the answer must be found.
        write(os.path.join(out, "math_verify.jsonl"), math_verify(folder), "response")
    write(os.path.join(out, "sympy.jsonl"), sympy_tests())
    if given.latex2sympy2:
        write(os.path.join(out, "latex2sympy2_extended.jsonl"), latex2sympy2_tests(os.path.abspath(given.latex2sympy2)))


if __name__ == "__main__":
    main()
