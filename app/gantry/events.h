/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who of main's parts an event of its epoll set is for. Each part watches its own descriptors with
 * tokens of its own in epoll's data.u64, and gets its events by them: a token of something that is
 * closed already finds nothing, which a pointer could not promise.
 */
#ifndef GT_APP_EVENTS_H
#define GT_APP_EVENTS_H

#include <stdint.h>

enum gt_source {
	GT_SOURCE_SIGNAL,
	GT_SOURCE_CONTROL, /* the control socket and its clients */
	GT_SOURCE_KERNEL,  /* TAPs of interfaces with `kernel` */
	GT_SOURCE_PROBER,  /* health checks under way */
	GT_SOURCE_METRICS, /* other threads that want numbers: mailbox.h */
	GT_SOURCE_RELOAD,  /* a configuration that was read */
};

/* id: the part's own, below 2^56. */
#define GT_TOKEN(source, id)   ((uint64_t)(source) << 56 | (uint64_t)(id))
#define GT_TOKEN_SOURCE(token) ((enum gt_source)((token) >> 56))
#define GT_TOKEN_ID(token)     ((token) & ((UINT64_C(1) << 56) - 1))

#endif
