# Cortex-M4: QEMU mps2-an386
include boards/mps2/mps2.mk
CPU = -mcpu=cortex-m4 -mthumb
