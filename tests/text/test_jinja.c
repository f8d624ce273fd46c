// The interpreter of chat templates: what jinja2 renders (jinja_vectors.json), errors with their lines,
// bounds, and where each byte of a text comes from.
#include "text/support.h"
#include "text/jinja.h"
#include "text/json_text.h"

static const struct tm now = {.tm_year = 126,
    .tm_mon = 0,
    .tm_mday = 2,
    .tm_hour = 3,
    .tm_min = 4,
    .tm_sec = 5,
    .tm_wday = 5,
    .tm_yday = 1};         // that of make_jinja_vectors.py
static uint64_t max_steps; // 0: the default
static size_t max_memory;
static const char *const own[] = {"bos", "messages.*.role", "list.*"};

static bool render(const char *template, size_t n_template, const char *variables, size_t n_variables,
    struct fm_jinja_output *out, struct fathom_error *err) {
    const struct fm_jinja_input input = {.variables = variables,
        .length = n_variables,
        .own = own,
        .n_own = 3,
        .now = now,
        .max_steps = max_steps,
        .max_memory = max_memory};
    *out = (struct fm_jinja_output){0};
    *err = (struct fathom_error){0};
    struct fm_jinja *jinja = fm_jinja_parse(template, n_template, err);
    const bool done = jinja && fm_jinja_render(jinja, &input, out, err);
    fm_jinja_destroy(&jinja);
    assert_int_equal(done, err->status == FATHOM_OK);
    assert_int_equal(done, err->message[0] == 0);
    return done;
}

static bool render_text(
    const char *template, const char *variables, struct fm_jinja_output *out, struct fathom_error *err) {
    return render(template, strlen(template), variables, strlen(variables), out, err);
}

// ---- jinja2 ----------------------------------------------------------------------------------------------

// Calls `check` with each case of jinja_vectors.json; `text` is NULL where jinja2 fails.
static int each_vector(void (*check)(
    const struct fm_text *template, struct fm_json_text variables, const struct fm_text *text)) {
    size_t length;
    char *file = need_file(FATHOM_SOURCE_DIR "/tests/text/jinja_vectors.json", &length);
    const struct fm_json_text all = fm_json_text(file, length),
                              shared = fm_json_text_member(all, "variables");
    struct fm_json_text cases = fm_json_text_member(all, "cases"), key, one;
    int n = 0;
    for (; fm_json_text_next(&cases, &key, &one); n++) {
        struct fm_json_text parts[3];
        struct fm_text template = {0}, text = {0};
        for (int i = 0; i < 3; i++) assert_true(fm_json_text_next(&one, &key, &parts[i]));
        assert_true(fm_json_text_unquote(parts[0], &template));
        const bool fails = *parts[2].at == 'n';
        if (!fails) assert_true(fm_json_text_unquote(parts[2], &text));
        check(&template, *parts[1].at == 'n' ? shared : parts[1], fails ? NULL : &text);
        fm_text_free(&template);
        fm_text_free(&text);
    }
    free(file);
    return n;
}

static int n_wrong, n_failing;

static void check_vector(
    const struct fm_text *template, struct fm_json_text variables, const struct fm_text *text) {
    struct fm_jinja_output out;
    struct fathom_error err;
    const bool done = render(
        template->text, template->length, variables.at, (size_t)(variables.end - variables.at), &out, &err);
    const bool right =
        done ? text && text->length == out.length && !memcmp(text->text, out.text, out.length) : !text;
    n_failing += !text;
    if (!right) {
        n_wrong++;
        print_error("%s\n  jinja2 %s\n  here   %s\n", template->text, text ? text->text : "fails",
            done ? out.text : err.message);
    }
    fm_jinja_output_free(&out);
}

static void as_jinja2(void **state) {
    (void)state;
    n_wrong = n_failing = 0;
    const int n = each_vector(check_vector);
    assert_int_equal(n_wrong, 0);
    assert_true(n > 1200);
    assert_true(n_failing > 200);
}

