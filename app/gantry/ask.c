/* SPDX-License-Identifier: BSD-3-Clause */
/* From a check's section to what its probe sends; see ask.h. */
#include "ask.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int refuse(char *why, size_t size, int rc, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static int refuse(char *why, size_t size, int rc, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, size, fmt, ap);
	va_end(ap);
	return rc;
}

/* All of a small file, which must be a plain one: a FIFO would keep us waiting. */
static int read_message(struct gt_ask *ask, const char *path, char *why, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc = 0;
	struct stat st;
	ssize_t n = 0;

	if (fd < 0)
		return refuse(why, size, -errno, "%s", strerror(errno));
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		rc = refuse(why, size, -EINVAL, "no plain file");
	else if (st.st_size > GT_ASK_MESSAGE_MAX)
		rc = refuse(why, size, -EINVAL, "longer than %d bytes", GT_ASK_MESSAGE_MAX);
	else if ((ask->message = malloc(GT_ASK_MESSAGE_MAX)) == NULL)
		rc = -ENOMEM;
	else if ((n = read(fd, ask->message, GT_ASK_MESSAGE_MAX)) < 0)
		rc = refuse(why, size, -errno, "%s", strerror(errno));
	close(fd);
	ask->probe.message = ask->message;
	ask->probe.message_len = n > 0 ? (size_t)n : 0;
	return rc;
}

/* "AA, CA" as bits; the schema has checked the words. */
static unsigned accepted(const char *expect)
{
	static const struct {
		char word[3];
		unsigned bit;
	} codes[] = {{"AA", GT_PROBE_AA}, {"AE", GT_PROBE_AE}, {"AR", GT_PROBE_AR},
		     {"CA", GT_PROBE_CA}, {"CE", GT_PROBE_CE}, {"CR", GT_PROBE_CR}};
	unsigned bits = 0;

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (strstr(expect, codes[i].word) != NULL)
			bits |= codes[i].bit;
	return bits;
}

/* A copy of a text that may be NULL. False: no memory. */
static bool copy(char **to, const char *text)
{
	*to = text != NULL ? strdup(text) : NULL;
	return text == NULL || *to != NULL;
}

static bool fill_dicom(struct gt_ask *ask, const struct gt_config_check *c)
{
	ask->probe.kind = GT_PROBE_DICOM;
	strcpy(ask->probe.calling_aet, c->calling_aet);
	strcpy(ask->probe.called_aet, c->called_aet);
	ask->probe.reject_is_healthy = c->on_reject == GT_ON_REJECT_UP;
	return asprintf(&ask->words, "dicom %s %s %d", c->calling_aet, c->called_aet,
			c->on_reject) >= 0;
}

static bool fill_hl7(struct gt_ask *ask, const struct gt_config_check *c)
{
	size_t n = ask->probe.message_len, used;
	char *hex;

	ask->probe.kind = GT_PROBE_HL7;
	ask->probe.accepted = accepted(c->expect);
	if (asprintf(&ask->words, "hl7 %x ", ask->probe.accepted) < 0)
		return false;
	/* The message itself, not its file's name: that may hold another one now. */
	used = strlen(ask->words);
	hex = realloc(ask->words, used + 2 * n + 1);
	if (hex == NULL)
		return false;
	ask->words = hex;
	for (size_t i = 0; i < n; i++)
		snprintf(hex + used + 2 * i, 3, "%02x", ask->message[i]);
	return true;
}

static bool fill_http(struct gt_ask *ask, const struct gt_config_check *c)
{
	ask->probe.kind = GT_PROBE_HTTP;
	if (!copy(&ask->path, c->path) || !copy(&ask->host, c->host) ||
	    !copy(&ask->body, c->expect_body))
		return false;
	ask->probe.path = ask->path;
	ask->probe.host = ask->host;
	ask->probe.body = ask->body;
	ask->probe.status_first = c->expect_status_first;
	ask->probe.status_last = c->expect_status_last;
	return asprintf(&ask->words, "http %s %s %u-%u %s", ask->path,
			ask->host != NULL ? ask->host : "", c->expect_status_first,
			c->expect_status_last, ask->body != NULL ? ask->body : "") >= 0;
}

static bool fill(struct gt_ask *ask, const struct gt_config_check *c)
{
	switch (c->type) {
	case GT_CHECK_DICOM:
		return fill_dicom(ask, c);
	case GT_CHECK_HL7:
		return fill_hl7(ask, c);
	case GT_CHECK_HTTP:
		return fill_http(ask, c);
	default:
		ask->probe.kind = GT_PROBE_TCP;
		return asprintf(&ask->words, "%s", gt_check_type_name(c->type)) >= 0;
	}
}

int gt_ask_create(const struct gt_config_check *c, struct gt_ask **out, char *why, size_t size)
{
	struct gt_ask *ask = calloc(1, sizeof(*ask));
	char reason[GT_PROBE_REASON_MAX];
	int rc = 0;

	*out = NULL;
	if (ask == NULL)
		return refuse(why, size, -ENOMEM, "no memory");
	ask->references = 1;
	ask->type = c->type;
	ask->interval_ms = c->interval_ms;
	ask->timeout_ms = c->timeout_ms;
	ask->rise = c->rise;
	ask->fall = c->fall;
	if (c->type == GT_CHECK_HL7 && c->message != NULL)
		rc = read_message(ask, c->message, why, size);
	if (rc == 0 && !fill(ask, c))
		rc = refuse(why, size, -ENOMEM, "no memory");
	/* The longest that a server's can be, to see that it fits. */
	strcpy(ask->probe.authority, "[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535");
	if (rc == 0 && !gt_probe_ask_valid(&ask->probe, reason))
		rc = refuse(why, size, -EINVAL, "%s", reason);
	if (rc != 0) {
		gt_ask_release(ask);
		return rc;
	}
	*out = ask;
	return 0;
}

struct gt_ask *gt_ask_hold(struct gt_ask *ask)
{
	ask->references++;
	return ask;
}

void gt_ask_release(struct gt_ask *ask)
{
	if (ask == NULL || --ask->references > 0)
		return;
	free(ask->path);
	free(ask->host);
	free(ask->body);
	free(ask->message);
	free(ask->words);
	free(ask);
}

int gt_ask_check_all(const struct gt_config *config, struct gt_config_messages *messages)
{
	bool wrong = false;

	for (size_t i = 0; i < config->n_checks; i++) {
		const struct gt_config_check *c = &config->checks[i];
		char why[GT_PROBE_REASON_MAX], quoted[GT_QUOTE_MAX];
		struct gt_ask *ask;
		int rc = gt_ask_create(c, &ask, why, sizeof(why));

		gt_ask_release(ask);
		if (rc == -ENOMEM)
			return rc;
		if (rc == 0)
			continue;

		if (c->message != NULL)
			gt_config_error(messages, gt_config_line("check", &c->lines, "message"),
					"message = %s: %s", gt_config_quote(c->message, quoted),
					why);
		else
			gt_config_error(messages, c->line, "[check %s]: %s", c->name, why);
		wrong = true;
	}
	gt_config_messages_sort(messages);
	return wrong ? -EINVAL : 0;
}
