// Errors and log messages, shared by fathom.h and gpu.h.
//
// The library never prints, exits, reads the environment or keeps global state. A function that can fail
// returns false or NULL and fills the caller's struct fathom_error. The caller may pass NULL and then gets no
// message.
#ifndef FATHOM_STATUS_H
#define FATHOM_STATUS_H

#include <fathom/version.h>

#if defined(__GNUC__)
#define FATHOM_API __attribute__((visibility("default")))
#else
#define FATHOM_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

// The version of the library that runs, and the commit that it was built from: "0.2.0 (42959f8)". A library
// from a release's archive says "0.2.0"; one with changes that are in no commit says "0.2.0 (42959f8-dirty)".
FATHOM_API const char *fathom_version(void);

enum fathom_status {
    FATHOM_OK = 0,
    FATHOM_INVALID,     // a bad argument, or bad data in a file
    FATHOM_IO,          // a file could not be opened, read or written
    FATHOM_NO_MEMORY,   // not enough host or device memory
    FATHOM_NO_DEVICE,   // no Vulkan driver, no usable device, or no device of that name
    FATHOM_UNSUPPORTED, // well-formed, but this build or this device does not support it
    FATHOM_DEVICE_LOST, // the driver gave up on the device; every later call on it fails the same way
    FATHOM_CANCELLED,   // a callback asked to stop
};

// Why a call failed. The message is one line without a newline; it names the file, tensor or device, and the
// numbers wanted and found.
struct fathom_error {
    enum fathom_status status;
    char message[512];
};

enum fathom_log_level {
    FATHOM_LOG_ERROR,
    FATHOM_LOG_WARNING,
    FATHOM_LOG_NOTICE,
    FATHOM_LOG_INFO,
    FATHOM_LOG_DEBUG
};

// The receiver of log messages. A zeroed struct drops the messages. The library calls `write` from any
// thread, one call at a time.
struct fathom_log {
    void (*write)(void *user, enum fathom_log_level level, const char *message);
    void *user;
};

#ifdef __cplusplus
}
#endif
#endif
