"""Small templates, one for each corner of the language that chat templates reach, all rendered with VARIABLES by jinja2 and by Fathom."""
import re

VARIABLES = r'''{"s": "Hello World", "e": "", "w": " \t x y \n", "u": "straße Éa ǅ ﬁ İ", "m": "a\nb\r\nc\u2028d\n", "n": 3, "z": 0, "f": 2.5, "t": true, "no": false,
"none": null, "l": [3, 1, 2], "el": [], "ls": ["b", "a", "C", "b"], "d": {"b": 1, "a": "x", "C": [1, {"k": null}]}, "ed": {}, "big": 123456789012345678901234567890,
"small": 1e-7, "huge": 1e22, "neg": -7, "q": "it's \"q\" \\ \u0007 \u00a0 é 🌍", "html": "<a href=\"x\">&'</a>", "ld": [{"n": "x", "v": 2, "on": true}, {"n": "y", "v": 1},
{"n": "x", "v": 3, "on": false}], "items": {"items": 5, "keys": 6, "get": 7}, "nested": {"a": {"b": {"c": [10, 20, [30]]}}}, "nan": NaN, "inf": Infinity, "mixed": [1, "a", null, true, 1.5]}'''

SNIPPETS = r'''
{{ 1 + 2 * 3 ** 2 }} {{ -2 ** 2 }} {{ 2 ** -1 }} {{ 2 ** 3 ** 2 }} {{ (-2) ** 2 }} {{ 2 ** 0.5 }}
{{ 7 // 2 }} {{ -7 // 2 }} {{ 7 // -2 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ 7 / 2 }} {{ 6 / 2 }} {{ 7.5 // 2 }} {{ -7.5 % 2 }} {{ 1 // 0.3 }}
{{ 1 / 0 }}
{{ 1 // 0 }}
{{ 1 % 0 }}
{{ 1e3 }} {{ 1.5e-7 }} {{ 1e16 }} {{ 1e15 }} {{ 123456789.125 }} {{ 0.1 + 0.2 }} {{ 1.0 }} {{ -0.0 }} {{ 1e100 }} {{ 1E+5 }} {{ 0.00001 }} {{ 0.0001 }}
{{ 1_000 }} {{ 0x1F }} {{ 0b101 }} {{ 0o17 }} {{ 0xff_ff }}
{{ 00 }} {{ 0 }}
{{ 012 }}
{{ 12345678901234567890 }} {{ 9223372036854775807 }} {{ -9223372036854775808 }}
{{ big }} {{ big|string|length }} {{ big == big }} {{ big > 1 }}
{{ small }} {{ huge }} {{ nan }} {{ inf }} {{ -inf }} {{ huge|int }}
{{ 'a' ~ 1 ~ none ~ true ~ 1.0 ~ [1, 'x'] ~ {'k': none} }}
{{ 'a' 'b' "c" }}
{{ 'a' + 'b' * 3 }} {{ 3 * 'ab' }} {{ [1] * 2 + [3] }} {{ 'a' * 0 }} {{ 'a' * -1 }}
{{ 'a' + 1 }}
{{ 1 + 'a' }}
{{ [1] + 'a' }}
{{ none + 'a' }}
{{ 1 + true }} {{ true + true }} {{ true * 3 }} {{ -true }} {{ +5 }} {{ - 5 }} {{ --5 }}
{{ not a }} {{ not 1 == 2 }} {{ not not 1 }} {{ not '' and 'x' }} {{ '' or 'y' }} {{ 0 or none }} {{ 1 and 2 }} {{ 1 and 0 or 3 }}
{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 1 == 1.0 }} {{ true == 1 }} {{ '1' == 1 }} {{ none == false }} {{ 'a' < 'b' }} {{ [1,2] < [1,3] }} {{ 3 != 3 }}
{{ 1 < 'a' }}
{{ none < 1 }}
{{ [1] == [1.0] }} {{ {'a': 1} == {'a': 1.0} }} {{ (1, 2) == [1, 2] }} {{ {'a': 1, 'b': 2} == {'b': 2, 'a': 1} }}
{{ 'a' in 'cat' }} {{ 1 in l }} {{ 'a' in d }} {{ 'z' not in d }} {{ not 'z' in d }} {{ '' in 'x' }} {{ 1 in [] }} {{ none in [none] }} {{ 1.0 in l }}
{{ 1 in 'a' }}
{{ 'a' in 1 }}
{{ 'a' in none }}
{{ 'a' in missing }}
{{ 1 if t else 2 }} {{ 1 if no }}|{{ (1 if no) is defined }} {{ 'a' if z else 'b' if n else 'c' }} {{ 'x' if missing }}
{{ l[0] }} {{ l[-1] }} {{ l[5] }}| {{ l['x'] }}| {{ s[0] }} {{ s[-1] }} {{ s[50] }}| {{ d['b'] }} {{ d.b }} {{ d['zz'] }}| {{ d.C[1].k }}
{{ l[1:] }} {{ l[:-1] }} {{ l[::-1] }} {{ l[::2] }} {{ s[1:4] }} {{ s[::-1] }} {{ s[-3:] }} {{ l[5:] }} {{ l[2:0:-1] }} {{ s[:100] }} {{ l[none:2] }} {{ u[4:8] }}
{{ l[::0] }}
{{ d[1:2] }}
{{ none[0] }}
{{ missing.x }}
{{ missing['x'] }}
{{ d.missing.x }}
{{ none.x }}|{{ (1).x }}|{{ s.nope }}|{{ l.nope }}
{{ none.x.y }}
{{ missing }}|{{ missing is defined }}|{{ missing|default('d') }}|{{ e|default('d') }}|{{ e|default('d', true) }}|{{ none|default('d') }}|{{ none|d('x', true) }}|{{ missing|length }}|{{ missing|list }}
{{ missing() }}
{{ missing + 1 }}
{{ -missing }}
{{ missing == missing2 }} {{ missing != 1 }} {{ missing ~ 'x' }} {{ not missing }} {{ missing or 'y' }} {{ missing == none }}
{{ missing < 1 }}
{% for x in missing %}x{% else %}none{% endfor %}
{% for x in none %}x{% endfor %}
{% for x in 5 %}x{% endfor %}
{{ s }} {{ n }} {{ f }} {{ t }} {{ no }} {{ none }} {{ l }} {{ d }} {{ el }} {{ ed }} {{ mixed }} {{ [nan, inf, small] }}
{{ [q] }} {{ [s, "it's", 'say "hi"', 'both \' and "'] }} {{ ['\n\t\r\\ \x01 \x7f'] }} {{ [u, m] }} {{ ['é', '🌍', '\u200b', '\u00ad', '\ue000', '\u0378', '日本', '\u0301', '\u2028'] }}
{{ (1,) }} {{ (1, 2) }} {{ () }} {{ ('a', (none,)) }} {{ [()] }}
{{ '\u00e9\x41\101\n|' }} {{ "\"" }} {{ '\'' }} {{ "\q" }} {{ '\U0001f30d' }} {{ '\0' }} {{ '\x4' }} {{ '\u12' }}
{{ {1: 'a', 'b': [true], none: 2, 1.5: 3, true: 4} }}
{{ {'a': 1}['a'] }} {{ {'a': {'b': 2}}.a.b }} {{ [1, 2,][1] }} {{ {'a': 1,} }}
{{ {'a': 1, 'a': 2} }}
{{ {[1]: 2} }}
{{ s|upper }} {{ s|lower }} {{ s|title }} {{ s|capitalize }} {{ u|upper }} {{ u|lower }} {{ u|title }} {{ u|capitalize }} {{ u.swapcase() }}
{{ "it's o'neil-x foo_bar 3rd (abc)"|title }} {{ "it's o'neil-x foo_bar 3rd"|capitalize }} {{ "it's o'neil-x foo_bar 3rd".title() }}
{{ w|trim }}| {{ w.strip() }}| {{ w.lstrip() }}| {{ w.rstrip() }}| {{ 'xxaxx'.strip('x') }} {{ 'abcab'.lstrip('ba') }} {{ 'xyx'|trim('x') }} {{ '\u3000\u00a0a\u200b\x1c'|trim }}| {{ '\x85a'.strip() }}
{{ w.strip(none) }}|{{ 'a'.strip('') }}
{{ s.split() }} {{ s.split('o') }} {{ s.split('o', 1) }} {{ s.rsplit('o', 1) }} {{ w.split() }} {{ 'a,,b'.split(',') }} {{ ''.split() }} {{ ''.split(',') }} {{ ' a  b '.split(' ') }} {{ 'a b c'.split(none, 1) }} {{ 'a b  c '.rsplit(none, 1) }} {{ ' a b  c '.split(maxsplit=1) }} {{ 'abc'.split(sep='b') }}
{{ s.split('') }}
{{ m.splitlines() }} {{ m.splitlines(true) }} {{ ''.splitlines() }} {{ 'a\n\nb'.splitlines() }} {{ 'a\x1cb\x85c\x0bd'.splitlines() }}
{{ s.startswith('He') }} {{ s.endswith(('x', 'ld')) }} {{ s.startswith('World', 6) }} {{ s.startswith('') }} {{ s.endswith('lo', 0, 5) }}
{{ s.startswith(1) }}
{{ s.replace('o', '0') }} {{ s.replace('o', '0', 1) }} {{ s|replace('l', 'L') }} {{ s|replace('l', 'L', 1) }} {{ 'abc'.replace('', '-') }} {{ 'aaa'.replace('aa', 'b') }} {{ 'abc'|replace('', '-') }}
{{ s.find('o') }} {{ s.rfind('o') }} {{ s.find('zz') }} {{ s.index('W') }} {{ s.count('l') }} {{ s.find('o', 5) }} {{ 'éa'.find('a') }} {{ 'aaa'.count('') }}
{{ s.index('zz') }}
{{ s.rindex('o') }} {{ s.partition(' ') }} {{ s.rpartition('o') }} {{ s.partition('zz') }} {{ s.removeprefix('He') }} {{ s.removesuffix('ld') }} {{ s.zfill(15) }} {{ '-5'.zfill(4) }} {{ s.center(15, '*') }} {{ s.ljust(13) }}| {{ s.rjust(13) }} {{ s.casefold() }}
{{ 'abc'.isalpha() }} {{ 'ab1'.isalnum() }} {{ '12'.isdigit() }} {{ ' '.isspace() }} {{ ''.isspace() }} {{ 'AB'.isupper() }} {{ 'ab1'.islower() }} {{ 'Ab Cd'.istitle() }} {{ '½'.isnumeric() }} {{ '²'.isdigit() }} {{ '²'.isdecimal() }} {{ 'a_1'.isidentifier() }} {{ 'é'.isascii() }}
{{ ','.join(ls) }} {{ ', '.join(d) }} {{ ls|join }} {{ ls|join('-') }} {{ l|join(',') }} {{ ld|join(',', attribute='n') }} {{ d|join('+') }} {{ 'abc'|join('.') }} {{ mixed|join('|') }} {{ [html, 1]|join }}
{{ ','.join(l) }}
{{ '%s is %d or %5.2f%% %r %x %05d %-5s| %+d %e %g %c' % ('a', 3, 2.5, 'b', 255, 42, 'c', 7, 12345.678, 0.0001, 'z') }}
{{ '%s' % 'a' }} {{ '%s' % [1] }} {{ '%s' % none }} {{ '%s' % (1,) }} {{ '%(a)s %(b)d' % {'a': 1, 'b': 2} }} {{ '%%' % () }} {{ '%s' % d }} {{ '%d' % 3.9 }} {{ '%i' % true }} {{ '%o' % 8 }} {{ '%X' % 255 }} {{ '%.3s|' % 'abcdef' }} {{ '%*d' % (5, 3) }} {{ '%5s|' % 'a' }}
{{ '%s %s' % ('a',) }}
{{ '%d' % 'a' }}
{{ 'x' % 1 }}
{{ '%s %s'|format('a', 2) }} {{ '%(a)s'|format(a=1) }}
{{ '{} {}'.format('a', 1) }} {{ '{1} {0}'.format('a', 'b') }} {{ '{a} {b!r}'.format(a=1, b='x') }} {{ '{:>5}|{:<5}|{:^5}|{:05d}|{:.2f}|{:,}|{:x}|{:%}'.format('a', 'b', 'c', 42, 2.5, 1234567, 255, 0.5) }} {{ '{{}}'.format() }} {{ '{0[0]} {1[k]}'.format([1], {'k': 2}) }}
{{ '{}'.format() }}
{{ '{0.__class__}'.format(1) }}
{{ s.__class__ }}|{{ l.__len__ }}|{{ s._x }}
{{ s.__class__.__mro__ }}
{{ ''.__class__() }}
{{ l.append(1) }}
{{ d.update({'a': 1}) }}
{{ d.pop('a') }}
{{ l.sort() }}
{{ l.pop() }}
{{ d.setdefault('q', 1) }}
{{ d.clear() }}
{{ l.index(1) }} {{ l.count(2) }} {{ l.copy() }} {{ d.copy() }} {{ (1, 2, 1).count(1) }} {{ (1, 2).index(2) }}
{{ l.index(9) }}
{{ d.get('b') }} {{ d.get('zz') }} {{ d.get('zz', 'dd') }} {{ d.keys() }} {{ d.values() }} {{ d.items() }} {{ d.keys()|list }} {{ d.items()|list }} {{ d|list }} {{ d|items|list }} {{ ed.items()|list }}
{{ d.get() }}
{{ missing|items|list }}
{{ l|items|list }}
{{ items.items }} {{ items['items'] }} {{ items.get }} {{ items.keys }}
{{ items.items() }}
{{ nested.a.b.c[2][0] }} {{ nested['a'].b['c'][-1] }} {{ nested|tojson }} {{ nested.a.b.c.1 }}
{{ l|length }} {{ s|length }} {{ u|length }} {{ d|length }} {{ l|count }} {{ '🌍'|length }} {{ 'e\u0301'|length }}
{{ 5|length }}
{{ none|length }}
{{ l|first }} {{ l|last }} {{ el|first }}| {{ s|first }} {{ s|last }} {{ el|last }}| {{ d|first }} {{ d|last }}
{{ l|sort }} {{ l|sort(reverse=true) }} {{ ls|sort }} {{ ls|sort(case_sensitive=true) }} {{ ld|sort(attribute='v') }} {{ ld|sort(attribute='n,v') }} {{ ls|sort|join }} {{ 'hello'|sort }} {{ d|sort }}
{{ mixed|sort }}
{{ l|reverse|list }} {{ s|reverse }} {{ l|sum }} {{ ld|sum(attribute='v') }} {{ l|sum(start=10) }} {{ l|max }} {{ l|min }} {{ ls|max }} {{ ls|min }} {{ el|max }}| {{ ld|max(attribute='v') }} {{ el|sum }} {{ [1.5, 2]|sum }}
{{ ls|unique|list }} {{ [1, 1.0, true, 2]|unique|list }} {{ ['a', 'A']|unique|list }} {{ ['a', 'A']|unique(true)|list }} {{ ld|unique(attribute='n')|list }}
{{ s|list }} {{ 5|string }} {{ none|string }} {{ l|string }} {{ '5'|int }} {{ 'x'|int }} {{ 'x'|int(7) }} {{ '5.7'|int }} {{ 5.9|int }} {{ '0x1f'|int(base=16) }} {{ '101'|int(0, 2) }} {{ true|int }} {{ none|int }} {{ ' 42 '|int }} {{ '1e3'|int }} {{ '5.5'|float }} {{ 'x'|float }} {{ 3|float }} {{ none|float(1.5) }} {{ l|float }}
{{ -5|abs }} {{ (-5)|abs }} {{ -2.5|abs }} {{ 2.567|round(2) }} {{ 2.5|round }} {{ 3.5|round }} {{ 2.1|round(method='ceil') }} {{ 2.9|round(0, 'floor') }} {{ 2|round }} {{ 1234|round(-2) }} {{ 2.675|round(2) }}
{{ html|escape }} {{ html|e }} {{ html|safe }} {{ html|forceescape }} {{ html|e|e }} {{ (html|e) ~ '<' }} {{ '<'|safe ~ html }} {{ html|striptags }} {{ (html|escape)|length }} {{ [html|e] }} {{ (html|e) + '<' }}
{{ html|urlencode }} {{ 'a b/é?&'|urlencode }} {{ d|urlencode }} {{ 'one two three four'|truncate(9) }} {{ 'one two three four'|truncate(9, true) }} {{ 'one two three four'|truncate(9, true, '') }} {{ 'one two'|truncate(255) }} {{ 'a b c'|wordcount }} {{ 'foo bar baz'|wordwrap(7) }} {{ s|center(20) }}| {{ 'a\nb\n\nc'|indent }} {{ 'a\nb'|indent(2, true) }} {{ 'a\n\nb'|indent(2, blank=true) }} {{ 'a\nb'|indent('> ') }} {{ 1234567|filesizeformat }} {{ 1000|filesizeformat(true) }}
{{ l|tojson }} {{ d|tojson }} {{ q|tojson }} {{ html|tojson }} {{ none|tojson }} {{ t|tojson }} {{ f|tojson }} {{ 1.0|tojson }} {{ small|tojson }} {{ huge|tojson }} {{ big|tojson }} {{ nan|tojson }} {{ inf|tojson }} {{ el|tojson }} {{ ed|tojson }} {{ (1, 2)|tojson }} {{ '\u007f\u2028é🌍\b\f\n\r\t'|tojson }}
{{ d|tojson(indent=2) }} {{ el|tojson(indent=2) }} {{ ed|tojson(indent=2) }} {{ [[]]|tojson(indent=1) }} {{ nested|tojson(indent=4) }} {{ l|tojson(indent=0) }} {{ l|tojson(indent='\t') }} {{ 5|tojson(indent=2) }}
{{ d|tojson(separators=(',', ':')) }} {{ d|tojson(separators=(', ', '= '), indent=1) }} {{ d|tojson(sort_keys=true) }} {{ q|tojson(ensure_ascii=true) }} {{ '🌍\x7f'|tojson(true) }} {{ d|tojson(ensure_ascii=False) }} {{ d|tojson(false, 1) }}
{{ {1: 2, none: 3, true: 4, 1.5: 5}|tojson }}
{{ {(1, 2): 3}|tojson }}
{{ missing|tojson }}
{{ d.items()|tojson }}
{{ l|map('string')|tojson }}
{{ l|tojson(foo=1) }}
{{ s|tojson|safe }} {{ s|tojson|length }} {{ (l|tojson)[0] }} {{ l|tojson ~ '<' }}
{{ l|map('string')|list }} {{ ld|map(attribute='n')|list }} {{ ld|map(attribute='on')|list }} {{ ld|map(attribute='on', default='-')|list }} {{ ls|map('upper')|join(',') }} {{ ls|map('replace', 'b', 'x')|join }} {{ [[1, 2], [3]]|map('first')|list }} {{ [[1, 2]]|map(attribute=1)|list }} {{ ls|map('length')|sum }} {{ nested|map('upper')|list }} {{ ld|map(attribute='n.x')|list }}
{{ l|map('nope')|list }}
{{ l|map|list }}
{{ l|select|list }} {{ mixed|select|list }} {{ mixed|reject|list }} {{ l|select('odd')|list }} {{ l|reject('odd')|list }} {{ l|select('>', 1)|list }} {{ l|select('equalto', 2)|list }} {{ l|select('in', [1, 2])|list }} {{ mixed|select('string')|list }} {{ mixed|select('number')|list }}
{{ ld|selectattr('on')|list }} {{ ld|selectattr('n', 'equalto', 'x')|list }} {{ ld|selectattr('v', '>', 1)|map(attribute='v')|list }} {{ ld|rejectattr('on')|list }} {{ ld|rejectattr('n', '==', 'x')|list }} {{ ld|selectattr('on', 'defined')|list|length }} {{ ld|selectattr('n', 'in', ['x'])|list|length }} {{ ld|selectattr('zz', 'undefined')|list|length }} {{ ld|selectattr('n', 'ne', 'x')|first }}
{{ ld|selectattr('n', 'nope')|list }}
{{ d|dictsort }} {{ d|dictsort(true) }} {{ {'b': 2, 'a': 3}|dictsort(by='value') }} {{ {'b': 2, 'a': 3}|dictsort(false, 'key', true) }} {{ {'b': 'Z', 'a': 'y'}|dictsort(by='value') }}
{{ ld|groupby('n') }} {% for k, g in ld|groupby('n') %}{{ k }}:{{ g|length }} {% endfor %} {{ (ld|groupby('n'))[0].grouper }} {{ (ld|groupby('n'))[0].list|length }}
{{ [1,2,3,4,5]|batch(2)|list }} {{ [1,2,3]|batch(2, '-')|list }} {{ [1,2,3,4,5]|slice(2)|list }} {{ [1,2,3]|slice(2, '-')|list }}
{{ d|attr('b') }}| {{ s|attr('upper') is defined }} {{ s|xmlattr is defined }}
{{ {'a': 1, 'b': none, 'c': '<'}|xmlattr }}
{{ l|nope }}
{{ s is nope }}
{{ 1 is defined }} {{ s is string }} {{ 1 is string }} {{ 1 is number }} {{ 1.5 is number }} {{ true is number }} {{ true is integer }} {{ 1 is integer }} {{ 1.0 is float }} {{ true is boolean }} {{ 1 is boolean }} {{ none is none }} {{ l is sequence }} {{ s is sequence }} {{ d is sequence }} {{ 5 is sequence }} {{ l is iterable }} {{ s is iterable }} {{ 5 is iterable }} {{ d is mapping }} {{ l is mapping }} {{ missing is iterable }} {{ missing is sequence }} {{ missing is none }} {{ missing is string }} {{ none is iterable }} {{ true is true }} {{ 1 is true }} {{ false is false }} {{ 0 is false }} {{ missing is true }}
{{ 3 is odd }} {{ 4 is even }} {{ 9 is divisibleby(3) }} {{ 9 is divisibleby 3 }} {{ 1 is eq(1) }} {{ 1 is equalto 1 }} {{ 1 is ne 2 }} {{ 1 is lt 2 }} {{ 1 is gt 2 }} {{ 1 is ge 1 }} {{ 1 is lessthan 2 }} {{ 1 is in [1] }} {{ 'a' is lower }} {{ 'A' is upper }} {{ s is callable }} {{ range is callable }} {{ 1 is sameas 1 }} {{ none is sameas none }} {{ 'upper' is filter }} {{ 'nope' is filter }} {{ 'odd' is test }} {{ s is escaped }} {{ 1 is not string }} {{ not 1 is string }} {{ 1 is string or 1 is number }} {{ 2 + 2 is even }} {{ 3 is divisibleby 2 + 1 }}
{{ missing is odd }}
{{ 'x' is odd }}
{{ missing is defined and missing.x }} {{ d.zz is defined }} {{ d.b is defined }} {{ l[9] is defined }} {{ d.zz.yy is defined }}
{{ missing is lower }}
{% if l %}a{% endif %}{% if el %}b{% elif ed %}c{% elif e %}d{% elif z %}e{% elif none %}f{% elif missing %}g{% else %}h{% endif %}
{% for x in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }}{{ loop.depth0 }}{{ loop.cycle('a', 'b') }}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.changed(x) }} {% endfor %}
{% for x in l %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }}{{ loop.previtem.x if not loop.first }} {% endfor %}
{% for x in l if x > 1 %}{{ loop.index }}/{{ loop.length }}:{{ x }} {% else %}none{% endfor %}{% for x in l if x > 9 %}{{ x }}{% else %}none{% endfor %}
{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}{% for k in d %}{{ k }}{% endfor %}{% for c in s %}{{ c }}.{% endfor %}{% for a, b in [[1, 2], (3, 4), 'xy'] %}{{ a }}-{{ b }} {% endfor %}{% for a, (b, c) in [(1, (2, 3))] %}{{ a + b + c }}{% endfor %}
{% for a, b in [[1, 2, 3]] %}{{ a }}{% endfor %}
{% for a, b in [1] %}{{ a }}{% endfor %}
{% for x in l recursive %}{{ x }}{% if loop.depth < 3 %}({{ loop(l[1:2]) }}){% endif %}{% endfor %}
{% for x in l %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}|{% for x in l %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% endfor %}|{% for x in l %}{% break %}{% else %}E{% endfor %}
{% break %}
{% for x in l %}{% for y in ls %}{% if y == 'C' %}{% break %}{% endif %}{{ x }}{{ y }}{{ loop.index }}{{ loop.depth }} {% endfor %}{{ loop.index }}{% endfor %}
{% set x = 1 %}{% for i in l %}{% set x = x + i %}{{ x }},{% endfor %}{{ x }}
{% set ns = namespace(x=1, y='a') %}{% for i in l %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}{{ ns.y }}{{ ns.zz }}|{{ ns.zz is defined }}{% set ns.new = 5 %}{{ ns.new }}{{ ns['x'] }}
{% set ns = namespace(d, z=1) %}{{ ns.b }}{{ ns.z }} {% set ns2 = namespace([['p', 1]]) %}{{ ns2.p }}
{{ namespace(a=1) }}
{% set ns = namespace() %}{% set ns._x = 1 %}
{% set d.x = 1 %}
{% set missing.x = 1 %}
{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set a, b = b, a %}{{ a }}{{ b }}{% set c = 1, %}{{ c }}{% set x = (1, 2) %}{{ x }}
{% set a, b = [1] %}
{% set x %}block {{ n }} text{% endset %}{{ x }}|{{ x|upper }}{% set y | upper | trim %}  ab {% endset %}{{ y }}|
{% if true %}{% set inside = 1 %}{% endif %}{{ inside }}{% for i in [1] %}{% set inloop = 1 %}{% endfor %}{{ inloop }}|
{% macro m(a, b=2, c='x') %}{{ a }}{{ b }}{{ c }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1) }} {{ m(1, 3) }} {{ m(1, c=4) }} {{ m(1, 2, 3, 4, z=5) }} {{ m() }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(a=1, b=2) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, a=2) }}
{% macro m(x) %}{% if x > 0 %}{{ x }}{{ m(x - 1) }}{% endif %}{% endmacro %}{{ m(3) }}{% macro n2() %}{{ n }}{{ s|upper }}{% endmacro %}{{ n2() }}{{ m.name }}{{ m.arguments }}{{ m.catch_kwargs }}
{% macro w(a) %}[{{ caller() }}{{ a }}]{% endmacro %}{% call w(1) %}in{% endcall %}{% macro w2() %}{{ caller('x', 2) }}{% endmacro %}{% call(a, b) w2() %}{{ a }}{{ b }}{% endcall %}
{% macro m() %}{{ caller is defined }}{% endmacro %}{{ m() }}{% macro m2(a=n, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m2() }} {% macro m3() %}  x  {% endmacro %}{{ m3()|trim }}|{{ m3() ~ 'y' }}|{{ m3() + '<' }}
{% set x = 5 %}{% macro m() %}{{ x }}{% endmacro %}{% set x = 6 %}{{ m() }}{% for i in [1] %}{% set x = 7 %}{{ m() }}{% endfor %}
{% for i in l %}{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% endfor %}
{% filter upper %}ab {{ s }}{% endfilter %}{% filter replace('a', 'b')|trim %} aa {% endfilter %}|
{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}{{ a }}{% with %}{% set q = 9 %}{{ q }}{% endwith %}
{% raw %}{{ not }} {% raw %}{% endraw %}{%- raw -%}  x  {%- endraw -%}  |
{# comment {{ x }} #}a{#- b -#} c {# d #} e {# f
{% generation %}{{ s }}{% endgeneration %}{% generation %}{% set g = 1 %}{% endgeneration %}{{ g }}|
{% include 'x' %}
{% extends 'x' %}
{% import 'x' as y %}
{% do l.append(1) %}
{% nope %}
{% if %}
{% if x
{{ x
{{ x }
{{ }}
{% endif %}
{% for x in l %}
{{ 'abc }}
{{ a b }}
{{ (1, 2 }}
{{ [1, 2 }}
{{ x|  }}
{{ 1 + }}
{{ == 1 }}
{{ 'a'.'b' }}
{{ a..b }}
{% set 1 = 2 %}
{% set x %}
{% for 1 in l %}{% endfor %}
{% for x of l %}{% endfor %}
{% macro %}{% endmacro %}
{% else %}
{{ true }} {{ True }} {{ TRUE is defined }} {{ none }} {{ None }} {{ false }} {{ False }}
{% set true = 1 %}
{{ range(3) }} {{ range(3)|list }} {{ range(1, 4)|list }} {{ range(5, 0, -2)|list }} {{ range(0)|list }} {{ range(3)[1] }} {{ range(3)|length }} {{ 2 in range(3) }} {{ range(5)[1:3] }} {% for i in range(2) %}{{ i }}{% endfor %}
{{ range(1, 2, 0) }}
{{ range('a') }}
{{ range(10000000)|length }}
{{ dict(a=1, b=2) }} {{ dict({'a': 1}, b=2) }} {{ dict([['a', 1]]) }} {{ dict() }} {{ dict.fromkeys(['a'], 1) }} {% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }} {% set j = joiner(',') %}{{ j() }}a{{ j() }}b
{{ raise_exception('stop ' ~ n) }}
{{ strftime_now('%Y-%m-%d %H:%M:%S %j %a %A %b %B %y %I %p %% %d') }} {{ strftime_now('%-d %-m %e %U %w') }} {{ strftime_now('') }}
{{ strftime_now('%Y')|int + 1 }} {{ strftime_now("%d %b %Y") }}
{{ 'x' if s == 'Hello World' and n in [3] and d.b is defined else 'y' }} {{ (s ~ n)|upper|length + 1 }} {{ -n|abs }} {{ n|string + 'x' }} {{ 'a' ~ 'b'|upper }} {{ 1 ~ 2 + 3 }} {{ not n in l }} {{ n == 3 is true }}
{{ s.upper().lower()[1:].split('l')[0] }} {{ (l + [4])|length }} {{ [x for x in l] }}
{{ s|upper() }} {{ s | upper | lower }} {{ l|join(d=',') }} {{ s|default(value='x') }} {{ s | replace("H", "J") | replace("o", "0") }}
{{ l is sequence and l is not string and l is not mapping }} {{ d is mapping and d is iterable }} {{ s is string and s|length > 0 }}
{{ [1, 2, 3][-1:] }} {{ ([1, 2, 3][:1])[0] }} {{ 'abc'[1:][0] }} {{ (l|first) + 1 }} {{ (d.items()|list)[0][1] }} {{ d.keys()|first }} {{ (ld|last).v }} {{ ld[0]['n'] }}{{ ld[0].n }}
{{ *l }}
{{ m(*l) }}
{% macro m(a, b, c) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(*l) }} {{ m(**{'a': 1, 'b': 2, 'c': 3}) }} {{ m(1, *[2, 3]) }}
{{ s.expandtabs() }} {{ 'a\tb'.expandtabs(4) }} {{ s.maketrans }}
{{ n.real }} {{ n.bit_length() }} {{ f.is_integer() }} {{ n.__class__ }}
{{ loop }}
{{ caller }}
{{ varargs }}
{{ l|groupby }}
{{ l[0][0] }}
{{ l.0 }} {{ d.b.c }}| {{ ld.0.n }}
{{ l[] }}| {{ d[] }}| {{ l[0, 1] }}| {{ l[:] }}
{{ l[0,] }}
{% set ns = namespace(missing) %}
{{ dict(missing) }}
{{ [l, d]|sort(attribute='v') }} {{ ld|sort(attribute='zz')|length }} {{ ['b', 'a']|sort(attribute='x') }} {{ [d]|sort(attribute='v') }} {{ [range(3), range(3)]|sort }}
{{ [{'v': 1}, {}]|sort(attribute='v') }}
{{ 'a' % range(3) }} {{ '%s' % range(3) }}
{{ ("a", "b")|join }} {{ {'a': (1, 2)}|tojson }} {{ [(1, 2)]|tojson }} {{ {'x': missing}|string|length }}
{{ [missing] }} {{ [missing]|length }} {{ [missing]|first is defined }}
{{ [missing]|tojson }}
{{ [1, 2, 3] | join(', ') | string }} {{ ['a', 'b'] | join(' and ') }} {{ none ~ '' }} {{ (none or '') ~ 'x' }} {{ 'yes' if none is none else 'no' }}
{% if 'tool_calls' in d and d.tool_calls %}x{% elif d.tool_calls is not defined or not d.tool_calls %}y{% endif %}{% if d['b'] == 1 and not (d['zz'] | default(false)) %}z{% endif %}
{% set messages = [{'role': 'a', 'content': 'x'}] + ld[:1] %}{{ messages|length }}{{ messages[0].role }}{% set loop_messages = messages[1:] %}{{ loop_messages }}
{%- set content = s.split('</think>')[-1].lstrip('\n') %}{{ content }} {{ s.split('World')|last|trim }}| {{ '<think>x</think>y'.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') }}
'''

