#!/bin/sh
# Builds a project that has Fathom as a part, with the project's own warnings as errors: by FetchContent, in C
# and C++, with the shared and the static library. The programs run. Nothing else of Fathom may be built, seen
# or installed. A project that takes Fathom by add_subdirectory and links nothing builds nothing of it.
#   subproject.sh SOURCE_DIR
set -eu
source=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "FAIL: $*"; exit 1; }

mkdir -p "$work/host/decoy/base" "$work/host/decoy/fathom"
# the project's own include path must not reach Fathom's sources
echo '#error "a header of the project"' | tee "$work/host/decoy/base/error.h" >"$work/host/decoy/fathom/status.h"
cat >"$work/host/CMakeLists.txt" <<'C'
cmake_minimum_required(VERSION 3.25)
project(host LANGUAGES C)
set(before_BUILD_TYPE "${CMAKE_BUILD_TYPE}")
include_directories(decoy)
if(FETCH)
    enable_language(CXX)
    include(FetchContent)
    FetchContent_Declare(fathom SOURCE_DIR ${FATHOM})
    FetchContent_MakeAvailable(fathom)
else()
    add_subdirectory(${FATHOM} fathom)
endif()
set_property(DIRECTORY PROPERTY INCLUDE_DIRECTORIES "")
foreach(library fathom fathom_static)
    foreach(name use.c use.cpp)
        if(FETCH)
            add_executable(${library}_${name} ${name})
            target_link_libraries(${library}_${name} PRIVATE fathom::${library})
            install(TARGETS ${library}_${name})
        endif()
    endforeach()
endforeach()
foreach(library fathom fathom_static)
    get_target_property(alias fathom::${library} ALIASED_TARGET)
    get_target_property(include ${alias} INTERFACE_INCLUDE_DIRECTORIES)
    if(NOT include STREQUAL "${FATHOM}/include")
        message(FATAL_ERROR "fathom::${library} gives the include path ${include}")
    endif()
    foreach(property INTERFACE_COMPILE_OPTIONS INTERFACE_COMPILE_DEFINITIONS INTERFACE_COMPILE_FEATURES)
        get_target_property(value ${alias} ${property})
        if(value)
            message(FATAL_ERROR "fathom::${library} has ${property} ${value}")
        endif()
    endforeach()
endforeach()
foreach(variable CMAKE_C_STANDARD CMAKE_MODULE_PATH BUILD_TESTING CTEST_COMMAND CMAKE_INSTALL_LIBDIR)
    if(DEFINED ${variable})
        message(FATAL_ERROR "Fathom sets ${variable}")
    endif()
endforeach()
if(NOT CMAKE_BUILD_TYPE STREQUAL before_BUILD_TYPE)
    message(FATAL_ERROR "Fathom sets CMAKE_BUILD_TYPE")
endif()
get_property(cached DIRECTORY PROPERTY CACHE_VARIABLES)
list(FILTER cached EXCLUDE REGEX "FATHOM|^(fathom|host|CMAKE|_CMAKE|FETCH|FETCHCONTENT|PKG_CONFIG|FIND_PACKAGE|VULKAN)_")
list(REMOVE_ITEM cached FETCH prefix_result) # the second is of CMake's pkg_check_modules
if(cached)
    message(FATAL_ERROR "Fathom caches ${cached}")
endif()
C
cat >"$work/host/use.c" <<'C'
#include <fathom/fathom.h>
#include <fathom/debug.h>
#include <fathom/ops.h>
#include <fathom/tokens.h>
#include <stdio.h>
#include <string.h>

#if FATHOM_VERSION_NUMBER < FATHOM_VERSION_NUMBER_OF(0, 2, 0)
#error "the version"
#endif

int main(void) {
    struct fathom_error err;
    memset(&err, 0, sizeof(err));
#ifdef __cplusplus
    struct fathom_gpu_params params;
    memset(&params, 0, sizeof(params));
    params.size = sizeof(params);
    struct fathom_gpu *gpu = fathom_gpu_create(&params, &err);
#else
    struct fathom_gpu *gpu = fathom_gpu_create(&FATHOM_INIT(fathom_gpu_params, .device = "0"), &err);
#endif
    if (!gpu) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    if (strncmp(fathom_version(), FATHOM_VERSION, strlen(FATHOM_VERSION)) != 0) return 1;
    printf("%s on %s\n", fathom_version(), fathom_gpu_get_info(gpu)->name);
    fathom_gpu_destroy(&gpu);
    return 0;
}
C
cp "$work/host/use.c" "$work/host/use.cpp"

warnings='-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror'
configure() { # FOLDER OPTIONS...
    folder=$1
    shift
    cmake -S "$work/host" -B "$work/$folder" -G Ninja -DFATHOM="$source" -DCMAKE_C_FLAGS="$warnings -std=c11" \
        -DCMAKE_CXX_FLAGS="$warnings" "$@" >"$work/out" 2>&1 || { cat "$work/out"; fail "configuring $folder"; }
}
configure added
cmake --build "$work/added" >/dev/null
if find "$work/added" -name '*.o' -o -name '*.inc' | grep .; then fail "what nobody links is built"; fi
configure fetched -DFETCH=ON
cmake --build "$work/fetched" >"$work/out" 2>&1 || { tail -n 50 "$work/out"; fail "building"; }
if grep -i 'warning:' "$work/out"; then fail "warnings"; fi
if find "$work/fetched" -name fathom -type f -o -name '*minnow*' -o -name '*internal*.a' -o -name 'test_*' | grep .; then
    fail "these were built, too"
fi
for program in "$work"/fetched/fathom*_use.c*; do
    "$program" >"$work/out" || fail "$program"
    cat "$work/out"
done
cmake --install "$work/fetched" --prefix "$work/inst" >/dev/null
installed=$(find "$work/inst" ! -type d -printf '%f\n' | sort | paste -sd ' ')
[ "$installed" = 'fathom_static_use.c fathom_static_use.cpp fathom_use.c fathom_use.cpp' ] || fail "installed: $installed"

# fathom_version() has the commit of a clone. A copy within the project's own repository has none.
command -v git >/dev/null || exit 0
if [ -e "$source/.git" ]; then
    grep -qF "($(git -C "$source" rev-parse --short=7 HEAD)" "$work/out" || fail "not the commit of $source: $(cat "$work/out")"
fi
commit_of() { cmake -DSOURCE="$1" -DOUT="$work/commit.h" -P "$source/tools/cmake/commit.cmake" && cat "$work/commit.h"; }
git -C "$work/host" init -q
git -C "$work/host" add .
git -C "$work/host" -c user.name=x -c user.email=x commit -qm x
commit_of "$work/host" | grep -qE '^#define FATHOM_COMMIT " \([0-9a-f]{7}\)"$' || fail "a clone: $(cat "$work/commit.h")"
echo >>"$work/host/use.c"
commit_of "$work/host" | grep -qE '^#define FATHOM_COMMIT " \([0-9a-f]{7}-dirty\)"$' || fail "a change: $(cat "$work/commit.h")"
commit_of "$work/host/decoy" | grep -qx '#define FATHOM_COMMIT ""' || fail "a copy: $(cat "$work/commit.h")"
