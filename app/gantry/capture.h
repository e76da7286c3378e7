/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The captures that replay reads, as one stream of frames in the order of their times. What a
 * capture may be: capture_source.h.
 */
#ifndef GT_APP_CAPTURE_H
#define GT_APP_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/time.h>

/* Longest frame that a capture may hold; libpcap refuses longer ones (MAXIMUM_SNAPLEN). */
#define GT_CAPTURE_FRAME_MAX 262144

/* A frame of a capture: valid until gt_captures_next. */
struct gt_capture_record {
	const uint8_t *data;
	uint32_t len;	   /* bytes that were captured */
	uint32_t wire_len; /* bytes that the frame had, never below len */
	struct timeval ts; /* tv_usec holds nanoseconds, as libpcap does it */
	int64_t ns;	   /* the same since 1970; absurd seconds are clamped so that this fits */
	uint8_t interface;
};

/* Several captures, read as one stream. */
struct gt_captures;

/* NULL: no memory. */
struct gt_captures *gt_captures_create(void);
/* NULL is allowed. */
void gt_captures_destroy(struct gt_captures *c);

/*
 * Adds a capture of what came in by an interface; "-" is stdin. 0, or -1 with a message on stderr:
 * it cannot be read, is no capture, or its link type is not Ethernet.
 */
int gt_captures_add(struct gt_captures *c, uint8_t interface, const char *file);

/*
 * The earliest frame of all captures, each taken in its own order; at equal times that of the
 * capture which was added first. NULL: all have ended. A capture that is cut or damaged ends there,
 * with a message on stderr that names the frame.
 */
const struct gt_capture_record *gt_captures_peek(struct gt_captures *c);
/* Goes on behind the frame that gt_captures_peek gave. */
void gt_captures_next(struct gt_captures *c);

/* Did a capture end before its end? */
bool gt_captures_damaged(const struct gt_captures *c);
/* Is `file` (an existing one, whatever its name) among the captures? */
bool gt_captures_has(const struct gt_captures *c, const char *file);

#endif
