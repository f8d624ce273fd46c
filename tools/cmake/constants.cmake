# Writes the names of a shader's specialization constants, for struct fm_shader.constants:
#   cmake -DCOMPILER= -DINCLUDE= -DSOURCE= -DOUT= -P constants.cmake
# The names come from the preprocessed GLSL: the optimizer of either compiler removes names, and some
# constants, from the SPIR-V. The width of a workgroup (local_size_x_id) is called local_size_x; a constant
# with the same id is a second name.
execute_process(COMMAND ${COMPILER} -E -I${INCLUDE} ${SOURCE} OUTPUT_VARIABLE text RESULT_VARIABLE failed)
if(failed)
    message(FATAL_ERROR "${COMPILER} -E ${SOURCE} failed")
endif()
string(REGEX MATCHALL
    "layout *[(] *constant_id *= *[0-9+ ]+[)] *const +[a-z]+ +[A-Za-z0-9_]+|layout *[(] *local_size_x_id *= *[0-9+ ]+"
    declarations "${text}")
set(rows "")
foreach(declaration IN LISTS declarations)
    string(REGEX MATCH "= *([0-9+ ]+)" found "${declaration}")
    math(EXPR id "${CMAKE_MATCH_1}")
    string(REGEX REPLACE ".* " "" name "${declaration}")
    if(declaration MATCHES "local_size_x_id")
        set(name local_size_x)
    endif()
    string(APPEND rows "{\"${name}\", ${id}},\n")
endforeach()
string(REGEX MATCHALL "constant_id|local_size_x_id" mentions "${text}")
list(LENGTH mentions n_mentions)
list(LENGTH declarations n_declarations)
if(NOT n_mentions EQUAL n_declarations)
    message(FATAL_ERROR "${SOURCE}: ${n_mentions} constants, but this script understands only ${n_declarations}")
endif()
file(WRITE ${OUT} "${rows}")
