/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The log of `gantry run`: one line on stderr for each change of state, "gantry[NODE]: LEVEL:
 * text". systemd puts stderr into the journal, with the level if it is told by a prefix
 * (sd-daemon(3)); where stderr is not the journal, the line goes to the syslog daemon, too
 * (facility daemon, ident gantry).
 */
#ifndef GT_APP_SAY_H
#define GT_APP_SAY_H

#include <stddef.h>

#include "base/log.h"
#include "config/config.h"

/* A log under this name, which must stay. Main; the log may then be used by any thread. */
struct gt_log gt_say_log(const char *node);

/* Where lines go: stderr, unless something else holds that at the moment. Main, while it is the
 * only thread that logs. */
void gt_say_to(int fd);

/*
 * How a sentence about the file begins: "FILE:LINE: KEY: " where the key is written, else "FILE:
 * KEY: ". `section`, `lines` and `key` as for gt_config_line. Returns buf.
 */
char *gt_say_where(const struct gt_config *config, const char *section,
		   const struct gt_config_lines *lines, const char *key, char *buf, size_t size);

#define GT_WHERE_MAX 300

#endif
