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
 * reload may bring, need. A program that is started (exec checks) gets none, though its user is
 * root (securebits(7): NOROOT), and none back by its file (no_new_privs).
 * Tells what is kept. Does nothing but that where there is nothing to drop. 0, -errno after a
 * message. Main, after the ports are open and before workers run.
 */
int gt_privileges_drop(const struct gt_config *config, const struct gt_device devices[],
		       const struct gt_log *log);

#endif
