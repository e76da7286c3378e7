/* SPDX-License-Identifier: BSD-3-Clause */
/* Collecting messages and guessing at mistyped words; see messages.h. */
#include "config/messages.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add(struct gt_config_messages *messages, unsigned line, bool warning, const char *fmt,
		va_list args)
{
	char text[1024];
	size_t n = messages->n;

	if (!warning)
		messages->n_errors++;
	if (n >= GT_CONFIG_MESSAGES_MAX) {
		messages->n_untold += !warning;
		return;
	}
	if (n == 0 || (n >= 8 && (n & (n - 1)) == 0)) {
		size_t size = (n == 0 ? 8 : 2 * n) * sizeof(*messages->list);
		struct gt_config_message *list = realloc(messages->list, size);

		if (list == NULL) {
			messages->no_memory = true;
			return;
		}
		messages->list = list;
	}

	vsnprintf(text, sizeof(text), fmt, args);
	struct gt_config_message m = {.line = line, .warning = warning, .text = strdup(text)};

	if (m.text == NULL)
		messages->no_memory = true;
	else
		messages->list[messages->n++] = m;
}

void gt_config_error(struct gt_config_messages *messages, unsigned line, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add(messages, line, false, fmt, args);
	va_end(args);
}

void gt_config_warning(struct gt_config_messages *messages, unsigned line, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add(messages, line, true, fmt, args);
	va_end(args);
}

void gt_config_messages_more(struct gt_config_messages *messages)
{
	struct gt_config_message *last = &messages->list[messages->n - 1];
	char text[80];

	snprintf(text, sizeof(text), "and %zu more errors that are not told here",
		 messages->n_untold + 1);
	char *copy = strdup(text);

	if (copy == NULL) {
		messages->no_memory = true;
		return;
	}
	/* In the place of the last one: the list is full. */
	free(last->text);
	last->text = copy;
	last->warning = false;
}

static int by_line(const void *a, const void *b)
{
	const struct gt_config_message *x = a, *y = b;

	return (x->line > y->line) - (x->line < y->line);
}

/* Bottom-up merge sort: glibc's qsort happens to be stable, but only while memory suffices. */
void gt_config_messages_sort(struct gt_config_messages *messages)
{
	size_t n = messages->n;
	struct gt_config_message *from = messages->list, *to;

	if (n < 2)
		return;
	to = malloc(n * sizeof(*to));
	if (to == NULL) {
		messages->no_memory = true;
		return;
	}
	for (size_t width = 1; width < n; width *= 2) {
		for (size_t start = 0; start < n; start += 2 * width) {
			size_t mid = start + width < n ? start + width : n;
			size_t end = mid + width < n ? mid + width : n;
			size_t l = start, r = mid;

			for (size_t o = start; o < end; o++)
				to[o] = l < mid && (r >= end || by_line(&from[l], &from[r]) <= 0)
						? from[l++]
						: from[r++];
		}
		struct gt_config_message *swap = from;

		from = to;
		to = swap;
	}
	messages->list = from;
	free(to);
}

void gt_config_messages_free(struct gt_config_messages *messages)
{
	for (size_t i = 0; i < messages->n; i++)
		free(messages->list[i].text);
	free(messages->list);
	*messages = (struct gt_config_messages){0};
}

char *gt_config_quote(const char *text, char buf[GT_QUOTE_MAX])
{
	size_t n = 0;

	for (const char *c = text; *c != '\0'; c++) {
		bool plain = (unsigned char)*c >= 0x20 && *c != 0x7f;

		/* room for this byte, "..." and the end */
		if (n + (plain ? 1 : 4) + 4 > GT_QUOTE_MAX) {
			memcpy(buf + n, "...", 3);
			n += 3;
			break;
		}
		if (plain)
			buf[n++] = *c;
		else
			n += (size_t)snprintf(buf + n, 5, "\\x%02x", (unsigned char)*c);
	}
	buf[n] = '\0';
	return buf;
}

#define NEAREST_WORD_MAX 40

/*
 * Optimal string alignment distance, case ignored: one insertion, deletion, replacement or swap of
 * neighbours costs 1. Both at most NEAREST_WORD_MAX long.
 */
static unsigned edit_distance(const char *a, size_t n, const char *b, size_t m)
{
	unsigned rows[3][NEAREST_WORD_MAX + 1];
	unsigned *before = rows[0], *above = rows[1], *row = rows[2];

	for (size_t j = 0; j <= m; j++)
		above[j] = (unsigned)j;
	for (size_t i = 1; i <= n; i++) {
		int ca = tolower((unsigned char)a[i - 1]);

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= m; j++) {
			int cb = tolower((unsigned char)b[j - 1]);
			unsigned d = above[j - 1] + (ca != cb);

			d = above[j] + 1 < d ? above[j] + 1 : d;
			d = row[j - 1] + 1 < d ? row[j - 1] + 1 : d;
			if (i > 1 && j > 1 && ca == tolower((unsigned char)b[j - 2]) &&
			    cb == tolower((unsigned char)a[i - 2]) && before[j - 2] + 1 < d)
				d = before[j - 2] + 1;
			row[j] = d;
		}
		unsigned *oldest = before;

		before = above;
		above = row;
		row = oldest;
	}
	return above[m];
}

void gt_config_nearest_start(struct gt_config_nearest *n, const char *word, unsigned *budget)
{
	*n = (struct gt_config_nearest){.word = word, .budget = budget};
}

void gt_config_nearest_try(struct gt_config_nearest *n, const char *candidate)
{
	size_t a = strlen(n->word), b = strlen(candidate);
	size_t shorter = a < b ? a : b, longer = a < b ? b : a;
	/* One mistake in a short word, two from five letters on, three from ten. */
	unsigned limit = shorter < 5 ? 1 : shorter < 10 ? 2 : 3;

	if (*n->budget == 0)
		return;
	--*n->budget;
	if (shorter == 0 || longer > NEAREST_WORD_MAX || longer - shorter > limit)
		return;
	unsigned d = edit_distance(n->word, a, candidate, b);

	if (d <= limit && (n->best == NULL || d < n->distance)) {
		n->best = candidate;
		n->distance = d;
	}
}
