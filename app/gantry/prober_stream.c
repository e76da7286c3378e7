/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Checks over a TCP connection of the host's kernel: connect, and let a probe of lib/probe talk.
 *
 * A call that fails (no route, no descriptor, an address that this host lacks) is this host's
 * fault and says nothing about the server; what the connection itself comes to (refused, reset,
 * silence, no station by ARP) is the server's.
 */
#include "prober_target.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* Of a page whose verdict is there, so much is read to its end; what is longer is cut off. */
#define REST_MAX 65536

/* Read at once, so that a server that sends without end does not keep main. */
#define READ_MAX 16384

struct stream {
	int fd;
	bool connected;
	bool waits_to_send; /* EPOLLOUT is asked for */
	bool closed;	    /* by the server */
	size_t rest;	    /* bytes that came after the verdict */
	struct gt_probe probe;
};

/* ---- ends ---- */

/* The reason why this host cannot ask. */
static void cannot(struct gt_target *t, const char *what, int error)
{
	char a[GT_ADDR_STRLEN];

	gt_addr_format(&t->address, a);
	switch (error) {
	case ENETUNREACH:
	case EHOSTUNREACH:
		if (t->has_source)
			gt_target_done(t, GT_HEALTH_UNCHECKED, "no route from this host to %s", a);
		else
			gt_target_done(t, GT_HEALTH_UNCHECKED,
				       "no route from this host to %s: set kernel = NAME on "
				       "[interface %s]",
				       a, t->interface);
		break;
	case EMFILE:
	case ENFILE:
		gt_target_done(t, GT_HEALTH_UNCHECKED,
			       "no file descriptor is left: raise LimitNOFILE");
		break;
	case EPERM:
	case EACCES:
		gt_target_done(t, GT_HEALTH_UNCHECKED,
			       "this host's firewall or routes forbid to reach %s", a);
		break;
	default:
		gt_target_done(t, GT_HEALTH_UNCHECKED, "%s: %s", what, strerror(error));
		break;
	}
}

static void broken(struct gt_target *t, int error)
{
	const struct stream *s = t->state;

	/* A verdict stands, whatever becomes of the connection afterwards. */
	if (s->connected && gt_probe_verdict(&s->probe) == GT_PROBE_HEALTHY)
		gt_target_done(t, GT_HEALTH_HEALTHY, "%s", gt_probe_reason(&s->probe));
	else if (error == ECONNREFUSED)
		gt_target_done(t, GT_HEALTH_SICK, "port %u: connection refused", t->port);
	else if (error == EHOSTUNREACH)
		gt_target_done(t, GT_HEALTH_SICK, "host unreachable: no answer to ARP/NDP");
	else if (s->connected)
		gt_target_done(t, GT_HEALTH_SICK, "port %u: %s: %s", t->port,
			       error == ECONNRESET ? "connection reset" : strerror(error),
			       gt_probe_reason(&s->probe));
	else
		gt_target_done(t, GT_HEALTH_SICK, "port %u: cannot connect: %s", t->port,
			       strerror(error));
}

/* The probe's own verdict. */
static void conclude(struct gt_target *t)
{
	const struct stream *s = t->state;
	bool healthy = gt_probe_verdict(&s->probe) == GT_PROBE_HEALTHY;

	gt_target_done(t, healthy ? GT_HEALTH_HEALTHY : GT_HEALTH_SICK, "%s",
		       gt_probe_reason(&s->probe));
}

/* ---- connecting ---- */

static socklen_t fill_sockaddr(struct sockaddr_storage *out, const struct gt_addr *a, uint16_t port)
{
	memset(out, 0, sizeof(*out));
	if (gt_addr_is_v4(a)) {
		struct sockaddr_in *in = (struct sockaddr_in *)out;

		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		in->sin_addr.s_addr = gt_addr_v4(a);
		return sizeof(*in);
	}
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	memcpy(&in6->sin6_addr, a->b, 16);
	return sizeof(*in6);
}

/*
 * A connection that says nothing is best not accepted either: servers write error lines about such.
 * So the handshake's last segment is held back, and the reset that closing then sends is the first
 * thing that the server's kernel hears after its SYN-ACK: it forgets the connection, and the
 * program never sees one. (If main comes so late that the kernel has sent it, it is a reset.)
 */
static void keep_quiet(int fd)
{
	const struct linger reset = {.l_onoff = 1, .l_linger = 0};
	const int no = 0;

	setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &no, sizeof(no));
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
}

/* By the interface's own address, if the kernel has it, so that the host routes by that. */
static int bind_source(const struct gt_target *t, int fd)
{
	struct sockaddr_storage from;
	socklen_t len = fill_sockaddr(&from, &t->source, 0);
	const int yes = 1;

	if (!t->has_source)
		return 0;
	/* The port is chosen at connect, where one serves many servers. */
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof(yes));
	return bind(fd, (const struct sockaddr *)&from, len);
}

