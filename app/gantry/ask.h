/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a [check NAME] asks of a server: the configuration's words, and the files that it names, as
 * the probes want them. It owns all of it, for a check that goes on over a reload outlives the
 * configuration that it came from.
 */
#ifndef GT_APP_ASK_H
#define GT_APP_ASK_H

#include "config/config.h"
#include "config/messages.h"
#include "probe/probe.h"

/* The longest message that a check sends. */
#define GT_ASK_MESSAGE_MAX 65536

struct gt_ask {
	unsigned references;
	enum gt_check_type type;
	uint32_t interval_ms, timeout_ms, rise, fall;
	struct gt_probe_ask probe; /* without `authority`, which each server has its own */
	char *path, *host, *body;
	uint8_t *message;
	char *words; /* all of the above in one text: equal words ask the same */
};

/*
 * Reads what a check asks. 0: *out has one reference. -EINVAL or -errno with `why`, which says what
 * to do and is no longer than GT_PROBE_REASON_MAX: the file is missing, or nothing to send. Main.
 */
int gt_ask_create(const struct gt_config_check *check, struct gt_ask **out, char *why, size_t size);

struct gt_ask *gt_ask_hold(struct gt_ask *ask);
/* NULL is allowed. */
void gt_ask_release(struct gt_ask *ask);

/*
 * Tells of each check in the file whose ask cannot be made, with its line. 0, -EINVAL if there are
 * any, -ENOMEM. Any caller.
 */
int gt_ask_check_all(const struct gt_config *config, struct gt_config_messages *messages);

#endif
