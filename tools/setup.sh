#!/bin/sh
# Sourced by demo.sh and test.sh: installs what is missing from the system's packages, as root or through sudo. `need PACKAGE...` is all.
# On another system than Debian and its relatives it says what to install.

missing_packages() {
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || printf '%s ' "$package"
    done
}

need() {
    if ! command -v dpkg-query >/dev/null 2>&1 || ! command -v apt-get >/dev/null 2>&1; then
        [ -n "${FATHOM_SETUP_DONE:-}" ] && return 0
        echo "This system has no apt-get. Install what these Debian packages hold, then set FATHOM_SETUP_DONE=1:" >&2
        echo "  $*" >&2
        exit 1
    fi
    missing=$(missing_packages "$@")
    [ -z "$missing" ] && return 0
    sudo=
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null 2>&1 || { echo "As root, install: $missing" >&2; exit 1; }
        sudo=sudo
    fi
    echo "Installing $missing" >&2
    # another installation may be running, as on a machine that was just started: waited for
    apt="$sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300"
    # shellcheck disable=SC2086 # lists of words
    $apt install -y --no-install-recommends $missing >/dev/null 2>&1 && return 0
    # shellcheck disable=SC2086
    { $apt update && $apt install -y --no-install-recommends $missing; } >&2 || { echo "These could not be installed: $missing" >&2; exit 1; }
}

# What the build needs, and a Vulkan driver that runs without a GPU too.
BUILD_PACKAGES="gcc libc6-dev cmake ninja-build pkg-config glslc libvulkan-dev libvulkan-volk-dev spirv-headers libcjson-dev libpcre2-dev libutf8proc-dev libedit-dev"
RUN_PACKAGES="libvulkan1 mesa-vulkan-drivers"
