#!/usr/bin/env bash
# build.sh [ARCH ..]: the loadable modules for these architectures, default all, as _aifes.mpy,
# _aifes_cnn.mpy, _aifes_f32.mpy and _aifes_cnn_f32.mpy in ../host/aifes_host/native/ARCH_6.3/.
# MPY_DIR: MicroPython's source tree, else it is fetched. CIRCUITPY_DIR: CircuitPython's instead,
# whose files go to native/circuitpython/ARCH_6.3/.
set -euo pipefail
cd "$(dirname "$0")"
cache=${AIFES_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/aifes}
mpy=6.3
all=(x64 armv6m armv7m armv7emsp armv7emdp rv32imc xtensa xtensawin)

compiler() {
    case $1 in
        x64) echo gcc ;;
        armv*) echo arm-none-eabi-gcc ;;
        rv32imc) echo riscv64-unknown-elf-gcc ;;
        xtensa) echo xtensa-lx106-elf-gcc ;;
        xtensawin) echo xtensa-esp32-elf-gcc ;;
        *) echo "unknown architecture $1: ${all[*]}" >&2; exit 2 ;;
    esac
}

[ $# != 0 ] || set -- "${all[@]}"
MPY_DIR=${CIRCUITPY_DIR:-$(./fetch_micropython.sh)}
for arch in "$@"; do
    gcc=$(compiler "$arch")
    if [ "$arch" = xtensawin ] && ! command -v "$gcc" >/dev/null; then
        export XTENSA_CLANG=$cache/xtensa-clang # Espressif's is not there: Debian's newer clang
        xtensa/fetch.sh "$XTENSA_CLANG"
        PATH=$PWD/xtensa:$PATH
    elif ! command -v "$gcc" >/dev/null; then
        echo "$arch: $gcc is missing (make toolchains)" >&2
        exit 1
    fi
    out=host/aifes_host/native/${CIRCUITPY_DIR:+circuitpython/}${arch}_$mpy
    mkdir -p "../$out"
    for family in "" cnn f32 cnn_f32; do
        name=_aifes${family:+_$family}.mpy
        # a short relative BUILD: the linker writes it into the file
        make -s ARCH="$arch" FAMILY="$family" MPY_DIR="$MPY_DIR" PYTHON="${PYTHON:-python3}" \
            BUILD="build/${CIRCUITPY_DIR:+cp-}${family:+$family-}$arch" >"build-$arch.log" 2>&1 ||
            { cat "build-$arch.log" >&2; exit 1; }
        rm "build-$arch.log"
        mv $name "../$out"
        printf '%-10s %5d bytes  %s\n' "$arch" "$(wc -c <"../$out/$name")" "$out/$name"
    done
done
