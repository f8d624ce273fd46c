#!/bin/sh
# Tests the program as a person uses it: help, exit codes, results, and one clear message for each kind of bad
# input.
#   cli.sh FATHOM SOURCE_DIR
set -u
fathom=$1 source=$2
demo=$source/tools/demo/minnow-q8_0.gguf v3=$source/tests/data/reference/v3
work=$(mktemp -d)
trap 'umount "$work/full" 2>/dev/null; rm -rf "$work"' EXIT
failures=0 checks=0

# check CODE 'PATTERN' command...: the exit code is CODE, and stdout or stderr has the pattern.
check() {
    code=$1 pattern=$2
    shift 2
    checks=$((checks + 1))
    "$@" >"$work/out" 2>"$work/err" </dev/null
    got=$?
    if [ $got != "$code" ] || ! { echo; cat "$work/out" "$work/err"; } | grep -qE -e "$pattern"; then
        failures=$((failures + 1))
        echo "FAIL: $* gave $got, expected $code and /$pattern/:"
        head -c 600 "$work/out" "$work/err"
    fi
}
# The lines on stderr without progress.
messages() { grep -v '^[a-z ]*: [0-9]* %$' "$work/err"; }
# refused 'PATTERN' command...: the exit code is 1, stderr has exactly one message, stdout has nothing.
refused() {
    pattern=$1
    shift
    check 1 "$pattern" "$@"
    if [ "$(messages | wc -l)" != 1 ] || [ -s "$work/out" ]; then
        failures=$((failures + 1))
        echo "FAIL: $* did not print one message on stderr alone:"
        cat "$work/out" "$work/err"
    fi
}

# help fits a screen; the exit code of wrong use is 2
for command in "" run devices inspect bench tune tokenize logits convert quantize perplexity eval; do
    # shellcheck disable=SC2086 # the empty word disappears
    check 0 '^usage: fathom' "$fathom" $command --help
    [ "$(wc -l <"$work/out")" -le 30 ] || { failures=$((failures + 1)); echo "FAIL: the help of '$command' has $(wc -l <"$work/out") lines"; }
done
check 2 usage "$fathom"
check 2 'no command "dance"' "$fathom" dance
check 2 'no option --dance' "$fathom" run --dance
check 2 'does not take "x"' "$fathom" run --temp x
check 2 'needs its N' "$fathom" run -n
check 2 'argument is missing' "$fathom" inspect
check 2 'too many' "$fathom" inspect a b
check 2 'f32, f16, bf16, q8_0 or q4_0' "$fathom" convert "$v3" "$work/x.gguf" --type q9
check 0 '^fathom [0-9]+\.[0-9]+\.[0-9]+( \([0-9a-f]{7,}(-dirty)?\))?$' "$fathom" --version

# sizes and places: the message names the option and the text
for wrong in 7x 0 -1 101% 0% 4KiBs nan 1e40 0x10 GiB ''; do
    check 2 "^fathom run: --vram does not take \"$wrong\", but sizes such as 4GiB" "$fathom" run "$demo" -p x --vram "$wrong"
done
check 2 '^fathom inspect: --device-memory does not take "5%", but sizes such as' "$fathom" inspect "$demo" --device-memory 5%
check 2 '^fathom bench: --experts does not take "dance", but auto.device.host.disk' "$fathom" bench "$demo" --experts dance
for size in 4GiB=4294967296 3g=3221225472 512M=536870912 512MiB=536870912 1.5GB=1500000000 20mb=20000000 2000000000=2000000000; do
    check 0 "\"available\":	${size#*=}," "$fathom" inspect "$demo" --device-memory 8GiB --vram "${size%=*}" --json
done
check 0 '"available":	600000000,' "$fathom" inspect "$demo" --device-memory 1GB --vram 60% --json
check 0 '"host_available":	171709176,' "$fathom" inspect "$demo" --device-memory 1GB --host-memory 1GB --ram 200MB --json

