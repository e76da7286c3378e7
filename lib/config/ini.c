/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The reader that inih calls for each line; see ini.h. It counts lines (inih's handler is told no
 * number in Debian's build), removes comments, refuses what is no INI, and answers headings and
 * continuations itself: inih keeps 49 bytes of a section's name, fewer than [server VIP/NAME] may
 * need. inih splits what remains, `key = value`. Nothing here depends on the options that inih was
 * built with.
 */
#include "config/ini.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <string.h>

#include "config/messages.h"

struct reader {
	const char *next, *end;
	unsigned line;
	unsigned waiting; /* line of the value that is to be continued; 0: none */
	const struct gt_ini_events *events;
	struct gt_config_messages *messages;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* A comment begins with # or ; that is the first of its line or stands behind a blank. */
static size_t without_comment(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((s[i] == '#' || s[i] == ';') && (i == 0 || is_blank(s[i - 1]))) {
			n = i;
			break;
		}
	while (n > 0 && is_blank(s[n - 1]))
		n--;
	return n;
}

/* Bytes that no configuration holds: told, and the line is left out. */
static bool has_bad_bytes(struct reader *r, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if ((c >= 0x20 && c != 0x7f) || c == '\t')
			continue;
		if (c == '\0')
			gt_config_error(
				r->messages, r->line,
				"NUL byte in column %zu of its text; a configuration is plain text",
				i + 1);
		else
			gt_config_error(
				r->messages, r->line,
				"control byte 0x%02x in column %zu of its text; a configuration is "
				"plain text",
				c, i + 1);
		return true;
	}
	return false;
}

static bool is_too_long(struct reader *r, const char *s, size_t n, size_t most)
{
	char begin[32], quoted[GT_QUOTE_MAX];

	if (n <= most)
		return false;
	snprintf(begin, sizeof(begin), "%.*s", 28, s);
	gt_config_error(
		r->messages, r->line,
		"'%s...': line of %zu bytes; a line holds at most %zu. A list may go on: end "
		"the line with a comma and indent the next one",
		gt_config_quote(begin, quoted), n, most);
	return true;
}

static void read_heading(struct reader *r, char *s)
{
	char *close = strchr(s, ']');
	char quoted[GT_QUOTE_MAX];

	if (close == NULL) {
		gt_config_error(r->messages, r->line, "'%s' lacks its ']'; write %s]",
				gt_config_quote(s, quoted), quoted);
		close = s + strlen(s);
	} else if (close[1] != '\0') {
		gt_config_error(r->messages, r->line,
				"'%s' behind a section's ']'; put it on a line of its own",
				gt_config_quote(close + 1, quoted));
	}
	/* Also behind a mistake: so the keys that follow are not taken for another section's. */
	*close = '\0';
	for (s++; is_blank(*s); s++)
		;
	s[without_comment(s, strlen(s))] = '\0';
	r->events->section(r->events->ctx, s, r->line);
}

static bool is_key_and_value(struct reader *r, const char *s)
{
	size_t n = strcspn(s, "=:");
	char quoted[GT_QUOTE_MAX];

	if (n > 0 && s[n] == '=')
		return true;
	r->events->spoilt(r->events->ctx, false);
	gt_config_error(r->messages, r->line,
			"'%s' is neither a [section] nor a key; write key = value, and comments "
			"behind #",
			gt_config_quote(s, quoted));
	return false;
}

/*
 * What a line means, comment and blanks already removed. False: inih gets an empty line instead,
 * the line is dealt with.
 */
static bool read_content(struct reader *r, char *s, bool indented)
{
	/* No element of a list holds a bracket or an equals sign: such a line was not meant to be
	 * one. */
	if (r->waiting != 0 && indented && strpbrk(s, "[=") == NULL) {
		r->waiting = r->events->more(r->events->ctx, s, r->line) ? r->line : 0;
		return false;
	}
	if (r->waiting != 0) {
		r->events->cut_off(r->events->ctx, r->waiting);
		r->waiting = 0;
	}
	if (*s == '[') {
		read_heading(r, s);
		return false;
	}
	return is_key_and_value(r, s);
}

/* inih's reader: the next line into `str` of `size` bytes, or NULL at the end. */
static char *read_line(char *str, int size, void *ctx)
{
	struct reader *r = ctx;

	if (r->next == r->end)
		return NULL;
	const char *s = r->next;
	const char *newline = memchr(s, '\n', (size_t)(r->end - s));
	size_t n = (size_t)((newline == NULL ? r->end : newline) - s);

	r->next = newline == NULL ? r->end : newline + 1;
	r->line++;
	*str = '\0';
	if (n > 0 && s[n - 1] == '\r')
		n--;
	n = without_comment(s, n);
	bool indented = n > 0 && is_blank(*s);

	for (; n > 0 && is_blank(*s); s++)
		n--;
	if (n == 0)
		return str;
	if (has_bad_bytes(r, s, n) || is_too_long(r, s, n, (size_t)size - 1)) {
		r->events->spoilt(r->events->ctx, *s == '[');
		r->waiting = 0;
		return str;
	}
	memcpy(str, s, n);
	str[n] = '\0';
	if (!read_content(r, str, indented))
		*str = '\0';
	return str;
}

static int handle(void *ctx, const char *section, const char *key, const char *value)
{
	struct reader *r = ctx;

	(void)section;
	if (r->events->value(r->events->ctx, key, value, r->line))
		r->waiting = r->line;
	return 1;
}

int gt_ini_parse(const char *text, size_t len, const struct gt_ini_events *events,
		 struct gt_config_messages *messages)
{
	struct reader r = {.next = text, .end = text + len, .events = events, .messages = messages};
	int rc;

	if (len >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0)) {
		gt_config_error(messages, 1, "the file is UTF-16; save it as UTF-8");
		return 0;
	}
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		r.next += 3;
	rc = ini_parse_stream(read_line, &r, handle, &r);
	if (rc < 0)
		return -ENOMEM;
	/* Never with the builds of inih that are known: read_content lets only key = value pass. */
	if (rc > 0)
		gt_config_error(messages, (unsigned)rc, "not understood; write key = value");
	if (r.waiting != 0)
		events->cut_off(events->ctx, r.waiting);
	return 0;
}
