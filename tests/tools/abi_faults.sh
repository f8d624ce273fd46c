#!/bin/sh
# Changes a small header in many ways, and looks at what abi.sh says of each change.   abi_faults.sh SOURCE_DIR
set -eu
abi=$1/tests/tools/abi.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/include/fathom"
printf '#define FATHOM_VERSION_MAJOR 0\n#define FATHOM_VERSION_MINOR 2\n' >"$work/include/fathom/version.h"
cat >"$work/before.h" <<'C'
#include <stddef.h>
#define FATHOM_API __attribute__((visibility("default")))
struct fathom_sized { size_t size; int a; unsigned char odd; const char *b; };
struct fathom_frozen { int c; int d; };
enum fathom_kind { FATHOM_FIRST, FATHOM_SECOND };
enum { FATHOM_LIMIT = 4 };
FATHOM_API int fathom_use(const struct fathom_sized *s, struct fathom_frozen f, enum fathom_kind k);
FATHOM_API int fathom_other(int a);
C
failures=0
# expect TEXT EDIT: after the edit by sed, abi.sh prints TEXT
expect() {
    sed "$2" "$work/before.h" >"$work/include/fathom/planted.h"
    # the library of the changed header
    sed '/^FATHOM_API/ s/;/ { return 0; }/' "$work/include/fathom/planted.h" |
        cc -w -shared -fPIC -x c -o "$work/libfathom.so" -
    "$abi" "$work" "$work/libfathom.so" >"$work/out" 2>&1 || [ $? = 1 ] || { cat "$work/out"; exit 77; }
    grep -q "$1" "$work/out" || { failures=$((failures + 1)); echo "FAIL: after $2, without \"$1\":"; cat "$work/out"; }
}
cp "$work/before.h" "$work/include/fathom/planted.h"
"$abi" "$work" --renew || { echo "skipped: abi.sh writes no dump here"; exit 77; }
same='are those of the dump' grew='breaks no compiled program' broken='of the dump break'
expect "$same" 's/x/x/'
expect "$grew" 's/\*b;/*b; int last;/'
expect "$grew" 's/\*b;/*b; enum fathom_new { FATHOM_NEW } last;/'
expect "$broken" 's/int a;/int inserted; int a;/'
expect "$broken" 's/odd;/odd, in_the_padding;/'
expect "$broken" 's/int a;/int inserted; int a;/; s/\*b;/*b; int last;/'
expect "$broken" 's/unsigned char odd;//; s/\*b;/*b; int last;/'
expect "$broken" 's/int a; unsigned char odd;/unsigned char odd; int a;/'
expect "$broken" 's/size; int a;/size; unsigned a;/'
expect "$broken" 's/int d;/int d; int last;/' # the struct has no size
expect "$broken" '/fathom_other/d'
expect "$broken" 's/other(int a)/other(long a)/'
expect "$grew" '$aFATHOM_API int fathom_third(void);'
expect "$grew" '$astruct fathom_n { int a; };\nFATHOM_API int fathom_third(struct fathom_n n);'
expect "$broken" 's/FATHOM_FIRST, FATHOM_SECOND/FATHOM_SECOND, FATHOM_FIRST/'
expect "$grew" 's/FATHOM_SECOND /FATHOM_SECOND, FATHOM_THIRD /'
expect "$broken" 's/LIMIT = 4/LIMIT = 5/'
expect "$grew" '/FATHOM_LIMIT/ s/^/enum { FATHOM_ANOTHER = 9 }; /'
[ $failures = 0 ]
