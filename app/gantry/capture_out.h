/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A capture that replay writes: classic pcap with nanoseconds, in the byte order of this machine.
 * It appears under its name only when it is whole.
 */
#ifndef GT_APP_CAPTURE_OUT_H
#define GT_APP_CAPTURE_OUT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/time.h>

struct gt_capture_out;

/* NULL, with a message on stderr. */
struct gt_capture_out *gt_capture_out_open(const char *name);
/* Adds a frame of `len` bytes, of which the wire had `wire_len`; ts as in gt_capture_record. */
void gt_capture_out_write(struct gt_capture_out *out, const struct timeval *ts, const uint8_t *data,
			  uint32_t len, uint32_t wire_len);
/* Has a write failed, as on a full disk? */
bool gt_capture_out_failed(const struct gt_capture_out *out);
/* As gt_new_file_commit and _discard; both free `out`, and discard allows NULL. */
int gt_capture_out_commit(struct gt_capture_out *out);
void gt_capture_out_discard(struct gt_capture_out *out);

#endif
