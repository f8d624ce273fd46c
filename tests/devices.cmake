# The devices of the tests, none of which needs a GPU: lavapipe with subgroups of 4, 8 and 16, and SwiftShader.
# Some tests also ask for "card", lavapipe that pretends to be a discrete card (tests/device.h).
# fathom_device_test() adds a test for each device.
# lavapipe26 has cooperative matrices, which Debian 12's Mesa lacks. Only tests of cooperative matrices name it.
set(FATHOM_LAVAPIPE_ICD "" CACHE FILEPATH "lavapipe's driver manifest")
set(FATHOM_SWIFTSHADER_ICD "" CACHE FILEPATH "SwiftShader's driver manifest")
set(FATHOM_LAVAPIPE26 ${PROJECT_SOURCE_DIR}/build/lavapipe26 CACHE PATH
    "a tree with Mesa 26, as tests/tools/fetch_lavapipe26.sh makes it")
if(NOT FATHOM_LAVAPIPE_ICD)
    file(GLOB found /usr/share/vulkan/icd.d/lvp_icd*.json)
    if(found)
        list(GET found 0 FATHOM_LAVAPIPE_ICD)
    endif()
endif()
if(NOT FATHOM_SWIFTSHADER_ICD AND EXISTS /usr/lib/chromium/vk_swiftshader_icd.json)
    set(FATHOM_SWIFTSHADER_ICD /usr/lib/chromium/vk_swiftshader_icd.json)
endif()

# Under the address sanitizer lavapipe 22.3 leaks 128 bytes in a module that is unloaded when the leak is reported.
# A preloaded lavapipe is known to leak nothing.
option(FATHOM_SANITIZE "the build has the address sanitizer: tests preload lavapipe" OFF)
if(FATHOM_SANITIZE)
    execute_process(COMMAND ${CMAKE_C_COMPILER} -print-file-name=libasan.so OUTPUT_VARIABLE asan OUTPUT_STRIP_TRAILING_WHITESPACE)
    file(GLOB lavapipe_library /usr/lib/*/libvulkan_lvp.so)
endif()

set(FATHOM_TEST_DEVICES lavapipe4 lavapipe8 lavapipe16 swiftshader)
set(lavapipe4_icd "${FATHOM_LAVAPIPE_ICD}")
set(lavapipe8_icd "${FATHOM_LAVAPIPE_ICD}")
set(lavapipe16_icd "${FATHOM_LAVAPIPE_ICD}")
set(card_icd "${FATHOM_LAVAPIPE_ICD}")
set(swiftshader_icd "${FATHOM_SWIFTSHADER_ICD}")
# Programs for lavapipe26 start through the tree's own loader, with the C library that the tree's Mesa needs. A
# build with the address sanitizer has no lavapipe26.
file(GLOB loader ${FATHOM_LAVAPIPE26}/usr/lib/*/ld-linux-*.so.*)
file(GLOB lavapipe26_icd ${FATHOM_LAVAPIPE26}/usr/share/vulkan/icd.d/lvp_icd*.json)
if(loader AND NOT FATHOM_SANITIZE)
    get_filename_component(folder ${loader} DIRECTORY)
    string(REPLACE "${FATHOM_LAVAPIPE26}/" "/" system_folder ${folder})
    set(lavapipe26_launcher ${loader} --library-path ${folder}:${system_folder})
else()
    set(lavapipe26_icd "")
endif()
set(lavapipe4_width 128) # bits of a vector; an invocation has 32
set(lavapipe8_width 256)
set(lavapipe16_width 512)
set(card_width 256)
set(card_environment FATHOM_TEST_CARD=1)
set(lavapipe26_width 256)

# An operator has a hundred pipelines, and a driver takes a second or more for each. So one subgroup size of
# lavapipe and SwiftShader run all cases, and the other subgroup sizes run a third each.
set(lavapipe4_part --part 1/3)
set(lavapipe16_part --part 2/3)

# fathom_device_test(NAME COMMAND command... [DEVICES device...] [ENVIRONMENT variable...] [PARTS]) adds a test
# NAME@device for each of DEVICES, which are FATHOM_TEST_DEVICES by default. If a device's driver is not
# installed, ctest shows the test as not run. PARTS: the command takes --part.
function(fathom_device_test name)
    cmake_parse_arguments(t "PARTS" "" "DEVICES;COMMAND;ENVIRONMENT" ${ARGN})
    if(NOT t_DEVICES)
        set(t_DEVICES ${FATHOM_TEST_DEVICES})
    endif()
    foreach(device IN LISTS t_DEVICES)
        set(test ${name}@${device})
        set(part "")
        if(t_PARTS)
            set(part ${${device}_part})
        endif()
        set(command ${t_COMMAND})
        if(${device}_launcher)
            list(POP_FRONT command program)
            list(PREPEND command ${${device}_launcher} $<TARGET_FILE:${program}>)
        endif()
        add_test(NAME ${test} COMMAND ${command} ${part})
        set(environment "VK_DRIVER_FILES=${${device}_icd}" "VK_ICD_FILENAMES=${${device}_icd}"
            "XDG_CACHE_HOME=${PROJECT_BINARY_DIR}/cache" ${${device}_environment} ${t_ENVIRONMENT})
        if(${device}_width)
            list(APPEND environment "LP_NATIVE_VECTOR_WIDTH=${${device}_width}")
            if(FATHOM_SANITIZE)
                list(APPEND environment "LD_PRELOAD=${asan}:${lavapipe_library}")
            endif()
        endif()
        set_tests_properties(${test} PROPERTIES ENVIRONMENT "${environment}" TIMEOUT 3000 SKIP_RETURN_CODE 77 LABELS ${device})
        if(NOT ${device}_icd)
            set_tests_properties(${test} PROPERTIES DISABLED TRUE)
        endif()
    endforeach()
endfunction()
