# How each dependency is found; README.md beside this file says why each was chosen.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_path(VULKAN_INCLUDE_DIR vulkan/vulkan_core.h REQUIRED) # headers alone: src/gpu/instance.c opens the loader
pkg_check_modules(FATHOM_CJSON REQUIRED IMPORTED_TARGET libcjson)
pkg_check_modules(FATHOM_PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(FATHOM_UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)

add_library(fathom_dependencies INTERFACE)
target_include_directories(fathom_dependencies SYSTEM INTERFACE ${VULKAN_INCLUDE_DIR})
target_link_libraries(fathom_dependencies INTERFACE PkgConfig::FATHOM_CJSON PkgConfig::FATHOM_PCRE2 PkgConfig::FATHOM_UTF8PROC Threads::Threads ${CMAKE_DL_LIBS} m)

pkg_check_modules(FATHOM_URING QUIET IMPORTED_TARGET liburing)
if(FATHOM_URING_FOUND) # else src/base/disk_reader.c reads by threads
    target_link_libraries(fathom_dependencies INTERFACE PkgConfig::FATHOM_URING)
    target_compile_definitions(fathom_dependencies INTERFACE FATHOM_HAVE_LIBURING)
endif()

pkg_check_modules(FATHOM_EDIT QUIET IMPORTED_TARGET libedit)
add_library(fathom_tool_dependencies INTERFACE)
target_link_libraries(fathom_tool_dependencies INTERFACE PkgConfig::FATHOM_CJSON Threads::Threads m)
if(FATHOM_EDIT_FOUND)
    target_link_libraries(fathom_tool_dependencies INTERFACE PkgConfig::FATHOM_EDIT)
    target_compile_definitions(fathom_tool_dependencies INTERFACE FATHOM_HAVE_LIBEDIT)
endif()
