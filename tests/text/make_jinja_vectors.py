#!/usr/bin/env python3
"""Writes jinja_vectors.json: templates rendered by jinja2 (3.1) with the settings of transformers. One line a case: [template, variables, text], or
[template, variables, null] where jinja2 fails. `make_jinja_vectors.py PROGRAM` compares with PROGRAM (jinja_render) in place of writing."""
import json, os, subprocess, sys
from datetime import datetime
import jinja2
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

class Generation(Extension):
    tags = {"generation"}
    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("support"), [], [], body).set_lineno(line)
    def support(self, caller): return caller()

def raise_exception(message): raise jinja2.exceptions.TemplateError(message)
def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
class Namespace(jinja2.utils.Namespace):
    """transformers refuses names that begin with an underscore."""
    def __init__(*args, **kwargs):
        for name in dict(*args[1:], **kwargs): Namespace.check(name)
        jinja2.utils.Namespace.__init__(*args, **kwargs)
    def __setitem__(self, name, value):
        Namespace.check(name)
        jinja2.utils.Namespace.__setitem__(self, name, value)
    @staticmethod
    def check(name):
        if isinstance(name, str) and name.startswith("_"): raise jinja2.exceptions.SecurityError(name)

environment.globals["namespace"] = Namespace
environment.filters["tojson"] = tojson
environment.globals["raise_exception"] = raise_exception
environment.globals["strftime_now"] = lambda format: datetime(2026, 1, 2, 3, 4, 5).strftime(format)

def render(template, variables):
    try: return environment.from_string(template).render(**json.loads(json.dumps(variables)))
    except Exception: return None

# Variables that most cases use.
V = {"x": 5, "f": 2.5, "neg": -7, "s": "Hello Wörld", "e": "", "t": True, "n": None, "l": [3, 1, 2], "d": {"a": 1, "b": [1, 2], "items": "own"},
     "words": ["pear", "Apple", "fig", "apple"], "deep": {"a": {"b": {"c": "end"}}}, "html": "<a href=\"x\">&'</a>", "lines": "one\ntwo\n\nthree\n",
     "people": [{"name": "Ann", "age": 30, "at": {"city": "Rome"}}, {"name": "bob", "age": 25, "at": {"city": "Oslo"}}, {"name": "Cid", "age": 30}],
     "messages": [{"role": "system", "content": "Be <kind>."}, {"role": "user", "content": " hi \n"}, {"role": "assistant", "content": "yes"}],
     "uni": "né 你好 🌍 ẞß ΣΑΣ İı", "odd": "\u00a0\u2003tab\t\u3000", "quote": "it's \"q\" \\ \u0007 \u200b\u00ad", "num": "42", "real": "4.5"}
