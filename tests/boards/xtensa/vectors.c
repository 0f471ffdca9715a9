// clang gives its target features to C files only.
__asm__(".include \"windows.s\"");
