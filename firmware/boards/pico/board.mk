# Raspberry Pi Pico (RP2040, Cortex-M0+ at 125 MHz): run in the emulator rp2040js, never on the board
CROSS = arm-none-eabi-
HAL = boards/pico
CPU = -mcpu=cortex-m0plus -mthumb
UF2 = 1
# the microphone's ring is beside what other boards have; the chip has 264 KB
RAM_BUDGET = 17408
MICROPHONE ?= i2s
ifeq ($(PROGRAM),firmware)
STACK_BYTES = 1408
endif
