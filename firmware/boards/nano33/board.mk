# Arduino Nano 33 BLE Sense (nRF52840, Cortex-M4 at 64 MHz): built, never run
CROSS = arm-none-eabi-
HAL = boards/nrf
MEMORY = boards/nano33
CPU = -mcpu=cortex-m4 -mthumb
# as many requests as the ring of boards/nrf/hal.c holds
EXTRA = -Iboards/nano33 -DWINDOW=2u
MICROPHONE ?= pdm
