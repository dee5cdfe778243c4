# RISC-V rv32imac: QEMU virt
CROSS = riscv64-unknown-elf-
HAL = boards/rv32
CPU = -march=rv32imac -mabi=ilp32 -mcmodel=medany -msmall-data-limit=0