# a machine that is thought of, and plans that do not hold the model whole
check 0 'the model fits$' "$fathom" inspect "$demo" --device-memory 24GiB
cp "$work/out" "$work/fits"
check 1 '' grep -E 'plan|forecast' "$work/fits"
check 0 'expert slots +4 of 16 a layer +device memory' "$fathom" inspect "$demo" --device-memory 7MiB --ctx 2048
check 0 'experts +16 of 16 a layer +host memory' "$fathom" inspect "$demo" --device-memory 7MiB
check 0 'forecast +about [0-9.]+ tokens/s: [0-9]+ % of the chosen experts in slots' "$fathom" inspect "$demo" --device-memory 7MiB
check 0 'experts +[0-9]+ of 16 a layer +the file' "$fathom" inspect "$demo" --device-memory 7MiB --ram 2MiB
check 0 'device 500.0, link 11.0, host 11.0, disk 7.5' "$fathom" inspect "$demo" --device-memory 7MiB --host-rate 60 --link-rate 11 --disk-rate 7.5 --device-rate 500
check 0 '"experts":	"disk"' "$fathom" inspect "$demo" --device-memory 7MiB --experts disk --json
check 0 '"tokens_per_second"' "$fathom" inspect "$demo" --device-memory 7MiB --experts disk --json
refused '1.00 MiB of device memory is the limit, everything but experts needs' "$fathom" inspect "$demo" --device-memory 1GiB --vram 1MiB
check 0 '^7$' "$fathom" run "$demo" -p 'How much is 3 + 4?' --greedy --discrete --vram 9MiB --ram 3MiB --experts disk
refused 'all experts in device memory were asked for; they need 4.78 MiB' "$fathom" inspect "$demo" --device-memory 5MiB --experts device
refused 'is the limit, everything but experts needs' "$fathom" run "$demo" -p x --discrete --vram 1MiB

# results
check 0 '"usable"' "$fathom" devices --json
check 0 'variants' "$fathom" devices
check 0 '"parameters_active"' "$fathom" inspect "$demo" --json
check 0 'experts +16, 4 chosen' "$fathom" inspect "$demo"
check 0 '^Paul a 496 livres.$' "$fathom" run "$demo" -p 'Paul a 8 boîtes de 62 livres. Combien de livres en tout ?' --greedy --no-think-print
check 0 '"decode_recordings":	1,' "$fathom" run "$demo" -p 'Paul a 8 boîtes de 62 livres. Combien de livres en tout ?' --greedy --json
check 0 '"acceptance"' "$fathom" run "$demo" -p 'Paul a 8 boîtes de 62 livres. Combien de livres en tout ?' --greedy --json --draft mtp
check 0 '"end":	"length"' "$fathom" run "$demo" -p 'Paul' -n 3 --json --seed 7
check 0 '"thought":	"",' "$fathom" run "$demo" -p 'Paul' -n 3 --json --seed 7 --template deepseek-v4 --no-think
printf 'Paul a 8 boîtes <think>' >"$work/text"
check 0 '^\[.*761\]$' "$fathom" tokenize "$demo" --text-file "$work/text"
cp "$work/text" "$work/text761"
check 0 '^Paul' "$fathom" tokenize "$v3" --ids "$("$fathom" tokenize "$v3" --text-file "$work/text" | tr -d '[] ')"
check 0 '' "$fathom" logits "$v3" --ids 1,2,3,4,5 --out "$work/a" --exact --chunk 2
check 0 '' "$fathom" logits "$v3" --ids 1,2,3,4,5 --out "$work/b" --exact --decode
check 0 '' cmp "$work/a" "$work/b"
check 0 '"median"' "$fathom" bench "$demo" -p 16 -n 4 -r 2 -d 8 --json
check 0 '' "$fathom" convert "$v3" "$work/v3.gguf" --type bf16
check 0 '' "$fathom" logits "$work/v3.gguf" --ids 1,2,3,4,5 --out "$work/c" --exact
check 0 '' cmp "$work/a" "$work/c"
# quantizing
check 0 '[0-9]+ F32, [0-9]+ Q5_0' "$fathom" quantize "$v3" "$work/q.gguf" --type Q4_K_M
check 0 'smaller blocks' "$fathom" quantize "$work/v3.gguf" "$work/q.gguf" --type iq4_xs --tensor ffn_down=Q8_0 --tensor 'blk.[01].*=q8_0'
check 0 '' "$fathom" logits "$work/q.gguf" --ids 1,2,3 --out "$work/d"
check 2 'does not take "q9"; the types are F32, F16' "$fathom" quantize "$v3" "$work/q.gguf" --type q9
check 2 'does not take ""' "$fathom" quantize "$v3" "$work/q.gguf"
check 2 'PATTERN=TYPE' "$fathom" quantize "$v3" "$work/q.gguf" --type q8_0 --tensor q8_0
refused 'no matrix has a name like "dance"' "$fathom" quantize "$v3" "$work/q.gguf" --type q8_0 --tensor dance=q8_0
refused 'is both the input and the output' "$fathom" quantize "$work/q.gguf" "$work/q.gguf" --type q4_0
refused 'no-such' "$fathom" quantize "$v3" "$work/q.gguf" --type q4_0 --imatrix "$work/no-such"

