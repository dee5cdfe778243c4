# ST B-L475E-IOT01A (STM32L475, Cortex-M4 at 80 MHz): its line is run in QEMU 9.1 and later, its microphone never
CROSS = arm-none-eabi-
HAL = boards/l4
CPU = -mcpu=cortex-m4 -mthumb
EXTRA = -Iboards/iot01a
MICROPHONE ?= $(if $(AUDIO),replay,dfsdm)
