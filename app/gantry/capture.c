/* SPDX-License-Identifier: BSD-3-Clause */
/* Captures merged by time; see capture.h. */
#include "capture.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "capture_source.h"

struct gt_captures {
	struct gt_capture_source *sources;
	size_t n;
	struct gt_capture_source *first; /* whose record was peeked; NULL: not known */
};

struct gt_captures *gt_captures_create(void)
{
	return calloc(1, sizeof(struct gt_captures));
}

void gt_captures_destroy(struct gt_captures *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < c->n; i++)
		gt_capture_source_close(&c->sources[i]);
	free(c->sources);
	free(c);
}

int gt_captures_add(struct gt_captures *c, uint8_t interface, const char *file)
{
	struct gt_capture_source *sources = reallocarray(c->sources, c->n + 1, sizeof(*sources));

	if (sources == NULL) {
		fprintf(stderr, "gantry: no memory for %s\n", file);
		return -1;
	}
	c->sources = sources;
	if (gt_capture_source_open(&sources[c->n], interface, file) != 0)
		return -1;
	c->n++;
	return 0;
}

const struct gt_capture_record *gt_captures_peek(struct gt_captures *c)
{
	if (c->first == NULL) {
		/* A scan: there are as many captures as somebody wrote on a command line. */
		for (size_t i = 0; i < c->n; i++) {
			struct gt_capture_source *s = &c->sources[i];

			if (!s->ended && (c->first == NULL || s->record.ns < c->first->record.ns))
				c->first = s;
		}
		if (c->first == NULL)
			return NULL;
	}
	return &c->first->record;
}

void gt_captures_next(struct gt_captures *c)
{
	gt_capture_source_next(c->first);
	/* The only one stays the first. */
	if (c->n > 1 || c->first->ended)
		c->first = NULL;
}

bool gt_captures_damaged(const struct gt_captures *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->sources[i].damaged)
			return true;
	return false;
}

bool gt_captures_has(const struct gt_captures *c, const char *file)
{
	struct stat st;

	if (stat(file, &st) != 0 || !S_ISREG(st.st_mode))
		return false;
	for (size_t i = 0; i < c->n; i++)
		if (c->sources[i].device == st.st_dev && c->sources[i].inode == st.st_ino)
			return true;
	return false;
}
