#!/usr/bin/env python3
"""Compares Fathom's interpreter of chat templates with jinja2, as transformers sets it up: byte for byte, and errors where jinja2 has errors.
    judge_templates.py FOLDER PROGRAM [--only TEXT] [--diffs FOLDER]
FOLDER is what tools/fetch_templates.py made; any further *.jinja in it is judged too. PROGRAM is build/tests/text/jinja_render. Needs jinja2 3.1.6.
Prints a table of families and each difference, and exits with 1 if there is one. --diffs writes each difference to a file."""
import argparse, collections, datetime, glob, hashlib, itertools, json, multiprocessing, os, re, subprocess, sys
import jinja2, jinja2.ext, jinja2.sandbox
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import template_snippets, template_talks

NOW = datetime.datetime(2026, 1, 2, 3, 4, 5) # a Friday
OWN = ["bos_token", "eos_token", "unk_token", "pad_token", "messages.*.role"] # what counts as the template's own
ADDRESS = re.compile(r" at 0x[0-9a-f]{6,}>") # an object's, which no other program can print
MARK = re.compile(rb"<(\||\xef\xbd\x9c)[^<>\s]*(?:\||\xef\xbd\x9c)>|</?\w+>")
SENTINEL = "Qz%dzQ"  # in every text that comes from outside; no template changes its letters

class Generation(jinja2.ext.Extension):
    """{% generation %}, which changes nothing in the text."""
    tags = {"generation"}
    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("inside"), [], [], body).set_lineno(line)
    def inside(self, caller): return caller()

class PlainDict:
    def __call__(self, *args, **kwargs): return dict(*args, **kwargs)
    def fromkeys(self, *args, **kwargs): return dict.fromkeys(*args, **kwargs)

class PlainNamespace(jinja2.utils.Namespace):
    """transformers refuses names that begin with an underscore."""
    def __init__(*args, **kwargs):
        self, attributes = args[0], dict(*args[1:], **kwargs)
        for name in attributes: PlainNamespace.check(name)
        jinja2.utils.Namespace.__init__(self, attributes)
    def __setitem__(self, name, value):
        PlainNamespace.check(name)
        jinja2.utils.Namespace.__setitem__(self, name, value)
    @staticmethod
    def check(name):
        if isinstance(name, str) and name.startswith("_"): raise jinja2.exceptions.SecurityError(name)

def environment():
    def refuse(message): raise jinja2.exceptions.TemplateError(message)
    def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
    env = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.globals.update(raise_exception=refuse, strftime_now=lambda form: NOW.strftime(form), dict=PlainDict(), namespace=PlainNamespace)
    return env

def expected(template, body):
    """What jinja2 makes of a conversation: a text, or an error."""
    if isinstance(template, Exception): return None, f"{type(template).__name__}: {template}"
    try: return template.render(**json.loads(body)), None
    except Exception as error: return None, f"{type(error).__name__}: {error}"

def with_tokens(body, tokens):
    """A conversation's JSON, which is never empty, with the special tokens as further variables."""
    return body[:-1] + "," + json.dumps(tokens, ensure_ascii=False)[1:] if tokens else body

def rendered(program, template, bodies):
    """What the program makes of them, one reply each; None where it ended before."""
    head = '{"template": %s, "now": "%s", "own": %s, "variables": ' % (json.dumps(template), NOW.isoformat(), json.dumps(OWN))
    lines = "".join(head + body + "}\n" for body in bodies).encode()
    try:
        run = subprocess.run([program], input=lines, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300)
        lines, ending = run.stdout.decode().split("\n")[:-1], f"the program ended with {run.returncode}: {run.stderr.decode(errors='replace')[-300:]}"
    except subprocess.TimeoutExpired as late:
        lines, ending = (late.stdout or b"").decode().split("\n")[:-1], "the program took more than 300 s"
    replies = [json.loads(line) for line in lines]
    return replies + [{"crash": ending}] * (len(bodies) - len(replies))

