#!/usr/bin/env python3
"""Runs the program with one fault after the other, and says what became of it.

   sweep.py PROGRAM FAULT_DIR SOURCE_DIR (--sample GROUP | --whole GROUP) [--only TEXT] [--step N] [--jobs N] [--table FILE]

PROGRAM is `fathom_faults`, FAULT_DIR the folder of the layer (build/tests/faults). GROUP is vulkan or libc.
--sample: every call of the layer's table fails once with every result that it may return, and some calls of the C
library. --whole: every k of every scenario; --step N: every N-th. --only: scenarios and kinds with this in their name.

A fault is survived if the output is that of a run without faults, and refused if the program ends with code 1, one
line of message, and no file left behind. Everything else is a failure of the test."""
import argparse, glob, hashlib, os, re, shutil, signal, subprocess, sys, tempfile, threading, time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor

TIMEOUT = 900  # seconds of one run: a hang, also on a busy machine
parser = argparse.ArgumentParser()
for name in ('program', 'fault_dir', 'source'): parser.add_argument(name)
for name in ('--sample', '--whole'): parser.add_argument(name, choices=('vulkan', 'libc'))
for name in ('--only', '--table'): parser.add_argument(name, default='')
for name, default in (('--jobs', 2), ('--step', 1)): parser.add_argument(name, type=int, default=default)
args = parser.parse_args()
args.program, args.fault_dir, args.source = map(os.path.abspath, (args.program, args.fault_dir, args.source))
group = args.sample or args.whole

MODEL = args.source + '/tests/data/reference/'
DEMO = args.source + '/tools/demo/minnow-q8_0.gguf'
QUESTION = ['-p', '2+3', '-n', '3', '--raw', '--greedy']
SMALL = ['run', '{model}', *QUESTION, '--no-tune']
SLOTS = [*SMALL, '--discrete', '--vram', '14MiB'] # for a part of DEMO's experts
# name: arguments, model, environment. {model} is a copy of the model, {out} a file that does not exist.
VULKAN = {
    'run': (SMALL, MODEL + 'qwen2', {}),
    'exact': ([*SMALL, '--exact'], MODEL + 'v3', {}),
    'V4': (SMALL, MODEL + 'v4', {}),
    'drafts': (['run', '{model}', '-p', '2+3', '-n', '4', '--greedy', '--no-tune', '--draft', 'mtp'], DEMO, {}),
    'slots': ([*SLOTS, '--experts', 'host'], DEMO, {}),
    'disk': ([*SLOTS, '--experts', 'disk', '--ram', '1400KiB'], DEMO, {}),
    'slots, drafts': ([*SLOTS, '--experts', 'host', '--draft', 'mtp'], DEMO, {}),
    'card': (SMALL, MODEL + 'qwen2', {'FAULT_CARD': '1'}),
    'card, first tuning': (SMALL[:-1], MODEL + 'qwen2', {'FAULT_CARD': '1'}),
    'bench': (['bench', '{model}', '-p', '8', '-n', '2', '-r', '1', '--ops'], MODEL + 'qwen2', {}),
    'tune': (['tune', '{model}', '--seconds', '2'], MODEL + 'qwen2', {}),
    'inspect': (['inspect', '{model}'], MODEL + 'qwen2', {}),
    'devices': (['devices'], DEMO, {}),
}
LIBC = {
    'run, JSON': ([*SMALL, '--json'], MODEL + 'qwen2', {}),
    'drafts, JSON': ([*VULKAN['drafts'][0], '--json'], DEMO, {}),
    'slots, JSON': ([*VULKAN['slots'][0], '--json'], DEMO, {}),
    'disk, JSON': ([*VULKAN['disk'][0], '--json'], DEMO, {}),
    'card, first tuning': VULKAN['card, first tuning'],
    'bench': VULKAN['bench'],
    'inspect, JSON': (['inspect', '{model}', '--json'], MODEL + 'v3', {}),
    'devices, JSON': (['devices', '--json'], DEMO, {}),
    'tokenize': (['tokenize', '{model}', '--text-file', args.source + '/README.md'], MODEL + 'v3', {}),
    'logits': (['logits', '{model}', '--ids', '1,2', '--out', '{out}', '--no-tune'], MODEL + 'qwen2', {}),
    'convert': (['convert', '{model}', '{out}', '--type', 'q8_0'], MODEL + 'v3', {}),
    'quantize': (['quantize', '{model}', '{out}', '--type', 'Q4_K_M', '--tensor', 'output=Q8_0'], DEMO, {}),
}
RESULTS = ('host', 'device', 'lost', 'timeout', 'not-ready', 'init', 'fragmented', 'pool', 'incomplete', 'handle')
KINDS = {'vulkan': RESULTS, 'libc': ('alloc', 'io', 'thread', 'pcre', 'cut')}[group]
scenarios = {'vulkan': VULKAN, 'libc': LIBC}[group]
work = tempfile.mkdtemp(prefix='fathom-faults-')
lock = threading.Lock()

