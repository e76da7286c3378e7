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
#include "tls.h"

/* The longest message that a check sends, and file of authorities. */
#define GT_ASK_MESSAGE_MAX 65536
#define GT_ASK_CA_MAX	   (1 << 20)

/* Where the program of an exec check is looked for, and the PATH that it gets. */
#define GT_ASK_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct gt_ask {
	unsigned references;
	enum gt_check_type type;
	uint32_t interval_ms, timeout_ms, rise, fall;
	struct gt_probe_ask probe; /* without `authority`, which each server has its own */
	char *path, *host, *body;
	uint8_t *message;
	struct gt_tls *tls; /* https only */
	char *program;	    /* exec only: its whole path, and its words */
	char **argv;
	char *words; /* all of the above in one text: equal words ask the same */
};

/* What is wrong with a check. */
struct gt_ask_refusal {
	const char *key;	       /* of the section; NULL: all of it */
	char why[GT_PROBE_REASON_MAX]; /* which says what to do */
};

/*
 * Reads what a check asks. 0: *out has one reference. -EINVAL or -errno with `refusal`: a file is
 * missing, nothing to send, no such program. -ENOMEM. Main.
 */
int gt_ask_create(const struct gt_config_check *check, struct gt_ask **out,
		  struct gt_ask_refusal *refusal);

struct gt_ask *gt_ask_hold(struct gt_ask *ask);
/* NULL is allowed. */
void gt_ask_release(struct gt_ask *ask);

/*
 * Tells of each check in the file whose ask cannot be made, with its line. 0, -EINVAL if there are
 * any, -ENOMEM. Any caller.
 */
int gt_ask_check_all(const struct gt_config *config, struct gt_config_messages *messages);

#endif
