/* SPDX-License-Identifier: BSD-3-Clause */
/* Splitting a command line into words; see command.h. */
#include "command.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct splitter {
	const char *in;
	char *out;
	const char *why; /* NULL: right so far */
};

static void refuse(struct splitter *s, const char *why)
{
	s->why = why;
}

/* Within '...': each byte means itself (2.2.2). */
static void take_single(struct splitter *s)
{
	while (*s->in != '\0' && *s->in != '\'')
		*s->out++ = *s->in++;
	if (*s->in == '\0')
		refuse(s, "a ' has no second one");
	else
		s->in++;
}

/* Within "...": \ quotes only what would mean something (2.2.3). */
static void take_double(struct splitter *s)
{
	for (; *s->in != '\0' && *s->in != '"'; s->in++) {
		if (*s->in == '$' || *s->in == '`') {
			refuse(s, "there is no shell to expand $ or `; quote it by '...', or write "
				  "a script");
			return;
		}
		if (*s->in == '\\' && s->in[1] != '\0' && strchr("$`\"\\", s->in[1]) != NULL)
			s->in++;
		*s->out++ = *s->in;
	}
	if (*s->in == '\0')
		refuse(s, "a \" has no second one");
	else
		s->in++;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static void take_word(struct splitter *s)
{
	const char *start = s->in;

	while (s->why == NULL && *s->in != '\0' && !is_blank(*s->in)) {
		char c = *s->in++;

		if (c == '\'') {
			take_single(s);
		} else if (c == '"') {
			take_double(s);
		} else if (c == '\\') {
			if (*s->in == '\0')
				refuse(s, "a \\ at its end quotes nothing");
			else
				*s->out++ = *s->in++;
		} else if (strchr("|&;<>()$`*?[{}", c) != NULL ||
			   (s->in == start + 1 && (c == '#' || c == '~'))) {
			refuse(s, "there is no shell for | & ; < > ( ) $ ` * ? [ { } # ~; quote "
				  "them by '...', or write a script");
		} else {
			*s->out++ = c;
		}
	}
	*s->out++ = '\0';
}

int gt_command_split(const char *command, char ***argv, const char **why)
{
	/* A word takes at least a byte and a blank, its text no more than it has here. */
	size_t len = strlen(command), words_max = len / 2 + 2, n = 0;
	char **words = malloc(words_max * sizeof(*words) + len + 1);
	struct splitter s = {.in = command};

	*argv = NULL;
	if (words == NULL)
		return -ENOMEM;
	s.out = (char *)(words + words_max);
	for (;;) {
		while (is_blank(*s.in))
			s.in++;
		if (*s.in == '\0' || s.why != NULL)
			break;
		words[n++] = s.out;
		take_word(&s);
	}
	words[n] = NULL;
	if (s.why == NULL && (n == 0 || words[0][0] == '\0'))
		refuse(&s, "it names no program");
	if (s.why != NULL) {
		free(words);
		*why = s.why;
		return -EINVAL;
	}
	*argv = words;
	return 0;
}
