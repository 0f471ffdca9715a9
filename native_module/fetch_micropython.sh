#!/usr/bin/env bash
# fetch_micropython.sh VERSION DIR: MicroPython's source tree, from git where the network has it,
# else Debian's source package. The system's apt is left as it is.
set -euo pipefail
version=$1
dir=$2
if timeout 60 git -c advice.detachedHead=false clone -q --depth 1 --branch "v$version" \
    https://github.com/micropython/micropython.git "$dir/git" 2>/dev/null; then
    mv "$dir/git/"* "$dir/" && rm -rf "$dir/git"
    exit 0
fi
command -v apt-get >/dev/null || {
    echo "no MicroPython: clone its repository, tag v$version, and give MPY_DIR" >&2
    exit 1
}
keys=/usr/share/keyrings/debian-archive-keyring.gpg
mirror=$(sed 's/#.*//' $(find /etc/apt -name '*.list' -o -name '*.sources') |
    grep -Eom1 '[a-z+]+://[^ ]+/debian/?( |$)')
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/archives/partial"
# trixie has 1.25.0; sid keeps a source package for a while when trixie moves on
for suite in trixie sid; do
    echo "deb-src [signed-by=$keys] $mirror $suite main"
done >"$work/sources.list"
options=(-q -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=-
    -o Dir::Etc::preferencesparts=- -o Dir::State::lists="$work/lists" -o Dir::Cache="$work"
    -o APT::Get::List-Cleanup=0 -o Acquire::Languages=none -o APT::Sandbox::User=root)
apt-get "${options[@]}" update >/dev/null
cd "$work"
apt-get "${options[@]}" source --download-only "micropython=$version+ds-1" >/dev/null
tar xf micropython_*.orig.tar.* -C "$dir" --strip-components=1
