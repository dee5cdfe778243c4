# Cortex-M55: QEMU mps3-an547, in its secure state
CROSS = arm-none-eabi-
HAL = boards/mps2
MEMORY = boards/m55
CPU = -mcpu=cortex-m55+nomve.fp+nofp -mthumb -mfloat-abi=soft
EXTRA = -DUART=0x59303000u -DUART_IRQ=33
