#!/usr/bin/env python3
"""Compares the verdicts of `ponder judge` with sympy on generated pairs of answers.

Each pair is made of sympy expressions: an answer, and either the same one in another form (expanded,
factored, in partial fractions, rewritten, ...) or a near miss (one leaf or operation changed), also in
another form. Both are printed as LaTeX or as plain text in one of several styles. sympy says whether they
are equal: rational numbers exactly, others by the difference of the two objects at 40 digits, at three points
where there are variables; never by the printed text. Odd roots of negative numbers are real, as the judge
has them. Prints a confusion table and every pair on which the two do not
agree; ends with status 1 if a verdict is wrong (an undecided one is not).

    tools/judge_sympy_oracle.py [--pairs 10000] [--seed 1] [--ponder build/release/ponder] [--keep FILE]

Needs python3-sympy (Debian 12: 1.11).
"""
import argparse
import collections
import json
import random
import subprocess
import sys
import tempfile

import sympy as sp

X, Y = sp.symbols("x y")
POINTS = [{X: sp.Rational(137, 100), Y: sp.Rational(71, 100)},
          {X: sp.Rational(243, 100), Y: sp.Rational(319, 100)},
          {X: sp.Rational(59, 100), Y: sp.Rational(187, 100)}]


# ---- answers: each gives (object, [functions that write it in another form]) ----

def small(rng, zero=False):
    n = rng.randint(-12, 12)
    return sp.Integer(n if n or zero else 5)


def rational(rng):
    return sp.Rational(rng.randint(-60, 90), rng.randint(2, 24))


def surd(rng):
    return small(rng) + small(rng) * sp.sqrt(rng.choice([2, 3, 5, 6, 7, 10, 11]))


def number(rng):
    kind = rng.randrange(7)
    if kind == 0:
        return small(rng, zero=True)
    if kind == 1:
        return rational(rng)
    if kind == 2:
        return surd(rng)
    if kind == 3:
        return surd(rng) / surd(rng)
    if kind == 4:
        return rational(rng) * sp.pi + small(rng, zero=True)
    if kind == 5:
        return sp.Rational(rng.randint(2, 30)) ** sp.Rational(rng.randint(1, 5), rng.randint(2, 4))
    return sp.sqrt(surd(rng) ** 2 + rng.randint(1, 9))


def polynomial(rng, variables=(X,)):
    total = small(rng)
    for _ in range(rng.randint(1, 3)):
        term = small(rng)
        for v in variables:
            term *= v ** rng.randint(0, 3)
        total += term
    return total + small(rng) * variables[0]


def product_form(rng):
    return sp.Mul(small(rng), *[(small(rng) * X + small(rng)) for _ in range(rng.randint(2, 3))])


def rational_function(rng):
    return product_form(rng) / (small(rng) * X ** 2 + small(rng))


def trigonometric(rng):
    f, g = rng.choice([sp.sin, sp.cos]), rng.choice([sp.sin, sp.cos, sp.tan])
    return small(rng) * f(rng.randint(1, 3) * X) * g(X) + small(rng) * f(X) ** rng.randint(1, 3)


def logarithmic(rng):
    return small(rng) * sp.log(X + rng.randint(1, 9)) + small(rng) * sp.log(rng.randint(2, 30)) * X


def exponential(rng):
    return small(rng) * sp.exp(rng.randint(1, 4) * X) * (X + small(rng)) + small(rng) * 2 ** X


def radical_function(rng):
    return sp.sqrt(X ** 2 + rng.randint(1, 9)) * small(rng) + small(rng) / sp.sqrt(X + rng.randint(1, 9))


def complex_number(rng):
    a, b = small(rng) + small(rng) * sp.I, small(rng) + small(rng) * sp.I
    return rng.choice([a * b, a / b, a ** rng.randint(2, 4), a + b * sp.sqrt(3)])


