#!/bin/sh
# Includes go one way: base < file < gpu < op < model < engine; text needs base and file; only engine and tools see text; model knows no Vulkan.
#   includes.sh SOURCE_DIR
set -eu
cd "$1"
allowed() {
    case $1 in
    base) echo base ;;
    file) echo base file ;;
    text) echo base file text ;;
    gpu) echo base file gpu ;;
    op) echo base file gpu op ;;
    model) echo base file gpu op model ;;
    engine) echo base file gpu op model text engine ;;
    esac
}
bad=0
for folder in base file text gpu op model engine; do
    for target in $(grep -rhoE '^#include "[a-z]+/' "src/$folder" | sed 's/.*"//; s|/||' | sort -u); do
        case " $(allowed $folder) shaders " in
        *" $target "*) ;;
        *) echo "src/$folder includes $target/:"; grep -rnE "^#include \"$target/" "src/$folder"; bad=1 ;;
        esac
    done
done
if grep -rlE '#include *[<"](volk|vulkan)' src --include='*.[ch]' | grep -v '^src/gpu/'; then echo "a Vulkan header outside src/gpu"; bad=1; fi
if grep -rnE '^#include "gpu/' src/model src/engine; then echo "model and engine use the public gpu.h, not src/gpu"; bad=1; fi
if grep -rnwE 'printf|puts|exit|abort|getenv|fputs' src --include='*.c' | grep -vE 'snprintf|//'; then echo "the library never prints, exits or reads the environment"; bad=1; fi
exit $bad
