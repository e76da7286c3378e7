/* SPDX-License-Identifier: BSD-3-Clause */
/* From a check's section to what its probe sends; see ask.h. */
#include "ask.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/sha.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "probe/command.h"

static int refuse(struct gt_ask_refusal *r, int rc, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static int refuse(struct gt_ask_refusal *r, int rc, const char *key, const char *fmt, ...)
{
	va_list ap;

	r->key = key;
	va_start(ap, fmt);
	vsnprintf(r->why, sizeof(r->why), fmt, ap);
	va_end(ap);
	return rc;
}

/* A file that a key names. */
struct file {
	const char *key, *path;
	size_t max;
	uint8_t *data; /* the reader's, also after an error */
	size_t len;
};

/* All of a small file, which must be a plain one: a FIFO would keep us waiting. */
static int read_file(struct file *f, struct gt_ask_refusal *r)
{
	int fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc = 0;
	struct stat st;
	ssize_t n = 0;

	if (fd < 0)
		return refuse(r, -errno, f->key, "%s", strerror(errno));
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		rc = refuse(r, -EINVAL, f->key, "no plain file");
	else if ((size_t)st.st_size > f->max)
		rc = refuse(r, -EINVAL, f->key, "longer than %zu bytes", f->max);
	else if ((f->data = malloc(f->max)) == NULL)
		rc = -ENOMEM;
	else if ((n = read(fd, f->data, f->max)) < 0)
		rc = refuse(r, -errno, f->key, "%s", strerror(errno));
	close(fd);
	f->len = n > 0 ? (size_t)n : 0;
	return rc;
}

static int read_message(struct gt_ask *ask, const char *path, struct gt_ask_refusal *r)
{
	struct file f = {.key = "message", .path = path, .max = GT_ASK_MESSAGE_MAX};
	int rc = read_file(&f, r);

	ask->message = f.data;
	ask->probe.message = f.data;
	ask->probe.message_len = f.len;
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

/* Behind the words so far: bytes of a file, not its name: it may hold others now. */
static bool append_bytes(struct gt_ask *ask, const uint8_t *bytes, size_t n)
{
	size_t used = strlen(ask->words);
	char *words = realloc(ask->words, used + 2 * n + 1);

	if (words == NULL)
		return false;
	ask->words = words;
	for (size_t i = 0; i < n; i++)
		snprintf(words + used + 2 * i, 3, "%02x", bytes[i]);
	return true;
}

static bool fill_hl7(struct gt_ask *ask, const struct gt_config_check *c)
{
	ask->probe.kind = GT_PROBE_HL7;
	ask->probe.accepted = accepted(c->expect);
	return asprintf(&ask->words, "hl7 %x ", ask->probe.accepted) >= 0 &&
	       append_bytes(ask, ask->message, ask->probe.message_len);
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
	return asprintf(&ask->words, "%s %s %s %u-%u %s", gt_check_type_name(c->type), ask->path,
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
	case GT_CHECK_HTTPS:
		return fill_http(ask, c);
	default:
		ask->probe.kind = GT_PROBE_TCP;
		return asprintf(&ask->words, "%s", gt_check_type_name(c->type)) >= 0;
	}
}

/* Whom https trusts. */
static int fill_tls(struct gt_ask *ask, const struct gt_config_check *c, struct gt_ask_refusal *r)
{
	struct file f = {.key = "ca_file", .path = c->ca_file, .max = GT_ASK_CA_MAX};
	uint8_t digest[32];
	int rc = c->verify && c->ca_file != NULL ? read_file(&f, r) : 0;

	if (rc == 0)
		rc = gt_tls_create(c->verify, f.data, f.len, &ask->tls, r->why, sizeof(r->why));
	if (rc == -EINVAL && r->key == NULL)
		r->key = f.key;
	if (rc == 0 && (SHA256(f.data != NULL ? f.data : digest, f.len, digest) == NULL ||
			!append_bytes(ask, &(uint8_t){c->verify}, 1) ||
			!append_bytes(ask, digest, sizeof(digest))))
		rc = -ENOMEM;
	free(f.data);
	return rc;
}

/* A program by its whole path, or by its name in the directories of GT_ASK_PATH. */
static bool find_program(const char *name, char *path, size_t size)
{
	const char *dir = GT_ASK_PATH;
	struct stat st;

	for (size_t n; *dir != '\0' && name[0] != '/'; dir += n + (dir[n] == ':')) {
		n = strcspn(dir, ":");
		snprintf(path, size, "%.*s/%s", (int)n, dir, name);
		if (access(path, X_OK) == 0)
			break;
	}
	if (name[0] == '/')
		snprintf(path, size, "%s", name);
	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

static int fill_command(struct gt_ask *ask, const struct gt_config_check *c,
			struct gt_ask_refusal *r)
{
	char path[PATH_MAX] = "";
	const char *why;
	int rc = gt_command_split(c->command, &ask->argv, &why);

	if (rc == -ENOMEM)
		return rc;
	if (rc != 0)
		return refuse(r, rc, "command", "%s", why);
	if (ask->argv[0][0] != '/' && strchr(ask->argv[0], '/') != NULL)
		return refuse(r, -EINVAL, "command", "write the program's whole path, from / on");
	errno = 0;
	if (!find_program(ask->argv[0], path, sizeof(path)))
		return refuse(r, -EINVAL, "command", "%.60s: %s", ask->argv[0],
			      errno != 0 ? strerror(errno) : "no program");
	ask->program = strdup(path);
	free(ask->words);
	if (asprintf(&ask->words, "exec %s %s", path, c->command) < 0)
		ask->words = NULL;
	return ask->program != NULL && ask->words != NULL ? 0 : -ENOMEM;
}

/* Which key of the section the probe's refusal is about. */
static const char *refused_key(const struct gt_config_check *c)
{
	if (c->type == GT_CHECK_HL7 && c->message != NULL)
		return "message";
	if (c->expect_body != NULL && strlen(c->expect_body) > GT_PROBE_TEXT_MAX)
		return "expect_body";
	return c->type == GT_CHECK_HTTP || c->type == GT_CHECK_HTTPS ? "path" : NULL;
}

static int make(struct gt_ask *ask, const struct gt_config_check *c, struct gt_ask_refusal *r)
{
	int rc = 0;

	if (c->type == GT_CHECK_HL7 && c->message != NULL)
		rc = read_message(ask, c->message, r);
	if (rc == 0 && !fill(ask, c))
		rc = -ENOMEM;
	/* The longest that a server's can be, to see that it fits. */
	strcpy(ask->probe.authority, "[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535");
	if (rc == 0 && !gt_probe_ask_valid(&ask->probe, r->why))
		rc = refuse(r, -EINVAL, refused_key(c), "%s", strdupa(r->why));
	if (rc == 0 && c->type == GT_CHECK_HTTPS)
		rc = fill_tls(ask, c, r);
	if (rc == 0 && c->type == GT_CHECK_EXEC)
		rc = fill_command(ask, c, r);
	return rc;
}

int gt_ask_create(const struct gt_config_check *c, struct gt_ask **out, struct gt_ask_refusal *r)
{
	struct gt_ask *ask = calloc(1, sizeof(*ask));
	int rc;

	*out = NULL;
	*r = (struct gt_ask_refusal){.key = NULL};
	if (ask == NULL)
		return -ENOMEM;
	ask->references = 1;
	ask->type = c->type;
	ask->interval_ms = c->interval_ms;
	ask->timeout_ms = c->timeout_ms;
	ask->rise = c->rise;
	ask->fall = c->fall;
	rc = make(ask, c, r);
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
	gt_tls_free(ask->tls);
	free(ask->program);
	free(ask->argv);
	free(ask->words);
	free(ask);
}

/* What a key says in the file. */
static const char *written(const struct gt_config_check *c, const char *key)
{
	return strcmp(key, "message") == 0   ? c->message
	       : strcmp(key, "ca_file") == 0 ? c->ca_file
	       : strcmp(key, "command") == 0 ? c->command
	       : strcmp(key, "path") == 0    ? c->path
					     : c->expect_body;
}

int gt_ask_check_all(const struct gt_config *config, struct gt_config_messages *messages)
{
	bool wrong = false;

	for (size_t i = 0; i < config->n_checks; i++) {
		const struct gt_config_check *c = &config->checks[i];
		struct gt_ask_refusal r;
		char quoted[GT_QUOTE_MAX];
		struct gt_ask *ask;
		unsigned line;
		int rc = gt_ask_create(c, &ask, &r);

		gt_ask_release(ask);
		if (rc == -ENOMEM)
			return rc;
		if (rc == 0)
			continue;
		line = r.key != NULL ? gt_config_line("check", &c->lines, r.key) : 0;
		if (line != 0)
			gt_config_error(messages, line, "%s = %s: %s", r.key,
					gt_config_quote(written(c, r.key), quoted), r.why);
		else
			gt_config_error(messages, c->line, "[check %s]: %s", c->name, r.why);
		wrong = true;
	}
	gt_config_messages_sort(messages);
	return wrong ? -EINVAL : 0;
}
