#!/usr/bin/env bash
# build.sh [ARCH ..]: the loadable module for these architectures, default all whose compiler is
# there, as ../build/native/ARCH_6.3/_aifes.mpy: the layout in which boards look for native files.
#
# MPY_DIR: MicroPython's source tree; without it, it is fetched once into AIFES_CACHE.
set -euo pipefail
cd "$(dirname "$0")"
cache=${AIFES_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/aifes}
python=${PYTHON:-python3}
version=1.25.0 # its modules load in every firmware with .mpy 6.3: 1.23 and newer
mpy=6.3

compiler() {
    case $1 in
        x64) echo gcc ;;
        armv*) echo arm-none-eabi-gcc ;;
        rv32imc) echo riscv64-unknown-elf-gcc ;;
        xtensa) echo xtensa-lx106-elf-gcc ;;
        xtensawin) echo xtensa-esp32-elf-gcc ;;
        *) echo "unknown architecture $1" >&2; exit 2 ;;
    esac
}

fetch_micropython() {
    MPY_DIR=$cache/micropython-$version
    [ -d "$MPY_DIR" ] && return
    echo "fetching MicroPython $version into $cache (once)"
    rm -rf "$MPY_DIR.new"
    mkdir -p "$MPY_DIR.new"
    ./fetch_micropython.sh "$version" "$MPY_DIR.new"
    mv "$MPY_DIR.new" "$MPY_DIR"
}

[ -n "${MPY_DIR:-}" ] || fetch_micropython
if [ $# = 0 ]; then
    for arch in x64 armv6m armv7m armv7emsp armv7emdp rv32imc xtensa xtensawin; do
        if [ $arch = xtensawin ] || command -v "$(compiler $arch)" >/dev/null; then
            set -- "$@" $arch
        else
            echo "$arch: left out, $(compiler $arch) is missing (make toolchains)"
        fi
    done
fi
for arch in "$@"; do
    if [ "$arch" = xtensawin ] && ! command -v xtensa-esp32-elf-gcc >/dev/null; then
        export XTENSA_CLANG=$cache/xtensa-clang
        xtensa/fetch.sh "$XTENSA_CLANG"
        PATH=$PWD/xtensa:$PATH
    fi
    out=../build/native/${arch}_$mpy
    mkdir -p "$out"
    # a relative path: the linker writes it into the file
    make -s ARCH="$arch" MPY_DIR="$MPY_DIR" PYTHON="$python" BUILD="build/$arch" >build.log 2>&1 ||
        { cat build.log; exit 1; }
    mv _aifes.mpy "$out/"
    rm -f build.log
    printf '%-10s %5d bytes  build/native/%s_%s/_aifes.mpy\n' "$arch" "$(wc -c <"$out/_aifes.mpy")" \
        "$arch" "$mpy"
done
