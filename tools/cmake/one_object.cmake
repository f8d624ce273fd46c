# fathom_one_object(OUT): puts all objects of the library into one, in which only the public functions are
# global. A program that links libfathom.a then cannot clash with the library's own names. OUT becomes the
# object, or stays empty where the toolchain cannot do this (no objcopy, or no ELF): a trial decides.
separate_arguments(flags NATIVE_COMMAND "${CMAKE_C_FLAGS}")
if(CMAKE_C_COMPILER_TARGET)
    list(APPEND flags ${CMAKE_C_COMPILE_OPTIONS_TARGET}${CMAKE_C_COMPILER_TARGET})
endif()
set(merge_objects ${CMAKE_C_COMPILER} ${flags} -fno-lto -r -nostdlib)
set(localize ${CMAKE_OBJCOPY} --localize-hidden)

function(fathom_one_object_trial out)
    set(${out} FALSE PARENT_SCOPE)
    if(NOT CMAKE_OBJCOPY OR NOT CMAKE_NM)
        return()
    endif()
    set(folder ${PROJECT_BINARY_DIR}/one_object/trial)
    file(WRITE ${folder}/a.c
        "int hidden(void);\n__attribute__((visibility(\"default\"))) int shown(void) { return hidden(); }\n")
    file(WRITE ${folder}/b.c "int hidden(void) { return 1; }\n")
    set(compile ${CMAKE_C_COMPILER} ${flags} -fno-lto -fvisibility=hidden -w -c)
    foreach(command
        "${compile};-o;${folder}/a.o;${folder}/a.c"
        "${compile};-o;${folder}/b.o;${folder}/b.c"
        "${merge_objects};-o;${folder}/ab.o;${folder}/a.o;${folder}/b.o"
        "${localize};${folder}/ab.o;${folder}/one.o"
        "${CMAKE_NM};-g;--defined-only;${folder}/one.o")
        execute_process(COMMAND ${command} RESULT_VARIABLE failed OUTPUT_VARIABLE symbols ERROR_QUIET)
        if(failed)
            return()
        endif()
    endforeach()
    if(symbols MATCHES "shown" AND NOT symbols MATCHES "hidden")
        set(${out} TRUE PARENT_SCOPE)
    endif()
endfunction()

function(fathom_one_object out)
    fathom_one_object_trial(possible)
    file(REMOVE_RECURSE ${PROJECT_BINARY_DIR}/one_object/trial)
    if(NOT possible)
        message(STATUS "libfathom.a shows the library's internal names, too: this toolchain cannot hide them "
            "(objcopy: ${CMAKE_OBJCOPY}). A program with a function of the same name cannot link libfathom.a; "
            "libfathom.so has no such names.")
        set(${out} "" PARENT_SCOPE)
        return()
    endif()
    set(folder ${PROJECT_BINARY_DIR}/one_object/$<CONFIG>)
    set(objects $<TARGET_OBJECTS:fathom_objects> $<TARGET_OBJECTS:fathom_commit>)
    # A file has the names of the objects: a command with all of them can be too long.
    file(GENERATE OUTPUT ${folder}/objects CONTENT "\"$<JOIN:${objects},\"\n\">\"\n")
    add_custom_command(OUTPUT ${folder}/fathom.o
        COMMAND ${merge_objects} -o ${folder}/all.o @${folder}/objects
        COMMAND ${localize} ${folder}/all.o ${folder}/fathom.o
        COMMAND ${CMAKE_COMMAND} -E rm ${folder}/all.o
        DEPENDS ${objects} VERBATIM COMMENT "Hiding the internal names of libfathom.a")
    set(${out} ${folder}/fathom.o PARENT_SCOPE)
endfunction()
