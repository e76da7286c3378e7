/* SPDX-License-Identifier: BSD-3-Clause */
/* Loads a configuration and tells on stderr what is wrong with it; see load.h. */
#include "load.h"

#include <errno.h>
#include <stdio.h>

#include "ask.h"
#include "commands.h"

void gt_tell_messages(const char *file, const struct gt_config_messages *messages, bool warnings)
{
	for (size_t i = 0; i < messages->n; i++) {
		const struct gt_config_message *m = &messages->list[i];

		if (m->warning && !warnings)
			continue;
		if (m->line == 0)
			fprintf(stderr, "%s: ", file);
		else
			fprintf(stderr, "%s:%u: ", file, m->line);
		fprintf(stderr, "%s%s\n", m->warning ? "warning: " : "", m->text);
	}
}

int gt_load_config(const char *file, unsigned flags, struct gt_config **out)
{
	struct gt_config_messages messages = {0};
	int rc = gt_config_load(file, out, &messages);

	if (rc == 0 && (flags & GT_LOAD_UNSUPPORTED_ERRORS))
		rc = gt_config_unsupported(*out, &messages);
	if (rc == 0 && (flags & GT_LOAD_CHECKS))
		rc = gt_ask_check_all(*out, &messages);
	if (rc != 0) {
		gt_config_free(*out);
		*out = NULL;
	}
	gt_tell_messages(file, &messages, flags & GT_LOAD_WARNINGS);
	gt_config_messages_free(&messages);
	if (rc == 0)
		return GT_EXIT_OK;
	if (rc == -ENOMEM) {
		fprintf(stderr, "gantry: not enough memory to read %s\n", file);
		return GT_EXIT_FAILED;
	}
	return GT_EXIT_USAGE;
}
