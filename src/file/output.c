#include "file/output.h"
#include "base/paths.h"
#include "file/directory.h"

bool fm_output_is_input(const struct fm_tensors *in, const char *path) {
    if (fm_folder_holds(in->path, path, ".gguf")) return true;
    for (size_t i = 0; i < in->n_files; i++)
        if (fm_mapped_file_is(&in->files[i], path)) return true;
    return false;
}

bool fm_output_check(const struct fm_tensors *in, const char *path, struct fathom_error *err) {
    return !fm_output_is_input(in, path) ||
        fm_fail(err, FATHOM_INVALID,
            "%s: is both the input and the output; writing it would destroy the model %s; name another file",
            path, in->path);
}
