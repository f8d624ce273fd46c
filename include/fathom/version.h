// The version of these headers. fathom_version() says which library runs.
//
// Until 1.0 a minor version may break compiled programs, so the soname is libfathom.so.0.MINOR.
#ifndef FATHOM_VERSION_H
#define FATHOM_VERSION_H

#define FATHOM_VERSION_MAJOR 0 // CMakeLists.txt reads these three lines
#define FATHOM_VERSION_MINOR 2
#define FATHOM_VERSION_PATCH 0

#define FATHOM_VERSION_NUMBER_OF(major, minor, patch) ((major)*1000000 + (minor)*1000 + (patch))
// for #if FATHOM_VERSION_NUMBER >= FATHOM_VERSION_NUMBER_OF(0, 2, 0)
#define FATHOM_VERSION_NUMBER \
    FATHOM_VERSION_NUMBER_OF(FATHOM_VERSION_MAJOR, FATHOM_VERSION_MINOR, FATHOM_VERSION_PATCH)

#define FATHOM_VERSION_QUOTE_(text) #text
#define FATHOM_VERSION_TEXT_(major, minor, patch) \
    FATHOM_VERSION_QUOTE_(major) "." FATHOM_VERSION_QUOTE_(minor) "." FATHOM_VERSION_QUOTE_(patch)
// "0.2.0"
#define FATHOM_VERSION FATHOM_VERSION_TEXT_(FATHOM_VERSION_MAJOR, FATHOM_VERSION_MINOR, FATHOM_VERSION_PATCH)

#endif
