/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HTTP/1.1: one GET (RFC 9112). The answer is read line by line as far as its status, and if a text
 * is asked for, its body. It is over as soon as the verdict is certain. Own reading, for what
 * Debian has (http-parser) is not maintained any more, and a probe needs a tenth of it.
 */
#include "internal.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define HEADER_MAX 32768

/* What is read. */
enum { STATUS_LINE, HEADER, CHUNK_SIZE, CHUNK, CHUNK_END, BODY };

static int format_request(const struct gt_probe_ask *ask, char *buf, size_t size)
{
	return snprintf(buf, size,
			"GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: gantry\r\nAccept: */*\r\n"
			"Connection: close\r\n\r\n",
			ask->path, ask->host != NULL ? ask->host : ask->authority);
}

/* The longest border of each prefix of the text: how much of it may still match after a mismatch.
 */
static void find_borders(uint8_t *borders, const char *text)
{
	uint8_t k = 0;

	borders[0] = 0;
	for (size_t i = 1; text[i] != '\0'; i++) {
		while (k > 0 && text[i] != text[k])
			k = borders[k - 1];
		if (text[i] == text[k])
			k++;
		borders[i] = k;
	}
}

void gt_probe_http_start(struct gt_probe *p)
{
	int len = format_request(p->ask, (char *)p->out, sizeof(p->out));

	p->out_len = (uint16_t)len;
	if (p->ask->body != NULL)
		find_borders(p->http.borders, p->ask->body);
	gt_probe_say(p, "no answer to GET");
}

static bool is_visible(const char *s)
{
	for (; *s != '\0'; s++)
		if (*s <= ' ' || *s > '~')
			return false;
	return true;
}

bool gt_probe_http_valid(const struct gt_probe_ask *ask, char why[GT_PROBE_REASON_MAX])
{
	const char *host = ask->host != NULL ? ask->host : ask->authority;

	if (ask->path == NULL || ask->path[0] != '/' || !is_visible(ask->path)) {
		snprintf(why, GT_PROBE_REASON_MAX,
			 "the path must begin with / and hold visible ASCII characters only");
		return false;
	}
	if (host[0] == '\0' || !is_visible(host)) {
		snprintf(why, GT_PROBE_REASON_MAX,
			 "the host must be a name or an address, of visible ASCII characters");
		return false;
	}
	if (format_request(ask, NULL, 0) >= GT_PROBE_OUTPUT_MAX) {
		snprintf(why, GT_PROBE_REASON_MAX, "path and host are longer than %d bytes",
			 GT_PROBE_OUTPUT_MAX - 128);
		return false;
	}
	if (ask->body != NULL && (ask->body[0] == '\0' || strlen(ask->body) > GT_PROBE_TEXT_MAX)) {
		snprintf(why, GT_PROBE_REASON_MAX, "the text to find must have 1 to %d bytes",
			 GT_PROBE_TEXT_MAX);
		return false;
	}
	if (ask->status_first < 100 || ask->status_last > 599 ||
	    ask->status_first > ask->status_last) {
		snprintf(why, GT_PROBE_REASON_MAX,
			 "the statuses must be a range within 100 to 599");
		return false;
	}
	return true;
}

static void settle(struct gt_probe *p, enum gt_probe_verdict verdict, const char *words)
{
	gt_probe_settle(p, verdict, "HTTP status %u, %s", p->http.status, words);
	gt_probe_finish(p);
}

static void malformed(struct gt_probe *p, const char *what)
{
	gt_probe_settle(p, GT_PROBE_SICK, "malformed HTTP answer: %s", what);
	gt_probe_finish(p);
}

static void not_found(struct gt_probe *p)
{
	settle(p, GT_PROBE_SICK, "but the body does not hold the text expected");
}