# What jinja2 renders and Fathom refuses by an error: no chat template has these.
NOT_SUPPORTED = r'''
{{ 9223372036854775807 + 1 }}
{{ 9223372036854775807 * 2 }}
{{ "\N{BULLET}" }}
{{ d|pprint }}
{{ l|random is number }}
{% block b %}{{ s }}{% endblock %}{{ self.b() }}
{% autoescape true %}{{ html }}{% endautoescape %}
{{ lipsum(1)|length > 10 }}
{{ s.encode() }}
{{ s.translate({72: 'J'}) }}
'''

# Those with line ends in them: white space around statements.
LINES = [
    'a\n  {% if true %}  \n  b\n  {% endif %}  \nc',
    'a\n    {%- if true -%}\n   b\n    {%- endif +%}\nc',
    '  {%+ if true %}x{% endif %}\n  {{ 1 }}\n{{ 2 }}\n\n{{- 3 -}}\n\nx {%- set a = 1 %}\n  {# c #}\ny',
    '{% for i in l %}\n  {{ i }}\n{% endfor %}\nend\n   {% set x = 1 %}   {% set y = 2 %}\nz',
    '{% if true -%}\n\n  p\n\n{%- endif %}q {% if true %}\nr{% endif %}\n{{ "a" -}}   b   {{- "c" }}',
    "{{ 'a\\\nb' }}{{ 'c\nd' }}",
    'a\r\n{% if true %}\r\nb\r{% endif %}\r\n{{ 1 }}\r\n',
    'x\n',
    'x\n\n',
    '\n',
    '',
    '{{ 1 }}\n',
    '{% if true %}\n',
    '{# a\nb #}\nc\n{#- d\n-#}\n e',
    '\t{% if true %}\t\n\tx\t{% endif %}',
    '{{ 1\n+\n2 }}{% set\nx\n=\n[\n1,\n2\n]\n%}{{\nx\n}}',
    '{% for x in l -%}\n  {{ x }}\n{%- endfor %}\n',
    '  {%- if true %}\n  a{% endif -%}  \n\n b',
    'a {% raw %}\n {% if %}\n{% endraw %}\nb',
    '{% raw -%}\n a \n{%- endraw %}\nb',
    'x  {% if true %}\n\n\ny{% endif %}\xa0{%- set z = 1 -%}\u3000w',
    'a{%if true%}b{%endif%}c{{1}}d{#e#}',
    '{{\'{{\'}}{{"%}"}}{% set x = \'%}\' %}{{ x }}{{ \'#}\' }}',
    'a # not a comment\n## neither\n% x',
    '{{ 1 }}{# unclosed #} #} }} %}',
    'line one\n\n{{ missing.x }}',
    '{% macro m(a) -%}\n  {{ a }}\n{%- endmacro %}\n[{{ m(1) }}]',
    'é {{ u }} 🌍\n  {% if u %}日{% endif %}\n',
    '{% set x %}\n  a\n{% endset %}\n[{{ x }}]',
    '{%- if true -%} a {%- else -%} b {%- endif -%} ',
    '{% if true +%}\n a\n{% endif %}',
    '{%+ set x = 1 +%}\n{{ x }}',
    '  {%- raw %} a {% endraw -%}  b',
    '{{ s\n}}\n{{-\ns -}}\n.',
    '{% for i in [1,2] %}{%- for j in [3] -%} {{ i }}{{ j }} {% endfor %}\n{% endfor %}',
]

def snippets():
    """Each line, and each of its expressions alone, since an error of one hides the others."""
    for line in SNIPPETS.strip("\n").split("\n"):
        yield line
        alone = re.split(r"(?<=\}\})\|? (?=\{\{)", line)
        if "{%" not in line and len(alone) > 1: yield from alone
    yield from LINES

def not_supported(): return NOT_SUPPORTED.strip().split("\n")
