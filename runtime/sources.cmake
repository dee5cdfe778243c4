# SPDX-License-Identifier: Apache-2.0
# The runtime's files, for every build system that speaks CMake: the CMakeLists.txt here and ESP-IDF's
# part of it, zephyr/CMakeLists.txt.

# What runs for every frame. It is compiled for speed whatever the project around it does: at -Os or
# -Og it takes a third more instructions. The rest runs once.
set(EDGE_LP_HOT lp_core.c lp_detect.c lp_drive.c lp_frontend.c lp_sd_scalar.c lp_sd_vector.c
  lp_synapse.c audio/lp_pdm.c audio/lp_rate.c)
set(EDGE_LP_SOURCES ${EDGE_LP_HOT} lp_image.c lp_net.c lp_sd.c lp_spotter.c lp_state.c lp_strict.c)
list(TRANSFORM EDGE_LP_HOT PREPEND "${CMAKE_CURRENT_LIST_DIR}/")
list(TRANSFORM EDGE_LP_SOURCES PREPEND "${CMAKE_CURRENT_LIST_DIR}/")
# COMPILE_OPTIONS of these files; a debug build stays one
set(EDGE_LP_HOT_OPTIONS "$<$<AND:$<C_COMPILER_ID:GNU,Clang,AppleClang,ARMClang>,$<NOT:$<CONFIG:Debug>>>:-O3>")
