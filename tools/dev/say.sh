# shellcheck shell=bash
# Progress, on stderr: one line that overwrites itself on a terminal, plain lines in a pipe.

say() { printf '%s\n' "$*" >&2; }

die() {
    local code=$1
    shift
    say "dev: $*"
    exit "$code"
}

# quietly LABEL COMMAND…: shows the label while the command runs, its output only if it fails.
quietly() {
    local label=$1 log started=$SECONDS
    shift
    log=$(mktemp)
    if [ -t 2 ]; then printf '%s …' "$label" >&2; fi
    if "$@" >"$log" 2>&1 </dev/null; then
        if [ -t 2 ]; then printf '\r\033[K' >&2; fi
        if ((SECONDS - started > 2)); then say "$label: $((SECONDS - started)) s"; fi
        rm -f "$log"
        return 0
    fi
    if [ -t 2 ]; then printf '\r\033[K' >&2; fi
    say "$label: failed"
    tail -n "${QUIETLY_LINES:-60}" "$log" >&2
    rm -f "$log"
    return 1
}