// ---- Errors ----------------------------------------------------------------------------------------------

static void errors(void **state) {
    (void)state;
    static const struct {
        const char *template, *message;
    } cases[] = {
        {"a\n\n{{ raise_exception('No tools here') }}", "chat template, line 3: No tools here"},
        {"{{ raise_exception('two\nlines') }}", "chat template, line 1: two lines"},
        {"{% if true %}\n{{ none.a.b }}\n{% endif %}", "chat template, line 2: 'None' has no attribute 'a'"},
        {"\n{{ missing.a }}", "chat template, line 2: 'missing' is undefined"},
        {"{{ {'a': 1}.b.c }}", "chat template, line 1: 'dict' has no attribute 'b'"},
        {"{{ [1][3].x }}", "chat template, line 1: 'list' has no element 3"},
        {"{% macro m() %}\n{{ 1 / 0 }}\n{% endmacro %}\n\n{{ m() }}",
            "chat template, line 2: division by zero"},
        {"\n{{ 1 + 'a' }}", "chat template, line 2: unsupported operand types for +: 'int' and 'str'"},
        {"\n\n{{ 'a' | nothing }}", "chat template, line 3: there is no filter 'nothing'"},
        {"{% if 1 %}\n{{ 'a' is nothing }}{% endif %}", "chat template, line 2: there is no test 'nothing'"},
        {"\n{% nothing %}", "chat template, line 2: there is no statement 'nothing' here"},
        {"\n{% include 'a' %}", "chat template, line 2: {% include %} is not a statement of chat templates"},
        {"a\n{% if true %}", "chat template, line 2: the template ends before {% elif %}"},
        {"{{ 1 +\n }}", "chat template, line 2: an expression was expected, not '}}'"},
        {"{{ 'a\n", "chat template, line 1: unexpected character '''"},
        {"\n{{ a ) }}", "chat template, line 2: unexpected ')'"},
        {"{# a", "chat template, line 1: a comment {# has no end #}"},
        {"{{ [1].append(2) }}",
            "chat template, line 1: the sandbox forbids 'append' of a list, because it changes the value"},
        {"\xff", "the chat template is not UTF-8 at byte 0"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct fm_jinja_output out;
        struct fathom_error err;
        assert_false(render_text(cases[i].template, "{}", &out, &err));
        assert_string_equal(err.message, cases[i].message);
        assert_null(out.text);
    }
}

static void wrong_variables(void **state) {
    (void)state;
    static const char *const cases[] = {"", " ", "[]", "1", "{", "{}x", "{\"a\"}", "{\"a\":}", "{\"a\":1,}",
        "{\"a\":[1,]}", "{\"a\":\"", "{\"a\":\"\\q\"}", "{\"a\":\"\\u12\"}", "{\"a\":01}", "{\"a\":-}",
        "{\"a\":tru}", "{a:1}"};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct fm_jinja_output out;
        struct fathom_error err;
        assert_false(render_text("x", cases[i], &out, &err));
        assert_non_null(strstr(err.message, "variables are not JSON at byte"));
    }
}

static void check_text(const char *template, const char *variables, const char *text) {
    struct fm_jinja_output out;
    struct fathom_error err;
    if (!render_text(template, variables, &out, &err)) fail_msg("%s: %s", template, err.message);
    assert_string_equal(out.text, text);
    assert_int_equal(out.length, strlen(text));
    fm_jinja_output_free(&out);
}

