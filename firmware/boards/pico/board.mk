# Raspberry Pi Pico (RP2040, Cortex-M0+ at 125 MHz): run in the emulator rp2040js, never on the board
CROSS = arm-none-eabi-
HAL = boards/pico
CPU = -mcpu=cortex-m0plus -mthumb
UF2 = 1
MICROPHONE ?= i2s
ifeq ($(PROGRAM),firmware)
STACK_BYTES = 1408
endif
