// Errors, log messages, progress and the form of parameter structs, shared by all headers.
//
// The library never prints, exits, reads the environment or keeps global state. A function that can fail
// returns false or NULL, and sets the caller's struct fathom_error. The caller may pass NULL and then gets no
// message.
//
//  - A call that fails sets the error anew. A call that succeeds leaves the error as it was.
//  - NULL where it is not allowed is FATHOM_INVALID; the message names the function and the parameter.
//    Functions without an error do nothing then, or return NULL, 0 or false. The destroy functions accept
//    NULL and a pointer to NULL.
//  - After FATHOM_DEVICE_LOST every call that needs the device fails in the same way. Destroy the objects,
//    which works as always, and create them again. Sessions can be saved before a loss, not after it.
#ifndef FATHOM_STATUS_H
#define FATHOM_STATUS_H

#include <fathom/version.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define FATHOM_API __attribute__((visibility("default")))
#else
#define FATHOM_API
#endif

// Structs of parameters and results begin with `size`, the bytes of the struct as the program was compiled:
// so a program works with a library whose structs have got new members at their ends. A parameter struct
// whose size is 0, or no struct's, is FATHOM_INVALID; one with members that are set and that the library does
// not know is FATHOM_UNSUPPORTED. All other members may be zero, which means default. A caller that gives a
// struct for a result sets its size before the call; the library writes no more bytes than these.
//
//     engine = fathom_engine_create(&FATHOM_INIT(fathom_engine_params, .model = path), &err);
//     struct fathom_gpu_counters counters = {.size = sizeof(counters)};
//
// FATHOM_INIT is a compound literal, for C. A program in C++ sets the member itself. A call reads a parameter
// struct and what it points to before it returns, and keeps copies; callbacks and their `user` are kept as
// long as the object, and where memory itself must last longer (model_data), this is said.
// Structs without `size` never grow.
#define FATHOM_INIT(...) FATHOM_INIT_(__VA_ARGS__, )
#define FATHOM_INIT_(type, ...) ((struct type){.size = sizeof(struct type), __VA_ARGS__})

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
    FATHOM_DEVICE_LOST, // the driver gave up on the device
    FATHOM_CANCELLED,   // a callback asked to stop
};

// Why a call failed. The message is one line of UTF-8 without a newline, for a person: it names the file,
// tensor or device, and the numbers wanted and found. It may change with any version; `status` does not.
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
// thread, one call at a time for each gpu. It must not use what logs: the gpu, and engines, sessions and
// chats on it.
struct fathom_log {
    void (*write)(void *user, enum fathom_log_level level, const char *message);
    void *user;
};

// What a long call is doing. The units of `done` and `total`; total 0: not known.
enum fathom_phase {
    FATHOM_PHASE_OPEN,      // opening files, reading the tokenizer, creating the device: 0 of 0
    FATHOM_PHASE_WEIGHTS,   // bytes of weights, brought to the device
    FATHOM_PHASE_TUNE,      // calls of operators, measured
    FATHOM_PHASE_PIPELINES, // pipelines, built
    FATHOM_PHASE_PROMPT,    // tokens of a prompt, read
    FATHOM_PHASE_ANSWER,    // tokens, generated; total: the limit
    FATHOM_PHASE_STATE,     // bytes of a session's state, saved, restored or copied
    FATHOM_PHASE_CONVERT,   // bytes of tensors, written
};

// Called in the thread that made the call, at least every 100 ms of a long call, also while the call waits
// for the device. Return false to cancel: the call ends with FATHOM_CANCELLED within half a second. To cancel
// from another thread, set an atomic flag that `report` reads. A zeroed struct reports nothing. `report` must
// not use the gpu that the call uses, nor engines, sessions and chats on it: the call may hold what these
// wait for. A call may go from one phase to another and back: pipelines are built while a prompt is read.
// What the device was given before a call was cancelled runs on; the next call waits for it, and reports
// meanwhile.
struct fathom_progress {
    bool (*report)(void *user, enum fathom_phase phase, uint64_t done, uint64_t total);
    void *user;
};

#ifdef __cplusplus
}
#endif
#endif
