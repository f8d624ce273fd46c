#include "text/chat_parts.h"

#define BOS "<｜begin▁of▁sentence｜>"
#define EOS "<｜end▁of▁sentence｜>"
// Turns of DeepSeek's models; `opening` opens the answer.
#define DEEPSEEK(opening) \
    BOS "{% for m in messages %}" \
        "{% if m.role == 'user' %}<｜User｜>{{ m.content }}" \
        "{% elif m.role == 'assistant' %}<｜Assistant｜>{{ m.content }}" EOS "{% else %}{{ m.content }}" \
        "{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<｜Assistant｜" opening "' }}{% endif %}"

const struct fm_chat_builtin fm_chat_builtins[] = {
    {"deepseek-v3.2", &fm_chat_v32, NULL, {BOS, EOS, "<｜User｜>", "<｜Assistant｜>", "</think>"}},
    {"deepseek-v4", &fm_chat_v4, NULL, {BOS, EOS, "<｜User｜>", "<｜Assistant｜>", "</think>"}},
    {"deepseek-r1", NULL, DEEPSEEK("><think>\\n"), {BOS, EOS, "<｜User｜>", "<｜Assistant｜>", "<think>"}},
    {"deepseek-v3", NULL, DEEPSEEK(">"), {BOS, EOS, "<｜User｜>", "<｜Assistant｜>"}},
    {
        "chatml",
        NULL,
        "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor "
        "%}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
        {"<|im_start|>", "<|im_end|>"},
    },
    {
        "llama3",
        NULL,
        "<|begin_of_text|>{% for m in messages %}"
        "{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\\n\\n' + m.content|trim + '<|eot_id|>' }}"
        "{% endfor %}{% if add_generation_prompt %}"
        "{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}",
        {"<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"},
    },
};
const size_t fm_chat_n_builtins = sizeof(fm_chat_builtins) / sizeof(*fm_chat_builtins);
