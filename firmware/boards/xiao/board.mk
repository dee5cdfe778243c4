# Seeed XIAO nRF52840 Sense (Cortex-M4 at 64 MHz): built, never run
CROSS = arm-none-eabi-
HAL = boards/nrf
MEMORY = boards/xiao
CPU = -mcpu=cortex-m4 -mthumb
# as many requests as the ring of boards/nrf/hal.c holds
EXTRA = -Iboards/xiao -DWINDOW=2u
MICROPHONE ?= pdm
UF2 = nrf52840
