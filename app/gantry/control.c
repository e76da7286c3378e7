/* SPDX-License-Identifier: BSD-3-Clause */
/* The control socket and its clients; see control.h. What is asked is in answers.c. */
#include "control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <fcntl.h>
#include <unistd.h>

#include "control_socket.h"
#include "version.h"

struct client {
	int fd; /* -1: free */
	char line[GT_CONTROL_LINE_MAX];
	size_t n_line;
	struct gt_reply reply;
	size_t sent;  /* of reply.text */
	bool closing; /* it said its last: close when all is sent */
	uint64_t active_ms;
};

struct gt_control {
	int fd;
	int epoll_fd;
	uint64_t first_token; /* the listener's; that of client i is 1 + i more */
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	ino_t inode; /* of our socket file: only that one is ours to remove */
	struct gt_control_hooks hooks;
	struct gt_log log;
	struct client clients[GT_CONTROL_CLIENTS_MAX];
};

/* ---- text ---- */

bool gt_text_add(struct gt_text *t, const char *s, size_t n)
{
	if (t->capacity - t->n < n) {
		size_t capacity = t->capacity * 2 > t->n + n ? t->capacity * 2 : t->n + n + 256;
		char *data = realloc(t->data, capacity);

		if (data == NULL)
			return false;
		t->data = data;
		t->capacity = capacity;
	}
	memcpy(t->data + t->n, s, n);
	t->n += n;
	return true;
}

void gt_text_free(struct gt_text *t)
{
	free(t->data);
	*t = (struct gt_text){0};
}

int gt_control_open(const struct gt_config *config, const struct gt_control_hooks *hooks,
		    const struct gt_log *log, struct gt_control **out)
{
	int fd = gt_control_socket(config, log);
	struct gt_control *c;
	struct stat st;

	*out = NULL;
	if (fd < 0)
		return fd;
	c = calloc(1, sizeof(*c));
	if (c == NULL) {
		gt_log(log, LOG_ERR, "no memory for the control socket");
		unlink(config->control);
		close(fd);
		return -ENOMEM;
	}
	c->fd = fd;
	c->epoll_fd = -1;
	c->hooks = *hooks;
	c->log = *log;
	snprintf(c->path, sizeof(c->path), "%s", config->control);
	if (stat(c->path, &st) == 0)
		c->inode = st.st_ino;
	for (size_t i = 0; i < GT_CONTROL_CLIENTS_MAX; i++)
		c->clients[i].fd = -1;
	*out = c;
	return 0;
}

/* ---- clients ---- */

static void close_client(struct client *k)
{
	close(k->fd);
	gt_text_free(&k->reply.text);
	free(k->reply.walk.selection);
	memset(&k->reply, 0, sizeof(k->reply));
	k->fd = -1;
	k->n_line = k->sent = 0;
	k->closing = false;
}

void gt_control_close(struct gt_control *c)
{
	struct stat st;

	if (c == NULL)
		return;
	for (size_t i = 0; i < GT_CONTROL_CLIENTS_MAX; i++)
		if (c->clients[i].fd >= 0)
			close_client(&c->clients[i]);
	if (stat(c->path, &st) == 0 && st.st_ino == c->inode)
		unlink(c->path);
	close(c->fd);
	free(c);
}

static bool is_answering(const struct client *k)
{
	return k->reply.walk.active || k->reply.later != 0 || k->reply.plan != 0 ||
	       k->reply.text.n > 0;
}

/* Is its answer, or the rest of it, still to come? */
static bool is_waiting(const struct client *k)
{
	return k->reply.walk.active || k->reply.later != 0 || k->reply.plan != 0;
}

/* Reading stops while an answer is under way: a client gets no further ahead than it reads. */
static void watch_client(struct gt_control *c, struct client *k, int op)
{
	struct epoll_event e = {
		.events = is_answering(k) ? (is_waiting(k) ? 0 : EPOLLOUT) : EPOLLIN,
		.data.u64 = c->first_token + 1 + (uint64_t)(k - c->clients),
	};

	/* Who watches says nothing more: what it does is leave. */
	if (k->reply.watch)
		e.events |= EPOLLIN;
	if (epoll_ctl(c->epoll_fd, op, k->fd, &e) != 0)
		close_client(k);
}

/* What the process calls itself, which it may choose: a hint for the log, no proof. */
static void read_comm(struct gt_peer *p)
{
	char path[32];
	ssize_t n = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%ld/comm", (long)p->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, p->comm, sizeof(p->comm) - 1);
		close(fd);
	}
	p->comm[n > 0 ? n : 0] = '\0';
	p->comm[strcspn(p->comm, "\n")] = '\0';
}

