/* SPDX-License-Identifier: BSD-3-Clause */
/* `gantryctl watch`: events as lines of JSON for all who want them. */
#ifndef GT_APP_WATCH_H
#define GT_APP_WATCH_H

#include "base/event.h"

/* The hook of base/event.h and node.h. ctx is the struct gt_run. Main. */
void gt_watch_hear(void *ctx, const struct gt_event *event);

#endif
