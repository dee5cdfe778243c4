/* SPDX-License-Identifier: Apache-2.0 */
/* One keyword spotter behind the serial protocol (SPEC.md, "Serial protocol"): requests in, each
 * answered once, in order. */
#ifndef SESSION_H
#define SESSION_H

#include "frame.h"
#include "spot.h"

#define PROTOCOL_VERSION 3
#ifndef WINDOW    /* a board whose ring takes two requests has no use for more */
#define WINDOW 4u /* requests that may be unanswered; so many replies are kept */
#endif
/* REPLY_BODY: bytes of the longest reply, from reply_body() of the model, by the build */

typedef enum { /* request; its reply has bit 7 set */
               T_HELLO = 0x01,
               T_LABEL = 0x02,
               T_RESET = 0x03,
               T_CONFIGURE = 0x04,
               T_STATISTICS = 0x05,
               T_AUDIO16 = 0x10,
               T_AUDIO8 = 0x11,
               T_FEATURES = 0x12,
               T_LISTEN = 0x13,
               T_REPLY = 0x80,
               T_REFUSED = 0xfe,
               T_ERROR = 0xff
} frame_type;

/* T_REFUSED: the frame was not taken; its number is still the next one */
typedef enum { R_LONG = 1, R_SHORT, R_CODING, R_CHECKSUM, R_ORDER, R_NO_SESSION } refusal;

typedef enum { /* T_ERROR: the request was taken, and this is its reply */
               E_TYPE = 1,
               E_LENGTH,
               E_VALUE,
               E_VERSION,
               E_RUNTIME,
               E_MODEL
} error_cause;

enum { OUT_POSTERIORS = 1, OUT_LOGITS = 2, OUT_SPIKES = 4, OUT_FEATURES = 8 };

typedef struct {
    uint16_t n; /* 0: none */
    uint8_t bytes[3 + REPLY_BODY];
} kept_reply;

#define HEARD 4u /* events that wait to be asked for; a power of two */

typedef struct { /* the board's own microphone */
    uint8_t on;
    lp_event events[HEARD]; /* the newest ones; numbers of the oldest and of the next to come: */
    uint32_t first, next;
    uint32_t told;      /* frames that there were when last asked */
    uint32_t lost;      /* mic_lost() when it was switched on */
    uint16_t peak, top; /* largest |sample| of the last frame, and of the one that is coming, */
    uint16_t taken;     /* of which so many samples are there */
} listener;

typedef struct {
    frame_reader reader;
    kept_reply replies[WINDOW];
    uint32_t nonce; /* of the session */
    uint16_t next;  /* number of the next request */
    uint8_t open, outputs;

    spot spot;
    uint32_t requests, repeats, refused[R_NO_SESSION + 1];
    listener listener;
} session;

/* The model is read in place; memory is aligned to 8. A model that cannot run is reported to
 * whoever says hello. */
void session_init(session *s, const uint8_t *model, size_t model_bytes, void *memory,
                  size_t memory_bytes);
void session_byte(session *s, uint8_t byte);
/* Takes what the board's microphone has brought, if it is on: up to a frame's end. Returns 0 where
 * there was nothing. From the start on it is on, until a host sends samples of its own. */
int session_hear(session *s);

#endif