# questions as editors, echo and Windows write them: the text but for one line end, or a refusal that names the bytes
question='How much is 3 + 4?'
asked() { check 0 '^7$' "$fathom" run "$demo" --greedy -n 80 "$@"; }
asked -p "$question"
for bytes in '%s' '%s\n' '%s\r\n' '\357\273\277%s' '\357\273\277%s\r\n'; do
    # shellcheck disable=SC2059 # the formats are these
    printf "$bytes" "$question" >"$work/question"
    asked -f "$work/question"
    "$fathom" run "$demo" --greedy -n 80 <"$work/question" >"$work/answer" 2>/dev/null
    check 0 '^7$' cat "$work/answer"
done
ids_of() { "$fathom" run "$demo" -n 0 --json "$@" | grep prompt_tokens; } # one line end alone is dropped
printf '%s\n\n\n' "$question" >"$work/question"
[ "$(ids_of -f "$work/question")" != "$(ids_of -p "$question")" ] || { failures=$((failures + 1)); echo "FAIL: three line ends were dropped"; }
wide() { printf "$1"; printf '%s' "$question" | iconv -f UTF-8 -t "$2"; }
wide '\377\376' UTF-16LE >"$work/question" && refused 'question: the text is UTF-16, and must be UTF-8' "$fathom" run "$demo" -f "$work/question"
wide '\376\377' UTF-16BE >"$work/question" && refused 'the text is UTF-16,' "$fathom" eval "$demo" "$work/question"
wide '\377\376\0\0' UTF-32LE >"$work/question" && refused 'the text is UTF-32,' "$fathom" perplexity "$demo" "$work/question"
wide '\0\0\376\377' UTF-32BE >"$work/question" && refused 'the text is UTF-32,' "$fathom" tokenize "$demo" --text-file "$work/question"
for encoding in UTF-16LE UTF-16BE UTF-32LE UTF-32BE; do
    wide '' $encoding >"$work/question" && refused "the text is $encoding," "$fathom" run "$demo" -f "$work/question"
done
printf 'How much is 3 + 4\0 + 100?' >"$work/question"
refused 'a zero byte at offset 17' "$fathom" run "$demo" -f "$work/question"
refused 'a zero byte at offset 17' "$fathom" perplexity "$demo" "$work/question" --ctx 4
printf 'ab\0ab\0ab\0ab\0' >"$work/question" # many zero bytes, but not one of every two
refused 'a zero byte at offset 2' "$fathom" run "$demo" -f "$work/question"
check 2 'the question is empty' "$fathom" run "$demo"
check 2 'the question is empty' "$fathom" run "$demo" -p ''
check 2 'the question is empty' "$fathom" run "$demo" -p "$(printf ' \t\343\200\200\n ')"
check 2 'the text is empty' "$fathom" run "$demo" --raw -p ''
check 0 . "$fathom" run "$demo" --raw -p ' ' -n 2
printf '\357\273\277\r\n' >"$work/question"
check 2 'the question is empty' "$fathom" run "$demo" -f "$work/question"

# the limits of sampling are greedy; numbers outside their range are wrong use
for limit in '--top-p 0' '--top-p 1e-9' '--top-k 1' '--min-p 1' '--top-p 0 --top-k 40' '--temp 0' '--temp 1e-37' '--temp 1e-38' '--temp 1e-45' '--temp 1e-50'; do
    # shellcheck disable=SC2086 # several words
    asked -p "$question" --temp 5 --seed 1 $limit
