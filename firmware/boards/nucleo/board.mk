# ST NUCLEO-L476RG (Cortex-M4): builds, never run
CROSS = arm-none-eabi-
HAL = boards/l4
CPU = -mcpu=cortex-m4 -mthumb
EXTRA = -Iboards/nucleo
