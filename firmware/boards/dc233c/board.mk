# Xtensa with register windows, as the ESP32 and the ESP32-S3 have them: QEMU sim with its core dc233c
CROSS = xtensa-lx106-elf-
CC_BOARD = $(PYTHON) tools/windowed.py $(CROSS)gcc
LIBGCC = # is for the other ABI
HAL = boards/xtensa
MEMORY = boards/dc233c
CPU = -mabi=windowed -mlongcalls
