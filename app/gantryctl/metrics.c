/* SPDX-License-Identifier: BSD-3-Clause */
/* `gantryctl metrics`: gantry gives the text in slices, each of which says where the next begins.
 */
#include <stdlib.h>
#include <string.h>

#include "commands.h"

/* One slice. *next, to be freed, is where the text goes on; NULL: it ends. An exit code. */
static int show_slice(const struct options *o, const char *cursor, char **next)
{
	const char *text, *more;
	json_t *answer;
	int rc;

	*next = NULL;
	answer = ctl_ask(o->socket, "metrics", &cursor, 1, &rc);
	if (answer == NULL)
		return rc;
	rc = ctl_error(answer);
	text = json_string_value(json_object_get(answer, "metrics"));
	if (rc == 0 && o->json)
		rc = ctl_print(answer);
	else if (rc == 0 && text != NULL)
		fputs(text, stdout);
	more = json_string_value(json_object_get(answer, "next"));
	if (rc == 0 && more != NULL) {
		*next = strdup(more);
		rc = *next != NULL ? 0 : EXIT_FAILED;
	}
	json_decref(answer);
	return rc;
}

int ctl_metrics(const struct options *o)
{
	char *next, *last;
	int rc = show_slice(o, "0:0", &next);

	while (rc == 0 && next != NULL) {
		last = next;
		rc = show_slice(o, last, &next);
		free(last);
	}
	free(next);
	return rc != 0 ? rc : ctl_flush();
}