static void identify(struct client *k)
{
	struct ucred cred = {.pid = -1, .uid = (uid_t)-1};
	socklen_t size = sizeof(cred);

	/* It fails for a socket that is not connected, and this one is. */
	if (getsockopt(k->fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) != 0)
		cred.pid = -1;
	k->reply.peer = (struct gt_peer){.uid = cred.uid, .pid = cred.pid};
	/* Now: it may be gone before its request is read. */
	read_comm(&k->reply.peer);
}

static void refuse(int fd)
{
	static const char full[] = "{\"version\":\"" GT_VERSION
				   "\",\"error\":\"too many clients at once (32): try again\"}\n";

	/* If it cannot be told, it sees that it is closed. */
	if (send(fd, full, sizeof(full) - 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		errno = 0;
	close(fd);
}

static void accept_clients(struct gt_control *c, uint64_t now_ms)
{
	int fd;

	while ((fd = accept4(c->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct client *k = c->clients;

		while (k < c->clients + GT_CONTROL_CLIENTS_MAX && k->fd >= 0)
			k++;
		if (k == c->clients + GT_CONTROL_CLIENTS_MAX) {
			refuse(fd);
			continue;
		}
		k->fd = fd;
		k->active_ms = now_ms;
		identify(k);
		watch_client(c, k, EPOLL_CTL_ADD);
	}
}

/* Sends what it can. */
static void send_reply(struct client *k, uint64_t now_ms)
{
	struct gt_text *t = &k->reply.text;
	ssize_t n;

	while (k->sent < t->n) {
		n = send(k->fd, t->data + k->sent, t->n - k->sent, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			close_client(k);
			return;
		}
		k->sent += (size_t)n;
		k->active_ms = now_ms;
	}
	if (k->reply.walk.active)
		return;
	gt_text_free(t);
	k->sent = 0;
	if (k->closing)
		close_client(k);
}

/* Answers the first whole line that has come, if there is one. */
static void serve(struct gt_control *c, struct client *k, uint64_t now_ms)
{
	static const char too_long[] =
		"{\"version\":\"" GT_VERSION
		"\",\"error\":\"a request is one line of at most 4095 bytes\"}\n";
	char *end = memchr(k->line, '\n', k->n_line);
	size_t used;

	if (end == NULL && k->n_line < sizeof(k->line))
		return;
	k->active_ms = now_ms;
	if (end == NULL) {
		k->closing = true;
		k->n_line = 0;
		if (!gt_text_add(&k->reply.text, too_long, sizeof(too_long) - 1))
			close_client(k);
		return;
	}
	*end = '\0';
	c->hooks.answer(c->hooks.ctx, k->line, &k->reply);
	used = (size_t)(end + 1 - k->line);
	k->n_line -= used;
	memmove(k->line, end + 1, k->n_line);
	if (!is_answering(k))
		close_client(k); /* no memory for an answer */
}

static void receive(struct client *k)
{
	ssize_t n = recv(k->fd, k->line + k->n_line, sizeof(k->line) - k->n_line, 0);

	if (n > 0)
		k->n_line += (size_t)n;
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		close_client(k);
}

/* What a watcher says is nothing to us; that it has left is. */
static void hear_watcher(struct client *k)
{
	k->n_line = 0;
	receive(k);
	k->n_line = 0;
}

static bool has_line(const struct client *k)
{
	return memchr(k->line, '\n', k->n_line) != NULL;
}

/*
 * Answers one request, sends what it can without waiting, then watches for what it waits for.
 * Further requests that came with it wait for gt_control_run: others have their turn first.
 */
static void advance(struct gt_control *c, struct client *k, uint64_t now_ms)
{
	if (!is_answering(k) && !k->reply.watch)
		serve(c, k, now_ms);
	if (k->fd >= 0 && is_answering(k) && k->reply.later == 0 && k->reply.plan == 0)
		send_reply(k, now_ms);
	if (k->fd >= 0)
		watch_client(c, k, EPOLL_CTL_MOD);
}

/* ---- what main calls ---- */

int gt_control_watch(struct gt_control *c, int epoll_fd, uint64_t first_token)
{
	struct epoll_event e = {.events = EPOLLIN, .data.u64 = first_token};

	c->epoll_fd = epoll_fd;
	c->first_token = first_token;
	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &e) == 0 ? 0 : -errno;
}

void gt_control_event(struct gt_control *c, uint64_t token, uint64_t now_ms)
{
	struct client *k;

	if (token == c->first_token) {
		accept_clients(c, now_ms);
		return;
	}
	token -= c->first_token + 1;
	if (token >= GT_CONTROL_CLIENTS_MAX)
		return;
	k = &c->clients[token];
	if (k->fd < 0)
		return; /* let go since */
	if (k->reply.watch)
		hear_watcher(k);
	else if (!is_answering(k))
		receive(k);
	else if (is_waiting(k))
		close_client(k); /* nothing but an error is watched for meanwhile */
	if (k->fd >= 0)
		advance(c, k, now_ms);
}

/* Who does not read, or says nothing. */
static void let_go(struct gt_control *c, struct client *k)
{
	if (k->reply.watch)
		gt_log(&c->log, LOG_NOTICE,
		       "control: pid %ld (%s) watches and does not read: it is let go",
		       (long)k->reply.peer.pid, k->reply.peer.comm);
	close_client(k);
}

unsigned gt_control_walks(const struct gt_control *c)
{
	unsigned n = 0;

	for (size_t i = 0; i < GT_CONTROL_CLIENTS_MAX; i++)
		n += c->clients[i].fd >= 0 && c->clients[i].reply.walk.active;
	return n;
}

bool gt_control_run(struct gt_control *c, uint64_t now_ms)
{
	bool soon = false;

	for (size_t i = 0; i < GT_CONTROL_CLIENTS_MAX; i++) {
		struct client *k = &c->clients[i];

		if (k->fd < 0)
			continue;
		if (k->reply.walk.active) {
			c->hooks.more(c->hooks.ctx, &k->reply);
			k->active_ms = now_ms;
			soon = true;
			if (!k->reply.walk.active)
				advance(c, k, now_ms);
		} else if (!k->reply.watch && !is_answering(k) && has_line(k)) {
			advance(c, k, now_ms);
			soon = true;
		} else if (k->reply.later == 0 && now_ms - k->active_ms > GT_CONTROL_IDLE_MS &&
			   (!k->reply.watch || is_answering(k))) {
			let_go(c, k);
		}
	}
	return soon;
}

void gt_control_later(struct gt_control *c, uint64_t later, const char *text, uint64_t plan,
		      uint64_t now_ms)
{
	for (size_t i = 0; i < GT_CONTROL_CLIENTS_MAX; i++) {
		struct client *k = &c->clients[i];

		if (k->fd < 0 || k->reply.later != later)
			continue;
		k->reply.later = 0;
		k->reply.plan = plan;
		k->active_ms = now_ms;
		if (text != NULL && gt_text_add(&k->reply.text, text, strlen(text)) &&
		    gt_text_add(&k->reply.text, "\n", 1))
			advance(c, k, now_ms);
		else
			close_client(k);
	}
}

void gt_control_plan(struct gt_control *c, uint64_t plan, uint64_t now_ms)
{
	for (size_t i = 0; i < GT_CONTROL_CLIENTS_MAX; i++) {
		struct client *k = &c->clients[i];

		if (k->fd < 0 || k->reply.plan == 0 || k->reply.plan > plan)
			continue;
		c->hooks.settled(c->hooks.ctx, &k->reply);
		k->reply.plan = 0;
		if (is_answering(k))
			advance(c, k, now_ms);
		else
			close_client(k); /* no memory for an answer */
	}
}

unsigned gt_control_watchers(const struct gt_control *c)
{
	unsigned n = 0;

	for (size_t i = 0; i < GT_CONTROL_CLIENTS_MAX; i++)
		n += c->clients[i].fd >= 0 && c->clients[i].reply.watch;
	return n;
}

/* One line more for who watches; who does not read is let go. */
static void add_to_watcher(struct gt_control *c, struct client *k, const char *line, size_t n,
			   uint64_t now_ms)
{
	struct gt_text *t = &k->reply.text;

	if (k->sent > 0) {
		t->n -= k->sent;
		memmove(t->data, t->data + k->sent, t->n);
		k->sent = 0;
	}
	if (t->n == 0)
		k->active_ms = now_ms;
	if (t->n + n > GT_CONTROL_UNREAD_MAX || !gt_text_add(t, line, n)) {
		let_go(c, k);
		return;
	}
	advance(c, k, now_ms);
}

void gt_control_tell(struct gt_control *c, const char *line, size_t n, uint64_t now_ms)
{
	for (size_t i = 0; i < GT_CONTROL_CLIENTS_MAX; i++)
		if (c->clients[i].fd >= 0 && c->clients[i].reply.watch)
			add_to_watcher(c, &c->clients[i], line, n, now_ms);
}