def trig_value(rng):
    angle = sp.pi * sp.Rational(rng.randint(1, 23), rng.choice([3, 4, 5, 6, 8, 12]))
    with sp.evaluate(False):
        value = rng.choice([sp.sin, sp.cos])(angle)
    return value * small(rng)


def log_value(rng):
    n = rng.randint(2, 9)
    return sp.log(n ** rng.randint(1, 4) * rng.choice([1, 1, 2, 3])) / sp.log(n) + small(rng)


def count(rng):
    n = rng.randint(5, 30)
    return rng.choice([sp.binomial(n, rng.randint(1, 5)), sp.factorial(n % 15), sp.Integer(rng.randint(2, 9)) ** rng.randint(2, 40)])


SCALARS = {
    "number": number, "polynomial": polynomial, "polynomial in two": lambda r: polynomial(r, (X, Y)),
    "product": product_form, "rational function": rational_function, "trigonometric": trigonometric,
    "logarithm": logarithmic, "exponential": exponential, "radical function": radical_function,
    "complex": complex_number, "trigonometric value": trig_value, "logarithm of number": log_value, "count": count,
}

FORMS = [sp.expand, sp.factor, sp.together, sp.cancel, sp.expand_trig, sp.expand_log, sp.radsimp, sp.nsimplify,
         sp.powsimp, lambda e: sp.apart(e, X) if e.has(X) else e, lambda e: sp.collect(sp.expand(e), X),
         lambda e: sp.logcombine(e, force=True), sp.trigsimp, lambda e: e.rewrite(sp.cos) if e.has(sp.sin) else e, lambda e: e]


def another_form(rng, e):
    for _ in range(3):
        try:
            form = rng.choice(FORMS)(e)
            if form != e and form.count_ops() < 80:
                return form
        except Exception:  # sympy cannot write every expression in every form
            continue
    return e


def near_miss(rng, e):
    """One leaf or operation changed."""
    places = []

    def walk(node, path):
        if node.is_Integer or node.is_Symbol or node.is_Rational or isinstance(node, (sp.sin, sp.cos)) or node.is_Add:
            places.append(path)
        for i, kid in enumerate(node.args):
            walk(kid, path + (i,))

    walk(e, ())
    if not places:
        return e + 1
    path = rng.choice(places)

    def rebuilt(node, rest):
        if rest:
            args = list(node.args)
            args[rest[0]] = rebuilt(args[rest[0]], rest[1:])
            return node.func(*args)
        if node.is_Rational:
            return -node if rng.random() < 0.3 and node != 0 else node + rng.choice([1, -1, sp.Rational(1, 2), 10])
        if node.is_Symbol:
            return node + 1
        if isinstance(node, sp.sin):
            return sp.cos(*node.args)
        if isinstance(node, sp.cos):
            return sp.sin(*node.args)
        args = list(node.args)
        i = rng.randrange(len(args))
        args[i] = -args[i]
        return sp.Add(*args)

    return rebuilt(e, path)


# ---- what sympy says ----

def real_roots(e):
    """Odd roots of negative numbers as schools and the judge take them: real. sympy takes the principal ones."""
    def is_odd_root(node):
        return node.is_Pow and node.base.is_Rational and node.base < 0 and node.exp.is_Rational and node.exp.q > 1 and node.exp.q % 2

    return e.replace(is_odd_root, lambda node: (-1) ** node.exp.p * (-node.base) ** node.exp)


def scalars_equal(a, b):
    if a.is_Rational and b.is_Rational:
        return bool(a == b)
    a, b = real_roots(a), real_roots(b)
    difference = a - b
    names = difference.free_symbols
    for point in POINTS if names else [{}]:
        value = sp.N(difference.subs(point), 40, maxn=400)
        scale = 1 + abs(sp.N(a.subs(point), 15))
        if not value.is_number or not scale.is_finite:
            return None
        if abs(value) > sp.Float("1e-25") * scale:
            return False
    return True


def all_equal(first, second):
    return len(first) == len(second) and all(scalars_equal(a, b) for a, b in zip(first, second))


