/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What gantry may do to the machine, once its devices are open: as little as it still needs, in
 * every thread of the process, DPDK's included. docs/service.md says what is kept and why.
 */
#ifndef GT_APP_PRIVILEGES_H
#define GT_APP_PRIVILEGES_H

#include "base/log.h"
#include "config/config.h"
#include "devices.h"

/*
 * Drops all capabilities but those that this configuration's devices, and health checks that a
 * reload may bring, need; and sets no_new_privs, so that no program that is started gets any back.
 * Tells what is kept. Does nothing but that where there is nothing to drop. 0, -errno after a
 * message. Main, after the ports are open and before workers run.
 */
int gt_privileges_drop(const struct gt_config *config, const struct gt_device devices[],
		       const struct gt_log *log);

/* Drops every capability of the calling process: between fork and exec of a program that needs
 * none. Only system calls. 0, -errno. */
int gt_privileges_none(void);

#endif