// What Python's json would not have read either has a defined text here.
static void odd_variables(void **state) {
    (void)state;
    check_text("{{ a }}", "{\"a\": \"x\xffy\xe4\xbdz\"}", "x\xef\xbf\xbdy\xef\xbf\xbdz");
    check_text("{{ a }}", "{\"a\": \"\\ud800x\\udc00\"}", "\xef\xbf\xbdx\xef\xbf\xbd");
    check_text("{{ a }}", "{\"a\": 1, \"a\": 2}", "2");
    check_text("{{ a }} {{ b }} {{ c }}", "{\"a\": NaN, \"b\": Infinity, \"c\": -Infinity}", "nan inf -inf");
    check_text("{{ a | tojson }}", "{\"a\": [NaN, Infinity, -Infinity]}", "[NaN, Infinity, -Infinity]");
    check_text("{{ a }} {{ b }}", "{\"a\": -0, \"b\": 1E5}", "0 100000.0");
    check_text(
        "{% set b = ('1' * 310) | int %}{{ b > 1e308 }}{{ -b < -1e308 }}{{ b == b }}", "{}", "TrueTrueTrue");
}

// ---- Bounds ----------------------------------------------------------------------------------------------

static void bounds(void **state) {
    (void)state;
    static const struct {
        const char *template, *message;
    } cases[] = {
        {"{{ range(10 ** 9) }}", "a range has 1000000000 items; 100000 are allowed"},
        {"{{ 'a' * 10 ** 9 }}", "more than"},
        {"{{ [0] * 10 ** 9 }}", "more than"},
        {"{% set ns = namespace(s='a') %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
            "needs more than 4 MiB of memory"},
        {"{% set ns = namespace(s=[1]) %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
            "needs more than 4 MiB of memory"},
        {"{% set r = range(2000) | list %}{% for i in r %}{% for j in r %}{{ '' }}{{ '' }}{% endfor %}{% "
         "endfor %}"
         "%}",
            "steps"},
        {"{% for i in range(100000) %}{{ 'a' * 1000 }}{% endfor %}", "needs more than 4 MiB of memory"},
        {"{% set a = 'a' * 100000 %}{% for i in range(10000) %}{{ 'b' in a }}{% endfor %}", "steps"},
        {"{% set a = 'a' * 100000 %}{% for i in range(1000) %}{{ a | length }}{% endfor %}", "steps"},
        {"{% set a = ' ' * 100000 %}{% for i in range(1000) %}{% set b = a.strip() %}{% endfor %}", "steps"},
        {"{% set a = 'a' * 100000 %}{{ a.strip('b' * 100000 + 'a') }}", "steps"},
        {"{% set a = 'a' * 100000 %}{{ a.rstrip('b' * 100000 + 'a') }}", "steps"},
        {"{% set a = 'a' * 100000 %}{{ (a + a).rfind(a + 'b') }}", "steps"},
        {"{% set a = 'a' * 100000 %}{{ a.startswith((a + 'b',) * 9999) }}", "steps"},
        {"{% set a = 'a' * 100000 %}{{ ([1] * 10000) | map(attribute=a) | list }}", "steps"},
        {"{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "nested deeper than"},
        {"{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}", "nested deeper than"},
        {"{% macro m() %}{% call m() %}{{ caller }}{% endcall %}{{ caller }}{% endmacro %}{{ m() }}",
            "nested deeper than"},
        {"{% set ns = namespace(l=[]) %}{% for i in range(9999) %}{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l "
         "}}",
            "nested deeper than"},
        {"{% set ns = namespace(l=[]) %}{% for i in range(9999) %}{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l "
         "| tojson }}",
            "nested deeper than"},
        {"{% set ns = namespace(l=[], m=[]) %}{% for i in range(9999) %}{% set ns.l = [ns.l] %}{% set ns.m = "
         "[ns.m] %}{% endfor %}{{ ns.l == ns.m }}",
            "nested deeper than"},
        {"{% set ns = namespace(l=()) %}{% for i in range(9999) %}{% set ns.l = (ns.l,) %}{% endfor %}{{ "
         "{ns.l: 1} }}",
            "nested deeper than"},
        {"{% set ns = namespace() %}{% set ns.a = ns %}{{ ns }}", "nested deeper than"},
        {"{{ '%1000000000d' % 1 }}", "needs more than 4 MiB of memory"},
        {"{{ '{:1000000000}'.format('a') }}", "needs more than 4 MiB of memory"},
        {"{{ 'a'.center(10 ** 12) }}", "needs more than 4 MiB of memory"},
        {"{{ 'a' | indent(10 ** 12, true) }}", "needs more than 4 MiB of memory"},
        {"{{ 9223372036854775807 + 1 }}", "a result needs more than 64 bits"},
        {"{{ 10 ** 100 }}", "a result needs more than 64 bits"},
        {"{{ [] | batch(10 ** 12, 1) | list }}{{ [1] | batch(10 ** 12, 1) | list }}",
            "needs more than 4 MiB of memory"},
    };
    max_steps = 1000000;
    max_memory = 4 << 20;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct fm_jinja_output out;
        struct fathom_error err;
        if (render_text(cases[i].template, "{}", &out, &err)) fail_msg("%s is rendered", cases[i].template);
        if (!strstr(err.message, cases[i].message)) fail_msg("%s: %s", cases[i].template, err.message);
    }
    max_steps = max_memory = 0;
}