done
for wrong in '--top-p -0.1' '--top-p 1.01' '--min-p -1' '--min-p 2' '--temp -1' '--temp nan' '--temp inf' '--temp 1e39' '--top-p nan' '--min-p inf' '--repeat-penalty -1' '--repeat-penalty nan' '-n -2' '-n 1.5' '-n x'; do
    # shellcheck disable=SC2086
    check 2 "^fathom run: ${wrong% *} does not take \"${wrong#* }\"" "$fathom" run "$demo" -p x $wrong
done

# limits: -1 is none, 0 reads the prompt alone, and a thought that is cut says so
asked -p "$question" -n -1
check 0 '' "$fathom" run "$demo" -p "$question" -n 0
[ ! -s "$work/out" ] && [ -z "$(messages)" ] || { failures=$((failures + 1)); echo "FAIL: -n 0 wrote:"; cat "$work/out" "$work/err"; }
check 0 '"prompt_tokens":	17,' "$fathom" run "$demo" -p "$question" -n 0 --json
for more in '' --no-think-print; do
    check 0 'the limit of 5 tokens \(-n\) came within the thought: there is no answer' "$fathom" run "$demo" --greedy -n 5 -p "$question" $more
    check 0 'the context of 24 positions \(--ctx\) was full within the thought: there is no answer' "$fathom" run "$demo" --greedy --ctx 24 -p "$question" $more
    [ "$(messages | wc -l)" = 1 ] || { failures=$((failures + 1)); echo "FAIL: not one line:"; cat "$work/err"; }
done
check 0 '' "$fathom" run "$demo" --greedy -n 80 -p "$question"
[ -z "$(messages)" ] || { failures=$((failures + 1)); echo "FAIL: a whole answer said:"; cat "$work/err"; }

