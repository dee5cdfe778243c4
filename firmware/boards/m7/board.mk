# Cortex-M7: QEMU mps2-an500
include boards/mps2/mps2.mk
CPU = -mcpu=cortex-m7 -mthumb
