"""Golden renderings of small templates by Jinja2, with the settings that transformers uses for chat templates.

Output tests/golden/templates.json: {"about", "versions", "cases": [{"template", "variables", "rendered"}]}. Each
template exercises one construct of the subset that src/model/template.h implements.
"""

import json

import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

import common

VARIABLES = {
    "name": "Ada Lovelace", "n": 7, "x": 2.5, "yes": True, "no": False, "nothing": None, "empty": "", "none_list": [],
    "items": ["a", "b", "c", "d"], "nums": [3, 1, 2], "text": "  two words\n ünï 日本 ", "quote": "it's \"quoted\" <b>&",
    "user": {"name": "Bo", "age": 41, "tags": ["x", "y"]},
    "rows": [{"k": "q1", "v": 1.5, "ok": True}, {"k": "q2", "v": -2, "ok": False}, {"k": "Q0", "v": 10, "ok": True}],
}
TEMPLATES = r'''
plain text, { braces } and 100 %
{{ name }}|{{ n }}|{{ x }}|{{ yes }}|{{ nothing }}|{{ items }}|{{ user }}|{{ missing }}
{{ 1 + 2 * 3 ** 2 - 7 // 2 }}|{{ -7 // 2 }}|{{ -7 % 3 }}|{{ 7 / 2 }}|{{ 2 ** 10 }}|{{ 1e3 }}|{{ 0.1 + 0.2 }}|{{ 1_000 }}
{{ "a" ~ n ~ x ~ nothing }}|{{ "ab" * 3 }}|{{ [1] + [2, 3] }}|{{ "a" "b" }}
{{ n == 7 and x > 2 or no }}|{{ not yes }}|{{ 1 < n < 10 }}|{{ 1 < 0 < n }}|{{ n != 7.0 }}|{{ "a" < "b" }}|{{ yes == 1 }}
{{ "b" in items }}|{{ "z" not in items }}|{{ "Ada" in name }}|{{ "name" in user }}
{{ items[0] }}{{ items[-1] }}{{ user["name"] }}{{ user.tags[1] }}{{ name[0] }}{{ items.1 }}
{{ items[1:] }}|{{ items[:-1] }}|{{ items[::2] }}|{{ items[::-1] }}|{{ text[2:5] }}|{{ name[::-1] }}|{{ items[5:] }}
{{ "yes" if n > 5 else "no" }}|{{ "only" if no }}|{{ (1, 2) | length }}|{{ {"a": [1, none]} | tojson }}
{{ text | trim }}|{{ name | upper }}|{{ name | lower }}|{{ "hello wORLD" | title }}|{{ "hELLO" | capitalize }}
{{ items | join(", ") }}|{{ rows | join("/", attribute="k") }}|{{ items | first }}{{ items | last }}|{{ text | length }}
{{ missing | default("d") }}|{{ empty | default("d") }}|{{ empty | default("d", true) }}|{{ nothing | d("x") }}
{{ user | tojson }}|{{ quote | tojson }}|{{ x | tojson }}
{{ user | tojson(indent=2) }}
{{ nums | sort | join }}|{{ nums | sort(reverse=true) | join }}|{{ rows | sort(attribute="v") | map(attribute="k") | join(",") }}
{{ nums | sum }}|{{ nums | max }}|{{ nums | min }}|{{ rows | sum(attribute="v") }}|{{ nums | reverse | list }}
{{ rows | selectattr("ok") | map(attribute="k") | list }}|{{ rows | rejectattr("v", "gt", 0) | map(attribute="k") | list }}
{{ nums | select("odd") | list }}|{{ nums | map("string") | join("-") }}|{{ [1, 1, 2] | unique | list }}
{{ "12" | int + 1 }}|{{ "x" | int(5) }}|{{ "1.5" | float }}|{{ 2.567 | round(2) }}|{{ 2.5 | round }}|{{ -3 | abs }}|{{ 3.9 | int }}
{{ "a-b-c" | replace("-", "+") }}|{{ "a-b-c".replace("-", "+", 1) }}|{{ "a,b,,c".split(",") }}|{{ " a  b ".split() }}
{{ name.startswith("Ada") }}|{{ name.endswith(("x", "lace")) }}|{{ "xxaxx".strip("x") }}|{{ "  a ".lstrip() }}|{{ name.find("L") }}
{{ "a.b.c".rsplit(".", 1) }}|{{ "a.b.c".split(".", 1) }}|{{ "aXbX".count("X") }}|{{ "-".join(items) }}
{% for i in items %}{{ loop.index }}{{ i }}{{ "," if not loop.last }}{% endfor %}
{% for i in none_list %}x{% else %}none{% endfor %}|{% for k, v in user.items() %}{{ k }}={{ v }};{% endfor %}
{% for i in items if i != "b" %}{{ loop.index0 }}/{{ loop.length }}{{ i }} {% endfor %}
{% for i in range(2, 9, 3) %}{{ i }}{{ loop.cycle("o", "e") }}{% endfor %}|{% for c in "añ" %}[{{ c }}]{% endfor %}
{% for a in [1, 2] %}{% for b in [3, 4] %}{{ a }}{{ b }}{{ loop.first }} {% endfor %}{% endfor %}
{% for i in items %}{% if loop.previtem is defined %}{{ loop.previtem }}<{% endif %}{{ i }}{% if i == "c" %}{% break %}{% endif %}{% endfor %}
{% for i in items %}{% if i == "b" %}{% continue %}{% endif %}{{ i }}{{ loop.revindex }}{% endfor %}
{% set a = 1 %}{% for i in items %}{% set a = a + 1 %}{% endfor %}{{ a }}|{% set ns = namespace(c=0) %}{% for i in items %}{% set ns.c = ns.c + 1 %}{% endfor %}{{ ns.c }}
{% set a, b = 1, [2, 3] %}{{ a }}{{ b }}|{% set block %}x{{ n }}{% endset %}{{ block }}
{% if n > 10 %}a{% elif n == 7 %}b{% else %}c{% endif %}|{% if none_list %}x{% elif empty %}y{% else %}z{% endif %}
{% macro m(a, b="B") %}[{{ a }}{{ b }}]{% endmacro %}{{ m(1) }}{{ m(2, 3) }}{{ m(b=4, a=5) }}
{% macro f(k) %}{% if k > 0 %}{{ k }}{{ f(k - 1) }}{% endif %}{% endmacro %}{{ f(4) }}
{{ missing is defined }}|{{ n is defined }}|{{ nothing is none }}|{{ name is string }}|{{ n is number }}|{{ user is mapping }}|{{ items is sequence }}|{{ n is divisibleby 7 }}|{{ n is not even }}|{{ yes is true }}
{# comment #}a{# another #}b
{%- if yes -%}  trimmed  {%- endif -%}  end
a  {{- " b " -}}  c
{% raw %}{{ not evaluated }} {% if %}{% endraw %}!
{{ "tab\tnew\nline \\ \"q\" 'q'" }}|{{ 'it\'s' }}
{{ dict(a=1, b=n) | tojson }}|{{ user | dictsort }}|{{ user.get("age") }}{{ user.get("zip", "-") }}|{{ user.keys() | list }}
{{ "line1\nline2\n\nline4" | indent(2) }}|{{ "a\nb" | indent(2, true) }}|{{ "a b c" | wordcount }}|{{ quote | escape }}
{{ nums | batch(2) | list }}|{{ [] | first | default("-") }}|{{ [[1, 2], [3]] | map("first") | list }}
{{ "é" | upper }}{{ "ÀB" | lower }}|{{ "日本語"[1] }}|{{ "日本語" | length }}
'''.strip("\n").split("\n")
BLOCKS = [
    "{% for i in items %}\n  {% if i == 'b' %}\n    B\n  {% endif %}\n  {{ i }}\n{% endfor %}\nend\n",
    "  {% set q = 1 %}\n  text {% if q %} inline {% endif %}\n\n",
    "{%+ if yes %}\n  kept {%+ endif %}\n  after",
    "line\r\n{{ n }}\r\nlast\r\n",
    "{%- for m in rows -%}\n  {{- m.k }}\n{% endfor -%}\n done",
]


def main():
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols])
    env.filters["tojson"] = lambda v, indent=None: json.dumps(v, ensure_ascii=False, indent=indent)
    cases = []
    for text in TEMPLATES + BLOCKS:
        cases.append({"template": text, "rendered": str(env.from_string(text).render(**VARIABLES))})
    common.save_json("templates.json", {
        "about": "templates rendered by Jinja2", "versions": common.versions("jinja2"),
        "variables": VARIABLES, "cases": cases})


if __name__ == "__main__":
    main()
