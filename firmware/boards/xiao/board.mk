# Seeed XIAO nRF52840 Sense (Cortex-M4 at 64 MHz): built, never run
CROSS = arm-none-eabi-
HAL = boards/nrf
MEMORY = boards/xiao
CPU = -mcpu=cortex-m4 -mthumb
EXTRA = -Iboards/xiao
MICROPHONE ?= pdm
UF2 = nrf52840