environment = dict(os.environ, VK_LAYER_PATH=args.fault_dir, VK_INSTANCE_LAYERS='VK_LAYER_FATHOM_faults',
    NODEVICE_SELECT='1', MESA_SHADER_CACHE_DIR=args.fault_dir + '/mesa', MESA_GLSL_CACHE_DIR=args.fault_dir + '/mesa')
environment.pop('LD_PRELOAD', None)
sanitizer = re.findall(r'=> (\S*libasan\S*)', subprocess.run(['ldd', args.program], capture_output=True, text=True).stdout)
if sanitizer:  # a module that is unloaded when leaks are sought has leaks without names
    environment.update(LD_PRELOAD=':'.join(sanitizer + glob.glob('/usr/lib/*/libvulkan_lvp.so')),
        ASAN_OPTIONS='exitcode=99:detect_leaks=1', UBSAN_OPTIONS='print_stacktrace=1')


class Run:
    """One run with a fault: code, output, message lines, what is left in its folder, and the layer's log."""
    def __init__(self, scenario, fault, calls=None, extra={}):
        arguments, model, more = scenarios[scenario]
        folder = tempfile.mkdtemp(dir=work)
        log, out, self.copy = folder + '/log', folder + '/out/file', folder + '/' + os.path.basename(model)
        os.mkdir(folder + '/out')
        if not fault.startswith('cut'): os.symlink(model, self.copy)
        elif os.path.isdir(model): shutil.copytree(model, self.copy)
        else: shutil.copy(model, self.copy)
        env = dict(environment, FAULT=fault, FAULT_LOG=log, XDG_CACHE_HOME=folder + '/cache', **more, **extra)
        if calls: env['FAULT_CALLS'] = calls
        process = subprocess.Popen([args.program, *(a.format(model=self.copy, out=out) for a in arguments)], env=env,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
        try:
            stdout, stderr = process.communicate(timeout=TIMEOUT)
            self.code = process.returncode
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            stdout, stderr = process.communicate()
            self.code = None
        self.stderr = stderr.decode('utf8', 'replace').replace(folder, '')
        self.left = {name: hashlib.sha256(open(folder + '/out/' + name, 'rb').read()).hexdigest() for name in os.listdir(folder + '/out')}
        self.left_in_cache = [name for _, _, files in os.walk(folder + '/cache/fathom') for name in files if '.part' in name]
        # numbers with a point, and whole ones in JSON and in tables, are times and sizes
        text = stdout.decode('utf8', 'replace').replace(folder, '')
        self.output = re.sub(r'-?\d[\d.e+-]*', '#', text) if scenario.split(',')[0] in ('bench', 'tune', 'run', 'drafts', 'slots', 'disk', 'inspect', 'devices') else text
        self.tokens = re.findall(r'"(?:text|tokens)":\s*(\[[^]]*\]|"[^"]*")', text)
        entries = open(log).read() if os.path.exists(log) else ''
        self.n_calls = max((int(n) for n in re.findall(r'^= (\d+)$', entries, re.M)), default=0)
        self.failed = re.findall(r'^\d+ (\w+) ', entries, re.M)
        shutil.rmtree(folder)

    def lines(self):
        news = r'[a-z]+: \d+ %$|\s+\d+ of \d+ drafted|fathom: first use of this model'  # what a run without faults says too
        return [line for line in self.stderr.splitlines() if line.strip() and not re.match(news, line)]

    def verdict(self, base):
        said = [line for line in self.lines() if re.sub(r'[\d.]+', '#', line) not in base.said]
        if self.code is None: return 'HANG'  # or a machine that is busy: TIMEOUT
        if self.code == 99 and 'LeakSanitizer' in self.stderr: return 'LEAK'
        if self.code not in (0, 1, 2): return 'CRASH'
        if self.code == 2: return 'WRONG USE'
        if self.left_in_cache: return 'LEFT ' + self.left_in_cache[0]
        if self.code == 0 and (self.left, self.tokens) == (base.left, base.tokens) and (self.output == base.output or self.table_of(base)): return 'survived'
        if self.code == 0 and re.search(r'unusable\b.*out of|no device to plan for: .*VkResult', self.output + self.stderr, re.S): return 'refused' # `devices` and `inspect` say why
        if self.code == 0: return 'WRONG OUTPUT'
        if self.left and self.left != base.left: return 'LEFT A FILE' # else what comes after the file has failed
        if len(said) != 1 or not said[0].startswith('fathom: '): return '%d LINES' % len(said)
        return 'refused'

    def table_of(self, base):  # a tuning of seconds measures now more, now less
        return base.output.startswith(self.output.split('\n')[0]) and 'operator' in self.output


def base_of(scenario, kind):
    base = Run(scenario, kind + '@0')
    base.said = {re.sub(r'[\d.]+', '#', line) for line in base.lines()}
    if base.code != 0: sys.exit(f'{scenario} fails without a fault: {base.code} {base.stderr}')
    return base


def table():
    """The layer's table: call -> results that it may return."""
    text = open(os.path.dirname(os.path.abspath(__file__)) + '/layer.c').read().replace('\\\n', ' ')
    rows = {}
    for body in re.findall(r'#define (?:DEVICE|INSTANCE)_CALLS\(Y\)(.*)', text):
        for entry in re.split(r'\b(?:CREATE\(Y,\s*|Y\(\s*)(?=vk)', body)[1:]:
            name = re.match(r'\w+', entry).group()
            rows[name] = [r for r in RESULTS if re.search(r'\b%s\b' % r.upper().replace('-', '_'), entry)]
    return rows


def check_table(rows):
    """Every call of src/gpu that can fail has a row."""
    used = set(re.findall(r'\bvk[A-Z]\w+', ''.join(open(f).read() for f in glob.glob(args.source + '/src/gpu/*.c'))))
    header = next(f for f in ('/usr/include/vulkan/vulkan_core.h', '/usr/local/include/vulkan/vulkan_core.h') if os.path.exists(f))
    fallible = set(re.findall(r'VKAPI_ATTR VkResult VKAPI_CALL (vk\w+)\(', open(header).read()))
    fallible -= {'vkResetDescriptorPool',  # has no failure
        'vkEnumerateInstanceVersion',  # the loader's own
        'vkGetDeviceFaultInfoEXT', 'vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR'}  # lavapipe 22 has neither
    missing = sorted((used & fallible) - set(rows))
    if missing: sys.exit('tests/faults/layer.c lacks ' + ', '.join(missing))


def jobs():
    """(scenario, kind, fault, calls, environment) of all runs."""
    if group == 'vulkan': check_table(table())
    if args.whole:
        for scenario in scenarios:
            for kind in KINDS:
                if args.only not in scenario + ' ' + kind: continue
                n = base_of(scenario, kind).n_calls
                for k in range(1, n + 1, args.step): yield scenario, kind, f'{kind}@{k}', None, {}
        return
    if group == 'vulkan':
        for scenario, wanted in (('run', None), ('card', ('vkResetCommandPool',)), ('bench', ('vkCreateQueryPool', 'vkGetQueryPoolResults'))):
            for name, results in table().items():
                for kind in results:
                    if name in wanted if wanted else name not in ('vkResetCommandPool', 'vkCreateQueryPool', 'vkGetQueryPoolResults'):
                        yield scenario, kind, f'{kind}@1', name, {}
        for k in (3, 5, 6): yield 'run', 'lost', f'lost@{k}', None, {'FAULT_RUNNING': '1'}
        yield 'run', 'host', 'host@3+', 'vkWaitSemaphores,vkDeviceWaitIdle', {}
        yield 'run', 'host', 'host@3+', 'vkWaitSemaphores,vkDeviceWaitIdle,vkQueueWaitIdle', {}
        yield 'card', 'host', 'host@3+', 'vkWaitSemaphores,vkDeviceWaitIdle', {}
        for name in ('vkCreatePipelineLayout', 'vkCreateComputePipelines'): yield 'run', 'host', 'host@1+', name, {}
        return
    for scenario, n in (('run, JSON', 6), ('inspect, JSON', 12), ('devices, JSON', 6), ('tokenize', 6), ('logits', 4), ('convert', 12), ('quantize', 12)):
        for kind in KINDS:
            most = base_of(scenario, kind).n_calls
            for k in sorted({1 + i * (most - 1) // (n - 1) for i in range(n)} if most else ()): yield scenario, kind, f'{kind}@{k}', None, {}


counts, bad, bases = defaultdict(Counter), [], {}
listed = list(jobs())
for scenario, kind in dict.fromkeys((j[0], j[1]) for j in listed): bases.setdefault(scenario, base_of(scenario, kind))


def one(job):
    scenario, kind, fault, calls, extra = job
    run = Run(scenario, fault, calls, extra)
    verdict = run.verdict(bases[scenario])
    name = run.failed[0] if run.failed else '(none)'
    with lock:
        counts[scenario, name if group == 'vulkan' else kind][verdict] += 1
        if verdict not in ('survived', 'refused'):
            bad.append(job)
            print(f'{verdict}: {scenario}: FAULT={fault} FAULT_CALLS={calls or ""} {extra or ""} ({name}), code {run.code}\n{run.stderr[:3000]}', flush=True)


start = time.time()
with ThreadPoolExecutor(args.jobs) as pool: list(pool.map(one, listed))
total = sum(counts.values(), Counter())
print(f'{group}: {len(listed)} faults in {time.time() - start:.0f} s: ' + ', '.join(f'{n} {v}' for v, n in total.most_common()))
if args.table:
    with open(args.table, 'a') as f:
        for (scenario, name), c in sorted(counts.items()):
            rest = {v: n for v, n in c.items() if v not in ('survived', 'refused')}
            print(f"| {scenario} | {name} | {sum(c.values())} | {c['survived']} | {c['refused']} | {rest or 0} |", file=f)
shutil.rmtree(work)
sys.exit(bool(bad))
