#!/bin/sh
# Checks that includes go one way: base < quant < gpu < op < model < engine; file stands on quant; convert and
# text stand on file; model reads file. No folder sees convert; only engine sees text; model and engine
# include no Vulkan header; tools/ sees the public headers alone. Checks also that the library never prints,
# exits or reads the environment.
#   includes.sh SOURCE_DIR
set -eu
cd "$1"
allowed() {
    case $1 in
    base) echo base ;;
    quant) echo base quant ;;
    file) echo base quant file ;;
    convert) echo base quant file convert ;;
    text) echo base quant file text ;;
    gpu) echo base quant gpu ;;
    op) echo base quant gpu op ;;
    model) echo base quant file gpu op model ;;
    engine) echo base quant file gpu op model text engine ;;
    esac
}
bad=0
for path in src/*/; do
    folder=$(basename "$path")
    [ "$folder" = decisions ] && continue
    [ -n "$(allowed "$folder")" ] || { echo "src/$folder has no floor in $0"; bad=1; }
    for target in $(grep -rhoE '^#include "[a-z]+/' "src/$folder" | sed 's/.*"//; s|/||' | sort -u); do
        case " $(allowed "$folder") shaders " in
        *" $target "*) ;;
        *) echo "src/$folder includes $target/:"; grep -rnE "^#include \"$target/" "src/$folder"; bad=1 ;;
        esac
    done
done
# src/op and shaders have the same families. shaders/include and shaders/quant are for all families.
for path in shaders/*/; do
    family=$(basename "$path")
    case $family in include | quant) continue ;; esac
    [ -d "src/op/$family" ] || { echo "shaders/$family has no src/op/$family"; bad=1; }
done
# The program is the proof that the public headers suffice. CMake gives it no path to src/, either.
if grep -nE '^ *# *include *("[^"]*/|<(\.|base|quant|file|convert|text|gpu|op|model|engine|src|shaders|volk|vulkan)\b)' tools/*.[ch]; then
    echo "tools/ includes something else than <fathom/...>, its own headers and the system's"
    bad=1
fi
if grep -rlE '#include *[<"](fathom/)?vulkan' src --include='*.[ch]' | grep -v '^src/gpu/'; then echo "a Vulkan header outside src/gpu"; bad=1; fi
if grep -rnE '^#include "gpu/' src/model src/engine; then echo "model and engine use the public gpu.h, not src/gpu"; bad=1; fi
# The engine calls the functions of an architecture's row.
if grep -rniE 'deepseek|llama|qwen|glm|(->|\.)(n_kv|kv_rank|sliding_window|ratios)\b' src/engine; then
    echo "src/engine names an architecture; its row in src/model/arch should say it"
    bad=1
fi
if grep -rnwE 'printf|puts|exit|abort|getenv|fputs' src --include='*.c' | grep -vE 'snprintf|//'; then echo "the library never prints, exits or reads the environment"; bad=1; fi
# What a failed call leaves in its output is undefined: all that create, allocate or map pass through fm_vk_made().
if for file in src/gpu/*.c; do tr '\n' ' ' <"$file" | grep -oE '[^;{}]*vk(\.|->)vk(Create|Allocate|Map)[^;]*' | sed "s|^|$file: |"; done |
    grep -v fm_vk_made; then
    echo "a call that creates, allocates or maps without fm_vk_made() (FM_VK_CREATE, FM_VK_ALLOCATE)"
    bad=1
fi
exit $bad
