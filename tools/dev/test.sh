# shellcheck shell=bash
# `./dev test`: stages, each with its time; the last line counts what the stages really reported.

results=$root/.cache/results

# stage NAME COMMAND…: a step that counts as a test only if it fails.
# check NAME COMMAND…: a step that is one test.
# cases NAME COMMAND…: a step that leaves a report of its tests; it fails by itself only if the report says of none why.
stage() { run_stage stage "$@"; }
check() { run_stage check "$@"; }
cases() { run_stage cases "$@"; }

run_stage() {
    local kind=$1 name=$2 started=$SECONDS verdict=ok
    shift 2
    local log="$results/${name//[^a-z0-9]/-}.log"
    if [ -t 1 ]; then printf '     %s …' "$name"; fi
    "$@" >"$log" 2>&1 </dev/null || verdict=FAIL
    if [ -t 1 ]; then printf '\r\033[K'; fi
    printf '%-4s %s (%d s)\n' "$verdict" "$name" $((SECONDS - started))
    if [ "$verdict" = FAIL ]; then
        case $kind in
        cases) printf 'cases %s\n' "$name" ;;
        *) printf 'fail %s\n' "$name" ;;
        esac >>"$results/checks.txt"
        tail -n 100 "$log" | sed 's/^/     | /'
        return 1
    fi
    if [ "$kind" = check ]; then printf 'pass %s\n' "$name" >>"$results/checks.txt"; fi
}

meson_tests() { # DIR LABEL OPTION…: runs them, keeping the log of each under its label
    local dir=$1 label=$2
    shift 2
    local rc=0
    rm -f "$dir"/meson-logs/"$label"*.json
    meson test -C "$dir" --print-errorlogs --num-processes "$(nproc)" --logbase "$label" "$@" || rc=$?
    # No log means that no test was there to be run, and that is a failure too.
    cp "$dir"/meson-logs/"$label"*.json "$results/$label.meson.json" || rc=1
    return "$rc"
}

# The names of the meson tests that match -k, or nothing.
meson_matching() { # DIR EXPR
    meson test -C "$1" --list 2>/dev/null | sed -n 's/^.* \/ //p' | grep -F -- "$2" || true
}

sanitizer_options() {
    export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1
    export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
    export TSAN_OPTIONS=halt_on_error=1
}

test_asan() { # EXPR
    local names=()
    sanitizer_options
    if [ -n "$1" ]; then
        mapfile -t names < <(meson_matching build-asan "$1" | grep -v '^long/')
        [ "${#names[@]}" -gt 0 ] || return 0
    fi
    cases "unit tests, simulator, fuzz corpus (ASan, UBSan)" meson_tests build-asan asan --no-suite long "${names[@]}" || true
}

# The folders whose code crosses threads; tests that do the same to files over and over have nothing new to say of that.
# TSan wants the old address layout, which setarch gives.
threaded='net/ store/ engine/ base/test_log'
one_thread='store/test_sqlite_(power|repair|check|disk|long)'

test_tsan() {
    local names=() folder wrapper=()
    sanitizer_options
    for folder in $threaded; do
        mapfile -t -O "${#names[@]}" names < <(meson_matching build-tsan "$folder" | grep -Ev "$one_thread")
    done
    if setarch -R true 2>/dev/null; then wrapper=(--wrapper 'setarch -R'); fi
    cases "tests that cross threads (TSan)" meson_tests build-tsan tsan "${wrapper[@]}" "${names[@]}" || true
}

# What is too long for the sanitizers' builds, which take strides and samples: every failure of every kind in a whole
# server, lost power after every write, and 10,000 stories of the simulator.
test_long() { # EXPR
    local names=()
    ninja_quiet build tests/unit/app/test_faults_app tests/unit/test_sqlite_power_store tests/sim/culm-sim || return 0
    mapfile -t names < <(meson test -C build --suite long --list 2>/dev/null | sed -n 's/^.* \/ //p' | grep -F -- "$1")
    [ "${#names[@]}" -gt 0 ] || return 0
    cases "every failure of every kind, lost power, 10,000 stories (release)" meson_tests build long --suite long "${names[@]}" || true
    sed -n 's/^\([0-9]* stories from .*\)$/     \1/p' "$results"/every-failure*.log build/meson-logs/long.txt 2>/dev/null || true
}

