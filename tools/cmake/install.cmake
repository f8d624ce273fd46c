# cmake --install: the program, both libraries, the headers, a CMake package (find_package(fathom)), a
# pkg-config file, the demonstration model.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# The libraries that users of the static library must link.
set(FATHOM_STATIC_LIBRARIES "-lcjson -lpcre2-8 -lutf8proc -lpthread -ldl -lm")
if(FATHOM_URING_FOUND)
    string(APPEND FATHOM_STATIC_LIBRARIES " -luring")
endif()
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/fathom)

install(DIRECTORY include/fathom DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
if(FATHOM_BUILD_TOOLS)
    install(TARGETS fathom RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
    install(FILES tools/demo/minnow-q8_0.gguf DESTINATION ${CMAKE_INSTALL_DATADIR}/fathom)
endif()
install(TARGETS fathom_shared fathom_static ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})

configure_package_config_file(tools/cmake/fathomConfig.cmake.in ${PROJECT_BINARY_DIR}/fathomConfig.cmake INSTALL_DESTINATION ${package_dir}
    PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/fathomConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/fathomConfig.cmake ${PROJECT_BINARY_DIR}/fathomConfigVersion.cmake DESTINATION ${package_dir})

# a path relative to the file itself, so that the installed tree may be moved
file(RELATIVE_PATH FATHOM_PC_TO_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(tools/cmake/fathom.pc.in ${PROJECT_BINARY_DIR}/fathom.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/fathom.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
