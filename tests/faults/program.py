#!/usr/bin/env python3
"""What the system does to the program: closed descriptors, signals, outputs that are no plain file, a device that
never finishes.    program.py PROGRAM FAULT_DIR SOURCE_DIR"""
import os, re, resource, shutil, signal, stat, subprocess, sys, tempfile, time
program, fault_dir, source = map(os.path.abspath, sys.argv[1:4])
DEMO, V3 = source + '/tools/demo/minnow-q8_0.gguf', source + '/tests/data/reference/v3'
work = tempfile.mkdtemp(prefix='fathom-program-')
out = work + '/out'
environment = dict(os.environ, NODEVICE_SELECT='1', XDG_CACHE_HOME=work + '/cache', ASAN_OPTIONS='exitcode=99', MESA_SHADER_CACHE_DIR=fault_dir + '/mesa')
failures = 0


def check(what, is_so, seen=''):
    global failures
    if is_so: return
    failures += 1
    print(f'FAIL: {what}: {seen}', flush=True)


def start(*arguments, env={}, **more):
    pipes = dict(stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return subprocess.Popen([program, *arguments], env=dict(environment, **env), **dict(pipes, **more))


def ends(process):
    try: text, error = process.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        process.kill()
        return 'hang', '', ''
    return process.returncode, text, error


def run(*arguments, **more): return ends(start(*arguments, **more))


def maps(process, path):
    with open(f'/proc/{process.pid}/maps') as f: return path in f.read()


def left():
    names = sorted(os.listdir(out))
    shutil.rmtree(out)
    os.mkdir(out)
    return names


def refused(what, pattern, *arguments, **more):
    code, text, error = run(*arguments, **more)
    check(what, code == 1 and re.search(pattern, error) and error.count('\n') == 1, (code, text, error))


os.mkdir(out)
run('quantize', DEMO, work + '/big.gguf', '--type', 'F32')

run('quantize', DEMO, out + '/good', '--type', 'Q4_0')
good = open(out + '/good', 'rb').read()

# standard descriptors that are closed get no file's number
for closed, shell in enumerate(('<&-', '>&-', '2>&-')):
    process = subprocess.Popen(['sh', '-c', f'exec "$@" {shell}', 'sh', program, 'quantize', work + '/big.gguf', out + '/bad', '--type', 'Q4_0'],
        env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not maps(process, work + '/big.gguf'): time.sleep(0.001)
    check(f'descriptor {closed} is taken', process.poll() is None and os.readlink(f'/proc/{process.pid}/fd/{closed}') == '/dev/null')
    code = process.wait()
    check(f'code with descriptor {closed} closed', code == (1 if closed == 1 else 0), code)
left()
for arguments in (['--help'], ['--version'], ['run', '--help'], ['tokenize', DEMO, '--ids', '5']):
    with open('/dev/full', 'w') as full: refused('a full disk', 'could not be written', *arguments, stdout=full)

# an output that is an input
shutil.copytree(V3, work + '/hub')
shutil.copy(DEMO, work + '/m.gguf')
os.symlink(work + '/hub/config.json', work + '/link')
before = {name: open(work + '/hub/' + name, 'rb').read() for name in os.listdir(work + '/hub')}
same = 'is both the input and the output'
refused('logits over its model', same, 'logits', work + '/m.gguf', '--ids', '1', '--out', work + '/m.gguf')
refused('logits over a shard', same, 'logits', work + '/hub', '--ids', '1', '--out', work + '/hub/model-00002-of-00002.safetensors')
for name in before:
    if name not in ('golden.safetensors', 'long.safetensors'):
        refused('quantize over ' + name, same, 'quantize', work + '/hub', f'{work}/hub/{name}', '--type', 'Q8_0')
refused('convert over a link', same, 'convert', work + '/hub', work + '/link', '--type', 'q8_0')
check('inputs', before == {name: open(work + '/hub/' + name, 'rb').read() for name in os.listdir(work + '/hub')})
check('a new file in the folder of the input', run('convert', work + '/hub', work + '/hub/m.gguf', '--type', 'q8_0')[0] == 0)
check('it is written again', run('convert', work + '/hub', work + '/hub/m.gguf', '--type', 'q8_0')[0] == 0)

# outputs that are no plain file
os.mkfifo(work + '/pipe')
for name, kind in (('pipe', 'pipe'), ('out', 'folder')):
    refused(f'output to a {kind}', f'is a {kind}', 'quantize', DEMO, f'{work}/{name}', '--type', 'Q4_0')
    refused(f'logits to a {kind}', f'is a {kind}', 'logits', DEMO, '--ids', '1', '--no-tune', '--out', f'{work}/{name}')
check('the pipe', stat.S_ISFIFO(os.stat(work + '/pipe').st_mode))
if os.geteuid() == 0:
    try: os.mknod(work + '/null', 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    except PermissionError: pass # in a container
    else: refused('output to a device', 'is a device', 'quantize', DEMO, work + '/null', '--type', 'Q4_0')
os.symlink('out/file', work + '/to-file')
for what in ('a free', 'an old'):
    check(f'a link to {what} name', run('quantize', DEMO, work + '/to-file', '--type', 'Q4_0')[0] == 0)
    check(f'the link to {what} name stays', os.readlink(work + '/to-file') == 'out/file')
    check(f'the file of the link to {what} name', open(work + '/out/file', 'rb').read() == good)
left()

# signals: the work stops, and nothing is left
for number, code in ((signal.SIGINT, 1), (signal.SIGTERM, 1), (signal.SIGHUP, 1), (signal.SIGKILL, -9)):
    process = start('quantize', work + '/big.gguf', out + '/o', '--type', 'IQ4_XS')
    while process.poll() is None and not maps(process, work + '/big.gguf'): time.sleep(0.002)
    time.sleep(0.05) # the handlers stand before the file is opened; now it is written
    process.send_signal(number)
    found, _, error = ends(process)
    check(f'{number.name}: code', found == code, (found, error))
    check(f'{number.name}: what is left', left() == [])
process = start('quantize', work + '/big.gguf', out + '/o', '--type', 'IQ4_XS')
for number in (signal.SIGPIPE, signal.SIGXFSZ):
    while process.poll() is None and not maps(process, work + '/big.gguf'): time.sleep(0.002)
    process.send_signal(number)
check('SIGPIPE and SIGXFSZ are errors of the write', ends(process)[0] == 0)
left()
code, _, error = run('quantize', DEMO, out + '/o', '--type', 'F32', preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20)))
check('a quota', code == 1 and 'no room for the file' in error, (code, error))
check('a quota: what is left', left() == [])
process = start('run', DEMO, '-p', 'What is 12 + 30?', '--greedy', '--no-tune')
while process.poll() is None and not maps(process, DEMO): time.sleep(0.001)
process.send_signal(signal.SIGINT) # while the file is read, before there is a device
code, text, error = ends(process)
check('SIGINT while loading', code in (1, 130) and text == '', (code, text, error))

# a chat that waits for its user
for number in (signal.SIGTERM, signal.SIGHUP):
    keyboard, terminal = os.openpty()
    process = start('run', DEMO, '--no-tune', env=dict(TERM='dumb'), stdin=terminal)
    while process.poll() is None and '/quit' not in process.stderr.readline(): pass
    process.send_signal(number)
    code, _, error = ends(process)
    check(f'{number.name} in a chat that waits', code == 128 + number, (code, error))
    os.close(keyboard), os.close(terminal)

# SIGINT ends an answer (of 1508 tokens if nothing ended it), and the chat goes on
keyboard, terminal = os.openpty()
process = start('run', DEMO, '--no-tune', '--temp', '1000', '--seed', '3', env=dict(TERM='dumb'), stdin=terminal)
while process.poll() is None and '/quit' not in process.stderr.readline(): pass
os.write(keyboard, b'How much is 3 + 4?\n')
for _ in range(20): process.stdout.read(1)
process.send_signal(signal.SIGINT)
os.write(keyboard, b'/quit\n')
code, text, error = ends(process)
check('SIGINT in an answer of a chat', code == 0 and len(text) < 1000, (code, text, error))
os.close(keyboard), os.close(terminal)

# a device that never finishes: every wait runs into its limit of time
log = work + '/log'
process = start('run', DEMO, '-p', '2+3', '-n', '2', '--greedy', '--no-tune', env=dict(FAULT='timeout@1+', FAULT_LOG=log,
    VK_LAYER_PATH=fault_dir, VK_INSTANCE_LAYERS='VK_LAYER_FATHOM_faults'))
while process.poll() is None and not (os.path.exists(log) and 'vkWaitSemaphores' in open(log).read()): time.sleep(0.01)
process.send_signal(signal.SIGINT)
code, _, error = ends(process)
check('SIGINT at a device that hangs', code == 130 and 'did not stop' in error, (code, error))

# a cache folder with a name that is too long is said, and made nowhere else; a relative one is not used
long = work + ('/' + 'x' * 250) * 17
code, _, error = run('run', source + '/tests/data/reference/qwen2', '-p', '2', '-n', '1', '--raw', '--greedy', '--no-tune', env=dict(XDG_CACHE_HOME=long))
check('a long cache path', code == 0 and 'cache could not be written' in error and not os.path.exists(work + '/' + 'x' * 250), (code, error[-300:]))
code, _, error = run('run', source + '/tests/data/reference/qwen2', '-p', '2', '-n', '1', '--raw', '--greedy', '--no-tune', env=dict(XDG_CACHE_HOME='relative', HOME=work), cwd=work)
check('a relative cache path', code == 0 and not os.path.exists(work + '/relative'), (code, error))
check('the home is used instead', os.path.exists(work + '/.cache/fathom'))

shutil.rmtree(work)
print(f'{failures} failures')
sys.exit(failures != 0)
