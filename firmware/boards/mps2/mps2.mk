CROSS = arm-none-eabi-
HAL = boards/mps2
