#!/usr/bin/env bash
# fetch_micropython.sh [newest]: prints the folder of MicroPython's source tree: MPY_DIR, else a copy in
# AIFES_CACHE that is fetched once, by git or as Debian's source package. apt is left as it is.
# newest: not what files are built with, but the newest that Debian has, for tests.
set -euo pipefail
version=1.25.0 # its modules load in every firmware with .mpy 6.3: MicroPython 1.23 and newer
cache=${AIFES_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/aifes}
dir=${MPY_DIR:-$cache/micropython-$version}
package=micropython=$version+ds-1
if [ "${1:-}" = newest ]; then
    version=1.26.1
    dir=$cache/micropython-newest
    package=micropython # sid's, whatever it is by now: it keeps no other
fi
echo "$dir"
[ ! -d "$dir" ] || exit 0

say() { echo "fetch_micropython.sh: $*" >&2; }
say "fetching MicroPython into $dir (once)"
rm -rf "$dir.new"
mkdir -p "$dir.new"
if timeout 120 git -c advice.detachedHead=false clone -q --depth 1 --branch "v$version" \
    https://github.com/micropython/micropython.git "$dir.new" 2>/dev/null; then
    mv "$dir.new" "$dir"
    exit 0
fi
if ! command -v apt-get >/dev/null; then
    say "clone MicroPython's repository, tag v$version, and give its folder as MPY_DIR"
    exit 1
fi
keys=/usr/share/keyrings/debian-archive-keyring.gpg
mirror=$(sed 's/#.*//' $(find /etc/apt -name '*.list' -o -name '*.sources') |
    grep -Eom1 '[a-z+]+://[^ ]+/debian/?( |$)')
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/archives/partial"
for suite in trixie sid; do # sid keeps a source package for a while after trixie has a newer one
    echo "deb-src [signed-by=$keys] $mirror $suite main"
done >"$work/sources.list"
options=(-qq -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o Dir::Etc::preferencesparts=/dev/null -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work"
    -o APT::Get::List-Cleanup=0 -o Acquire::Languages=none -o APT::Sandbox::User=root)
apt-get "${options[@]}" update >&2
(cd "$work" && apt-get "${options[@]}" source --download-only "$package" >&2)
tar xf "$work"/micropython_*.orig.tar.* -C "$dir.new" --strip-components=1
mv "$dir.new" "$dir"