EXPRESSIONS = {
"literals": r"""1|0x1F|0b101|0o17|1_000|1.5|1e3|1.5e-7|1e22|1e16|123456789012345678|123456789012345678901234567890|0.1|1e100|100000.0|true|True|false|none|None
'a'|"b"|'a' 'b' "c"|'\n\t\\\'\"'|'\x41é\u4f60\U0001F30D'|'\q\z'|'é\é'|'\101\7'|[]|()|{}|[1]|(1,)|(1, 2)|[1, 'a', none, true, 2.5]|{'a': 1, 'b': [2]}|{1: 2, none: 3, true: 4}
[1, 2,]|{'a': 1,}|1,|1, 2|(1)|[[1], [2, [3]]]|{'a': {'b': ()}}|'it''s'|"it's"|'"'|'\'"'|-1|+1|- 1|--1|1.0|-0.0|1e400|-1e400|.5|1.|1__0|007|00|0_0""",
"arithmetic": r"""1 + 2|1 - 2|2 * 3|7 / 2|8 / 2|7 // 2|-7 // 2|7 // -2|7 % 3|-7 % 3|7 % -3|2 ** 10|2 ** -1|2 ** 0.5|-2 ** 2|2 ** 3 ** 2|(2 ** 3) ** 2|7.5 // 2|-7.5 // 2|7.5 % 2|-7.5 % 2|7.5 % -2
1 / 0|1 // 0|1 % 0|1.0 / 0|1.0 % 0|0 ** -1|0.1 + 0.2|1e308 * 10|true + true|true * 3|1 + 1.0|3 * 1.5|1 - -1|x + 1|x * f|neg // 2|neg % 3|- x|+ f|- n|1 + 'a'|'a' + 1|'a' + 'b'|[1] + [2]|(1,) + (2,)|[1] + (2,)|'ab' * 3|3 * 'ab'|'ab' * 0|'ab' * -1|[1, 2] * 2|2 * [0]
'a' ~ 1|1 ~ 2|none ~ true|1.5 ~ []|'a' ~ undefined_one ~ 'b'|1 + 2 ~ 3 + 4|1 ~ 2 * 3|10 - 2 - 3|2 * 3 + 4 * 5|(1 + 2) * 3|10 / 5 / 2|2 + 3 | string|-3 | abs|-x | abs|- f|abs|'%s' % 1|'%d%%' % 3|'%5.2f|' % 2.345|'%-5s|' % 'a'|'%05d' % 42|'%x %X %o' % (255, 255, 8)
'%s %s' % (1, 'a')|'%(a)s' % d|'%r' % 'a'|'%s' % [1]|'%s' % (1, 2)|'%d' % 'a'|'%c' % 'a'|'%+d % d' % (1, 2)|'%e %g %G' % (1.5, 1e10, 1e-10)|'%.3s|%10s|' % ('abcdef', 'x')|'%*d' % (5, 1)|'%s'|'%' % 1|'%s %s' % 1|'%i' % 3.7|'%#x' % 255|'%.0f' % 2.5|'%5d|%-5d|' % (1, 2)""",
"comparisons": r"""1 == 1|1 == 1.0|1 == true|'a' == 'a'|1 == '1'|[1, 2] == [1, 2]|[1] == (1,)|{'a': 1} == {'a': 1.0}|none == none|none == false|undefined_one == undefined_two|undefined_one == none|1 != 2|1 < 2|2 <= 2|3 > 2|2 >= 3|'a' < 'b'|'a' < 'B'|[1, 2] < [1, 3]|[1] < [1, 0]|(1,) < (2,)
1 < 'a'|none < 1|undefined_one < 1|1 < 2 < 3|1 < 2 > 1|3 > 2 > 2|1 == 1 == 1|1 in [1, 2]|3 in [1, 2]|3 not in [1, 2]|'a' in 'abc'|'' in 'abc'|'d' not in 'abc'|'a' in d|'z' in d|1 in 'abc'|1 in x|[1] in [[1]]|'é' in 'né'|1.0 in [1]|not 1 == 2|not true|not not 1|not e|not l|true and false|1 and 2|0 or 3|'' or none or 'z'|0 and 1 / 0
1 or 1 / 0|not 1 or 2|true and not false|1 if true else 2|1 if false else 2|1 if false|(1 if false) is defined|'a' if x > 3 else 'b' if x > 1 else 'c'|1 if 2 if false else 4 else 5|x is defined and x > 3|x not in l|not x in l|2 in l and 3 in l|9007199254740993 == 9007199254740992.0|1e400 > 1|n is none|x > 1 and x < 10 or false|'b' > 'a' == true""",
"access": r"""d.a|d['a']|d.b[0]|d['b'][-1]|d['items']|d.get('a')|d.get('z')|d.get('z', 7)|d.z|d.z.y|d['z']|d.keys()|d.values()|d.items()|d.items() | list|d | items | list|deep.a.b.c|deep['a'].b['c']|deep.a.x.y|l[0]|l[-1]|l[9]|l[-9]|l.0|l.9|l['a']|l.x|s[0]|s[-1]|s[99]|s.x|s['x']|uni[3]|uni[3:5]
l[1:]|l[:1]|l[:]|l[::-1]|l[::2]|l[-2:]|l[5:]|l[:-1]|l[1:2]|l[2:0:-1]|s[1:3]|s[::-1]|s[::2]|s[:-3]|s[-3:]|s[4:2]|uni[::-1]|(1, 2, 3)[1:]|range(10)[2:8:2]|range(5)[::-1] | list|range(5)[1]|range(5)[9]|l['1':]|x[1:]|n[1:]|d[1:]|undefined_one[1:]|l[::0]|l[none:2]|n.x|n['x']|n[0]|x.y|x[0]|t.x|undefined_one|undefined_one.x|undefined_one['x']|undefined_one[0]
messages[0].role|messages[0]['content']|messages[-1].content|messages[0].missing|messages[0].content.missing|messages[1:][0].role|messages[0]['role'] == 'system'|l.append|l.append(1)|d.update({'c': 1})|d.pop('a')|l.sort()|d.__class__|s.__len__|'a'.upper()|'a'.nothing()|x()|n()|l()|undefined_one()|d.nothing()|(1, 2).count(1)|l.index(2)|l.index(9)|l.count(1)|l.copy()|d.copy()
true.x|d[[1]]|d[l]|l[true]|l[1.0]|l[none]|d[none]|{1: 'a'}[1.0]|{1: 'a'}[true]|{(1, 2): 'a'}[(1, 2)]|{(1, 2): 'a'}[1, 2]|''[0]|''[0:1]|range(3).start|range(3).stop|range(1, 9, 3) | list|range(5, 0, -2) | list|range(0)|range(3)|range(2, 4)|range(1, 9, 3)|range(100001)|range(1, 2, 0)|range('a')|range(3) | length|2 in range(3)|range(3) == range(0, 3)
dict(a=1, b=2)|dict([['a', 1]])|dict({'a': 1}, b=2)|dict()|namespace(a=1).a|namespace({'a': 1}).a|namespace().x|namespace(a=1)|d is mapping|range(3) is iterable|lipsum is callable|x is callable""",
"string methods": r"""s.upper()|s.lower()|s.title()|s.capitalize()|s.swapcase()|uni.upper()|uni.lower()|uni.title()|uni.capitalize()|uni.casefold()|'  a '.strip()|'  a '.lstrip()|'  a '.rstrip()|'xxaxx'.strip('x')|'xyaxy'.strip('yx')|odd.strip()|'\n a\n'.strip('\n')|s.split()|' a  b '.split()|'a,b,,c'.split(',')|'a,b,c'.split(',', 1)|'a b c'.split(none, 1)|'a b c'.rsplit(' ', 1)|' a b c '.rsplit(none, 1)
''.split()|''.split(',')|'a'.split('')|'a b c'.split(maxsplit=1)|'a</think>b'.split('</think>')[-1]|'a</think>b'.split('</think>')[0].split('<think>')|'a\nb\r\nc\x0bd'.splitlines()|'a\nb\n'.splitlines(true)|''.splitlines()|s.startswith('He')|s.startswith(('x', 'He'))|s.startswith('l', 2)|s.endswith('ld')|s.endswith(('x', 'rld'))|s.endswith('l', 0, 4)|s.startswith(1)|s.replace('l', 'L')|s.replace('l', 'L', 1)
s.replace('', '-')|s.replace('', '-', 2)|'aaa'.replace('aa', 'b')|s.find('o')|s.find('z')|s.rfind('o')|s.index('W')|s.index('z')|s.rindex('o')|uni.find('好')|s.find('o', 5)|s.find('o', 5, 7)|s.count('l')|s.count('')|s.count('l', 3)|'aaaa'.count('aa')|', '.join(words)|''.join(['a', 'b'])|','.join([1])|','.join('abc')|','.join(d)|'a'.join([])|'{} {}'.format(1, 'b')|'{1} {0}'.format(1, 2)|'{a} {b}'.format(a=1, b='x')
'{0.a} {0[b]}'.format(d)|'{:>5}|{:<5}|{:^5}|'.format('a', 'b', 'c')|'{:05d} {:+d} {:,} {:x}'.format(42, 1, 1234567, 255)|'{:.2f} {:8.3f}| {:e} {:%}'.format(2.345, 1.5, 1234.5, 0.25)|'{!r} {!s}'.format('a', 'b')|'{{}} {}'.format(1)|'{:*^7}'.format('a')|'{:{}}|'.format('a', 4)|'{}'.format()|'{x}'.format(y=1)|'{'.format()|'}'.format()|'{:d}'.format('a')|'{:s}'.format(1)|'{}'.format(none)|'{:>4}'.format(true)|'{:g}'.format(1e10)|'{}'.format(2.0)|'{:.3}'.format('abcdef')|'{:.3}'.format(2.34567)|'{:b} {:#x} {:o}'.format(5, 255, 8)
'12'.isdigit()|'1a'.isdigit()|''.isdigit()|'²'.isdigit()|'ab'.isalpha()|'a1'.isalpha()|'é你'.isalpha()|'a1'.isalnum()|' \t'.isspace()|''.isspace()|'AB'.isupper()|'Ab'.isupper()|'ab'.islower()|'a1'.islower()|'1'.islower()|'Ab Cd'.istitle()|'12'.isdecimal()|'½'.isnumeric()|'ab'.isascii()|'é'.isascii()|'a_1'.isidentifier()|'1a'.isidentifier()|'7'.zfill(3)|'-7'.zfill(4)|'abc'.zfill(2)|'a'.ljust(3)|'a'.rjust(3, '.')|'a'.center(4)|'ab'.center(5, '*')|'a'.center(4, '')
'a-b-c'.partition('-')|'a-b-c'.rpartition('-')|'abc'.partition('-')|'abc'.rpartition('-')|'abc'.partition('')|'abc'.removeprefix('a')|'abc'.removeprefix('b')|'abc'.removesuffix('c')|'abc'.removesuffix('')|'a\tb'.expandtabs(4)|"they're bill's".title()|'ſ'.upper()|'ŉ'.upper()|'ǆ'.title()|'ΑΣ ΑΣΑ'.lower()|'ﬁ'.upper()""",
"filters": r"""-5 | abs|-2.5 | abs|'a' | abs|d | attr('a')|s | attr('nothing')|l | batch(2) | list|l | batch(2, 'x') | list|s | capitalize|'a' | center(5)|'a' | center|l | count|l | length|s | length|uni | length|d | length|x | length|n | length|undefined_one | length|undefined_one | default('z')|undefined_one | default|n | default('z')|n | default('z', true)|e | d('z', true)|e | default('z', boolean=true)|undefined_one | d(default_value=3)|d | dictsort|{'b': 1, 'A': 2} | dictsort|{'b': 1, 'A': 2} | dictsort(true)|{'b': 1, 'a': 2} | dictsort(by='value')|{'b': 1, 'a': 2} | dictsort(reverse=true)|{'b': 1, 'a': 2} | dictsort(false, 'x')
html | e|html | escape|html | forceescape|html | e | e|html | e | forceescape|html | safe|(html | e) + '<'|'<' + (html | safe)|(html | e) ~ '<'|html | e | upper|html | e | length|1000 | filesizeformat|1 | filesizeformat|123456789 | filesizeformat|123456789 | filesizeformat(true)|1500 | filesizeformat|l | first|[] | first|s | first|d | first|[] | first is defined|l | last|[] | last|s | last|d | last|'4.5' | float|'x' | float|'x' | float(1.5)|3 | float|n | float|undefined_one | float|'%s-%s' | format(1, 2)|'%(a)s' | format(a=3)|'%s' | format(1, a=2)
people | groupby('age')|people | groupby('age') | map(attribute='grouper') | list|people | groupby('at.city', default='?') | map('first') | list|words | groupby(0) | list | length|lines | indent|lines | indent(2)|lines | indent(2, true)|lines | indent(2, blank=true)|lines | indent('> ', true)|lines | indent(first=true)|x | indent|undefined_one | indent|'42' | int|'42.7' | int|'x' | int|'x' | int(7)|'ff' | int(base=16)|'0x1f' | int(0, 16)|'0b11' | int(base=2)|3.9 | int|-3.9 | int|true | int|n | int|undefined_one | int|' 4 ' | int|'1_000' | int|'1e3' | int|'inf' | int|d | items | list|undefined_one | items | list|l | items | list
l | join|l | join(', ')|words | join('-')|people | join(', ', attribute='name')|[] | join(',')|[1, none, true, 1.5, undefined_one] | join('|')|s | join('-')|d | join(',')|x | join|l | list|s | list|d | list|range(3) | list|x | list|(1, 2) | list|s | lower|words | map('upper') | list|people | map(attribute='name') | list|people | map(attribute='at.city') | list|people | map(attribute='at.city', default='?') | list|l | map('string') | join('+')|words | map('replace', 'p', 'P') | list|l | map('nothing') | list|l | map | list|[] | map('nothing') | list|people | map(attribute='name') | map('lower') | join(', ')
l | max|l | min|words | max|words | min|words | max(case_sensitive=true)|[] | max|people | max(attribute='age')|people | min(attribute='name')|[1, 'a'] | max|'abc' | max|words | reject('equalto', 'fig') | list|l | reject('odd') | list|people | rejectattr('at') | list | length|s | replace('l', 'L')|s | replace('l', 'L', 1)|s | replace('l')|x | replace('5', '6')|l | reverse | list|s | reverse|uni | reverse|l | reverse | first|d | reverse | list|x | reverse|2.5 | round|3.5 | round|2.675 | round(2)|2.51 | round(1, 'floor')|2.41 | round(1, 'ceil')|42 | round|42.55 | round(1)|'a' | round|1234 | round(-2)|2.5 | round(method='x')|-2.5 | round|-0.4 | round|2.5 | round | int
l | select | list|l | select('odd') | list|[0, 1, '', none, 'a'] | select | list|l | select('gt', 1) | list|l | select('>', 1) | list|l | select('in', [1, 2]) | list|people | selectattr('at') | list | length|people | selectattr('age', 'equalto', 30) | map(attribute='name') | list|people | selectattr('at', 'defined') | list | length|messages | selectattr('role', '==', 'user') | list|messages | selectattr('role', 'equalto', 'user') | first|messages | rejectattr('role', 'in', ['user', 'system']) | map(attribute='content') | list|l | select('nothing') | list|(l | select) is iterable|l | selectattr | list
range(7) | slice(3) | list|range(7) | slice(3, 'x') | list|l | sort|l | sort(true)|l | sort(reverse=true)|words | sort|words | sort(case_sensitive=true)|people | sort(attribute='age') | map(attribute='name') | list|people | sort(attribute='age,name') | map(attribute='name') | list|people | sort(true, attribute='age') | map(attribute='name') | list|['b', 'a'] | sort(attribute='v')|[l, d] | sort(attribute='v')|people | sort(attribute='zz') | length|l[]|d[]|l[0, 1]|dict(nothing)|namespace(nothing)|'a' % range(3)|[range(2), range(2)] | sort|[1, 'a'] | sort|d | sort|'cab' | sort|x | string|x | string + 'a'|n | string|html | striptags|'a  <b>x</b> \n y' | striptags|'<!-- c --> &lt;x&gt;' | striptags|l | sum|people | sum(attribute='age')|l | sum(start=10)|['a'] | sum|[[1], [2]] | sum(start=[])|[0.1, 0.2] | sum|[] | sum
s | title|'hello-world (foo) {bar} <x> [y] o\'neil' | title|uni | title|s | trim|'  a ' | trim|'xax' | trim('x')|x | trim|odd | trim|undefined_one | trim|s | truncate(8)|s | truncate(5, true, '', 0)|s | truncate(9, false, '...', 0)|s | truncate(2)|'foo bar baz qux' | truncate(9)|'foo bar baz qux' | truncate(11)|'foo bar baz qux' | truncate(9, true)|'a b' | truncate(5)|words | unique | list|words | unique(true) | list|[1, 1.0, true, '1'] | unique | list|people | unique(attribute='age') | map(attribute='name') | list|s | upper|n | upper|undefined_one | upper|'a b/c?d=é' | urlencode|{'a': 'b c', 'd': '/'} | urlencode|[['a', 1]] | urlencode|s | wordcount|uni | wordcount
'the quick brown fox jumps over' | wordwrap(10)|'a bb ccc\ndddddddddddd e' | wordwrap(5)|'' | wordwrap(3)|{'a': 1, 'b': none, 'c': '<'} | xmlattr|{'a': 1} | xmlattr(false)|{'a b': 1} | xmlattr|x | nothing|words | join(', ') | upper | replace('A', 'a') | length|l | first | string | length|d | tojson|l | tojson|s | tojson|uni | tojson|quote | tojson|html | tojson|n | tojson|f | tojson|1e400 | tojson|undefined_one | tojson|range(2) | tojson|(1, 2) | tojson|d | tojson(indent=2)|[] | tojson(indent=2)|{} | tojson(indent=4)|[[1, []], {'a': {}}] | tojson(indent=2)|deep | tojson(indent=4)|d | tojson(separators=(',', ':'))|d | tojson(indent=1, separators=(', ', ' : '))
uni | tojson(ensure_ascii=true)|{'b': 1, 'a': 2} | tojson(sort_keys=true)|{1: 2, none: 3, true: 4, 1.5: 6} | tojson|{(1, 2): 3} | tojson|{'b': 1, 1: 2} | tojson(sort_keys=true)|d | tojson(indent='--')|[1.0, 1e16, 1e-5, 123456789.123, -0.0] | tojson|messages | tojson|d | tojson | safe|'/' | tojson|'\x7f\x1f' | tojson|'\x7f' | tojson(ensure_ascii=true)|quote|quote | list | length|[quote]|[s, uni, odd]|{'k': quote}|[html | e]|d.keys() | list|d.values() | tojson|d.items() | tojson|d | tojson | length|words | tojson(indent=0)""",
"tests": r"""3 is odd|2 is even|2 is odd|neg is odd|'a' is odd|6 is divisibleby 3|6 is divisibleby(4)|x is defined|undefined_one is defined|undefined_one is undefined|d.z is defined|d.a is defined|'upper' is filter|'nothing' is filter|'odd' is test|n is none|x is none|t is boolean|x is boolean|t is true|1 is true|false is false|x is integer|t is integer|f is integer|f is float|x is float|'ab' is lower|'AB' is upper|'Ab' is lower|x is lower|s is string|x is string|d is mapping|l is mapping|x is number|t is number|f is number|s is number|l is sequence|s is sequence|d is sequence|x is sequence|range(3) is sequence|d.items() is sequence|undefined_one is sequence|l is iterable|s is iterable|x is iterable|undefined_one is iterable|n is iterable
x is sameas x|t is sameas true|n is sameas none|l is sameas l|[] is sameas []|x is sameas 5|html | e is escaped|html is escaped|(html | safe) is escaped|1 is in [1, 2]|'a' is in 'abc'|3 is not in [1]|x is eq 5|x is equalto 5|x is == 5|x is ne 5|x is gt 3|x is greaterthan 9|x is lt 9|x is lessthan 9|x is ge 5|x is le 4|x is not none|x is not defined|not x is defined|x is defined and x is number|s is string and s is not none|x is nothing|dict is callable|s.upper is callable|x is divisibleby 0|l is in [l]|x is none or x is number|x is odd if t else false|x is eq(5) and true|1 is eq 1 is eq 1|d.a is number|x + 1 is even|(x + 1) is even|-5 is odd|x is string | upper|not (x is string)""",
}
S = []  # statements: templates, or templates with variables
S += """{% for i in l %}{{ i }},{% endfor %}
{% for i in [] %}{{ i }}{% else %}none{% endfor %}
{% for i in l %}{{ i }}{% else %}none{% endfor %}
{% for i in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }}{{ loop.depth0 }};{% endfor %}
{% for i in l %}{{ loop.previtem }}<{{ i }}>{{ loop.nextitem }};{% endfor %}
{% for i in l %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }};{% endfor %}
{% for i in l %}{{ loop.cycle('a', 'b') }}{{ loop.changed(i > 1) }}{% endfor %}
{% for i in [1,1,2,2,1] %}{% if loop.changed(i) %}{{ i }}{% endif %}{% endfor %}
{% for i in l if i > 1 %}{{ i }}{{ loop.index }}{{ loop.length }}{% endfor %}
{% for i in l if i > 9 %}{{ i }}{% else %}none{% endfor %}
{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}
{% for k in d %}{{ k }}{% endfor %}
{% for k, v in d | dictsort %}{{ k }}={{ v }};{% endfor %}
{% for a, (b, c) in [[1, [2, 3]]] %}{{ a }}{{ b }}{{ c }}{% endfor %}
{% for a, b in [[1, 2, 3]] %}{{ a }}{% endfor %}
{% for a, b in [1] %}{{ a }}{% endfor %}
{% for a, b in ['xy'] %}{{ a }}{{ b }}{% endfor %}
{% for c in 'né' %}{{ c }}-{% endfor %}
{% for i in 5 %}{{ i }}{% endfor %}
{% for i in none %}{{ i }}{% endfor %}
{% for i in undefined_one %}{{ i }}{% else %}empty{% endfor %}
{% for i in range(3) %}{% for j in range(i) %}{{ i }}{{ j }}{{ loop.index }}{% endfor %};{{ loop.index }}{% endfor %}
{% for i in l %}{% if i == 1 %}{% continue %}{% endif %}{{ i }}{% endfor %}
{% for i in l %}{% if i == 1 %}{% break %}{% endif %}{{ i }}{% endfor %}
{% for i in l %}{% break %}{% else %}else{% endfor %}
{% for i in l %}{% continue %}{% else %}else{% endfor %}
{% for i in l %}{% for j in l %}{% if j == 1 %}{% break %}{% endif %}{{ i }}{{ j }} {% endfor %}{% endfor %}
{% break %}
{% if x %}{% continue %}{% endif %}
{% for i in l recursive %}{{ i }}{% if i > 2 %}{{ loop([7, 8]) }}{% endif %}{% endfor %}
{% for i in [[1, [2, [3]]]] recursive %}{% if i is iterable %}({{ loop.depth }}{{ loop(i) }}){% else %}{{ i }}{% endif %}{% endfor %}
{% for i in l %}{{ loop([1]) }}{% endfor %}
{% for i in l %}{{ loop }}{% endfor %}
{% for loop in l %}{% endfor %}
{% for i in l %}{% set loop = 1 %}{{ loop }}{% endfor %}
{{ loop }}
{{ loop.index }}
{% for i in l %}{% set x = i %}{{ x }}{% endfor %}{{ x }}
{% for i in l %}{% set x = x + i %}{{ x }} {% endfor %}{{ x }}
{% set y = 1 %}{% for i in l %}{% set y = y + 1 %}{% endfor %}{{ y }}
{% for i in l %}{{ z }}{% set z = i %}{% endfor %}[{{ z }}]
{% for i in l %}{{ i }}{% endfor %}[{{ i }}]
{% set i = 'out' %}{% for i in l %}{{ i }}{% endfor %}[{{ i }}]
{% for x in l %}{{ x }}{% endfor %}{{ x }}
{% for i in l %}{% if i == 3 %}{% set q = i %}{% endif %}{{ q }}{% endfor %}
{% for m in messages %}{% set c = m.content %}{% if m.role == 'user' %}{% set c = c | trim %}{% endif %}[{{ c }}]{% endfor %}
{% for i in l | sort %}{{ i }}{% endfor %}
{% for i in l, 1 %}{{ i }}{% endfor %}
{% for i in (1 if t else 2), 3 %}{{ i }}{% endfor %}
{% for i in l if t else [] %}{{ i }}{% endfor %}
{% for i in [1, 2] + l %}{{ i }}{% endfor %}
{% for i in l[1:] %}{{ i }}{% endfor %}
{% for i in l[::-1] %}{{ i }}{% endfor %}
{% for i in l | reverse %}{{ loop.index }}{{ i }}{{ loop.last }}{% endfor %}
{% for g in people | groupby('age') %}{{ g.grouper }}:{{ g.list | map(attribute='name') | join(',') }};{% endfor %}
{% for a, b in people | groupby('age') %}{{ a }}{{ b | length }}{% endfor %}
{% set ns = namespace(f=false) %}{% for i in l if not ns.f %}{{ i }}{% set ns.f = true %}{% endfor %}
{% set ns = namespace(f=false) %}{% for i in l if not ns.f %}{{ i }}{{ loop.last }}{% set ns.f = true %}{% endfor %}
{% set g = l | select %}{{ g | list }}{{ g | list }}
{% set g = l | map('string') %}{% for i in g %}{{ i }}{% endfor %}{% for i in g %}{{ i }}{% endfor %}
{% set g = l | map('string') %}{{ g | first }}{{ g | first }}{{ g | join(',') }}
{{ [1, 'a', 2] | map('abs') | first }}
{{ [1, 'a', 2] | map('abs') | list }}
{% if l | select('gt', 9) %}yes{% else %}no{% endif %}
{% if x == 5 %}a{% elif x == 6 %}b{% else %}c{% endif %}
{% if x == 6 %}a{% elif x == 5 %}b{% else %}c{% endif %}
{% if x == 6 %}a{% elif x == 7 %}b{% elif x == 8 %}d{% else %}c{% endif %}
{% if x == 6 %}a{% endif %}
{% if undefined_one %}a{% else %}b{% endif %}
{% if x, %}tuple{% endif %}
{% if x: %}colon{% endif %}
{% if n is none and not undefined_one %}a{% endif %}
{% if t %}{% set in_if = 1 %}{% endif %}{{ in_if }}
{% if not t %}{% set in_if = 1 %}{% endif %}[{{ in_if }}]
{% if not t %}{% set x = 1 %}{% endif %}{{ x }}
{% if x | nothing %}{% endif %}
{% if false %}{{ x | nothing }}{% endif %}ok
{% if true %}{{ x | nothing }}{% endif %}
{{ x | nothing if false else 2 }}
{% for i in [] %}{{ i | nothing }}{% endfor %}
{% if false %}{% for i in l %}{{ i | nothing }}{% endfor %}{% endif %}
{{ 1 if x is nothing else 2 }}
{{ x is nothing }}
{% set a = 1 %}{{ a }}{% set a = a + 1 %}{{ a }}
{% set a, b = 1, 2 %}{{ a }}{{ b }}
{% set a, b = [1, 2] %}{{ a }}{{ b }}
{% set (a, b) = 'xy' %}{{ a }}{{ b }}
{% set [a, b] = 'xy' %}{{ a }}{{ b }}
{% set a, b = 1 %}
{% set a = 1, 2 %}{{ a }}
{% set a = b = 1 %}
{% set a.b = 1 %}
{% set d.a = 1 %}
{% set true = 1 %}
{% set 1 = 1 %}
{% set a %}x{{ 1 + 1 }}y{% endset %}[{{ a }}]
{% set a | upper %}x{{ 1 + 1 }}y{% endset %}[{{ a }}]
{% set a | upper | replace('X', 'z') %}x{% endset %}[{{ a }}]
{% set a | trim %}  x {% endset %}[{{ a }}]
{% set a %}{% set b = 1 %}{{ b }}{% endset %}{{ a }}{{ b }}
{% set a %}{% endset %}[{{ a }}]{{ a is string }}
{% set ns = namespace(a=1) %}{% set ns.a = ns.a + 1 %}{{ ns.a }}
{% set ns = namespace() %}{% for i in l %}{% set ns.last = i %}{% endfor %}{{ ns.last }}
{% set ns = namespace(s='') %}{% for i in l %}{% set ns.s = ns.s ~ i %}{% endfor %}{{ ns.s }}
{% set ns = namespace(a=1) %}{% set ns.a, ns.b = 2, 3 %}{{ ns.a }}{{ ns.b }}
{% set ns = namespace(a=1) %}{% set ns.b %}blk{% endset %}{{ ns.b }}
{% set ns = namespace(a=[]) %}{% set ns.a = ns.a + [1] %}{{ ns.a }}{{ ns['a'] }}{{ ns.zz }}{{ ns.zz is defined }}
{% set ns = namespace(a=1) %}{{ ns.a.b.c }}
{% set x = 'new' %}{{ x }}
{% set ns = namespace(_a=1) %}
{% set ns = namespace() %}{% set ns._a = 1 %}
{{ namespace({'_a': 1}) }}
{% with %}{% set a = 1 %}{{ a }}{% endwith %}[{{ a }}]
{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}[{{ a }}]
{% with a = 1, b = a %}{{ a }}{{ b }}{% endwith %}
{% set a = 9 %}{% with a = 1, b = a %}{{ a }}{{ b }}{% endwith %}{{ a }}
{% with a, b = 1, 2 %}{% endwith %}
{% macro m() %}hi{% endmacro %}{{ m() }}{{ m() | upper }}
{% macro m(a, b) %}{{ a }}-{{ b }}{% endmacro %}{{ m(1, 2) }}|{{ m(1) }}|{{ m(b=1) }}|{{ m(a=1, b=2) }}
{% macro m(a, b='z') %}{{ a }}-{{ b }}{% endmacro %}{{ m(1, 2) }}|{{ m(1) }}|{{ m(b=1) }}
{% macro m(a, b=a) %}{{ a }}-{{ b }}{% endmacro %}{{ m(1) }}
{% macro m(a=b, b=1) %}{{ a }}-{{ b }}{% endmacro %}{{ m() }}
{% macro m(a='x', b) %}{% endmacro %}
{% macro m(a) %}{{ a.b }}{% endmacro %}{{ m() }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(c=2) }}
{% macro m(a) %}{{ a }}{{ varargs }}{% endmacro %}{{ m(1, 2, 3) }}
{% macro m(a) %}{{ a }}{{ kwargs }}{% endmacro %}{{ m(1, b=2) }}
{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, *[2, 3], b=4, **{'c': 5}) }}
{% macro m(a, b) %}{{ a }}{{ b }}{% endmacro %}{{ m(*[1, 2]) }}{{ m(**{'a': 3, 'b': 4}) }}{{ m(1, **{'b': 2}) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, a=2) }}
{% macro m() %}{{ x }}{% endmacro %}{% set x = 'late' %}{{ m() }}
{% macro m() %}{{ i }}{% endmacro %}{% for i in l %}{{ m() }}{% endfor %}
{% macro m() %}{{ loop }}{% endmacro %}{% for i in l %}{{ m() }}{% endfor %}
{% macro m() %}{% set y = 1 %}{{ y }}{% endmacro %}{{ m() }}{{ y }}
{% macro fact(n) %}{{ 1 if n < 2 else n * (fact(n - 1) | int) }}{% endmacro %}{{ fact(10) }}
{% macro m(i) %}{% if i %}{{ i }}{{ m(i - 1) }}{% endif %}{% endmacro %}{{ m(20) }}
{% macro m() %}a{% endmacro %}{% macro m() %}b{% endmacro %}{{ m() }}
{% macro m(x) %}{{ x }}{% endmacro %}{{ m('a') + m('b') }}{{ m('') is string }}{{ m is callable }}{{ m.name }}
{% macro m() %}[{{ caller() }}]{% endmacro %}{% call m() %}in{{ x }}{% endcall %}
{% macro m() %}[{{ caller(1, b=2) }}]{% endmacro %}{% call(a, b) m() %}{{ a }}{{ b }}{% endcall %}
{% macro m() %}[{{ caller }}]{% endmacro %}{{ m() }}
{% macro m() %}[{{ caller() }}]{% endmacro %}{{ m() }}
{% macro m() %}{% if caller is defined %}c{% else %}d{% endif %}{% endmacro %}{{ m() }}{% call m() %}{% endcall %}
{% macro m() %}x{% endmacro %}{% call m() %}y{% endcall %}
{% macro m() %}{{ caller() }}{{ caller() }}{% endmacro %}{% for i in l %}{% call m() %}{{ i }}{% endcall %}{% endfor %}
{% macro o() %}<{{ caller() }}>{% endmacro %}{% macro m() %}[{{ caller() }}]{% endmacro %}{% call m() %}{% call o() %}in{% endcall %}{% endcall %}
{% call x() %}{% endcall %}
{% call 1 %}{% endcall %}
{% filter upper %}a{{ s }}b{% endfilter %}
{% filter replace('a', 'b') | upper %}aXa{% endfilter %}
{% filter trim %}  {% set a = 1 %}{{ a }}  {% endfilter %}{{ a }}
{% filter nothing %}{% endfilter %}
{% raw %}{{ x }}{% if %}{% endraw %}
{% raw -%}  {{ x }}  {%- endraw %}|
a  {%- raw %} {{ }} {% endraw -%}  b
{% raw %}
 line
{% endraw %}
end
{% generation %}a{{ x }}{% endgeneration %}b
{% generation %}{% set y = 1 %}{{ y }}{% endgeneration %}[{{ y }}]
{% for i in l %}{% generation %}{{ i }}{{ loop.index }}{% endgeneration %}{% endfor %}
{% for i in l %}{% generation %}{% break %}{% endgeneration %}{% endfor %}
{% block b %}a{{ x }}{% endblock %}
{% block b %}a{% endblock b %}
{% set y = 1 %}{% block b %}{{ y }}{% endblock %}
{% for i in l %}{% block b scoped %}{{ i }}{% endblock %}{% endfor %}
{% for i in l %}{% block b %}{{ i }}{% endblock %}{% endfor %}
{% print x %}{% print 1, 2 %}
{% do x %}
{% include 'a' %}
{% import 'a' as b %}
{% extends 'a' %}
{% nothing %}
{% endif %}
{% if x %}
{% for i in l %}{% endif %}
{% if %}{% endif %}
{% %}
{{ }}
{{ x
{{ x }
{% if x }}
{{ x %}
{{ (x }}
{{ x) }}
{{ [x }}
{{ {'a': 1}
{{ 'a }}
{{ 1 2 }}
{{ x y }}
{{ x. }}
{{ x | }}
{{ x is }}
{{ @ }}
{{ $x }}
{{ a = 1 }}
{{ x; y }}
{{ not }}
{{ 1 + }}
{{ * 2 }}
{{ m(a=1, 2) }}
{{ dict(a=1, a=2) }}
{{ dict(**d, **d) }}
{{ dict(*[], *[]) }}
{{ s.upper(,) }}
{{ [,] }}
{{ {,} }}
{{ {'a'} }}
{{ (,) }}
{# comment #}a{# {{ x }} #}b
a{# never ends
{% raw %}never ends
{#- a -#}  b  {#- c -#}
{{- x -}}  b  {{- x -}}
a  {{- x }}  b
a  {{ x -}}  b
  {{ x }}
  {% if t %}a{% endif %}
a  {% if t %}a{% endif %}
  {%+ if t %}a{% endif %}
  {%- if t %}a{%- endif -%}  b
a {%- if t -%} b {%- else -%} c {%- endif -%} d
{% if t -%}
  a
{%- endif %}
{{ {'a': {'b': 1}}.a.b }}{{ {'a': {}}}}
{{ '}}' }}{{ '{{' }}{{ "{%" }}{{ '#}' }}
{{ "%}" }}{% if '%}' == '%}' %}y{% endif %}
{{ 5 %2 }}{{ 5 % 2}}{{ {'a': 5 %2} }}
{{'a'}}{{"b"}}{{1}}{{x}}
{{x|string|length}}{{x is odd}}
{{
 x
}}
{{ strftime_now('%Y-%m-%d') }}
{{ strftime_now('%d %B %Y, %A %H:%M:%S %j %p %I %y %b %a %% %e %-d %-m') }}
{{ strftime_now('%U %W %u %w %F %T %D %c %x %X %C %h %R %r %n%t%G %V %Z%z|') }}
{{ raise_exception('no') }}
{% if false %}{{ raise_exception('no') }}{% endif %}ok
{{ raise_exception() }}
{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.reset() }}{{ c.next() }}
{% set j = joiner() %}{{ j() }}a{{ j() }}b{{ j() }}
{% set j = joiner('|') %}{{ j() }}a{{ j() }}b
{{ cycler() }}
{{ super() }}
{{ caller() }}
{{ varargs }}
{{ x.__class__ }}
{{ ''.__class__.__mro__ }}
{{ m }}{% macro m() %}{% endmacro %}
{% set f = s.upper %}{{ f() }}
{% set f = d.get %}{{ f('a') }}
{% set f = range %}{{ f(3) | list }}
{% set range = 3 %}{{ range }}
{{ x is defined }}{{ range is defined }}{{ namespace is defined }}{{ raise_exception is defined }}
{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set sys = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}{% endif %}{{ sys }}{{ loop_messages | length }}
{%- for message in messages %}
{%- if message['role'] == 'user' %}
{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] | trim + '<|im_end|>' + '\\n' -}}
{%- endif %}
{%- endfor %}""".split("\n")
# Several lines in one template.
S += ["a\n{% if t %}\nb\n{% endif %}\nc\n", "a\n  {% if t %}  \nb\n  {% endif %}\nc", "{% for i in l %}\n{{ i }}\n{% endfor %}\n", "\n\n{{ x }}\n\n", "{{ x }}\n", "{{ x }}\n\n", "a\r\nb\rc\n\r\n",
      "{% if t %}\r\na\r\n{% endif %}\r\nb", "{# c #}\na\n  {# c #}\nb {# c #}\nc", "a\n\t {%- if t %}\n b\n{%- endif +%}\nc", "{% if t +%}\na{% endif %}", "{{ 'a\nb' }}", "{{ 'a\r\nb' }}", "  {%- set a = 1 -%}  \n\n  b",
      "{%- macro m() %}\n  a\n{%- endmacro %}\n\n{{ m() }}", "\u00a0{%- if t %}a{% endif %}", "x\u2003{{- x }}", "  \u00a0{% if t %}a{% endif %}", "{% raw %}\n  {{ x }}\n  {% endraw %}\n  a", "a\n   {% raw %}b{% endraw %}",
      "{{ x }}\n{{ x }}", "{{ x }} \n {%+ if t %}a{%+ endif %}", "{%if t%}a{%endif%}", "{%-if t-%} a {%-endif-%} ", "{#-#}a{#+#}b", "{##}a", "{{'a'}}\n  {{'b'}}\n", "{% set a = [\n  1,\n  2\n] %}\n{{ a }}", "{{ [1,\n2]|join(\n',') }}",
      "a\n\n{%- if t %}\n\nb\n\n{%- endif %}\n\nc", "{% if t %}a{% endif %}\n\n{% if t %}b{% endif %}\n", "\n{% if t %}a{% endif %}", "\x0b{% if t %}a{% endif %}", "a\u2028  {% if t %}b{% endif %}", "{{ x -}}\n\n", "", "\n", "\n\n", " ", "{{ '' }}", "{", "{ {", "a{b}c", "}}", "%}", "#}", "{{ '{' }}{",
      "{% macro m(\n a,\n b=1\n) -%}\n{{ a }}{{ b }}\n{%- endmacro -%}\n{{ m(1) }}", "{% for i in l -%}\n  {{ i }}\n{%- endfor %}|", "{% for i in l %}\n  {%- if loop.first %}\nfirst\n  {%- endif %}\n{% endfor %}", "line1\n{{ x }}{{ y.z }}",
      "{{ x }}\n{% if t %}\n{{ n.a.b }}\n{% endif %}", "é{{ x }}你{% if t %}🌍{% endif %}", "{% set é = 1 %}{{ é }}", "{{ \"a\\\nb\" }}", "{{ '\\xZZ' }}", "{{ '\\u12' }}"]