def sets_equal(first, second):
    return all(any(scalars_equal(a, b) for b in second) for a in first) and all(
        any(scalars_equal(a, b) for a in first) for b in second)


# ---- how they are written ----

def as_latex(rng, e):
    times = rng.choice([None, "dot", "times"])
    roots = times is None or rng.random() < 0.7  # "7 3^{1/2}" is nobody's product
    return sp.latex(e, ln_notation=True, fold_short_frac=rng.random() < 0.2, mul_symbol=times, root_notation=roots,
                    inv_trig_style="full")


def as_plain(e):
    text = str(e).replace("**", "^").replace("log(", "ln(").replace("I", "i").replace("E", "e")
    return text


def written(rng, e):
    return as_plain(e) if rng.random() < 0.3 else as_latex(rng, e)


def scalar_pair(rng):
    kind = rng.choice(sorted(SCALARS))
    a = SCALARS[kind](rng)
    b = another_form(rng, near_miss(rng, a) if rng.random() < 0.5 else a)
    return kind, written(rng, a), written(rng, b), scalars_equal(a, b)


def collection_pair(rng):
    first = [number(rng) for _ in range(rng.randint(2, 4))]
    second = [another_form(rng, e) for e in first]
    way = rng.random()
    i = rng.randrange(len(second))
    if way < 0.35:
        second[i] = near_miss(rng, second[i])
    elif way < 0.45:
        second.append(number(rng))
    elif way < 0.5:
        second.pop()
    kind = rng.choice(["tuple", "set", "matrix", "interval"])
    if kind == "interval":
        first, second = sorted(set(first[:2]), key=sp.N), sorted(set(second[:2]), key=sp.N)
        if len(first) < 2 or len(second) < 2:
            return collection_pair(rng)
        ends = [rng.choice("[("), rng.choice("])")]
        other = [rng.choice("[("), ends[1]] if rng.random() < 0.3 else ends

        def interval(items, brackets):
            return f"\\left{brackets[0]}{as_latex(rng, items[0])}, {as_latex(rng, items[1])}\\right{brackets[1]}"

        return kind, interval(first, ends), interval(second, other), ends == other and all_equal(first, second)
    if kind == "set":
        rng.shuffle(second)
        a, b = ["\\left\\{" + ", ".join(as_latex(rng, e) for e in items) + "\\right\\}" for items in (first, second)]
        return kind, a, b, sets_equal(first, second)
    if kind == "matrix":
        return kind, as_latex(rng, sp.Matrix(first)), as_latex(rng, sp.Matrix(second)), all_equal(first, second)
    a, b = ["(" + ", ".join(written(rng, e) for e in items) + ")" for items in (first, second)]
    return kind, a, b, all_equal(first, second)


def relation_pair(rng):
    """a = b against k (a - b) = 0, or with its sign turned for an inequality."""
    left, right = small(rng) * X + small(rng) * Y, small(rng)
    sign = rng.choice(["=", "<", "\\le ", ">", "\\ge "])
    flip = {"=": "=", "<": ">", ">": "<", "\\le ": "\\ge ", "\\ge ": "\\le "}
    factor = small(rng)
    other_left, other_right = sp.expand(factor * (left - X)), sp.expand(factor * (right - X))
    other = flip[sign] if factor < 0 else sign
    equal = True
    if rng.random() < 0.5:
        if sign != "=" and rng.random() < 0.5:
            other = rng.choice([s for s in flip if s not in (other, "=")])
        else:
            other_left += rng.choice([1, X, -Y])
        equal = False
    texts = [f"{as_latex(rng, a)} {s} {as_latex(rng, b)}" for a, s, b in
             ((left, sign, right), (other_left, other, other_right))]
    if not equal:  # may have become the same line by chance
        p, q = left - right, other_left - other_right
        ratio = sp.cancel(q / p)
        same_way = (other in ("<", "\\le ")) == (sign in ("<", "\\le "))
        strict = (other in "<>") == (sign in "<>")
        equal = bool(ratio.is_number) and ratio != 0 and (
            sign == "=" or (strict and (ratio > 0) == same_way))
    return "equation" if sign == "=" else "inequality", texts[0], texts[1], equal


