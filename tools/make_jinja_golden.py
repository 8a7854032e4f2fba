#!/usr/bin/env python3
"""Writes tests/golden/jinja: what jinja2 makes of conversations with published templates, and of small snippets.

    python3 tools/make_jinja_golden.py tests/golden/jinja

jinja2 is set up as transformers sets it up: sandboxed, trim_blocks, lstrip_blocks, loop controls, {% generation %},
tojson as json.dumps(ensure_ascii=False), raise_exception, and strftime_now, which gives 26 Jul 2024 here.
"""
import datetime
import gzip
import json
import pathlib
import random
import sys

import jinja2
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment
from make_chat_golden import conversation

ROWS = 24  # of each template


class Generation(Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_through"), [], [], body).set_lineno(line)

    def _through(self, caller):
        return caller()


def environment():
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
    env.filters["tojson"] = lambda x, ensure_ascii=False, indent=None, separators=None, sort_keys=False: json.dumps(
        x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = lambda format: datetime.datetime(2024, 7, 26).strftime(format)
    return env


VARIABLES = {
    "s": "  Héllo wörld \n", "e": "", "n": 7, "f": 2.5, "t": True, "z": None, "big": 1e20,
    "l": [3, 1, 2], "words": ["b", "A", "c", "a"], "d": {"b": 1, "a": [1, "x\"y'"], "items": "mine", "k": None},
    "m": [{"role": "user", "content": "q1", "n": 2}, {"role": "assistant", "content": "a1", "n": 1},
          {"role": "user", "content": "q2"}],
    "nested": {"a": {"b": {"c": "deep"}}}, "text": "one,two,,three", "emoji": "a👍🏽b",
}

SNIPPETS = r"""
{{ s }}|{{ s | trim }}|{{ s.strip() }}|{{ s.lstrip() }}|{{ s.rstrip('\n ') }}
{{ e or 'empty' }}{{ n and 'yes' }}{{ not t }}{{ z is none }}{{ missing is defined }}{{ n is defined }}{{ missing }}
{{ 1 + 2 * 3 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 3 ** 2 }} {{ 2 ** -1 }} {{ -n }} {{ +f }}
{{ 1.0 }} {{ 1e20 }} {{ 1e16 }} {{ 1e15 }} {{ 0.0001 }} {{ 0.00001 }} {{ big }} {{ 1_000 }} {{ f * 2 }} {{ 5 % 2.5 }}
{{ 'a' ~ 1 ~ none ~ true ~ [1, 'b'] }}{{ 'ab' * 3 }}{{ [1] * 2 }}{{ [1] + [2] }}{{ (1, 2) + (3,) }}
{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 'a' < 'b' }} {{ n == 7.0 }} {{ t == 1 }} {{ [1, 2] == [1, 2] }} {{ (1,) == [1] }} {{ l != [3] }}
{{ 'a' in 'cat' }} {{ 'a' not in l }} {{ 'b' in d }} {{ 3 in l }} {{ 'x' in missing }} {{ z in [none] }}
{{ 'yes' if n > 3 else 'no' }} {{ 'yes' if n < 3 }} {{ 'a' if e else 'b' if t else 'c' }}
{{ d.b }} {{ d['a'] }} {{ d.missing }} {{ d.k }} {{ nested.a.b.c }} {{ nested['a'].b['c'] }}
{{ l[0] }} {{ l[-1] }} {{ l[5] }} {{ s[2] }} {{ emoji[1] }} {{ emoji[-1] }} {{ l.0 }} {{ z.x }} {{ n.x }} {{ z['x'] }}
{{ l[1:] }} {{ l[:-1] }} {{ l[::-1] }} {{ l[::2] }} {{ l[5:] }} {{ s[2:5] }} {{ emoji[::-1] }} {{ l[-2:] }} {{ l[1:100:1] }} {{ text[:-3:2] }}
{{ text.split(',') }} {{ text.split(',', 1) }} {{ s.split() }} {{ text.rsplit(',', 1) }} {{ 'a b  c d'.split(none, 2) }} {{ 'abc'.split('abc') }}
{{ 'abcabc'.replace('b', 'X') }} {{ 'abcabc' | replace('b', 'X', 1) }} {{ 'abc'.replace('', '-') }} {{ 'aaa'.replace('aa', 'b') }}
{{ 'user'.upper() }} {{ 'USER' | lower }} {{ 'the user\'s turn' | title }} {{ 'the USER'.capitalize() }} {{ 'x_y z1a'.title() }}
{{ 'abc'.startswith('ab') }} {{ 'abc'.endswith(('x', 'c')) }} {{ 'abc'.find('c') }} {{ 'abc'.find('x') }} {{ 'abab'.count('ab') }} {{ 'abcb'.rfind('b') }}
{{ 'abc'.removeprefix('a') }} {{ 'abc'.removesuffix('c') }} {{ '-'.join(['a', 'b']) }} {{ '12'.isdigit() }} {{ ''.isdigit() }} {{ ' '.isspace() }} {{ 'a,b'.partition(',') }}
{{ 'a\nb\r\nc\n'.splitlines() }} {{ '\n\na'.splitlines() }} {{ ''.splitlines() }}
{{ d.get('b') }} {{ d.get('zz') }} {{ d.get('zz', 5) }} {{ d.keys() | list }} {{ d.values() | list }} {{ d | items | list }} {{ d | length }}
{{ words | sort }} {{ words | sort(case_sensitive=true) }} {{ l | sort(reverse=true) }} {{ m | sort(attribute='content') | map(attribute='content') | list }}
{{ d | dictsort | map('first') | list }} {{ words | unique | list }} {{ l | reverse | list }} {{ 'abc' | reverse }} {{ l | sum }} {{ l | max }} {{ l | min }}
{{ l | join }} {{ l | join(', ') }} {{ m | join('|', attribute='role') }} {{ l | first }} {{ l | last }} {{ [] | first }} {{ 'abc' | first }} {{ 'abc' | list }}
{{ m | selectattr('role', 'equalto', 'user') | map(attribute='content') | join(',') }} {{ m | rejectattr('role', '==', 'user') | list | length }}
{{ m | selectattr('n') | list | length }} {{ m | selectattr('n', 'defined') | map(attribute='n') | list }} {{ l | select('odd') | list }} {{ l | reject('greaterthan', 2) | list }} {{ l | select | list }}
{{ words | map('upper') | list }} {{ m | map(attribute='n', default='-') | list }} {{ l | map('string') | join('+') }}
{{ missing | default('d') }} {{ e | default('d') }} {{ e | default('d', true) }} {{ z | default('d') }} {{ missing | d }} {{ d.q | default('x') | upper }}
{{ '5' | int + 1 }} {{ 'x' | int }} {{ 'x' | int(3) }} {{ '2.7' | float }} {{ 2.7 | int }} {{ 2.5 | round }} {{ 2.345 | round(2) }} {{ 2.1 | round(method='ceil') | int }} {{ -3 | abs }} {{ (-3) | abs }}
{{ d | tojson }} {{ 'é"\n' | tojson }} {{ l | tojson(indent=2) }} {{ {} | tojson }} {{ {'b': [1.0, none, true], 'a': {}} | tojson(indent=1) }} {{ {'b': 1, 'a': 2} | tojson(sort_keys=true) }}
{{ 'a\nb\n\nc' | indent }} {{ 'a\nb' | indent(2, true) }} {{ 'a\n\nb' | indent(2, blank=true) }} {{ 'a\nb' | indent('>') }}
{{ '%s is %d' % ('x', 3) }} {{ '%5.1f|%-4s|%04d' % (2.25, 'ab', 7) }} {{ '%s' % 'one' }} {{ '100%%' % () }} {{ '%r' % 'q' }} {{ '%s-%s' | format(1, 2) }}
{{ n is number }} {{ n is integer }} {{ t is integer }} {{ t is boolean }} {{ f is float }} {{ s is string }} {{ d is mapping }} {{ l is sequence }} {{ s is sequence }} {{ d is iterable }} {{ n is iterable }} {{ z is not none }}
{{ n is odd }} {{ n is even }} {{ n is divisibleby 7 }} {{ n is divisibleby(2) }} {{ n is eq 7 }} {{ n is gt 3 }} {{ n is in [7] }} {{ t is true }} {{ t is sameas true }} {{ missing is undefined }} {{ 'a' is lower }} {{ 'A1' is upper }} {{ not n is defined }} {{ n is not defined or t }}
{{ [1, 'a', none, true, 1.5, {'k': 'v'}, (1,), ()] }} {{ {'a': 1}.a }} {{ {'a': {'b': []}} }} {{ "it's" }} {{ ["it's", 'say "x"', 'both \' "', 'tab\t\\'] }}
{{ 'a' 'b' }} {{ 'x\x41\u00e9\U0001F44D\'\"\\\q' }} {{ "\t|" }}
{{ range(3) | list }} {{ range(1, 7, 2) | list }} {{ range(3, 0, -1) | list }} {{ dict(a=1, b='x') }} {{ strftime_now('%d %b %Y, %A %H:%M') }}
{% for x in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.previtem }}{{ loop.nextitem }};{% endfor %}
{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}{% for k in d %}{{ k }}{% endfor %}{% for c in 'añ' %}{{ c }}.{% endfor %}
{% for x in l if x > 1 %}{{ x }}{{ loop.index }}{{ loop.last }}{% else %}none{% endfor %}{% for x in [] %}{% else %}none{% endfor %}{% for x in missing %}{% else %}none{% endfor %}
{% for x in l %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% if x == 2 %}{% break %}{% endif %}{% endfor %}{% for x in l %}{{ loop.cycle('a', 'b') }}{{ loop.changed(x > 1) }}{% endfor %}
{% set a = 1 %}{% for x in l %}{% set a = a + x %}{{ a }}{% endfor %}{{ a }}{% set ns = namespace(a=1) %}{% for x in l %}{% set ns.a = ns.a + x %}{% endfor %}{{ ns.a }}{% if true %}{% set a = 9 %}{% endif %}{{ a }}
{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set x %}block {{ n }}{% endset %}{{ x }}{% set y | upper %}block{% endset %}{{ y }}{% filter upper %}abc{{ n }}{% endfilter %}
{% macro f(a, b=2, c='x') %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ f(1) }}{{ f(1, c=3) }}{{ f() }}{{ f(b='q', a='p') }}{% macro g(x) %}{% if x > 0 %}{{ x }}{{ g(x - 1) }}{% endif %}{% endmacro %}{{ g(3) }}{{ f(1) | length }}
{% macro outer() %}{{ n }}{{ later }}{% endmacro %}{% set later = 'L' %}{{ outer() }}{% macro wrap() %}<{{ caller() }}>{% endmacro %}{% call wrap() %}in{{ n }}{% endcall %}{% with a = 5, b = n %}{{ a }}{{ b }}{% endwith %}{{ a }}
{% for a in [[1, [2]], [3]] recursive %}{% if a is iterable %}[{{ loop(a) }}]{% else %}{{ a }}{{ loop.depth }}{% endif %}{% endfor %}
{% if n > 10 %}a{% elif n > 5 %}b{% elif true %}c{% else %}d{% endif %}{% if missing %}a{% else %}b{% endif %}{% generation %}g{{ n }}{% endgeneration %}
{% raw %}{{ not }} {% this %}{% endraw %}|{# a comment {{ x }} #}|{{ '{{' }}{{ "%}" }}{{ {'a': {'b': 1}}['a'] }}
  {% if true %}  \n a \n  {% endif %}  \n b
a \n {%- if true -%} \n b \n {%- endif -%} \n c\n
a\n  {%+ if true %}x{% endif +%}\nb\n  {% if true +%}\ny{% endif %}\n\nz
  {{ n }}  \n  {{- n -}}  \n  {{ n }}\n
x\n   {# c #}\n  {#- c -#}  \n y {# c #} z\n
  {% set a = 1 %}\n{{ a }}\n  {% for x in l %}\n  - {{ x }}\n  {% endfor %}\nend\n\n
\r\n{% if t %}\r\na\r\n{% endif %}\r\nb\r
{%- raw %}  {{ x }}  {%- endraw -%}  end
{{ missing.x }}
{{ missing() }}
{{ 'a' + 1 }}
{{ n | nosuchfilter }}
{{ n is nosuchtest }}
{{ l.append(1) }}
{{ raise_exception('no ' ~ n) }}
{{ 1 / 0 }}
{{ 1 < 'a' }}
{% for a, b in l %}{% endfor %}
{{ n
{% if n %}
{% endif %}
{% nosuch %}
{{ 'open }}
{{ ) }}
{{ l[ }}
{{ 'abc'.nosuch() }}
{{ s.__class__ }}{{ l.__len__ }}
{{ range(1000000) | length }}
{% set d.x = 1 %}
""".strip("\n").split("\n")


def result(env, text, variables):
    try:
        return {"rendered": env.from_string(text).render(**variables)}
    except Exception:  # whatever jinja2 refuses, it refuses
        return {"refused": True}


def main():
    out = pathlib.Path(sys.argv[1])
    env = environment()
    with gzip.GzipFile(out / "conversations.jsonl.gz", "wb", 9, mtime=0) as file:
        for path in sorted((out / "templates").glob("*.jinja")):
            rng = random.Random(path.name)
            for i in range(ROWS):
                row = conversation(rng, i % 3 == 0, rng.random() < 0.4)
                if rng.random() < 0.2:
                    row["tools"] = None
                variables = {"bos_token": "<s>", "eos_token": "</s>", **row}
                made = {"template": path.name, "variables": variables, **result(env, path.read_text(), variables)}
                file.write((json.dumps(made, ensure_ascii=False) + "\n").encode())
    rows = [{"variables": VARIABLES}]
    for snippet in SNIPPETS:
        if not any(quoted in snippet for quoted in ("'", '"')):
            snippet = snippet.replace(r"\n", "\n").replace(r"\r", "\r")
        rows.append({"snippet": snippet, **result(env, snippet, VARIABLES)})
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (out / "snippets.jsonl").write_bytes(lines.encode())


if __name__ == "__main__":
    main()
