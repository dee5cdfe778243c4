# BBC micro:bit v1 (nRF51822, Cortex-M0 at 16 MHz, 16 KB of RAM): QEMU microbit, never on the board
CROSS = arm-none-eabi-
HAL = boards/nrf
MEMORY = boards/microbit
CPU = -mcpu=cortex-m0 -mthumb
EXTRA = -Iboards/microbit
