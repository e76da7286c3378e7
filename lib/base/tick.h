/* SPDX-License-Identifier: BSD-3-Clause */
/* The connection table's time: ticks, and how long a silent connection is remembered (the
 * contract). */
#ifndef GT_BASE_TICK_H
#define GT_BASE_TICK_H

#include <stdint.h>

#define GT_TICK_MS   250
#define GT_TICK_BITS 24
#define GT_TICK_MASK ((1U << GT_TICK_BITS) - 1)

#define GT_TICKS(seconds) ((uint32_t)(seconds) * (1000 / GT_TICK_MS))

#define GT_TICKS_SYN	     GT_TICKS(30)
#define GT_TICKS_ESTABLISHED GT_TICKS(2 * 3600 + 4 * 60) /* RFC 5382 REQ-5 */
#define GT_TICKS_FIN	     GT_TICKS(120)
#define GT_TICKS_CLOSED	     GT_TICKS(10)
#define GT_TICKS_UDP	     GT_TICKS(180)

/* The longest idle_timeout: well below half of what 24 bits of ticks tell apart. */
#define GT_IDLE_TIMEOUT_MAX_S (20U * 86400)

static inline uint32_t gt_tick(uint64_t now_ms)
{
	return (uint32_t)(now_ms / GT_TICK_MS) & GT_TICK_MASK;
}

#endif
