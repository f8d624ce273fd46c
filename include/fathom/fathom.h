// Fathom: DeepSeek-class language models on any Vulkan device.
//
//   tokens.h    text to tokens and back, chat templates
//   engine.h    engine: a model's weights on a device; serves several sessions
//   session.h   session: one text, its cache and its position
//   chat.h      chat: questions and answers in the model's own form, over a session
//   gpu.h, ops.h  the backend alone
//   status.h    errors, progress, and the form of parameter structs
//
// Every object has create and destroy. destroy takes a pointer to the object, accepts NULL, and writes NULL.
#ifndef FATHOM_H
#define FATHOM_H

#include <fathom/chat.h>

#endif
