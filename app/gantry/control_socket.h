/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control socket's place in the file system: who was there before, who may use it.
 */
#ifndef GT_APP_CONTROL_SOCKET_H
#define GT_APP_CONTROL_SOCKET_H

#include <sys/types.h>

#include "base/log.h"
#include "config/config.h"

#define GT_CONTROL_NO_GROUP ((gid_t)-1)

/*
 * Takes the path `control`: makes its directory if it is missing, replaces a socket that nobody
 * listens on any more (a predecessor that is just dying is waited for, 2 s), and listens. Only the
 * user who runs gantry may use it, and the members of `control_group`. A descriptor, or -errno
 * after a message (-EADDRINUSE: another gantry listens there; -ENOENT: no such group). Main.
 */
int gt_control_socket(const struct gt_config *config, const struct gt_log *log);

#endif
