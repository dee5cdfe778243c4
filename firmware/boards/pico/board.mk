# Raspberry Pi Pico (RP2040, Cortex-M0+ at 125 MHz): run in the emulator rp2040js, never on the board
CROSS = arm-none-eabi-
HAL = boards/pico
CPU = -mcpu=cortex-m0plus -mthumb
UF2 = rp2040
# as many requests as hal.c's ring holds
EXTRA = -Iboards/pico -DWINDOW=2u
MICROPHONE ?= i2s
ifeq ($(MICROPHONE),pdm)
# its filter is beside what other boards have
FLASH_BUDGET = 51200
endif