// Templates of many brackets, signs, statements are refused before they use up the stack.
static void deep_templates(void **state) {
    (void)state;
    static const struct {
        const char *head, *again, *tail;
    } cases[] = {{"{{ ", "(", "1"}, {"{{ ", "[", "1"}, {"{{ ", "{1:", "1"}, {"{{ ", "-", "1 }}"},
        {"{{ ", "not ", "1 }}"}, {"{{ 1", " + 1", " }}"}, {"{{ a", ".a", " }}"}, {"{{ a", "[0]", " }}"},
        {"{{ a", "()", " }}"}, {"{{ a", " | list", " }}"}, {"{{ 1", " if 1 else 1", " }}"},
        {"{{ 1", " or 1", " }}"}, {"{{ f", "(f", " }}"}, {"", "{% if 1 %}", ""},
        {"", "{% for i in [] %}", ""}, {"", "{% macro m() %}", ""}, {"", "{% set a %}", ""},
        {"{% set a = ", "(", ""}, {"{% for ", "(a, ", ""}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const size_t n = 10000, step = strlen(cases[i].again);
        char *template = calloc(n * step + 64, 1), *at = template;
        assert_non_null(template);
        at += sprintf(at, "%s", cases[i].head);
        for (size_t k = 0; k < n; k++, at += step) memcpy(at, cases[i].again, step);
        strcpy(at, cases[i].tail);
        struct fm_jinja_output out;
        struct fathom_error err;
        assert_false(render_text(template, "{}", &out, &err));
        if (!strstr(err.message, "deep")) fail_msg("%s: %s", cases[i].again, err.message);
        free(template);
    }
    char *nested = malloc(200010);
    assert_non_null(nested);
    memcpy(nested, "{\"a\":", 5);
    memset(nested + 5, '[', 200000);
    nested[200005] = 0;
    struct fm_jinja_output out;
    struct fathom_error err;
    assert_false(render_text("", nested, &out, &err));
    assert_non_null(strstr(err.message, "nested deeper than"));
    free(nested);
}

// ---- Origins ---------------------------------------------------------------------------------------------

// The marks of an output as letters: o of the template's own, f foreign.
static void check_marks(const char *template, const char *variables, const char *text, const char *marks) {
    struct fm_jinja_output out;
    struct fathom_error err;
    if (!render_text(template, variables, &out, &err)) fail_msg("%s: %s", template, err.message);
    char got[256];
    assert_true(out.length < sizeof(got));
    for (size_t i = 0; i < out.length; i++) got[i] = out.foreign[i] ? 'f' : 'o';
    got[out.length] = 0;
    if (strcmp(out.text, text) || strcmp(got, marks)) {
        n_wrong++;
        print_error(
            "%s\n  gives  %s\n         %s\n  not    %s\n         %s\n", template, out.text, got, text, marks);
    }
    fm_jinja_output_free(&out);
}

