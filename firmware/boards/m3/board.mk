# Cortex-M3: QEMU mps2-an385
include boards/mps2/mps2.mk
CPU = -mcpu=cortex-m3 -mthumb