static bool register_via(struct gt_target *t, int fd)
{
	struct sockaddr_storage own;
	socklen_t len = sizeof(own);
	in_port_t port;

	if (getsockname(fd, (struct sockaddr *)&own, &len) != 0)
		return false;
	port = own.ss_family == AF_INET ? ((struct sockaddr_in *)&own)->sin_port
					: ((struct sockaddr_in6 *)&own)->sin6_port;
	return gt_target_via(t, &t->source, ntohs(port));
}

static void start(struct gt_target *t)
{
	struct stream *s = malloc(sizeof(*s));
	struct sockaddr_storage to;
	socklen_t len = fill_sockaddr(&to, t->via ? &t->vip : &t->address, t->port);

	t->state = s;
	if (s == NULL) {
		cannot(t, "memory", ENOMEM);
		return;
	}
	s->connected = false;
	s->waits_to_send = true;
	s->closed = false;
	s->rest = 0;
	s->fd = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd < 0) {
		cannot(t, "socket", errno);
		return;
	}
	if (t->probe.kind == GT_PROBE_TCP)
		keep_quiet(s->fd);
	if (bind_source(t, s->fd) != 0) {
		cannot(t, "own address", errno);
		return;
	}
	if (connect(s->fd, (const struct sockaddr *)&to, len) != 0 && errno != EINPROGRESS) {
		if (errno == ECONNREFUSED)
			broken(t, errno);
		else
			cannot(t, "connect", errno);
		return;
	}
	/* The first segment waits in the TAP until main reads it, later in this turn. */
	if (t->via && !register_via(t, s->fd)) {
		gt_target_done(t, GT_HEALTH_SICK, "no answer to ARP/NDP yet");
		return;
	}
	if (gt_target_watch(t, s->fd, EPOLLIN | EPOLLOUT, false) != 0)
		cannot(t, "epoll", errno);
}

/* ---- talking ---- */

/* Sends what the probe has. False: the check is over. */
static bool send_output(struct gt_target *t)
{
	struct stream *s = t->state;
	const uint8_t *data;
	size_t len;

	while ((data = gt_probe_output(&s->probe, &len)), len > 0) {
		ssize_t n = send(s->fd, data, len, MSG_NOSIGNAL);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n < 0) {
			broken(t, errno);
			return false;
		}
		gt_probe_sent(&s->probe, (size_t)n);
	}
	if ((len > 0) == s->waits_to_send)
		return true;
	s->waits_to_send = len > 0;
	if (gt_target_watch(t, s->fd, EPOLLIN | (len > 0 ? EPOLLOUT : 0), true) == 0)
		return true;
	cannot(t, "epoll", errno);
	return false;
}

/* Reads once. False: the check is over. */
static bool receive(struct gt_target *t)
{
	struct stream *s = t->state;
	uint8_t buffer[READ_MAX];
	ssize_t n = recv(s->fd, buffer, sizeof(buffer), 0);

	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		broken(t, errno);
		return false;
	}
	if (n > 0 && gt_probe_done(&s->probe))
		s->rest += (size_t)n;
	else if (n > 0)
		gt_probe_input(&s->probe, buffer, (size_t)n);
	s->closed = n == 0;
	if (s->closed)
		gt_probe_closed(&s->probe);
	return true;
}

/* The connection stands, or came to nothing. False: the check is over. */
static bool connected(struct gt_target *t)
{
	struct stream *s = t->state;
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		error = errno;
	if (error != 0) {
		broken(t, error);
		return false;
	}
	s->connected = true;
	gt_probe_start(&s->probe, &t->probe, gt_target_serial(t));
	return true;
}

/*
 * Web servers write an error line when their page is not taken to its end. It was asked for with
 * "Connection: close": the end is the server's.
 */
static bool over(const struct gt_target *t)
{
	const struct stream *s = t->state;

	if (!gt_probe_done(&s->probe))
		return false;
	return t->probe.kind != GT_PROBE_HTTP || s->closed || s->rest > REST_MAX ||
	       gt_probe_verdict(&s->probe) != GT_PROBE_HEALTHY;
}

static void event(struct gt_target *t, uint32_t events)
{
	struct stream *s = t->state;

	if (!s->connected && !connected(t))
		return;
	if (!over(t) && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && !receive(t))
		return;
	if (!over(t) && !send_output(t))
		return;
	if (over(t))
		conclude(t);
}

/* If main comes late, the answer may be there: it counts, for it is not the server that was late.
 */
static void timeout(struct gt_target *t)
{
	const struct stream *s = t->state;
	struct pollfd poll_fd = {.fd = s->fd, .events = POLLIN | POLLOUT};

	if (poll(&poll_fd, 1, 0) > 0) {
		event(t, EPOLLIN | EPOLLOUT);
		if (!t->running)
			return;
	}
	if (s->connected)
		conclude(t);
	else
		gt_target_done(t, GT_HEALTH_SICK, "port %u: no answer to connect", t->port);
}

static void stop(struct gt_target *t)
{
	struct stream *s = t->state;

	if (s != NULL && s->fd >= 0)
		close(s->fd);
	free(s);
	t->state = NULL;
}

const struct gt_transport gt_transport_stream = {start, event, timeout, stop};
