# A process on a pseudo-terminal. CROSS=s390x-linux-gnu- and the like make one for qemu-user.
HAL = boards/posix
HOSTED = 1