/* "HTTP/1.1 503 Service Unavailable"; the reason may be empty (RFC 9112 4). */
static void read_status_line(struct gt_probe *p, const char *line)
{
	struct gt_probe_http *h = &p->http;

	if (strncmp(line, "HTTP/1.", 7) != 0 || !isdigit((unsigned char)line[7]) ||
	    line[8] != ' ' || !isdigit((unsigned char)line[9]) ||
	    !isdigit((unsigned char)line[10]) || !isdigit((unsigned char)line[11]) ||
	    (line[12] != ' ' && line[12] != '\0')) {
		gt_probe_stranger(p, "HTTP/1", (const uint8_t *)line, h->line_len);
		return;
	}
	h->status = (uint16_t)((line[9] - '0') * 100 + (line[10] - '0') * 10 + line[11] - '0');
	p->state = HEADER;
	if (h->status >= 100 && h->status < 200 && h->status != 101)
		return; /* interim: the final one follows (RFC 9110 15.2) */
	if (h->status < p->ask->status_first || h->status > p->ask->status_last) {
		gt_probe_settle(p, GT_PROBE_SICK, "HTTP status %u%.60s, not within %u-%u",
				h->status, line[12] == '\0' || line[13] == '\0' ? "" : line + 12,
				p->ask->status_first, p->ask->status_last);
		gt_probe_finish(p);
	} else if (p->ask->body == NULL) {
		gt_probe_settle(p, GT_PROBE_HEALTHY, "HTTP status %u", h->status);
		gt_probe_finish(p);
	} else {
		gt_probe_say(p, "HTTP status %u, but the body did not come", h->status);
	}
}

/* The value of a field, without the blanks around it; NULL: it is another field. */
static char *value_of(char *line, const char *name)
{
	size_t len = strlen(name);

	if (strncasecmp(line, name, len) != 0 || line[len] != ':')
		return NULL;

	char *value = line + len + 1, *end = line + strlen(line);

	value += strspn(value, " \t");
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		*--end = '\0';
	return value;
}

/* Digits to a number, one too large to matter stays so; false: no number. */
static bool read_number(const char *s, unsigned base, uint64_t *out)
{
	uint64_t n = 0;

	if (*s == '\0')
		return false;
	for (; *s != '\0'; s++) {
		const char *digits = "0123456789abcdef";
		const char *digit = strchr(digits, tolower((unsigned char)*s));

		if (digit == NULL || (unsigned)(digit - digits) >= base)
			return false;
		n = n * base + (unsigned)(digit - digits);
		if (n > UINT32_MAX)
			n = UINT32_MAX;
	}
	*out = n;
	return true;
}

static void read_length(struct gt_probe *p, const char *value)
{
	struct gt_probe_http *h = &p->http;
	uint64_t length;

	if (h->cut || !read_number(value, 10, &length) || (h->measured && length != h->left)) {
		malformed(p, "Content-Length is not one number");
		return;
	}
	h->measured = true;
	h->left = length;
}

/* How long the body is (RFC 9112 6.3): chunked before Content-Length before all until the end. */
static void end_header(struct gt_probe *p)
{
	struct gt_probe_http *h = &p->http;

	if (h->status >= 100 && h->status < 200 && h->status != 101) {
		p->state = STATUS_LINE;
		h->chunked = h->measured = false;
	} else if (h->status == 101 || h->status == 204 || h->status == 304) {
		not_found(p);
	} else if (h->chunked) {
		p->state = CHUNK_SIZE;
	} else {
		p->state = BODY;
		if (h->measured && h->left == 0)
			not_found(p);
	}
}

static void read_header(struct gt_probe *p, char *line)
{
	struct gt_probe_http *h = &p->http;
	char *value;

	if (line[0] == '\0')
		end_header(p);
	else if ((value = value_of(line, "Content-Length")) != NULL)
		read_length(p, value);
	else if ((value = value_of(line, "Transfer-Encoding")) != NULL) {
		h->chunked = strcasecmp(value, "chunked") == 0;
		if (!h->chunked || h->cut)
			malformed(p, "a Transfer-Encoding that was not asked for");
	}
}