def foreign(reply):
    """One flag a byte of the reply's text."""
    flags, kind = bytearray(), 0
    for run in reply["foreign"]: flags += bytes([kind]) * run; kind ^= 1
    return flags

def marked(value, path, count):
    """A conversation whose texts from outside all hold a sentinel of their own."""
    if isinstance(value, dict): return {key: value[key] if key in ("role", "type", "id", "tool_call_id") else marked(value[key], path, count) for key in value}
    if isinstance(value, list): return [marked(entry, path, count) for entry in value]
    if not isinstance(value, str): return value
    count[0] += 1
    return SENTINEL % count[0] + value + SENTINEL % count[0]

def origins(body, reply, source):
    """What is wrong with the flags of a rendered text, or None. Letters of a sentinel must be foreign. Marks that are in no text from outside must not be:
    those between bars, such as <|user|>, which a template may make of a role, and others that the template spells."""
    text, flags = reply["text"].encode(), foreign(reply)
    if len(flags) != len(text): return f"{len(flags)} flags for {len(text)} bytes"
    for match in re.finditer(rb"Q(z\d+z)Q", text):
        if not all(flags[match.start():match.end()]): return f"{match.group().decode()} at byte {match.start()} counts as the template's own"
    for match in MARK.finditer(text):
        mark = match.group().decode()
        if mark in body or "Qz" in mark or not (match.group(1) or mark in source): continue
        if any(flags[match.start():match.end()]): return f"{mark} at byte {match.start()} counts as foreign"
    return None

def judge(entry):
    """The differences of one template: (comparisons, origins checked, those left out, errors in both, list of differences)."""
    options, source = entry["options"], open(entry["where"], newline="", encoding="utf-8").read()
    talks = [(name, with_tokens(body, entry["tokens"])) for name, body in template_talks.texts()]
    flagged = []
    for name, body in talks:
        variables, count = json.loads(body), [0]
        for key in ("messages", "tools", "documents"):
            if key in variables: variables[key] = marked(variables[key], key, count)
        flagged.append((name + ", sentinels", json.dumps(variables, ensure_ascii=False)))
    env = environment()
    try: template = env.from_string(source)
    except Exception as error: template = error
    replies = rendered(options.program, source, [body for _, body in talks + flagged])
    left_out, both, differences, checked = 0, 0, [], 0
    for (name, body), reply in zip(talks + flagged, replies):
        text, error = expected(template, body)
        if text is not None and ADDRESS.search(text): left_out += 1; continue
        wrong = None
        if "crash" in reply: wrong = reply["crash"]
        elif (text is None) != ("error" in reply): wrong = "error" if text is not None else "no error"
        elif text is None: both += 1
        elif text != reply["text"]: wrong = "text"
        elif "foreign" in reply and name.endswith("sentinels"):
            checked += 1
            wrong = origins(body, reply, source)
            if wrong: wrong = "origin: " + wrong
        if wrong: differences.append({"template": entry["where"], "family": entry["family"], "conversation": name, "kind": wrong, "variables": body,
                                      "expected": text if text is not None else {"error": error}, "got": reply.get("text", reply)})
    return entry, len(replies), checked, left_out, both, differences

def judge_snippets(options):
    """The same of template_snippets.py, as one entry of the family "snippets"."""
    differences, both, left_out, refused = [], 0, 0, set(template_snippets.not_supported())
    sources = [*template_snippets.snippets(), *refused]
    variables = template_snippets.VARIABLES.replace("\n", "")
    for source in sources:
        try: template = environment().from_string(source)
        except Exception as error: template = error
        text, error = (None, "not supported") if source in refused else expected(template, variables)
        if text is not None and ADDRESS.search(text): left_out += 1; continue
        reply = rendered(options.program, source, [variables])[0]
        both += text is None and "error" in reply
        if (reply.get("text") != text) if text is not None else "error" not in reply:
            differences.append({"template": source, "family": "snippets", "conversation": source, "kind": "snippet", "variables": variables,
                                "expected": text if text is not None else {"error": error}, "got": reply.get("text", reply)})
    return {"family": "snippets", "models": [], "where": "snippets"}, len(sources), 0, left_out, both, differences

