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

#include "tls.h"

/* Of a page whose verdict is there, so much is read to its end; what is longer is cut off. */
#define REST_MAX 65536

/* Read at once, so that a server that sends without end does not keep main. */
#define READ_MAX 16384

struct stream {
	int fd;
	bool connected;
	bool waits_to_send;	    /* EPOLLOUT is asked for */
	bool closed;		    /* by the server */
	bool secured;		    /* it needs no TLS, or has it */
	size_t rest;		    /* bytes that came after the verdict */
	struct gt_tls_session *tls; /* NULL: none */
	struct gt_probe probe;
};

/* ---- ends ---- */

static void broken(struct gt_target *t, int error)
{
	const struct stream *s = t->state;

	/* A verdict stands, whatever becomes of the connection afterwards. */
	if (s->connected && gt_probe_verdict(&s->probe) == GT_PROBE_HEALTHY)
		gt_target_done(t, GT_HEALTH_HEALTHY, "%s", gt_probe_reason(&s->probe));
	else if (error == EPROTO && s->tls != NULL)
		gt_target_done(t, GT_HEALTH_SICK, "%s", gt_tls_reason(s->tls));
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
	const int yes = 1;

	t->state = s;
	if (s == NULL) {
		gt_target_cannot(t, "memory", ENOMEM);
		return;
	}
	s->connected = false;
	s->waits_to_send = true;
	s->closed = false;
	s->secured = t->ask->tls == NULL;
	s->tls = NULL;
	s->rest = 0;
	s->fd = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd < 0) {
		gt_target_cannot(t, "socket", errno);
		return;
	}
	/* TLS's last message of its handshake and the request are two: no waiting between. */
	setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	if (t->probe.kind == GT_PROBE_TCP)
		keep_quiet(s->fd);
	if (bind_source(t, s->fd) != 0) {
		gt_target_cannot(t, "own address", errno);
		return;
	}
	if (connect(s->fd, (const struct sockaddr *)&to, len) != 0 && errno != EINPROGRESS) {
		if (errno == ECONNREFUSED)
			broken(t, errno);
		else
			gt_target_cannot(t, "connect", errno);
		return;
	}
	/* The first segment waits in the TAP until main reads it, later in this turn. */
	if (t->via && !register_via(t, s->fd)) {
		gt_target_done(t, GT_HEALTH_SICK, "no answer to ARP/NDP yet");
		return;
	}
	if (gt_target_watch(t, s->fd, EPOLLIN | EPOLLOUT, false) != 0)
		gt_target_cannot(t, "epoll", errno);
}

/* ---- talking ---- */

/* The probe's bytes on the connection, by TLS where that is asked for: what went or came, 0 when
 * the server has closed, -errno. */
static ssize_t send_some(const struct stream *s, const uint8_t *data, size_t len)
{
	ssize_t n;

	if (s->tls != NULL)
		return gt_tls_send(s->tls, data, len);
	n = send(s->fd, data, len, MSG_NOSIGNAL);
	return n < 0 ? -errno : n;
}

static ssize_t receive_some(const struct stream *s, uint8_t *buffer, size_t size)
{
	ssize_t n;

	if (s->tls != NULL)
		return gt_tls_receive(s->tls, buffer, size);
	n = recv(s->fd, buffer, size, 0);
	return n < 0 ? -errno : n;
}

/* Must it be tried again later? */
static bool is_transient(ssize_t n)
{
	return n == -EAGAIN || n == -EINTR;
}

/* Waits for what comes, and for room if there is something to send. False: the check is over. */
static bool wait_on(struct gt_target *t, bool to_send)
{
	struct stream *s = t->state;
	int rc;

	if (to_send == s->waits_to_send)
		return true;
	s->waits_to_send = to_send;
	rc = gt_target_watch(t, s->fd, EPOLLIN | (to_send ? EPOLLOUT : 0), true);
	if (rc == 0)
		return true;
	gt_target_cannot(t, "epoll", -rc);
	return false;
}

/* Sends what the probe has. False: the check is over. */
static bool send_output(struct gt_target *t)
{
	struct stream *s = t->state;
	const uint8_t *data;
	size_t len;

	while ((data = gt_probe_output(&s->probe, &len)), len > 0) {
		ssize_t n = send_some(s, data, len);

		if (is_transient(n))
			break;
		if (n < 0) {
			broken(t, (int)-n);
			return false;
		}
		gt_probe_sent(&s->probe, (size_t)n);
	}
	return wait_on(t, len > 0);
}

/* Reads once. False: the check is over. */
static bool receive(struct gt_target *t)
{
	struct stream *s = t->state;
	uint8_t buffer[READ_MAX];
	ssize_t n = receive_some(s, buffer, sizeof(buffer));

	if (is_transient(n))
		return true;
	if (n < 0) {
		broken(t, (int)-n);
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

/* The next step to TLS, on which the probe talks from then on. False: the check is over. */
static bool secure(struct gt_target *t)
{
	struct stream *s = t->state;
	int rc;

	if (s->tls == NULL)
		s->tls = gt_tls_begin(t->ask->tls, s->fd, t->probe.host, &t->address);
	if (s->tls == NULL) {
		gt_target_cannot(t, "TLS", ENOMEM);
		return false;
	}
	rc = gt_tls_handshake(s->tls);
	s->secured = rc == 0;
	if (rc == 0)
		return true;
	if (rc == -EAGAIN)
		return wait_on(t, gt_tls_wants_output(s->tls));
	broken(t, -rc);
	return false;
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
	if (!s->secured && (!secure(t) || !s->secured))
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
	bool busy = gt_target_was_late(t);
	struct pollfd poll_fd = {.fd = s->fd, .events = POLLIN | POLLOUT};

	if (poll(&poll_fd, 1, 0) > 0) {
		event(t, EPOLLIN | EPOLLOUT);
		if (!t->running)
			return;
	}
	if (busy && (!s->connected || gt_probe_verdict(&s->probe) == GT_PROBE_RUNNING))
		gt_target_done(t, GT_HEALTH_UNCHECKED,
			       "gantry was too busy with other checks: raise intervals");
	else if (s->connected && !s->secured)
		gt_target_done(t, GT_HEALTH_SICK, "no answer to TLS handshake");
	else if (s->connected)
		conclude(t);
	else
		gt_target_done(t, GT_HEALTH_SICK, "port %u: no answer to connect", t->port);
}

static void stop(struct gt_target *t)
{
	struct stream *s = t->state;

	if (s != NULL)
		gt_tls_end(s->tls);
	if (s != NULL && s->fd >= 0)
		close(s->fd);
	free(s);
	t->state = NULL;
}

const struct gt_transport gt_transport_stream = {start, event, timeout, stop, NULL};