/* "1a0;extension" (RFC 9112 7.1); 0 is the last. */
static void read_chunk_size(struct gt_probe *p, char *line)
{
	struct gt_probe_http *h = &p->http;

	line[strcspn(line, "; \t")] = '\0';
	if (!read_number(line, 16, &h->left))
		malformed(p, "no size before a chunk");
	else if (h->left == 0)
		not_found(p);
	else
		p->state = CHUNK;
}

static void end_line(struct gt_probe *p)
{
	struct gt_probe_http *h = &p->http;

	if (h->line_len > 0 && h->line[h->line_len - 1] == '\r')
		h->line_len--;
	h->line[h->line_len] = '\0';
	/* Its text ends at a NUL, which no line may hold (RFC 9110 5.5). */
	if (memchr(h->line, '\0', h->line_len) != NULL)
		malformed(p, "a NUL in its header");
	else if (p->state == STATUS_LINE)
		read_status_line(p, h->line);
	else if (p->state == HEADER)
		read_header(p, h->line);
	else if (p->state == CHUNK_SIZE)
		read_chunk_size(p, h->line);
	else if (h->line_len > 0)
		malformed(p, "no end of line behind a chunk");
	else
		p->state = CHUNK_SIZE;
	h->line_len = 0;
	h->cut = false;
}

/* One byte of a line; what is too long for `line` is cut. */
static void read_line(struct gt_probe *p, uint8_t b)
{
	static const char begin[] = "HTTP/1.";
	struct gt_probe_http *h = &p->http;

	if (h->header_bytes == 0)
		gt_probe_say(p, "answer to GET incomplete");
	if ((p->state == STATUS_LINE || p->state == HEADER) && ++h->header_bytes > HEADER_MAX) {
		malformed(p, "its header is longer than 32 KiB");
		return;
	}
	if (b == '\n') {
		end_line(p);
		return;
	}
	if (h->line_len < sizeof(h->line) - 1)
		h->line[h->line_len++] = (char)b;
	else
		h->cut = true;
	if (p->state == STATUS_LINE && h->line_len < sizeof(begin) &&
	    b != (uint8_t)begin[h->line_len - 1])
		gt_probe_stranger(p, "HTTP/1", (const uint8_t *)h->line, h->line_len);
}

/* One byte of the body: Knuth, Morris, Pratt, so that a text is found across reads and chunks. */
static void search(struct gt_probe *p, uint8_t b)
{
	struct gt_probe_http *h = &p->http;
	const char *text = p->ask->body;

	while (h->n_matched > 0 && b != (uint8_t)text[h->n_matched])
		h->n_matched = h->borders[h->n_matched - 1];
	if (b == (uint8_t)text[h->n_matched])
		h->n_matched++;
	h->body_bytes++;
	if (text[h->n_matched] == '\0')
		settle(p, GT_PROBE_HEALTHY, "the body holds the text expected");
	else if (h->body_bytes == GT_PROBE_BODY_MAX)
		settle(p, GT_PROBE_SICK, "but the first 64 KiB do not hold the text expected");
}

static void read_body(struct gt_probe *p, uint8_t b)
{
	struct gt_probe_http *h = &p->http;

	search(p, b);
	if (p->over || (p->state == BODY && !h->measured))
		return;
	if (--h->left > 0)
		return;
	if (p->state == CHUNK)
		p->state = CHUNK_END;
	else
		not_found(p);
}

void gt_probe_http_input(struct gt_probe *p, const uint8_t *data, size_t len)
{
	for (; len > 0 && !p->over; data++, len--) {
		if (p->state == CHUNK || p->state == BODY)
			read_body(p, *data);
		else
			read_line(p, *data);
	}
}

void gt_probe_http_closed(struct gt_probe *p)
{
	struct gt_probe_http *h = &p->http;

	if (p->state == BODY && !h->measured)
		not_found(p);
	else if (p->state == STATUS_LINE)
		gt_probe_settle(p, GT_PROBE_SICK, "server closed the connection without an answer");
	else
		settle(p, GT_PROBE_SICK, "but the server closed the connection within its answer");
}
