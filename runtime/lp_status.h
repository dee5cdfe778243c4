/* SPDX-License-Identifier: Apache-2.0 */
/* A status of edge_lp.h in words, for a log. In a header of its own: a program that does not ask
 * for it carries no text. */
#ifndef LP_STATUS_H
#define LP_STATUS_H

#include "edge_lp.h"

/* Any int -> what edge_lp.h says of it, ASCII, for ever; "unknown status" for what is none. */
static inline const char *lp_status_text(int status)
{
    switch (status) {
    case LP_OK: return "ok";
    case LP_E_ARG: return "the caller's mistake: an index, a size or a pointer that cannot be";
    case LP_E_SPACE: return "the memory given is smaller than lp_X_size, or not aligned to 8";
    case LP_E_MAGIC: return "not an .lpb file";
    case LP_E_MAJOR: return "written for another major version of the format";
    case LP_E_MINOR: return "written for a newer minor version of the format";
    case LP_E_TRUNCATED: return "shorter than its header says";
    case LP_E_TRAILING: return "longer than its header says";
    case LP_E_CHECKSUM: return "the CRC-32 does not match";
    case LP_E_FORMAT: return "a field contradicts another field or its range";
    case LP_E_LIMIT: return "well-formed, but more than this runtime (or the chip) can do";
    case LP_E_FRONTEND: return "trained with another front end than this runtime has";
    case LP_E_OVERFLOW: return "strict mode: an accumulator or a state left its range";
    default: return "unknown status";
    }
}

#endif