# where the experts of a model that does not fit were, where the time went, and the forecast
limited() { # COMMAND 'PATTERN' options...: with a card of 6 MiB
    command=$1 pattern=$2
    shift 2
    check 0 "$pattern" "$fathom" "$command" "$demo" --discrete --ctx 512 --vram 6MiB "$@"
    cp "$work/out" "$work/json"
}
has() { for field; do check 0 "$field" cat "$work/json"; done; }
number() { sed -n "s/^.*\"$1\":	\(-\{0,1\}[0-9.e+-]*\),*\$/\1/p" "$work/json" | tail -n 1; }
holds() { check 0 '^1$' awk "BEGIN { print ($1) }"; }
adds_up() { # the parts of a token's time are its whole time
    has '"seconds_per_token":	0\.[0-9]*[1-9]'
    holds "($(number device) + $(number copies) + $(number disk) + $(number waiting)) / $(number seconds_per_token) - 1 < 1e-9"
    holds "($(number device) + $(number copies) + $(number disk) + $(number waiting)) / $(number seconds_per_token) - 1 > -1e-9"
}
error_is_right() { holds "sqrt(($(number error_percent) - 100 * ($(number tokens_per_second) / $(number measured) - 1)) ^ 2) < 0.001"; }
share='[0-9]+ % of experts in slots, [0-9]+ foretold' bytes='a token: [0-9]+\.[0-9]+ MB'
foretold='^  [0-9.]+ tokens/s, [0-9.]+ foretold \([-+][0-9]+\.[0-9] %\)'
limited run '"place":	"slots",' -p "$question" --greedy -n 16 --json # 16 tokens, 3 layers, 4 experts
has '"slots":	4,' '"homes":	16,' '"needed":	192,' '"read":	0,' '"disk_bytes_per_token":	0,' '"disk":	0,' '"waiting":	0$' '"decode_submits":	16,'
holds "$(number fetched) > 0 && $(number fetched) < 192 && $(number copies) > 0"
holds "sqrt(($(number link_bytes_per_token) - $(number fetched) * 104448 / 16) ^ 2) < 1"
check 0 "\"hit_rate\":	$(awk "BEGIN { printf \"%.3f\", int(1000 * (1 - $(number fetched) / 192)) / 1000 }")" cat "$work/json"
holds "$(number device_peak_bytes) > 0 && $(number device_peak_bytes) <= 6291456 && $(number host_peak_bytes) > 0"
adds_up
error_is_right
limited run "$foretold; $share; $bytes copied, [0-9.]+ ms: device [0-9.]+, copies about [0-9.]+$" -p "$question" --greedy
[ "$(messages | wc -l)" = 1 ] || { failures=$((failures + 1)); echo "FAIL: not one line:"; cat "$work/err"; }
limited run '"place":	"disk",' -p "$question" --greedy -n 16 --json --ram 3MiB --experts disk
has '"needed":	192,' '"read":	[1-9]' '"disk_bytes_per_token":	[1-9]'
holds "$(number disk) > 0 && $(number waiting) > 0"
adds_up
error_is_right
limited run "$foretold; $share; $bytes copied, [0-9.]+ from the file, [0-9.]+ ms: device [0-9.]+, copies about [0-9.]+, disk [0-9.]+, waiting about [0-9.]+$" -p "$question" --greedy --ram 3MiB --experts disk
limited run '' -p "$question" -n 0
[ -z "$(messages)" ] || { failures=$((failures + 1)); echo "FAIL: -n 0 wrote:"; cat "$work/err"; }
check 0 "$foretold; $bytes in host memory, [0-9.]+ ms: device [0-9.]+, host memory about [0-9.]+$" "$fathom" run "$demo" -p "$question" --greedy --discrete --ctx 512 --vram 4500KiB --experts host # no slots fit
limited bench '"place":	"slots",' -p 4 -n 16 -r 2 --json # 16 tokens, two times; the first run warms up
has '"needed":	384,'
adds_up
error_is_right
check 0 '^1$' grep -c '"forecast":' "$work/json"
limited bench "$foretold; $share; $bytes copied" -p 4 -n 16 -r 2
limited bench '"accepted":' -p 0 -n 16 -r 1 --json --draft mtp # the forecast is not of drafts
has '"measured":'
check 1 '' grep error_percent "$work/json"
check 0 '"forecast":' "$fathom" run "$demo" -p "$question" --greedy --json
cp "$work/out" "$work/json"
error_is_right
check 1 '' grep -E '"experts"|"time"' "$work/json"
check 0 "$foretold$" "$fathom" run "$demo" -p "$question" --greedy --verbose

# chats on a terminal. typed LOCALE TERM TEXT...: the terminal's text after these lines were typed, each after a prompt
chat_options=
typed() {
    with=$1 terminal=$2
    shift 2
    rm -f "$work/keys" && mkfifo "$work/keys" && : >"$work/screen"
    env LC_ALL="$with" TERM="$terminal" script -qefc "'$fathom' run '$demo' --greedy -n 80 --no-tune $chat_options" "$work/screen" <"$work/keys" >"$work/log" 2>&1 &
    exec 3>"$work/keys"
    n=0
    for line in "$@" /quit; do
        n=$((n + 1))
        prompts $n && printf '%s\r' "$line" >&3
    done
    exec 3>&-
    wait $!
}
prompts() {
    for _ in $(seq 600); do
        [ "$(grep -o '> ' "$work/screen" | wc -l)" -lt "$1" ] || return 0
        sleep 0.1
    done
}
if command -v script >/dev/null; then
    for locale in C.UTF-8 C POSIX de_XX.ISO-8859-1; do
        typed $locale xterm 'Für 3 + 4?'
        check 0 '3\+4: 3\+4\+0=7' cat "$work/screen"
        check 0 'Für 3 \+ 4' cat "$work/screen"
    done
    typed C.UTF-8 xterm 'Für 3 + 4?'
    check 0 "$(printf '\033')\\[2m3\+4" cat "$work/screen"
    for term in dumb ''; do
        typed C "$term" 'Für 3 + 4?'
        check 0 '3\+4: 3\+4\+0=7' cat "$work/screen"
        check 1 '' grep "$(printf '\033')" "$work/screen"
    done
    chat_options='--discrete --ctx 512 --vram 6MiB'
    typed C.UTF-8 dumb 'Für 3 + 4?' 'Für 2 + 5?'
    tr -d '\r' <"$work/screen" | grep -cE "$foretold; $share; $bytes copied" >"$work/lines"
    check 0 '^2$' cat "$work/lines"
    chat_options="$chat_options --json -n 16" # needed: of each answer, not of the chat
    typed C.UTF-8 dumb 'Für 3 + 4?' 'Für 2 + 5?'
    check 0 '^2$' grep -c '"needed":	192,' "$work/screen"
    chat_options=