def pairs_of(count_of_pairs, seed):
    rng = random.Random(seed)
    pairs = []
    while len(pairs) < count_of_pairs:
        make = rng.choices([scalar_pair, collection_pair, relation_pair], [8, 2, 1])[0]
        try:
            kind, gold, prediction, equal = make(rng)
        except (ZeroDivisionError, TypeError, ValueError, RecursionError):
            continue  # zoo, nan
        if equal is None or any(word in gold + prediction for word in ("zoo", "nan", "tilde", "Piecewise", "overline")):
            continue
        pairs.append({"id": len(pairs), "kind_of_answer": kind, "gold": gold, "prediction": prediction, "equal": bool(equal)})
    return pairs


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pairs", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--ponder", default="build/release/ponder")
    parser.add_argument("--keep", help="write the pairs here as JSON lines; read them from here where the file exists")
    parser.add_argument("--undecided", type=int, default=3, help="undecided pairs shown of each kind")
    options = parser.parse_args()

    pairs = None
    if options.keep:
        try:
            with open(options.keep, encoding="utf-8") as file:
                pairs = [json.loads(line) for line in file]
        except FileNotFoundError:
            pass
    if pairs is None:
        pairs = pairs_of(options.pairs, options.seed)
        if options.keep:
            with open(options.keep, "w", encoding="utf-8") as file:
                file.writelines(json.dumps(pair) + "\n" for pair in pairs)

    with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as file:
        for pair in pairs:
            file.write(json.dumps({"id": pair["id"], "gold": pair["gold"], "prediction": pair["prediction"],
                                   "kind": "equivalence"}) + "\n")
        file.flush()
        done = subprocess.run([options.ponder, "judge", file.name, "--json"], capture_output=True, text=True, check=True)
    verdicts = {row["id"]: row for row in map(json.loads, done.stdout.splitlines()) if "verdict" in row}
    assert len(verdicts) == len(pairs), f"{len(verdicts)} verdicts for {len(pairs)} pairs"

    table = collections.Counter()
    wrong, undecided = [], collections.defaultdict(list)
    for pair in pairs:
        row = verdicts[pair["id"]]
        table[pair["kind_of_answer"], pair["equal"], row["verdict"]] += 1
        if row["verdict"] == "undecided":
            undecided[pair["kind_of_answer"]].append((pair, row))
        elif (row["verdict"] == "correct") != pair["equal"]:
            wrong.append((pair, row))

    print(f"sympy {sp.__version__}, {len(pairs)} pairs, seed {options.seed}")
    print(f"{'':22} {'sympy: equal':>30} {'sympy: different':>30}")
    print(f"{'kind':22}" + f" {'correct':>9} {'incorrect':>10} {'undecided':>9}" * 2)
    for kind in sorted({key[0] for key in table}) + ["all"]:
        line = f"{kind:22}"
        for equal in (True, False):
            for verdict, width in (("correct", 9), ("incorrect", 10), ("undecided", 9)):
                n = sum(v for k, v in table.items() if (kind in (k[0], "all")) and k[1:] == (equal, verdict))
                line += f" {n:>{width}}"
        print(line)
    for pair, row in wrong:
        print(f"\nWRONG, sympy says {'equal' if pair['equal'] else 'different'} ({pair['kind_of_answer']}):"
              f"\n  {pair['gold']}\n  {pair['prediction']}\n  {row['proof']}")
    for kind, rows in sorted(undecided.items()):
        for pair, row in rows[:options.undecided]:
            print(f"\nundecided, sympy says {'equal' if pair['equal'] else 'different'} ({kind}):"
                  f"\n  {pair['gold']}\n  {pair['prediction']}\n  {row['proof']}")
    print(f"\n{len(wrong)} wrong, {sum(map(len, undecided.values()))} undecided of {len(pairs)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
