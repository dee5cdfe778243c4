# Cortex-M33: QEMU mps2-an505, in its secure state
CROSS = arm-none-eabi-
HAL = boards/mps2
MEMORY = boards/m33
CPU = -mcpu=cortex-m33 -mthumb
EXTRA = -DUART=0x50200000u -DUART_IRQ=32 -DTIMER=0x50000000u
