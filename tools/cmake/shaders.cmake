# Compiles every shaders/*.comp to SPIR-V and puts it into C arrays: FATHOM_SHADER_SOURCES; shader_list.h declares them.
find_program(FATHOM_GLSLC NAMES glslc REQUIRED DOC "GLSL compiler (shaderc's glslc)")

set(shader_dir ${CMAKE_SOURCE_DIR}/shaders)
set(generated_dir ${CMAKE_BINARY_DIR}/shaders)
file(MAKE_DIRECTORY ${generated_dir})
file(GLOB shader_files CONFIGURE_DEPENDS ${shader_dir}/*.comp)

set(declarations "")
set(entries "")
set(externs "")
set(n_shaders 0)
set(spirv_files "")
foreach(source IN LISTS shader_files)
    get_filename_component(stem ${source} NAME_WE)
    set(words ${generated_dir}/${stem}.inc)
    add_custom_command(OUTPUT ${words}
        COMMAND ${FATHOM_GLSLC} --target-env=vulkan1.2 -O -Werror -I ${shader_dir} -mfmt=num -MD -MF ${words}.d -MT ${words} -o ${words} ${source}
        DEPENDS ${source} DEPFILE ${words}.d VERBATIM COMMENT "glslc ${stem}.comp")
    string(APPEND declarations "static const uint32_t ${stem}_words[] = {\n#include \"${stem}.inc\"\n};\nconst struct fm_shader fm_shader_${stem} = { \"${stem}\", ${stem}_words, sizeof(${stem}_words) / 4 };\n")
    string(APPEND externs "extern const struct fm_shader fm_shader_${stem};\n")
    string(APPEND entries "    &fm_shader_${stem},\n")
    math(EXPR n_shaders "${n_shaders} + 1")
    list(APPEND spirv_files ${words})
endforeach()
file(CONFIGURE OUTPUT ${generated_dir}/shader_list.h CONTENT "// generated\n#include \"gpu/shader.h\"\n@externs@" @ONLY)
# NULL keeps the array from being empty
file(CONFIGURE OUTPUT ${generated_dir}/shaders.c CONTENT "#include \"shader_list.h\"\n@declarations@\nconst struct fm_shader *const fm_shaders[] = {\n@entries@    NULL,\n};\nconst size_t fm_n_shaders = @n_shaders@;\n" @ONLY)
set_source_files_properties(${generated_dir}/shaders.c PROPERTIES OBJECT_DEPENDS "${spirv_files}")
set(FATHOM_SHADER_SOURCES ${generated_dir}/shaders.c)
