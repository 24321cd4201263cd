# shellcheck shell=bash
# Build directories: one per purpose, made anew when its options change, else brought up to date by ninja.
#   build         release, what `./dev build` hands out       build-asan    tests, ASan and UBSan
#   build-tsan    tests of what crosses threads, TSan         build-gcc, build-clang   warnings as errors
#   build-fuzz    libFuzzer

# Objects are the same whatever the checkout is called, so a fresh clone finds them in the cache.
export CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1

# configure DIR OPTION…: meson setup, again when the options have changed.
configure() {
    local dir=$1
    shift
    local stamp="$dir/.options" options="${CC:-cc} $*"
    [ -f "$dir/build.ninja" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$options" ] && return 0
    rm -rf "$dir" # meson keeps old options through --wipe
    quietly "configuring $dir" meson setup "$dir" "$@" && printf '%s\n' "$options" >"$stamp"
}

# Goes on after the first error, so that one run tells all of them; says only what compilers say.
ninja_quiet() { # DIR TARGET…
    local dir=$1
    shift
    ninja -C "$dir" -k 0 --quiet "$@"
}

with_clang() {
    local cc=clang-19
    if command -v ccache >/dev/null; then cc="ccache clang-19"; fi
    CC=$cc "$@"
}

compile_release() {
    configure build --buildtype=release -Db_lto=true &&
        ninja_quiet build src/app/culm &&
        ln -sfn src/app/culm build/culm
}

build_release() {
    packages_need build
    quietly "building culm" compile_release || die 1 "culm does not build"
}

compile_simulator() {
    compile_release && ninja_quiet build tests/sim/culm-sim
}

compile_power() {
    compile_release && ninja_quiet build tests/unit/test_sqlite_power_store
}

compile_asan() {
    configure build-asan --buildtype=debug -Db_sanitize=address,undefined && ninja_quiet build-asan
}

configure_tsan() {
    configure build-tsan --buildtype=debugoptimized -Db_sanitize=thread
}

compile_fuzz() {
    with_clang configure build-fuzz --buildtype=debugoptimized -Db_sanitize=address,undefined -Db_lundef=false \
        -Dc_args=-fsanitize=fuzzer-no-link &&
        ninja_quiet build-fuzz fuzzers
}