else
    echo "skipped: chats on a terminal (there is no script)"
fi

# perplexity: the mean over the second half of each window; stdout has everything but progress
yes 'Paul a 8 boîtes de 62 livres.' | head -n 12 >"$work/text"
check 0 '^perplexity [0-9.]+ \+/- [0-9.]+ over [0-9]+ windows of 32 tokens' "$fathom" perplexity "$demo" "$work/text" --ctx 32
check 0 '"perplexity":	[0-9.]+,' "$fathom" perplexity "$demo" "$work/text" --ctx 32 --json
check 2 'ctx is at least 4' "$fathom" perplexity "$demo" "$work/text" --ctx 2
refused 'no-such' "$fathom" perplexity "$demo" "$work/no-such"
refused 'a longer text or a smaller --ctx' "$fathom" perplexity "$demo" "$work/text" --ctx 500

# questions
cat >"$work/questions" <<END
{"question": "Paul a 8 boîtes de 62 livres. Combien de livres en tout ?", "answer": "Paul a 496 livres."}

{"question": "Paul a 8 boîtes de 62 livres. Combien de livres en tout ?", "answer": "Paul n'en a pas."}
END
check 0 '^1 of 2 right' "$fathom" eval "$demo" "$work/questions"
check 0 '"accuracy":	0.5,' "$fathom" eval "$demo" "$work/questions" --json
check 0 'reply:    Paul a 496 livres.' "$fathom" eval "$demo" "$work/questions" --wrong
check 0 '2 of 2 replies reached a limit' "$fathom" eval "$demo" "$work/questions" -n 4
check 0 '"cut":	2' "$fathom" eval "$demo" "$work/questions" -n 4 --json
{ printf '\357\273\277'; cat "$work/questions"; } >"$work/marked"
check 0 '^1 of 2 right' "$fathom" eval "$demo" "$work/marked"
echo '{"question": " ", "answer": "x"}' >"$work/marked"
refused 'marked:1: the question is empty' "$fathom" eval "$demo" "$work/marked"
echo '{"question": "a\\u0000b", "answer": "x"}' >"$work/marked"
refused 'marked:1: there is a zero character' "$fathom" eval "$demo" "$work/marked"
echo '{"question": "x"}' >>"$work/questions"
refused 'questions:4: there is no string "answer"' "$fathom" eval "$demo" "$work/questions"
echo '{"question":' >"$work/questions"
refused 'questions:1' "$fathom" eval "$demo" "$work/questions"
: >"$work/questions"
refused 'holds no question' "$fathom" eval "$demo" "$work/questions"

# GGUF keeps the tensors of sparse and compressed attention, FP8 and wide values: the logits are the same bit
# for bit
for model in v32 v4 v3-fp8 glm4-lite; do
    folder=$source/tests/data/reference/$model
    check 0 '' "$fathom" convert "$folder" "$work/$model.gguf" --type f32
    check 0 '' "$fathom" logits "$folder" --ids "$(seq -s, 1 30)" --out "$work/d" --exact
    check 0 '' "$fathom" logits "$work/$model.gguf" --ids "$(seq -s, 1 30)" --out "$work/e" --exact --chunk 8
    check 0 '' cmp "$work/d" "$work/e"
done

