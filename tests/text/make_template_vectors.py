#!/usr/bin/env python3
"""Writes template_vectors.json: what jinja2 makes of template_talks.py by each template of templates/. Needs jinja2 3.1.6."""
import glob, json, os, sys
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path += [HERE, os.path.join(HERE, "..", "..", "tools")]
import fetch_templates, judge_templates, template_talks

def fnv1a(data):
    """The hash of src/base/names.c."""
    value = 0xcbf29ce484222325
    for byte in data: value = (value ^ byte) * 0x100000001b3 % 2 ** 64
    return f"{value:016x}"

talks, templates = list(template_talks.texts()), []
for path in sorted(glob.glob(os.path.join(HERE, "templates", "*.jinja"))):
    name, source = os.path.basename(path)[:-6], open(path, newline="", encoding="utf-8").read()
    template, tokens = judge_templates.environment().from_string(source), fetch_templates.usual_tokens(name)
    results = [judge_templates.expected(template, judge_templates.with_tokens(body, tokens))[0] for _, body in talks]
    templates.append({"name": name, "tokens": json.dumps(tokens, ensure_ascii=False),
                      "hashes": ["error" if text is None else fnv1a(text.encode()) for text in results]})
with open(os.path.join(HERE, "template_vectors.json"), "w", encoding="utf-8") as out:
    json.dump({"now": judge_templates.NOW.isoformat(), "talks": [{"name": name, "variables": body} for name, body in talks], "templates": templates},
              out, ensure_ascii=False, indent=0)
