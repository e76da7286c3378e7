/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One conversation of lib/probe over a blocking socket, so that real servers judge it:
 *   probe_tool dicom|hl7|http|tcp ADDRESS PORT [NAME=VALUE...]
 * NAME: id, timeout (seconds), calling, called, on_reject=up, message (a file), accept (hex bits),
 * path, host, status=FIRST-LAST, body. Prints verdict and reason; exit 0 is healthy, 1 sick.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "probe/probe.h"

static const char *const kinds[] = {
	[GT_PROBE_TCP] = "tcp",
	[GT_PROBE_DICOM] = "dicom",
	[GT_PROBE_HL7] = "hl7",
	[GT_PROBE_HTTP] = "http",
};

static void die(const char *what)
{
	fprintf(stderr, "probe_tool: %s: %s\n", what, strerror(errno));
	exit(2);
}

static const uint8_t *read_file(const char *path, size_t *len)
{
	static uint8_t bytes[1 << 20];
	FILE *f = fopen(path, "rb");

	if (f == NULL)
		die(path);
	*len = fread(bytes, 1, sizeof(bytes), f);
	fclose(f);
	return bytes;
}

static void set_title(char title[17], const char *value)
{
	snprintf(title, 17, "%s", value);
}

static void take(struct gt_probe_ask *ask, uint32_t *id, int *timeout, char *word)
{
	char *value = strchr(word, '=');
	unsigned first, last;

	if (value == NULL) {
		errno = EINVAL;
		die(word);
	}
	*value++ = '\0';
	if (strcmp(word, "id") == 0)
		*id = (uint32_t)strtoul(value, NULL, 10);
	else if (strcmp(word, "timeout") == 0)
		*timeout = atoi(value);
	else if (strcmp(word, "calling") == 0)
		set_title(ask->calling_aet, value);
	else if (strcmp(word, "called") == 0)
		set_title(ask->called_aet, value);
	else if (strcmp(word, "on_reject") == 0)
		ask->reject_is_healthy = strcmp(value, "up") == 0;
	else if (strcmp(word, "message") == 0)
		ask->message = read_file(value, &ask->message_len);
	else if (strcmp(word, "accept") == 0)
		ask->accepted = (unsigned)strtoul(value, NULL, 16);
	else if (strcmp(word, "path") == 0)
		ask->path = value;
	else if (strcmp(word, "host") == 0)
		ask->host = value;
	else if (strcmp(word, "body") == 0)
		ask->body = value;
	else if (strcmp(word, "status") == 0 && sscanf(value, "%u-%u", &first, &last) == 2) {
		ask->status_first = (uint16_t)first;
		ask->status_last = (uint16_t)last;
	} else {
		errno = EINVAL;
		die(word);
	}
}

static int connect_to(const char *address, const char *port, int timeout)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
	struct timeval limit = {.tv_sec = timeout};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || inet_pton(AF_INET, address, &a.sin_addr) != 1)
		die(address);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (const struct sockaddr *)&a, sizeof(a)) != 0)
		die("connect");
	return fd;
}

/* The timeout is of each read here, not of all: a person watches. */
static void converse(struct gt_probe *p, int fd)
{
	uint8_t buf[4096];
	size_t len;

	while (!gt_probe_done(p)) {
		const uint8_t *out = gt_probe_output(p, &len);
		ssize_t n;

		if (len > 0) {
			n = send(fd, out, len, MSG_NOSIGNAL);
			if (n < 0)
				return;
			gt_probe_sent(p, (size_t)n);
			continue;
		}
		n = recv(fd, buf, sizeof(buf), 0);
		if (n > 0)
			gt_probe_input(p, buf, (size_t)n);
		else if (n == 0 || errno != EAGAIN)
			gt_probe_closed(p);
		else
			return;
	}
}

int main(int argc, char **argv)
{
	static const char *const verdicts[] = {"running", "healthy", "sick"};
	struct gt_probe_ask ask = {.calling_aet = "GANTRY",
				   .called_aet = "ANY-SCP",
				   .accepted = GT_PROBE_AA | GT_PROBE_CA,
				   .path = "/",
				   .status_first = 200,
				   .status_last = 399};
	char why[GT_PROBE_REASON_MAX];
	int timeout = 5, kind = 0;
	struct gt_probe p;
	uint32_t id = 0;

	if (argc < 4) {
		fprintf(stderr,
			"usage: probe_tool tcp|dicom|hl7|http ADDRESS PORT [NAME=VALUE...]\n");
		return 2;
	}
	while (kind < GT_PROBE_HTTP && strcmp(argv[1], kinds[kind]) != 0)
		kind++;
	ask.kind = (enum gt_probe_kind)kind;
	snprintf(ask.authority, sizeof(ask.authority), "%s:%s", argv[2], argv[3]);
	for (int i = 4; i < argc; i++)
		take(&ask, &id, &timeout, argv[i]);
	if (!gt_probe_ask_valid(&ask, why)) {
		fprintf(stderr, "probe_tool: %s\n", why);
		return 2;
	}

	int fd = connect_to(argv[2], argv[3], timeout);

	gt_probe_start(&p, &ask, id);
	converse(&p, fd);
	close(fd);
	printf("%s: %s%s\n", verdicts[gt_probe_verdict(&p)], gt_probe_reason(&p),
	       gt_probe_done(&p) ? "" : " (not over)");
	return gt_probe_verdict(&p) == GT_PROBE_HEALTHY ? 0 : 1;
}