# tuning: runs once, at first use; the cache folder keeps the result; a full tuning prints its choices
export XDG_CACHE_HOME="$work/cache"
check 0 'first use of this model on' "$fathom" logits "$v3" --ids 1,2 --out "$work/d"
check 0 '^$' "$fathom" logits "$v3" --ids 1,2 --out "$work/e"
[ -z "$(messages)" ] || { failures=$((failures + 1)); echo "FAIL: a second start printed:"; cat "$work/err"; }
check 0 '' cmp "$work/d" "$work/e"
[ "$(find "$work/cache" -name 'tuning-*' | wc -l)" = 1 ] || { failures=$((failures + 1)); echo "FAIL: no tuning file in $work/cache"; }
tuning=$(find "$work/cache" -name 'tuning-*')
printf x >>"$tuning"
check 0 'is damaged' "$fathom" logits "$v3" --ids 1,2 --out "$work/e"
rm "$tuning"
check 0 '' "$fathom" logits "$v3" --ids 1,2 --out "$work/e" --no-tune
[ ! -e "$tuning" ] || { failures=$((failures + 1)); echo "FAIL: --no-tune tuned"; }
check 0 '"choices":' "$fathom" tune "$v3" --seconds 3 --json
check 0 'operator +shape' "$fathom" tune "$v3" --seconds 3
check 2 'seconds is above 0' "$fathom" tune "$v3" --seconds 0
check 0 '' "$fathom" run "$demo" -n 1 -p x # tunes now, so that the refusals below print one line each
check 0 '' "$fathom" logits "$v3" --ids 1,2 --out "$work/e" # the same where 3 s were too short

# bad files: each message names the file or the thing
: >"$work/empty.gguf"
head -c 4096 /dev/zero >"$work/zero.gguf"
head -c 100000 "$demo" >"$work/short.gguf"
cp "$demo" "$work/magic.gguf" && printf 'GGUX' | dd of="$work/magic.gguf" conv=notrunc status=none
cp "$demo" "$work/arch.gguf" && offset=$(grep -abo deepseek2 "$demo" | head -n 1 | cut -d: -f1) && printf 'deepseek9' | dd of="$work/arch.gguf" bs=1 seek="$offset" conv=notrunc status=none
refused 'no chat template "dance" built in; there are deepseek-v3.2, deepseek-v4,' "$fathom" run "$demo" -p x --template dance
refused 'no token <|im_start|>, which the template chatml needs' "$fathom" run "$demo" -p x --template chatml
refused 'the model always thinks' "$fathom" run "$demo" -p x --no-think
refused 'none.gguf' "$fathom" inspect "$work/none.gguf"
for bad in empty zero short magic; do refused "$bad.gguf" "$fathom" run "$work/$bad.gguf" -p x; done
refused 'deepseek9' "$fathom" run "$work/arch.gguf" -p x
mkdir "$work/folder"
refused 'folder' "$fathom" run "$work/folder" -p x
cp -r "$v3" "$work/hub" && chmod -R u+w "$work/hub" && printf 'x\n{{ messages[ }}' >"$work/hub/chat_template.jinja"
refused 'chat template, line 2: ' "$fathom" run "$work/hub" -p x --no-tune # a tuning of 3 s may have measured nothing
printf '{{ bos_token }}{%% for m in messages %%}<｜User｜>{{ m.content }}{%% endfor %%}<｜Assistant｜><think>{{ "\\n" }}' >"$work/template.jinja"
[ "$("$fathom" run "$demo" -p 'How much is 3 + 4?' --greedy -n 80 --chat-template "$work/template.jinja")" = "$("$fathom" run "$demo" -p 'How much is 3 + 4?' --greedy -n 80)" ] || { failures=$((failures + 1)); echo "FAIL: the template of a file"; }
refused 'one is wanted' "$fathom" run "$demo" -p x --template deepseek-v3 --chat-template "$work/template.jinja"
refused 'none.jinja' "$fathom" run "$demo" -p x --chat-template "$work/none.jinja"
check 2 'takes no template' "$fathom" run "$demo" -p x --raw --template deepseek-v3
sed -i 's/"deepseek_v3"/"mystery"/' "$work/hub/config.json"
refused 'mystery' "$fathom" inspect "$work/hub"
cp "$v3/config.json" "$work/hub/" && rm "$work/hub/model-00002-of-00002.safetensors"
refused 'model-00002-of-00002.safetensors' "$fathom" inspect "$work/hub"

