#!/bin/sh
# Reads a file of a file system that fails at an offset (faults/eio.py of the folder FATHOM_SHARED, on FUSE).
#   eio.sh TEST_BASE_DISK_READER
# Needs /dev/fuse, Debian's libfuse2 and PyPI's fusepy.
set -eu
skip() {
    echo "skipped: $1"
    exit 77
}
eio=${FATHOM_SHARED:-}/faults/eio.py
[ -n "${FATHOM_SHARED:-}" ] || skip "FATHOM_SHARED names no folder"
[ -f "$eio" ] || skip "$eio is missing"
[ -r /dev/fuse ] && [ -w /dev/fuse ] || skip "/dev/fuse cannot be used: no FUSE here"
python3 -c 'import fuse' 2>/dev/null || skip "python3 cannot import fuse: fusepy or libfuse2 is missing"
folder=$(mktemp -d /tmp/fathom-eio-XXXXXX)
mount=$folder/mount
mkdir "$mount"
python=
finish() {
    umount -l "$mount" 2>/dev/null || fusermount -uz "$mount" 2>/dev/null || :
    [ -z "$python" ] || { kill "$python" 2>/dev/null || :; wait "$python" 2>/dev/null || :; }
    rm -rf "$folder"
}
trap finish EXIT
head -c 8388608 /dev/urandom >"$folder/original"
python3 "$eio" "$folder/original" "$mount" 6291456 2>"$folder/log" &
python=$!
tries=0
until [ -f "$mount/m.gguf" ]; do
    tries=$((tries + 1))
    { kill -0 "$python" 2>/dev/null && [ $tries -lt 100 ]; } || skip "FUSE does not mount: $(tail -1 "$folder/log")"
    sleep 0.1
done
"$1" "$mount/m.gguf" "$folder/original" 6291456