# The same scenarios against any build: LABEL BINARY EXPR.
run_scenarios() {
    local rc=0 options=(-n 6 -q -p no:cacheprovider --junitxml "$results/scenario-$1.junit.xml")
    if [ -n "$3" ]; then options+=(-k "$3"); fi
    CULM_BIN=$2 "$KITS/venv/bin/python" -m pytest "${options[@]}" tests/scenario || rc=$?
    [ "$rc" = 0 ] || { [ "$rc" = 5 ] && [ -n "$3" ]; } # 5: nothing matched
}

command_test() {
    local lint=no expr=
    while [ $# -gt 0 ]; do
        case $1 in
        --no-kits) fetch_kits=no ;;
        --lint) lint=yes ;;
        -k)
            expr=${2:?-k wants an expression}
            shift
            ;;
        *) die 2 "test: unknown option: $1" ;;
        esac
        shift
    done
    packages_need build test
    rm -rf "$results"
    mkdir -p "$results"
    : >"$results/checks.txt"

    if [ "$lint" = yes ]; then lint_stages || true; fi
    if [ -z "$expr" ] && [ "$lint" = no ]; then static_checks; fi
    if stage "build for ASan and UBSan" compile_asan; then test_asan "$expr"; fi
    if [ -z "$expr" ] && stage "set up for TSan" configure_tsan; then test_tsan; fi
    scenario_stages "$expr"

    python3 tools/count_results.py "$results"
}

scenario_stages() { # EXPR
    if stage "build of the release" compile_release; then
        test_long "$1"
    fi
    if [ "${fetch_kits:-yes}" = no ] && ! kits_are_there; then
        printf -- '-    scenario tests: not run, the test kits are not there (--no-kits)\n'
        return 0
    fi
    check "test kits" kits_need || return 0
    if [ -x build/culm ]; then
        cases "scenario tests of the release" run_scenarios release "$root/build/culm" "$1" || true
    fi
    if [ -x build-asan/src/app/culm ]; then
        sanitizer_options
        cases "scenario tests (ASan, UBSan)" run_scenarios asan "$root/build-asan/src/app/culm" "$1" || true
    fi
}

command_soak() {
    local name=${1:-}
    case $name in
    kill)
        packages_need build test
        build_release
        kits_need || die 1 "the test kits cannot be had"
        CULM_KILLS=${CULM_KILLS:-200} CULM_BIN=$root/build/culm exec "$KITS/venv/bin/python" -m pytest \
            -q -s -p no:cacheprovider tests/scenario/test_kill.py
        ;;
    idle | faults | feed)
        packages_need build test
        build_release
        kits_need || die 1 "the test kits cannot be had"
        cd tests/scenario
        CULM_BIN=$root/build/culm exec "$KITS/venv/bin/python" -m "soak.$name" "${@:2}"
        ;;
    sim)
        packages_need build test
        quietly "building the simulator" compile_simulator || die 1 "it does not build"
        # Other seeds each time; a failing one is printed and replays alone with --seed.
        exec build/tests/sim/culm-sim --seeds "${CULM_SIM_SEEDS:-200000}" --from "${CULM_SIM_FROM:-0}"
        ;;
    power)
        packages_need build test
        quietly "building the test" compile_power || die 1 "it does not build"
        # Other seeds each time; a failing one is printed.
        CULM_POWER_SEEDS=${CULM_POWER_SEEDS:-10} CULM_POWER_FROM=${CULM_POWER_FROM:-$((RANDOM * 1000000 + 1))} \
            exec build/tests/unit/test_sqlite_power_store
        ;;
    mutants)
        packages_need build test
        exec python3 tests/mutants.py
        ;;
    *) die 2 "soak: kill, idle, faults, feed, sim, power or mutants" ;;
    esac
}

command_fuzz() {
    local seconds=${1:-} fuzzer name
    [[ $seconds =~ ^[0-9]+$ ]] || die 2 "fuzz: for how many seconds?"
    packages_need build lint
    quietly "building the fuzz targets" compile_fuzz || die 1 "the fuzz targets do not build"
    for fuzzer in build-fuzz/tests/fuzz/fuzz_*; do
        if [ ! -f "$fuzzer" ]; then continue; fi
        name=${fuzzer##*/fuzz_}
        say "fuzzing $name"
        mkdir -p ".cache/fuzz/$name" "tests/fuzz/corpus/$name"
        "$fuzzer" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
            -artifact_prefix=".cache/fuzz/$name-" ".cache/fuzz/$name" "tests/fuzz/corpus/$name" || return 1
    done
}
