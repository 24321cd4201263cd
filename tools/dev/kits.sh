# shellcheck shell=bash
# Test kits: clients and providers that nobody here wrote, pinned by the lock files in tests/kits and kept
# in .cache/kits under the hash of those files.

kits_dir() {
    local key
    key=$({
        cat tests/kits/requirements.txt tests/kits/package-lock.json
        python3 --version
        uname -m
    } | sha256sum)
    printf '%s/.cache/kits/%s\n' "$root" "${key:0:16}"
}

kits_are_there() { [ -f "$(kits_dir)/complete" ]; }

kits_fetch() {
    local dir new
    dir=$(kits_dir)
    new="$dir.new"
    rm -rf "$new" "$dir"
    mkdir -p "$new"
    cp tests/kits/requirements.txt tests/kits/package.json tests/kits/package-lock.json tests/kits/.npmrc "$new/"
    # A virtual environment does not survive being moved, so it is made where it stays.
    mv "$new" "$dir"
    python3 -m venv "$dir/venv" &&
        "$dir/venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r "$dir/requirements.txt" &&
        (cd "$dir" && npm ci --ignore-scripts --no-audit --no-fund) &&
        touch "$dir/complete"
}

# kits_need: sets KITS, or fails. With fetch_kits=no only those that are there count.
kits_need() {
    if ! kits_are_there; then
        [ "${fetch_kits:-yes}" = yes ] || return 1
        quietly "fetching the test kits" kits_fetch || return 1
    fi
    KITS=$(kits_dir)
    export KITS
}
