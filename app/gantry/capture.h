/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Captures in and out, for replay. Reading and writing the formats is libpcap's: classic pcap of
 * both byte orders with micro- or nanoseconds, and pcapng, all Ethernet. Here they are merged by
 * time, and what is written appears under its name only when it is whole.
 */
#ifndef GT_APP_CAPTURE_H
#define GT_APP_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
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

/*
 * A file that appears under its name only when it is whole: written to a temporary name beside it,
 * then renamed. What is there already and is no regular file (/dev/null, a pipe, a symbolic link)
 * is written to directly: a rename would replace it.
 */
struct gt_new_file {
	FILE *stream; /* NULL: not open */
	char *name, *temporary;
};

/* 0, or -1 with a message on stderr. */
int gt_new_file_open(struct gt_new_file *f, const char *name);
/* Closes it and gives it its name. 0, or -1 with a message on stderr, and nothing left behind. */
int gt_new_file_commit(struct gt_new_file *f);
/* Closes and removes it; does nothing if it is not open. */
void gt_new_file_discard(struct gt_new_file *f);

/* A capture to be written: pcap with nanoseconds. */
struct gt_capture_out;

/* NULL, with a message on stderr. */
struct gt_capture_out *gt_capture_out_open(const char *name);
void gt_capture_out_write(struct gt_capture_out *out, const struct timeval *ts, const uint8_t *data,
			  uint32_t len, uint32_t wire_len);
/* Has a write failed, as on a full disk? */
bool gt_capture_out_failed(const struct gt_capture_out *out);
/* As gt_new_file_commit and _discard; both free `out`, and discard allows NULL. */
int gt_capture_out_commit(struct gt_capture_out *out);
void gt_capture_out_discard(struct gt_capture_out *out);

#endif
