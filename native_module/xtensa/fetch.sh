#!/bin/bash
# fetch.sh DIR: clang with the Xtensa backend, from Debian sid, into DIR. Needs apt, changes nothing of the system's.
# DIR/clang, written last, runs it with its own libraries. 60 MB to download.
set -euo pipefail
mkdir -p "${1:?usage: fetch.sh DIR}"
cd "$1"
[ ! -x clang ] || exit 0
stop() { echo "fetch.sh: $*" >&2; exit 1; }
[ "$(uname -m)" = x86_64 ] || stop "this needs a PC (x86_64)"
for tool in apt-get apt-cache dpkg-deb gpgv; do
    command -v $tool >/dev/null || stop "$tool is missing: this needs Debian or a system like it"
done
keys=/usr/share/keyrings/debian-archive-keyring.gpg
[ -r $keys ] || stop "the package debian-archive-keyring is missing"
mirror=$(find /etc/apt \( -name '*.list' -o -name '*.sources' \) -exec sed 's/#.*//' {} + 2>/dev/null \
    | grep -v /linux/debian | grep -Eom1 '[a-z+]+://[^ ]+/debian/?( |$)') || stop "apt's configuration names no Debian mirror"

rm -rf apt sid
mkdir -p apt/lists/partial apt/archives/partial sid
touch apt/status
echo "deb [arch=amd64 signed-by=$keys] $mirror sid main" >apt/sources.list
options=(-qq -o APT::Architecture=amd64 -o APT::Architectures=amd64 -o APT::Sandbox::User=root
    -o Acquire::Languages=none -o Dir::Etc::sourcelist="$PWD/apt/sources.list"
    -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::preferences=/dev/null
    -o Dir::Etc::preferencesparts=/dev/null -o Dir::State="$PWD/apt" -o Dir::State::lists="$PWD/apt/lists"
    -o Dir::State::status="$PWD/apt/status" -o Dir::Cache="$PWD/apt")
echo "fetching clang from Debian sid into $PWD (once, half a minute)"
apt-get "${options[@]}" update
n=$(apt-cache "${options[@]}" pkgnames clang- | sed -n 's/^clang-\([0-9]*\)$/\1/p' | sort -n | tail -1)
[ "${n:-0}" -ge 23 ] || stop "no clang >= 23 in sid: found ${n:-none}"
# apt resolves the libraries against an empty system; of clang itself the compiler and its headers are enough
names=$(apt-get "${options[@]}" -s --no-install-recommends install libclang-cpp$n | awk '/^Inst/ {print $2}')
(cd apt/archives && apt-get "${options[@]}" download $names clang-$n libclang-common-$n-dev picolibc-xtensa-lx106-elf)
for file in apt/archives/*.deb; do
    dpkg-deb -x "$file" sid
done

cat >apt/clang <<END
#!/bin/sh
r=\${0%/*}/sid/usr/lib
exec "\$r/x86_64-linux-gnu/ld-linux-x86-64.so.2" --inhibit-cache --library-path "\$r/x86_64-linux-gnu" \\
    "\$r/llvm-$n/bin/clang" -resource-dir "\$r/llvm-$n/lib/clang/$n" -nostdlibinc -idirafter "\$r/xtensa-lx106-elf/include" "\$@"
END
chmod +x apt/clang
cp apt/clang try
./try --print-targets | grep -q xtensa || stop "clang-$n of sid has no Xtensa backend"
rm -rf try sid/usr/share
mv apt/clang clang
rm -rf apt
