# shellcheck shell=bash
# `./dev lint`: all that can be said about the source without running it.

static_checks() {
    check "layers" python3 tools/check_layers.py || true
    check "sizes" python3 tools/check_size.py || true
    check "banned functions" python3 tools/check_banned.py || true
    check "events of the log" python3 tools/check_log.py || true
    check "defects put in on purpose have their places" python3 tests/mutants.py --check || true
    check "headers compile alone" headers_compile || true
}

headers_compile() {
    find src -name '*.h' -print0 |
        xargs -0 -P "$(nproc)" -I{} gcc -std=gnu17 -D_GNU_SOURCE -Wall -Wextra -Werror -fsyntax-only -Isrc -include {} -x c /dev/null
}

c_files() { find src tests bench -name '*.[ch]' -print0; }

check_format() { c_files | xargs -0 clang-format-19 --dry-run -Werror; }

command_format() {
    packages_need lint
    c_files | xargs -0 clang-format-19 -i
    if kits_are_there; then "$(kits_dir)/venv/bin/ruff" format --quiet --config tools/ruff.toml --no-cache tools tests; fi
}

compile_gcc_strict() { configure build-gcc --buildtype=debugoptimized --werror && ninja_quiet build-gcc; }

compile_clang_strict() {
    with_clang configure build-clang --buildtype=debugoptimized --werror && ninja_quiet build-clang
}

check_shell() { shellcheck -x dev .ci/run; }

# Without the kits at least what Python itself refuses.
check_python() {
    if kits_need; then
        "$KITS/venv/bin/ruff" check --config tools/ruff.toml --no-cache tools tests
    else
        find tools tests -name '*.py' -print0 | xargs -0 python3 -m py_compile
    fi
}

lint_stages() {
    packages_need build test lint
    static_checks
    check "format" check_format || true
    check "shell" check_shell || true
    check "python" check_python || true
    check "gcc, warnings as errors" compile_gcc_strict || true
    if check "clang, warnings as errors" compile_clang_strict; then
        check "clang-tidy" python3 tools/tidy.py build-clang || true
    fi
    ! grep -q '^fail' "$results/checks.txt"
}

command_lint() {
    [ $# = 0 ] || die 2 "lint takes no options"
    packages_need build lint
    rm -rf "$results"
    mkdir -p "$results"
    : >"$results/checks.txt"
    lint_stages || die 1 "not clean"
    say "clean"
}
