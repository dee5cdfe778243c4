/* SPDX-License-Identifier: Apache-2.0 */
#include "../runtime/lp_net.c"
