# Raspberry Pi Pico 2 (RP2350, Cortex-M33 at 150 MHz): built, never run
CROSS = arm-none-eabi-
HAL = boards/pico
MEMORY = boards/pico2
CPU = -mcpu=cortex-m33 -mthumb
UF2 = rp2350
# as many requests as hal.c's ring holds
EXTRA = -Iboards/pico2 -DWINDOW=2u
MICROPHONE ?= i2s
