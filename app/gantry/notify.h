/* SPDX-License-Identifier: BSD-3-Clause */
/* Tells systemd of a change of state (sd_notify(3)). */
#ifndef GT_APP_NOTIFY_H
#define GT_APP_NOTIFY_H

/* Sends e.g. "READY=1" to $NOTIFY_SOCKET; does nothing where there is none. Main. */
void gt_notify(const char *state);

#endif
