#!/bin/sh
# Installs missing packages, builds, and asks the demonstration model QUESTION, or a question of its own.
# Prints the thought and the answer as the model writes them.
#   tools/demo.sh [QUESTION]
set -eu
cd "$(dirname "$0")/.."
. tools/setup.sh
# shellcheck disable=SC2086 # lists of words
need $BUILD_PACKAGES $RUN_PACKAGES
need_matrices

# Without the tests, which need more packages. test.sh turns the tests on in the same folder.
[ -e build/build.ninja ] || cmake -S . -B build -G Ninja -DCMAKE_BUILD_TYPE=Release -DFATHOM_BUILD_TESTS=OFF >/dev/null
cmake --build build --target fathom -- --quiet >&2

question=${1:-"What does this program print?
\`\`\`python
x = 15
if x > 3:
    x = x + 16
print(x)
\`\`\`"}
printf '%s\n\n' "$question"
exec build/fathom run tools/demo/minnow-q8_0.gguf -p "$question" --greedy
