# What is built. Where Fathom is a part of another project (add_subdirectory, FetchContent), the two libraries
# are built when the project links them, and nothing else is.
option(FATHOM_BUILD_TOOLS "build the program, fathom" ${PROJECT_IS_TOP_LEVEL})
option(FATHOM_INSTALL "cmake --install installs Fathom" ${PROJECT_IS_TOP_LEVEL})

pkg_check_modules(FATHOM_CMOCKA QUIET IMPORTED_TARGET cmocka)
if(NOT DEFINED FATHOM_BUILD_TESTS AND PROJECT_IS_TOP_LEVEL AND NOT FATHOM_CMOCKA_FOUND)
    message(STATUS "Tests are not built: pkg-config finds no cmocka (Debian's package libcmocka-dev). Install "
        "cmocka and configure with -DFATHOM_BUILD_TESTS=ON, or let tools/test.sh do both.")
endif()
set(tests_possible OFF)
if(PROJECT_IS_TOP_LEVEL AND FATHOM_BUILD_TOOLS AND FATHOM_CMOCKA_FOUND)
    set(tests_possible ON)
endif()
option(FATHOM_BUILD_TESTS "build the tests, which need cmocka" ${tests_possible})
if(FATHOM_BUILD_TESTS AND NOT FATHOM_CMOCKA_FOUND)
    message(FATAL_ERROR "FATHOM_BUILD_TESTS needs cmocka, which pkg-config does not find (Debian's package "
        "libcmocka-dev). -DFATHOM_BUILD_TESTS=OFF builds without tests.")
endif()
if(FATHOM_BUILD_TESTS AND NOT FATHOM_BUILD_TOOLS)
    message(FATAL_ERROR "FATHOM_BUILD_TESTS needs FATHOM_BUILD_TOOLS: the tests run the program.")
endif()
