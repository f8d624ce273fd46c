#!/bin/sh
# Checks that every public header compiles alone, as C17 and as C++.   headers.sh SOURCE_DIR
set -eu
for header in "$1"/include/fathom/*.h; do
    name=fathom/$(basename "$header")
    printf '#include <%s>\nextern int not_empty;\n' "$name" | cc -std=c17 -Wall -Wextra -Wpedantic -Werror -I "$1/include" -fsyntax-only -x c -
    echo "#include <$name>" | c++ -std=c++17 -Wall -Wextra -Wpedantic -Werror -I "$1/include" -fsyntax-only -x c++ -
done
