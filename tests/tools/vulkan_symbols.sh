#!/bin/sh
# Checks that no object of the library defines a symbol with a name of Vulkan's: a program with its own Vulkan
# links with libfathom.a (tests/gpu/test_own_vulkan.c).   vulkan_symbols.sh LIBRARY.a
set -eu
symbols=$(nm -A --defined-only "$1")
echo "$symbols" | grep -q ' fathom_gpu_create$' || { echo "$1 does not define fathom_gpu_create"; exit 1; }
if echo "$symbols" | grep -E ' (vk|volk)[A-Z][A-Za-z0-9]*$'; then echo "an object defines a name of Vulkan's"; exit 1; fi
