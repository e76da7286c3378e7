/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writes docs/configuration.md to stdout; or, given a file, compares it with what it would write.
 * For the build and its tests, not installed.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "config/config.h"

static void write_out(void *ctx, const char *text, size_t len)
{
	fwrite(text, 1, len, ctx);
}

struct comparison {
	FILE *file;
	unsigned line;
	bool differs;
};

static void compare(void *ctx, const char *text, size_t len)
{
	struct comparison *c = ctx;

	for (size_t i = 0; i < len && !c->differs; i++) {
		c->differs = getc(c->file) != (unsigned char)text[i];
		c->line += text[i] == '\n' && !c->differs;
	}
}

int main(int argc, char **argv)
{
	struct gt_config_writer w = {write_out, stdout};
	struct comparison c = {.line = 1};

	if (argc < 2) {
		gt_config_reference(&w);
		return fflush(stdout) != 0;
	}
	c.file = fopen(argv[1], "r");
	if (c.file == NULL) {
		perror(argv[1]);
		return 1;
	}
	w = (struct gt_config_writer){compare, &c};
	gt_config_reference(&w);
	if (!c.differs)
		c.differs = getc(c.file) != EOF;
	fclose(c.file);
	if (c.differs)
		fprintf(stderr,
			"%s:%u: differs from the schema; write it anew: docs/reference in the "
			"build "
			"directory prints it\n",
			argv[1], c.line);
	return c.differs;
}
