# Xtensa LX106, the core of the ESP8266: QEMU sim
CROSS = xtensa-lx106-elf-
HAL = boards/xtensa
CPU = -mtext-section-literals -mlongcalls