def where_differ(expected, got):
    """A difference in short."""
    if not isinstance(expected, str) or not isinstance(got, str): return f"expected {str(expected)[:150]}, got {str(got)[:150]}"
    at = next((i for i, (x, y) in enumerate(zip(expected, got)) if x != y), min(len(expected), len(got)))
    return f"at {at}: expected {expected[max(0, at - 30):at + 40]!r}, got {got[max(0, at - 30):at + 40]!r}"

def entries(folder):
    """Each template once, by its text."""
    known, seen = {}, {}
    for index in sorted(glob.glob(os.path.join(folder, "**", "index.json"), recursive=True)):
        for entry in json.load(open(index, encoding="utf-8")): known[os.path.join(os.path.dirname(index), entry["file"])] = entry
    for where in sorted(glob.glob(os.path.join(folder, "**", "*.jinja"), recursive=True)):
        entry = {"family": "others", "models": [os.path.basename(where)[:-6]], "tokens": {"bos_token": "<s>", "eos_token": "</s>"},
                 **known.get(where, {}), "where": where}
        digest = hashlib.sha256(open(where, "rb").read()).hexdigest()
        if digest in seen: seen[digest]["models"] = sorted({*seen[digest]["models"], *entry["models"]})
        else: seen[digest] = entry
    return list(seen.values())

def cause(difference):
    """What differences of one kind have in common."""
    got = difference["got"]
    return re.sub(r"\d+", "N", str(got)[:120]) if isinstance(got, dict) else difference["kind"][:60]

def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("program")
    parser.add_argument("--only", default="", help="templates whose path contains this text")
    parser.add_argument("--diffs", help="a folder for the differences, one file each")
    options = parser.parse_args()
    todo = [{**entry, "options": options} for entry in entries(options.folder) if options.only.lower() in entry["where"].lower()]
    table, causes, written = collections.defaultdict(lambda: [0] * 7), collections.Counter(), 0
    if options.diffs:
        os.makedirs(options.diffs, exist_ok=True)
        for old in glob.glob(os.path.join(options.diffs, "[0-9]*.json")): os.remove(old)
    with multiprocessing.Pool(2) as pool:
        snippets = [] if options.only else [judge_snippets(options)]
        for entry, compared, checked, left_out, both, differences in itertools.chain(snippets, pool.imap(judge, todo)):
            counts = (entry["family"] != "snippets", len(entry["models"]), compared - left_out, both, checked, left_out, len(differences))
            table[entry["family"]] = [a + b for a, b in zip(table[entry["family"]], counts)]
            causes.update(map(cause, differences))
            where = os.path.relpath(entry["where"], options.folder)
            shown = differences if entry["family"] == "snippets" else differences[:3]
            for difference in shown:
                short = where_differ(difference["expected"], difference["got"])
                print(f"{where}: {difference['conversation']}: {difference['kind']}: {short}", flush=True)
                if options.diffs and written < 400:
                    with open(os.path.join(options.diffs, f"{written:04d}.json"), "w") as out: json.dump(difference, out, ensure_ascii=False, indent=1)
                    written += 1
            if len(differences) > len(shown): print(f"{where}: {len(differences) - len(shown)} more")
    for name, number in causes.most_common(40): print(f"{number:7d}  {name}")
    print("\n| family | templates | models | compared | errors in both | origins | left out | differ |\n|" + " --- |" * 8)
    for name, row in sorted(table.items(), key=lambda item: (item[0] == "others", item[0])): print(f"| {name} | {' | '.join(map(str, row))} |")
    total = [sum(row[i] for row in table.values()) for i in range(7)]
    print(f"| all | {' | '.join(map(str, total))} |")
    print(f"\n{len(todo)} templates, {len(template_talks.TALKS)} conversations, jinja2 {jinja2.__version__}; {total[2] - total[6]} of {total[2]} equal")
    return 1 if total[6] or not todo else 0

if __name__ == "__main__": sys.exit(main())
