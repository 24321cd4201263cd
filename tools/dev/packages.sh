# shellcheck shell=bash
# Debian packages: apt is touched only when something is missing, so all works offline afterwards.

# The entries of the named sections of tools/packages.txt.
packages_listed() {
    local section
    for section in "$@"; do
        awk -v want="[$section]" '/^\[/ { on = ($0 == want); next } on && NF && !/^#/' tools/packages.txt
    done
}

package_is_there() { # name[:command]
    [[ $1 == *:* ]] && command -v "${1#*:}" >/dev/null && return 0
    [ "$(dpkg-query -W -f='${db:Status-Status}' "${1%%:*}" 2>/dev/null)" = installed ]
}

packages_missing() {
    local entry
    while read -r entry; do
        package_is_there "$entry" || printf '%s\n' "${entry%%:*}"
    done < <(packages_listed "$@")
}

packages_need() {
    local missing apt
    mapfile -t missing < <(packages_missing "$@")
    [ "${#missing[@]}" -gt 0 ] || return 0
    apt="apt-get install -y --no-install-recommends ${missing[*]}"
    if [ "$(id -u)" = 0 ]; then
        packages_install "${missing[@]}"
    elif sudo -n true 2>/dev/null; then
        packages_install --sudo "${missing[@]}"
    else
        say "dev: packages are missing; run this once, then repeat the command:"
        say "  sudo sh -c 'apt-get update && $apt'"
        exit 3
    fi
}

packages_install() { # [--sudo] NAME…
    local as=(env DEBIAN_FRONTEND=noninteractive) lock=(-o DPkg::Lock::Timeout=300)
    if [ "$1" = --sudo ]; then
        as=(sudo -n "${as[@]}")
        shift
    fi
    quietly "reading the package lists" "${as[@]}" apt-get "${lock[@]}" update || say "dev: going on with the old lists"
    quietly "installing $*" "${as[@]}" apt-get "${lock[@]}" install -y --no-install-recommends "$@" ||
        die 3 "apt-get could not install: $*"
}