def json_cases():
    """Values as JSON has them; the template prints them in each form."""
    form = "{{ v }}|{{ [v] }}|{{ v | tojson }}|{{ v | string | length }}|{{ v is number }}|{{ v == 1 }}|{{ v | default('d') }}"
    for v in [0, 1, -1, 1.0, 1.5, -0.0, 1e22, 1e16, 123456789.0, 1e-7, 0.0001, 1e15, 9007199254740993, -9223372036854775808, 9223372036854775807, 2**64, -2**70, 10**40, 5e-324, 1.7976931348623157e308, 0.1, 1/3, 100.0, True, False, None,
              "", "a", "é", "\u0000x", "\n\t\r\b\f\u001f\u007f", "\"'", "'", "\"", "\\", "/", "<>&", "\u2028\u2029\u200b\ufeff", "🌍", [], {}, [[]], [None, True, 1.0], {"a": {"b": [1, {"c": "d"}]}}, {"": 1}, {"k\n": "v'"}, {"a": "x\"y'z"}]:
        yield form, {"v": v}

def cases():
    for name, text in EXPRESSIONS.items():
        for line in text.split("\n"):
            # a bar between blanks is a filter; one without blanks parts two expressions
            for e in __import__("re").split(r"(?<! )\|(?! )", line): yield "{{ " + e + " }}", V
    for template in S: yield template, V
    yield from json_cases()

def main():
    done = [(t, v, render(t, v)) for t, v in cases()]
    if len(sys.argv) > 1:
        text = "\n".join(json.dumps({"template": t, "variables": v}) for t, v, _ in done) + "\n"
        answers = [json.loads(line) for line in subprocess.run([sys.argv[1]], input=text.encode(), stdout=subprocess.PIPE, check=True).stdout.decode().split("\n")[:-1]]
        assert len(answers) == len(done)
        wrong = [(t, e, a) for (t, v, e), a in zip(done, answers) if a.get("text") != e]
        for t, e, a in wrong: print(f"{t!r}\n  jinja2 {e!r}\n  ours   {a.get('text', a.get('error'))!r}")
        print(len(done), "cases,", sum(e is None for _, _, e in done), "errors,", len(wrong), "differ")
        sys.exit(bool(wrong))
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "jinja_vectors.json"), "w") as file:
        shared = json.dumps(V)
        lines = [json.dumps([t, None if v is V else v, e]) for t, v, e in done]
        file.write('{"variables": ' + shared + ',\n"cases": [\n' + ",\n".join(lines) + "\n]}\n")
main()
