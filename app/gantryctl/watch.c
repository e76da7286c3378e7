/* SPDX-License-Identifier: BSD-3-Clause */
/* `gantryctl watch`: lines of JSON as they come, until gantry or the reader ends. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "commands.h"

#define LINE_MAX_BYTES 65536

/* The first line is an answer: gantry's greeting, or why not. 0, or an exit code after a message.
 */
static int read_greeting(FILE *in, char *line, size_t size)
{
	json_t *answer;
	int rc;

	if (fgets(line, (int)size, in) == NULL) {
		fputs("gantryctl: gantry ended the connection\n", stderr);
		return EXIT_FAILED;
	}
	answer = json_loads(line, 0, NULL);
	rc = json_is_object(answer) ? ctl_error(answer) : EXIT_FAILED;
	json_decref(answer);
	return rc;
}

int ctl_watch(const struct options *o)
{
	static char line[LINE_MAX_BYTES];
	int fd = ctl_connect(o->socket, 0), rc;
	FILE *in;

	if (fd < 0)
		return EXIT_FAILED;
	rc = ctl_send(fd, o->socket, "watch", NULL, 0);
	in = rc == 0 ? fdopen(fd, "r") : NULL;
	if (in == NULL) {
		close(fd);
		return rc != 0 ? rc : EXIT_FAILED;
	}
	for (rc = read_greeting(in, line, sizeof(line)); rc == 0;) {
		fputs(line, stdout);
		rc = ctl_flush();
		if (rc == 0 && fgets(line, sizeof(line), in) == NULL) {
			fputs("gantryctl: gantry ended the connection: it stopped, or this was "
			      "read too slowly\n",
			      stderr);
			rc = EXIT_FAILED;
		}
	}
	fclose(in);
	return rc;
}
