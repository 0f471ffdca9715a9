QEMU_ARCH = xtensa
QEMU_MACHINE = lx60

CFLAGS += -DQEMU_SOC_XTFPGA
CFLAGS += -DMICROPY_HW_MCU_NAME='"Xtensa, windowed, FPU"'
# what needs code that clang 23 cannot compile
CFLAGS += -DMICROPY_PY_MATH_SPECIAL_FUNCTIONS=0 -DMICROPY_PY_BUILTINS_COMPLEX=0 -DMICROPY_PY_CMATH=0

MICROPY_HEAP_SIZE = 143360
SRC_C += mcu/xtensa/startup.c mcu/xtensa/vectors.c

LDSCRIPT = boards/LX60/mpconfigboard.mk # link.sh writes its own

MPY_CROSS_FLAGS += -march=xtensawin
