# Writes the commit of the source tree, for fathom_version(): FATHOM_COMMIT is " (42959f8)", or
# " (42959f8-dirty)" where tracked files were changed. FATHOM_COMMIT is empty where the tree is not a git
# repository itself: a release's archive, or a copy inside another repository.
#   cmake -DSOURCE= -DOUT= -P commit.cmake      runs in every build; OUT changes only when the commit does
cmake_minimum_required(VERSION 3.25)
find_program(git NAMES git)
set(commit "")
if(git)
    execute_process(COMMAND ${git} -C ${SOURCE} rev-parse --show-toplevel
        OUTPUT_VARIABLE top OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    file(REAL_PATH "${SOURCE}" source)
    if(top)
        file(REAL_PATH "${top}" top)
    endif()
    if(top STREQUAL source)
        execute_process(
            COMMAND ${git} --no-optional-locks -C ${SOURCE} describe --always --dirty --abbrev=7 --exclude=*
            OUTPUT_VARIABLE described OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
        if(described)
            set(commit " (${described})")
        endif()
    endif()
endif()
file(CONFIGURE OUTPUT ${OUT} CONTENT "#define FATHOM_COMMIT \"@commit@\"\n" @ONLY)