# a folder with one model in it
mkdir "$work/one" && cp "$demo" "$work/one/MODEL.GGUF"
check 0 'experts +16, 4 chosen' "$fathom" inspect "$work/one"
check 0 '^\[.*761\]$' "$fathom" tokenize "$work/one" --text-file "$work/text761"
cp "$demo" "$work/one/second.gguf"
refused 'holds 2 models; name the file of one: MODEL.GGUF, second.gguf' "$fathom" inspect "$work/one"

# what a file does not say is told; what it says is never a control character
patch() { # FILE TEXT 'BYTES of the same length': the first TEXT of the demonstration model becomes BYTES
    cp "$demo" "$1" && printf "$3" | dd of="$1" bs=1 seek="$(grep -abo "$2" "$demo" | head -n 1 | cut -d: -f1)" conv=notrunc status=none
}
patch "$work/gate.gguf" expert_gating_func expert_gating_fumc
check 0 'gate.gguf: key expert_gating_func is missing; the .* taken for a sigmoid' "$fathom" logits "$work/gate.gguf" --ids 1,2 --out "$work/d" --no-tune
check 0 '' "$fathom" logits "$demo" --ids 1,2 --out "$work/e" --no-tune
check 0 '' cmp "$work/d" "$work/e"
patch "$work/name.gguf" minnow 'a\033[\n\377b'
check 0 '^a.x1b\[.x0a.xffb \(deepseek2\)$' "$fathom" inspect "$work/name.gguf"
check 0 '"name":	"a..x1b\[..x0a..xffb",' "$fathom" inspect "$work/name.gguf" --json
patch "$work/tensor.gguf" blk.1.attn_norm.weight 'blk.1.attn\n\033orm.weight'
refused 'blk.1.attn_norm.weight is missing' "$fathom" inspect "$work/tensor.gguf"
cp "$demo" "$work/$(printf 'a\377\n.gguf')"
check 0 '"model":	"[^"]*a�.n.gguf",' "$fathom" tune "$work/$(printf 'a\377\n.gguf')" --seconds 0.1 --json

# a result that cannot be written
for command in devices "inspect $demo" "run $demo --greedy -n 3 -p 2+3"; do
    refused 'could not be written' sh -c "'$fathom' $command >/dev/full"
done

# a context, prompts, an id and a file that are refused
refused '2048' "$fathom" run "$demo" -p x --ctx 1000000
seq 1 400 >"$work/long"
refused 'prompt has [0-9]+ tokens, the context holds 64' "$fathom" run "$demo" -f "$work/long" --ctx 64
refused '768' "$fathom" logits "$v3" --ids 1,768 --out "$work/never"
refused 'no-such' "$fathom" run "$demo" -f "$work/no-such"
[ ! -e "$work/never" ] || { failures=$((failures + 1)); echo "FAIL: a refused command left its output"; }

# devices
refused 'called "no such card"' "$fathom" run "$demo" -p x --device 'no such card'
echo '{"file_format_version": "1.0.0", "ICD": {"library_path": "/nonexistent/libnone.so", "api_version": "1.3.0"}}' >"$work/icd.json"
refused 'no Vulkan driver' env VK_DRIVER_FILES=/nonexistent.json VK_ICD_FILENAMES=/nonexistent.json "$fathom" run "$demo" -p x
refused 'no Vulkan driver' env VK_DRIVER_FILES="$work/icd.json" VK_ICD_FILENAMES="$work/icd.json" "$fathom" devices

# a full disk, where this user may mount one
mkdir "$work/full"
if mount -t tmpfs -o size=256k tmpfs "$work/full" 2>/dev/null; then
    refused 'No space left' "$fathom" convert "$v3" "$work/full/x.gguf" --type f32
    [ -z "$(ls "$work/full")" ] || { failures=$((failures + 1)); echo "FAIL: a full disk left $(ls "$work/full")"; }
    refused 'No space left' "$fathom" logits "$v3" --ids "$(seq -s, 1 100)" --out "$work/full/l"
    [ -z "$(ls "$work/full")" ] || { failures=$((failures + 1)); echo "FAIL: a full disk left $(ls "$work/full")"; }
else
    echo "skipped: a full disk (this user may not mount a tmpfs)"
fi
refused '' "$fathom" convert "$v3" "$work/no/such/folder/x.gguf" --type f32

echo "$checks commands checked, $failures failures"
[ $failures = 0 ]
