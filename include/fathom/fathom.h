// Fathom: DeepSeek-class language models on any Vulkan device.
//
//   tokens.h    text to tokens and back, chat templates
//   engine.h    engine: a model's weights on a device; serves several sessions
//   session.h   session: one text, its cache and its position
//   chat.h      chat: questions and answers in the model's own form, over a session
//   gpu.h, ops.h  the backend alone
//   status.h    errors, progress, and the form of parameter structs
// Not included by this header: convert.h (writes GGUF files), vulkan.h (a program's own VkDevice), debug.h.
//
// Every object has create and destroy. destroy takes a pointer to the object, accepts NULL, and writes NULL.
//
// Threads
//  - Any function may be called from any thread, and different objects be used at the same time. One session
//    or chat is used by one thread at a time.
//  - An engine, its tokenizer and its gpu are shared: all functions that take them may run at the same time,
//    and so may sessions and chats of one engine. Each gives the same tokens as alone. The device computes
//    their steps in turn. Where experts are in slots, sessions record and submit in turn; where experts are
//    in the file, a step with its reads is one turn.
//  - Destroy an object when no other thread uses it, and sessions and chats before their engine. Engines may
//    be created and destroyed meanwhile.
//  - Callbacks run in the thread that made the call. They must not use the session or chat that calls them;
//    fathom_progress.report and fathom_log.write must use nothing of the same engine.
#ifndef FATHOM_H
#define FATHOM_H

#include <fathom/chat.h>

#endif