static void origins(void **state) {
    (void)state;
    n_wrong = 0;
    static const char variables[] = "{\"u\": \"<|u|>\", \"s\": \" ab \", \"n\": 12, \"p\": \"%Y\", \"m\": "
                                    "\"7.5\", \"bos\": \"<s>\", \"d\": "
                                    "{\"k\": \"v\"}, \"e\": \"\", "
                                    "\"messages\": [{\"role\": \"user\", \"content\": \"hi\", \"x\": "
                                    "{\"role\": \"no\"}}], \"list\": [\"a\"]}";
    static const struct {
        const char *template, *text, *marks;
    } cases[] = {
        {"a{{ u }}b", "a<|u|>b", "offfffo"},
        {"{{ '<|u|>' }}", "<|u|>", "ooooo"},
        {"{{ bos }}", "<s>", "ooo"},
        {"{{ messages[0].role }}{{ messages[0].content }}", "userhi", "ooooff"},
        {"{{ messages[0].x.role }}{{ list[0] }}", "noa", "ffo"},
        {"{{ 'x' + u + 'y' }}", "x<|u|>y", "offfffo"},
        {"{{ 'x' ~ u ~ n }}", "x<|u|>12", "offfffff"},
        {"{{ ('ab' + u)[1:4] }}", "b<|", "off"},
        {"{{ ('ab' + u)[1] }}{{ ('ab' + u)[2] }}", "b<", "of"},
        {"{{ ('ab' + u)[::-1] }}", ">|u|<ba", "fffffoo"},
        {"{{ u * 2 }}", "<|u|><|u|>", "ffffffffff"},
        {"{{ (u + ',' + 'x').split(',') | join('-') }}", "<|u|>-x", "fffffoo"},
        {"{{ ('x ' + u).split()[1] }}", "<|u|>", "fffff"},
        {"{{ 'a,b'.split(',') | join(u[0]) }}", "a<b", "ofo"},
        {"{{ u.join(['a', 'b']) }}", "a<|u|>b", "offfffo"},
        {"{{ 'axa'.replace('x', u) }}", "a<|u|>a", "offfffo"},
        {"{{ u.replace('u', 'X') }}", "<|X|>", "ffoff"},
        {"{{ u | replace('<', '[') }}", "[|u|>", "offff"},
        {"{{ 'aba'.replace(s[2], 'X') }}", "aXa", "ooo"},
        {"{{ s.strip() }}{{ s.lstrip() }}{{ s.rstrip() }}{{ s | trim }}", "abab  abab", "ffffffffff"},
        {"{{ ('x' + s).strip() }}", "x ab", "offf"},
        {"{{ u.upper() }}{{ u | title }}{{ u | capitalize }}", "<|U|><|u|><|u|>", "fffffffffffffff"},
        {"{{ ('a' + u) | upper }}", "A<|U|>", "offfff"},
        {"{{ 'a%sb' % u }}", "a<|u|>b", "offfffo"},
        {"{{ 'a%sb' | format(u) }}", "a<|u|>b", "offfffo"},
        {"{{ '%d' % n }}{{ '%5s' % d.k }}", "12    v", "ffoooof"},
        {"{{ u % () }}", "<|u|>", "fffff"},
        {"{{ 'a{}b{x}'.format(u, x=n) }}", "a<|u|>b12", "offfffoff"},
        {"{{ '{:>3}'.format(d.k) }}", "  v", "oof"},
        {"{{ '{0.k}'.format(d) }}", "v", "f"},
        {"{{ u | tojson }}", "\"<|u|>\"", "fffffff"},
        {"{{ ['a' + u] | tojson }}", "[\"a<|u|>\"]", "ooofffffoo"},
        {"{{ d | tojson }}", "{\"k\": \"v\"}", "ffffffffff"},
        {"{{ {'a': u, 'b': 1} | tojson }}", "{\"a\": \"<|u|>\", \"b\": 1}", "oooooofffffffooooooooo"},
        {"{{ d }}", "{'k': 'v'}", "ffffffffff"},
        {"{{ [u, 'x'] }}", "['<|u|>', 'x']", "offfffffoooooo"},
        {"{{ n }}{{ n + 1 }}{{ n * 1.5 }}", "121318.0", "ffffffff"},
        {"{% for c in u %}{{ c }},{% endfor %}", "<,|,u,|,>,", "fofofofofo"},
        {"{% for k in d %}{{ k }}{% endfor %}{% for k, v in d.items() %}{{ k }}{{ v }}{% endfor %}", "kkv",
            "fff"},
        {"{{ d.keys() | list | first }}{{ d | dictsort | first | last }}{{ d | items | first | first }}",
            "kvk", "fff"},
        {"{% macro m(x) %}[{{ x }}]{% endmacro %}{{ m(u) }}", "[<|u|>]", "offfffo"},
        {"{% macro m(x) %}[{{ x }}]{% endmacro %}{{ m(u) | upper }}", "[<|U|>]", "offfffo"},
        {"{% macro m() %}({{ caller() }}){% endmacro %}{% call m() %}{{ u }}x{% endcall %}", "(<|u|>x)",
            "offfffoo"},
        {"{% set a %}x{{ u }}{% endset %}{{ a }}", "x<|u|>", "offfff"},
        {"{% set a | upper %}x{{ u }}{% endset %}{{ a }}", "X<|U|>", "offfff"},
        {"{% set ns = namespace(a='') %}{% set ns.a = ns.a + u %}{{ ns.a }}y", "<|u|>y", "fffffo"},
        {"{% filter upper %}a{{ u }}{% endfilter %}", "A<|U|>", "offfff"},
        {"{% for i in [[u]] recursive %}{% if i is string %}{{ i }}{% else %}({{ loop(i) }}){% endif %}{% "
         "endfor %}",
            "(<|u|>)", "offfffo"},
        {"{{ [u, 'a'] | sort | join }}{{ [u, 'a'] | map('upper') | join(',') }}", "<|u|>a<|U|>,A",
            "fffffofffffoo"},
        {"{{ u | list | join }}{{ u | reverse }}{{ u | first }}", "<|u|>>|u|<<", "fffffffffff"},
        {"{{ u | e }}", "&lt;|u|&gt;", "fffffffffff"},
        {"{{ (u + 'a b') | truncate(6, true, '!', 0) }}", "<|u|>!", "fffffo"},
        {"{{ (u + '\n' + 'b') | indent(1) }}", "<|u|>\n b", "fffffooo"},
        {"{{ ('a b ' + u) | wordwrap(3) }}", "a b\n<|u\n|>", "oooofffoff"},
        {"{{ u | center(7) }}{{ u.ljust(6, '.') }}{{ '7'.zfill(2) }}", " <|u|> <|u|>.07", "offfffofffffooo"},
        {"{{ u | urlencode }}", "%3C%7Cu%7C%3E", "fffffffffffff"},
        {"{{ u | default('x') }}{{ zz | default(u) }}", "<|u|><|u|>", "ffffffffff"},
        {"{{ 'x' if u else 'y' }}{{ u or 'a' }}{{ e or 'a' }}", "x<|u|>a", "offfffo"},
        {"{{ u.partition('u')[0] }}{{ u.splitlines()[0] }}{{ u.removeprefix('<') }}", "<|<|u|>|u|>",
            "fffffffffff"},
        {"{{ u == '<|u|>' }}{{ 'u' in u }}{{ u | length }}", "TrueTrue5", "ooooooooo"},
        {"{{ strftime_now(u) }}", "<|u|>", "fffff"},
        {"{{ strftime_now('%Y') }}{{ strftime_now(p) }}", "20262026", "ooooffff"},
        {"{{ n | abs }}{{ n | round(1) }}{{ n | filesizeformat }}", "121212 Bytes", "ffffffffffff"},
        {"{{ m | int }}{{ m | float }}{{ -n }}", "77.5-12", "fffffff"},
        {"{{ {'<|u|>': 'own'}[u] }}", "own",
            "ooo"}, // chosen by a text from outside, but written in the template
        {"{{ {u: 1} }}", "{'<|u|>': 1}", "offfffffoooo"},
        {"{{ '' + u + '' }}", "<|u|>", "fffff"},
        {"{{ (u, n) }}{{ [u, 1] | string }}", "('<|u|>', 12)['<|u|>', 1]", "offfffffooffoofffffffoooo"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        check_marks(cases[i].template, variables, cases[i].text, cases[i].marks);
    assert_int_equal(n_wrong, 0);
}

// Every template of the vectors, with variables whose strings are of letters that no template has: wherever
// these letters come out, and whatever was done with them, they are foreign.
static void check_letters(
    const struct fm_text *template, struct fm_json_text variables, const struct fm_text *text) {
    static const char cyrillic[] =
        "{\"x\": 5, \"f\": 2.5, \"neg\": -7, \"s\": \"Жук Лев\", \"e\": \"\", \"t\": true, \"n\": null, "
        "\"l\": "
        "[3, 1, 2], \"d\": {\"a\": \"ЖЖ\", \"b\": [\"Л\", 2], \"items\": \"Щ\", \"Ш\": \"ш\"}, \"words\": "
        "[\"груша\", "
        "\"Яблоко\", \"яблоко\"], \"deep\": {\"a\": {\"b\": {\"c\": \"Д\"}}}, \"html\": \"<Б "
        "href=\\\"Ю\\\">&'</Б>\", "
        "\"lines\": \"раз\\nдва\\n\\nтри\\n\", \"people\": [{\"name\": \"Аня\", \"age\": 30, \"at\": "
        "{\"city\": "
        "\"Рим\"}}, {\"name\": \"боб\", \"age\": 25}], \"messages\": [{\"role\": \"system\", \"content\": "
        "\"Ёж "
        "<вид>.\"}, {\"role\": \"user\", \"content\": \" ы \\n\"}], \"uni\": \"нЭ ъ ЬЪ\", \"odd\": "
        "\"\\u3000ж\\t\", \"quote\": \"ж'\\\"Ж\\\\ \\u0007\", \"num\": \"42\", \"real\": \"4.5\", \"v\": "
        "\"Ц\"}";
    struct fm_jinja_output out;
    struct fathom_error err;
    (void)variables, (void)text;
    if (!render(template->text, template->length, cyrillic, strlen(cyrillic), &out, &err)) return;
    for (size_t i = 0; i + 1 < out.length; i++)
        if ((unsigned char)out.text[i] == 0xd0 || (unsigned char)out.text[i] == 0xd1) {
            n_failing++; // letters seen
            if (!out.foreign[i] || !out.foreign[i + 1]) {
                n_wrong++;
                print_error("%s: %s: byte %zu counts as the template's own\n", template->text, out.text, i);
                break;
            }
        }
    fm_jinja_output_free(&out);
}

static void letters_stay_foreign(void **state) {
    (void)state;
    n_wrong = n_failing = 0;
    each_vector(check_letters);
    assert_int_equal(n_wrong, 0);
    assert_true(n_failing > 800);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_jinja2), cmocka_unit_test(errors),
        cmocka_unit_test(wrong_variables), cmocka_unit_test(odd_variables), cmocka_unit_test(bounds),
        cmocka_unit_test(deep_templates), cmocka_unit_test(origins), cmocka_unit_test(letters_stay_foreign)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
