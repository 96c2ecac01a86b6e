#!/bin/sh
# Puts promtool, which checks Prometheus' files, into a folder:
#
#     deploy/get-promtool.sh .venv/bin
#
# Nothing is done when it is there and runs. Otherwise one on PATH is linked, or the binary is taken out of
# the distribution's package. That needs no root and installs nothing: the package is unpacked, and where
# the system's package index cannot be used, one is fetched into a temporary folder.
set -eu

folder=${1:?usage: get-promtool.sh FOLDER}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
target=$folder/promtool

works() { [ -x "$1" ] && "$1" --version >/dev/null 2>&1; }

if works "$target"; then
    exit 0
fi

found=$(command -v promtool || true)
if [ -n "$found" ] && works "$found"; then
    ln -sf "$found" "$target"
    exit 0
fi

if ! command -v apt-get >/dev/null || ! command -v dpkg >/dev/null; then
    echo "promtool is not here and there is no apt-get to get it with: install Prometheus' promtool" \
        "(for example 'brew install prometheus') so that it is on PATH" >&2
    exit 1
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# Debian keeps promtool in the package of Prometheus, newer Ubuntus in one of its own.
unpack() {
    for package in promtool prometheus; do
        rm -rf unpacked ./*.deb
        if apt-get -qq "$@" download "$package" 2>>log && dpkg -x ./*.deb unpacked 2>>log &&
            works unpacked/usr/bin/promtool; then
            # Moved into place at once: another run never sees half of it.
            cp unpacked/usr/bin/promtool "$target.$$"
            mv -f "$target.$$" "$target"
            return 0
        fi
    done
    return 1
}

mkdir -p lists/partial cache
index="-o Dir::State::lists=$work/lists -o Dir::Cache=$work/cache -o APT::Sandbox::User="
# shellcheck disable=SC2086 # a list of options
if unpack -o APT::Sandbox::User= || { apt-get -qq $index update 2>>log && unpack $index; }; then
    echo "promtool: $("$target" --version 2>&1 | head -n 1)"
    exit 0
fi
cat log >&2
echo "promtool could not be fetched: install the package 'prometheus' (or 'promtool') by hand" >&2
exit 1
