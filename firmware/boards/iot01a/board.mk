# ST B-L475E-IOT01A (STM32L475, Cortex-M4 at 80 MHz): its line is run in QEMU 9.1 and later, its microphone never
CROSS = arm-none-eabi-
HAL = boards/l4
CPU = -mcpu=cortex-m4 -mthumb
EXTRA = -Iboards/iot01a
MICROPHONE ?= $(if $(AUDIO),replay,dfsdm)
ifeq ($(MICROPHONE),dfsdm)
# what brings its 48 kHz to 16 is beside what other boards have, and runs in the interrupt
RAM_BUDGET = 17408
endif
