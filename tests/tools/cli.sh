#!/bin/sh
# The program as a person meets it: help, exit codes, results, and one clear message for each kind of bad input.
#   cli.sh FATHOM SOURCE_DIR
set -u
fathom=$1 source=$2
demo=$source/tools/demo/minnow-q8_0.gguf v3=$source/tests/data/reference/v3
work=$(mktemp -d)
trap 'umount "$work/full" 2>/dev/null; rm -rf "$work"' EXIT
failures=0 checks=0

# check CODE 'PATTERN' command...: exit code, and a pattern somewhere in what it printed (both streams)
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
# the lines on stderr that do not say how far a slow run is
messages() { grep -v '^[a-z ]*: [0-9]* %$' "$work/err"; }
# the same for a refusal: exactly one message on stderr, nothing on stdout
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

# help fits a screen; wrong use is 2
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
check 0 '^fathom [0-9]' "$fathom" --version

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

# perplexity: the mean of what the logits say of the second half of each window; all that is told is on stdout, progress apart
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
echo '{"question": "x"}' >>"$work/questions"
refused 'questions:4: there is no string "answer"' "$fathom" eval "$demo" "$work/questions"
echo '{"question":' >"$work/questions"
refused 'questions:1' "$fathom" eval "$demo" "$work/questions"
: >"$work/questions"
refused 'holds no question' "$fathom" eval "$demo" "$work/questions"

# what sparse and compressed attention have in a file of their own, FP8 and wide values come back from GGUF, bit for bit
for model in v32 v4 v3-fp8 glm4-lite; do
    folder=$source/tests/data/reference/$model
    check 0 '' "$fathom" convert "$folder" "$work/$model.gguf" --type f32
    check 0 '' "$fathom" logits "$folder" --ids "$(seq -s, 1 30)" --out "$work/d" --exact
    check 0 '' "$fathom" logits "$work/$model.gguf" --ids "$(seq -s, 1 30)" --out "$work/e" --exact --chunk 8
    check 0 '' cmp "$work/d" "$work/e"
done

# tuning: at first use, once; kept in the cache folder; a full one shows what it found
export XDG_CACHE_HOME="$work/cache"
check 0 'first use of this model on' "$fathom" logits "$v3" --ids 1,2 --out "$work/d"
check 0 '^$' "$fathom" logits "$v3" --ids 1,2 --out "$work/e"
[ -z "$(messages)" ] || { failures=$((failures + 1)); echo "FAIL: a second start said:"; cat "$work/err"; }
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
check 0 '' "$fathom" run "$demo" -n 1 -p x # the refusals below are one line each

# bad files: each names the file or the thing
: >"$work/empty.gguf"
head -c 4096 /dev/zero >"$work/zero.gguf"
head -c 100000 "$demo" >"$work/short.gguf"
cp "$demo" "$work/magic.gguf" && printf 'GGUX' | dd of="$work/magic.gguf" conv=notrunc status=none
cp "$demo" "$work/arch.gguf" && offset=$(grep -abo deepseek2 "$demo" | head -n 1 | cut -d: -f1) && printf 'deepseek9' | dd of="$work/arch.gguf" bs=1 seek="$offset" conv=notrunc status=none
refused 'no chat template "dance"; there are deepseek-r1, deepseek-v3,' "$fathom" run "$demo" -p x --template dance
refused 'no token <|im_start|>, which the template qwen3 needs' "$fathom" run "$demo" -p x --template qwen3
refused 'a model always thinks' "$fathom" run "$demo" -p x --no-think
refused 'none.gguf' "$fathom" inspect "$work/none.gguf"
for bad in empty zero short magic; do refused "$bad.gguf" "$fathom" run "$work/$bad.gguf" -p x; done
refused 'deepseek9' "$fathom" run "$work/arch.gguf" -p x
mkdir "$work/folder"
refused 'folder' "$fathom" run "$work/folder" -p x
cp -r "$v3" "$work/hub" && chmod -R u+w "$work/hub" && printf '{{ "<|im_start|>" }}' >"$work/hub/chat_template.jinja"
refused 'which the template chatml needs' "$fathom" run "$work/hub" -p x --no-tune # a tuning of 3 s may have measured nothing
sed -i 's/"deepseek_v3"/"mystery"/' "$work/hub/config.json"
refused 'mystery' "$fathom" inspect "$work/hub"
cp "$v3/config.json" "$work/hub/" && rm "$work/hub/model-00002-of-00002.safetensors"
refused 'model-00002-of-00002.safetensors' "$fathom" inspect "$work/hub"

# a result that cannot be written
for command in devices "inspect $demo" "run $demo --greedy -n 3 -p 2+3"; do
    refused 'could not be written' sh -c "'$fathom' $command >/dev/full"
done

# what does not fit
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
