# Olimex STM32-H405 (STM32F405, Cortex-M4 at 168 MHz): run in QEMU, never on the board
CROSS = arm-none-eabi-
HAL = boards/h405
CPU = -mcpu=cortex-m4 -mthumb
