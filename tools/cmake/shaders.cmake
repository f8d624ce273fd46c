# Compiles every shaders/<family>/*.comp to SPIR-V in a C array. FATHOM_SHADER_SOURCES names the source with
# the arrays; shader_list.h declares the shaders. The first compiler that has all extensions of a shader
# compiles the shader: the system's compiler, then the compiler that tools/setup.sh fetched for all build
# folders, then an installed glslang. If none has the extensions, the shader becomes a struct fm_shader
# without words, whose variant runs nowhere.
find_program(FATHOM_GLSLC NAMES glslc glslang glslangValidator REQUIRED
    DOC "GLSL compiler: shaderc's glslc, or glslang")
file(GLOB fetched CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/build/glslang/cmeel.prefix/bin/glslang)
find_program(installed NAMES glslang glslangValidator NO_CACHE)
set(compilers ${FATHOM_GLSLC} ${fetched})
if(installed)
    list(APPEND compilers ${installed})
endif()
list(REMOVE_DUPLICATES compilers)

set(shader_dir ${PROJECT_SOURCE_DIR}/shaders)
set(generated_dir ${PROJECT_BINARY_DIR}/shaders)
set(glslang_as_glslc ${CMAKE_CURRENT_LIST_DIR}/glslang_as_glslc.sh)
file(MAKE_DIRECTORY ${generated_dir})
file(GLOB shader_files CONFIGURE_DEPENDS ${shader_dir}/*/*.comp)

# Sets `result` to the command that takes glslc's options: glslc itself, or glslang with a spirv-opt. The
# spirv-opt is the one beside glslang, else an installed one.
function(compiler_command compiler result)
    get_filename_component(name ${compiler} NAME)
    if(name MATCHES "glslang")
        get_filename_component(folder ${compiler} DIRECTORY)
        find_program(spirv_opt NAMES spirv-opt HINTS ${folder} NO_CACHE)
        if(NOT spirv_opt)
            set(spirv_opt none)
        endif()
        set(${result} ${glslang_as_glslc} ${compiler} ${spirv_opt} PARENT_SCOPE)
    else()
        set(${result} ${compiler} PARENT_SCOPE)
    endif()
endfunction()

# refused_<compiler>: the lines "#extension NAME : require" that the compiler refuses. Each line is tried
# once.
set(required "")
foreach(source IN LISTS shader_files)
    file(STRINGS ${source} lines REGEX "^#extension .*: require")
    list(APPEND required ${lines})
endforeach()
list(REMOVE_DUPLICATES required)
set(refused_by_all ${required})
foreach(compiler IN LISTS compilers)
    compiler_command(${compiler} command_${compiler})
    set(refused_${compiler} "")
    foreach(line IN LISTS required)
        file(WRITE ${generated_dir}/trial.comp
            "#version 460\n${line}\nlayout(local_size_x = 1) in;\nvoid main() {}\n")
        execute_process(
            COMMAND ${command_${compiler}} -o ${generated_dir}/trial.spv ${generated_dir}/trial.comp
            RESULT_VARIABLE failed OUTPUT_QUIET ERROR_QUIET)
        if(failed)
            list(APPEND refused_${compiler} ${line})
        else()
            list(REMOVE_ITEM refused_by_all ${line})
        endif()
    endforeach()
endforeach()
set(FATHOM_GLSLC_COMMAND ${command_${FATHOM_GLSLC}}) # for the tests' own shaders

set(constants_script ${PROJECT_SOURCE_DIR}/tools/cmake/constants.cmake)
set(declarations "")
set(entries "")
set(externs "")
set(n_shaders 0)
set(spirv_files "")
set(left_out "")
set(by_another "")
foreach(source IN LISTS shader_files)
    get_filename_component(stem ${source} NAME_WE)
    string(APPEND externs "extern const struct fm_shader fm_shader_${stem};\n")
    file(STRINGS ${source} lines REGEX "^#extension .*: require")
    set(command "")
    foreach(compiler IN LISTS compilers)
        set(accepted ${lines})
        list(REMOVE_ITEM accepted ${refused_${compiler}})
        if("${accepted}" STREQUAL "${lines}")
            set(chosen ${compiler})
            set(command ${command_${compiler}})
            break()
        endif()
    endforeach()
    if(NOT command)
        string(APPEND declarations "const struct fm_shader fm_shader_${stem} = { .name = \"${stem}\" };\n")
        list(APPEND left_out ${stem})
        continue()
    endif()
    if(NOT "${chosen}" STREQUAL "${FATHOM_GLSLC}")
        list(APPEND by_another ${stem})
    endif()
    list(GET command 0 program)
    set(words ${generated_dir}/${stem}.inc)
    set(optimize -O)
    file(STRINGS ${source} decoders REGEX "^#include \".*decode\\.glsl\"")
    # Without -O decoders stay functions, which src/gpu/spirv_trim.c can leave out. The name of a .glsl that
    # includes quant/decode.glsl must end in decode.glsl, too.
    if(decoders)
        set(optimize -O0)
    endif()
    set(constants ${generated_dir}/${stem}_constants.inc)
    add_custom_command(OUTPUT ${words} ${constants}
        COMMAND ${command} --target-env=vulkan1.2 ${optimize} -Werror -I ${shader_dir} -mfmt=num
            -MD -MF ${words}.d -MT ${words} -o ${words} ${source}
        COMMAND ${CMAKE_COMMAND} "-DCOMPILER=${command}" -DINCLUDE=${shader_dir} -DSOURCE=${source} -DOUT=${constants}
            -P ${constants_script}
        DEPENDS ${source} ${program} ${constants_script} DEPFILE ${words}.d VERBATIM
        COMMENT "${chosen} ${stem}.comp")
    string(APPEND declarations "static const uint32_t ${stem}_words[] = {\n#include \"${stem}.inc\"\n};\n")
    string(APPEND declarations
        "static const struct fm_shader_constant ${stem}_constants[] = {\n#include \"${stem}_constants.inc\"\n{0}};\n")
    string(APPEND declarations
        "const struct fm_shader fm_shader_${stem} = { \"${stem}\", ${stem}_words, sizeof(${stem}_words) / 4, ${stem}_constants };\n")
    string(APPEND entries "    &fm_shader_${stem},\n")
    math(EXPR n_shaders "${n_shaders} + 1")
    list(APPEND spirv_files ${words} ${constants})
endforeach()
if(by_another)
    list(JOIN by_another ", " names)
    message(STATUS "Compiled by another compiler than ${FATHOM_GLSLC}: ${names}")
endif()
if(left_out)
    list(JOIN left_out ", " names)
    list(TRANSFORM refused_by_all REPLACE "#extension ([A-Za-z0-9_]+).*" "\\1" OUTPUT_VARIABLE extensions)
    list(JOIN extensions ", " extensions)
    list(JOIN compilers ", " tried)
    message(STATUS "Left out, since ${tried} lack ${extensions}: ${names}. "
        "FATHOM_GLSLC names another compiler.")
endif()
file(CONFIGURE OUTPUT ${generated_dir}/shader_list.h CONTENT "// generated\n#include \"gpu/shader.h\"\n@externs@" @ONLY)
# NULL keeps the array from being empty
file(CONFIGURE OUTPUT ${generated_dir}/shaders.c CONTENT "#include \"shader_list.h\"\n@declarations@\nconst struct fm_shader *const fm_shaders[] = {\n@entries@    NULL,\n};\nconst size_t fm_n_shaders = @n_shaders@;\n" @ONLY)
set_source_files_properties(${generated_dir}/shaders.c PROPERTIES OBJECT_DEPENDS "${spirv_files}")
set(FATHOM_SHADER_SOURCES ${generated_dir}/shaders.c)
