// Writes a GGUF file (version 3). The file gets its name only when it is complete and on the disk, as
// base/part_file.h says. A file that fails is removed.
#ifndef FM_FILE_GGUF_WRITE_H
#define FM_FILE_GGUF_WRITE_H
#include "file/meta.h"
#include "file/tensors.h"

struct fm_gguf_writer;

// Writes the header: the keys, and name, type and dims of each tensor. A tensor's `size` must be set; `impl`
// is not used. Both lists must outlive the writer.
struct fm_gguf_writer *fm_gguf_writer_create(const char *path, const struct fm_meta *meta,
    const struct fm_tensor *list, size_t count, struct fathom_error *err);
// Appends bytes of the tensors, in order, in pieces of any size. A piece must not cross from one tensor to
// the next.
bool fm_gguf_writer_append(
    struct fm_gguf_writer *writer, const void *data, uint64_t size, struct fathom_error *err);
// Checks that all bytes are written, and gives the file its name.
bool fm_gguf_writer_finish(struct fm_gguf_writer *writer, struct fathom_error *err);
// Removes the file unless it is finished, and frees the writer.
void fm_gguf_writer_destroy(struct fm_gguf_writer **writer);
#endif
