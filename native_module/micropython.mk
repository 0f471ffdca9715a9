# User C module: make -C ports/.. USER_C_MODULES=path/that/holds/native_module/..
AIFES_DIR := $(USERMOD_DIR)

SRC_USERMOD_C += $(addprefix $(AIFES_DIR)/, modaifes.c modaifes_f32.c)
CFLAGS_USERMOD += -I$(AIFES_DIR) -ffp-contract=off
