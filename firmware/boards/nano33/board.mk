# Arduino Nano 33 BLE Sense (nRF52840, Cortex-M4 at 64 MHz): built, never run
CROSS = arm-none-eabi-
HAL = boards/nrf
MEMORY = boards/nano33
CPU = -mcpu=cortex-m4 -mthumb
EXTRA = -Iboards/nano33
MICROPHONE ?= pdm
