/* SPDX-License-Identifier: BSD-3-Clause */
/* GET /metrics; see metrics_http.h. */
#include "metrics_http.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mailbox.h"
#include "metrics.h"
#include "say.h"

/* Prometheus itself needs one. More are sent away at once. */
#define CONNECTIONS_MAX 16
/* Who neither asks nor reads for so long is let go. */
#define IDLE_S 10
/* A slice: some 300 lines, a tenth of a millisecond of main's. */
#define SLICE_BYTES 32768
/* Of a connection, for its request and what is being sent. */
#define CONNECTION_BYTES 65536

#define TEXT_FORMAT "text/plain; version=0.0.4; charset=utf-8"

struct gt_metrics_http {
	int fd; /* -1: the daemon has it */
	struct MHD_Daemon *daemon;
};

/* One text on its way to one scraper. */
struct scrape {
	struct gt_metrics_walk walk;
	bool more; /* behind this slice */
	size_t n, sent;
	char slice[SLICE_BYTES];
};

/* ---- the thread ---- */

/* On main. */
static void fill(struct gt_run *r, void *arg)
{
	struct scrape *s = arg;

	s->sent = 0;
	s->more = gt_metrics_more(r, &s->walk, s->slice, sizeof(s->slice), &s->n);
}

static ssize_t read_on(void *ctx, uint64_t position, char *buf, size_t max)
{
	struct scrape *s = ctx;
	size_t n;

	(void)position;
	/* A slice may be empty. */
	while (s->sent == s->n) {
		if (!s->more)
			return MHD_CONTENT_READER_END_OF_STREAM;
		if (gt_mailbox_ask(fill, s) != 0)
			return MHD_CONTENT_READER_END_WITH_ERROR;
	}
	n = s->n - s->sent < max ? s->n - s->sent : max;
	memcpy(buf, s->slice + s->sent, n);
	s->sent += n;
	return (ssize_t)n;
}

static enum MHD_Result queue(struct MHD_Connection *c, unsigned status, const char *type,
			     struct MHD_Response *response)
{
	enum MHD_Result rc = MHD_NO;

	if (response == NULL)
		return MHD_NO;
	if (MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type) == MHD_YES &&
	    (status != MHD_HTTP_METHOD_NOT_ALLOWED ||
	     MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD") == MHD_YES))
		rc = MHD_queue_response(c, status, response);
	MHD_destroy_response(response);
	return rc;
}

static enum MHD_Result refuse(struct MHD_Connection *c, unsigned status, const char *text)
{
	/* The library takes no const, and changes nothing of what is persistent. */
	union {
		const char *in;
		void *out;
	} body = {text};

	return queue(
		c, status, "text/plain; charset=utf-8",
		MHD_create_response_from_buffer(strlen(text), body.out, MHD_RESPMEM_PERSISTENT));
}

static enum MHD_Result scrape(struct MHD_Connection *c)
{
	struct scrape *s = calloc(1, sizeof(*s));
	struct MHD_Response *response;

	if (s == NULL)
		return MHD_NO;
	if (gt_mailbox_ask(fill, s) != 0) {
		free(s);
		return refuse(c, MHD_HTTP_SERVICE_UNAVAILABLE,
			      "gantry starts, stops or is stuck: no numbers\n");
	}
	response =
		MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, SLICE_BYTES, read_on, s, free);
	if (response == NULL)
		free(s);
	return queue(c, MHD_HTTP_OK, TEXT_FORMAT, response);
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *c, const char *url,
				  const char *method, const char *version, const char *data,
				  size_t *data_size, void **request)
{
	(void)ctx, (void)version, (void)data, (void)data_size, (void)request;
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return refuse(c, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
	if (strcmp(url, "/metrics") != 0)
		return refuse(c, MHD_HTTP_NOT_FOUND, "the metrics of gantry are at /metrics\n");
	return scrape(c);
}

/* ---- the listener ---- */

/* "127.0.0.1:9464", "[::1]:9464": validated when the file was read. */
static int resolve(const char *text, struct addrinfo **out)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
				 .ai_socktype = SOCK_STREAM};
	const char *colon = strrchr(text, ':');
	char host[64];

	if (text[0] == '[')
		snprintf(host, sizeof(host), "%.*s", (int)(colon - text - 2), text + 1);
	else
		snprintf(host, sizeof(host), "%.*s", (int)(colon - text), text);
	return getaddrinfo(host, colon + 1, &hints, out) == 0 ? 0 : -EINVAL;
}

static int bind_and_listen(int fd, const struct addrinfo *a)
{
	int on = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    (a->ai_family == AF_INET6 &&
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) != 0) ||
	    bind(fd, a->ai_addr, a->ai_addrlen) != 0 || listen(fd, CONNECTIONS_MAX) != 0)
		return -errno;
	return 0;
}

/* A descriptor, or -errno. */
static int open_socket(const char *text)
{
	struct addrinfo *a;
	int rc = resolve(text, &a), fd;

	if (rc != 0)
		return rc;
	fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	rc = fd < 0 ? -errno : bind_and_listen(fd, a);
	freeaddrinfo(a);
	if (rc == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return rc;
}

static void tell(const struct gt_config *config, const struct gt_log *log, int rc)
{
	char where[320];

	gt_say_where(config, "gantry", &config->lines, "metrics", where, sizeof(where));
	if (rc == -EADDRINUSE)
		gt_log(log, LOG_ERR, "%s%s is in use: give this node a port of its own", where,
		       config->metrics);
	else if (rc == -EADDRNOTAVAIL)
		gt_log(log, LOG_ERR, "%s%s is no address of this machine's kernel", where,
		       config->metrics);
	else
		gt_log(log, LOG_ERR, "%scannot listen at %s: %s", where, config->metrics,
		       strerror(-rc));
}

int gt_metrics_http_listen(const struct gt_config *config, const struct gt_log *log,
			   struct gt_metrics_http **out)
{
	struct gt_metrics_http *h;
	int rc;

	*out = NULL;
	if (config->metrics == NULL)
		return 0;
	h = calloc(1, sizeof(*h));
	rc = h != NULL ? open_socket(config->metrics) : -ENOMEM;
	if (rc < 0) {
		tell(config, log, rc);
		free(h);
		return rc;
	}
	h->fd = rc;
	*out = h;
	return 0;
}

int gt_metrics_http_serve(struct gt_metrics_http *h, const struct gt_log *log)
{
	if (h == NULL)
		return 0;
	h->daemon = MHD_start_daemon(
		MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC, 0, NULL, NULL, on_request, NULL,
		MHD_OPTION_LISTEN_SOCKET, h->fd, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)CONNECTION_BYTES, MHD_OPTION_END);
	if (h->daemon == NULL) {
		gt_log(log, LOG_ERR,
		       "the listener for `metrics` cannot be started: no memory, "
		       "threads or descriptors");
		return -ENOMEM;
	}
	h->fd = -1;
	return 0;
}

void gt_metrics_http_close(struct gt_metrics_http *h)
{
	if (h == NULL)
		return;
	if (h->daemon != NULL)
		MHD_stop_daemon(h->daemon);
	if (h->fd >= 0)
		close(h->fd);
	free(h);
}
