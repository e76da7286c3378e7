/* SPDX-License-Identifier: BSD-3-Clause */
/* Reload while running; see reload.h. */
#include "reload.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "ask.h"
#include "commands.h"
#include "notify.h"
#include "prober.h"
#include "version.h"

/* Of a file that is wrong, in the log; `gantry check` tells them all. */
#define LOGGED_MAX 50

enum stage {
	IDLE,
	READING,  /* the thread reads the file */
	BUILDING, /* the thread builds the draft's tables */
	READY,	  /* waits for its turn among plans */
	SETTLING, /* workers are about to use it */
};

struct gt_reload {
	struct gt_run *r;
	int event_fd;
	enum stage stage;
	uint64_t round; /* the number of the one that runs, or ran last: answers wait by it */
	bool by_signal; /* who asked for it reads the log */
	bool again;	/* the next is asked for... */
	bool again_by_signal;
	uint64_t started_ms;
	/* The thread's while it runs, main's between. */
	pthread_t thread;
	bool running, done;
	char *file;
	struct gt_config *config;
	struct gt_config_messages messages;
	struct gt_draft *draft;
	int result;
};

/* Makes main call gt_reload_event. Any thread. */
static void wake(const struct gt_reload *l)
{
	/* It fails only where main has not read 2^64 of them. */
	eventfd_write(l->event_fd, 1);
}

/* ---- the thread ---- */

static void *work(void *arg)
{
	struct gt_reload *l = arg;

	if (l->stage == READING) {
		l->result = gt_config_load(l->file, &l->config, &l->messages);
		if (l->result == 0)
			l->result = gt_config_unsupported(l->config, &l->messages);
		if (l->result == 0)
			l->result = gt_ask_check_all(l->config, &l->messages);
	} else {
		l->result = gt_draft_build(l->draft);
	}
	__atomic_store_n(&l->done, true, __ATOMIC_RELEASE);
	wake(l);
	return NULL;
}

/* 0, -errno. */
static int start_thread(struct gt_reload *l, enum stage stage)
{
	int rc;

	l->stage = stage;
	l->done = false;
	rc = pthread_create(&l->thread, NULL, work, l);
	l->running = rc == 0;
	return -rc;
}

static void join(struct gt_reload *l)
{
	if (l->running)
		pthread_join(l->thread, NULL);
	l->running = false;
}

/* ---- what is said of it ---- */

/* "FILE:LINE: warning: text", in UTF-8 whatever the file holds. NULL: no memory. */
static json_t *message_object(const char *file, const struct gt_config_message *m)
{
	char text[2048], line[16] = "";
	json_t *o;

	if (m->line != 0)
		snprintf(line, sizeof(line), ":%u", m->line);
	snprintf(text, sizeof(text), "%s%s: %s%s", file, line, m->warning ? "warning: " : "",
		 m->text);
	o = json_string(text);
	if (o != NULL)
		return o;
	for (char *c = text; *c != '\0'; c++)
		if (*c & 0x80)
			*c = '?';
	return json_string(text);
}

static json_t *messages_array(const struct gt_reload *l)
{
	json_t *list = json_array();

	for (size_t i = 0; i < l->messages.n; i++)
		json_array_append_new(list, message_object(l->file, &l->messages.list[i]));
	return list;
}

/* Answers all who wait for this round, once all workers use the plan; drops the object. */
static void answer(struct gt_reload *l, json_t *object, uint64_t plan)
{
	char *text = json_dumps(object, JSON_COMPACT);

	gt_control_later(l->r->control, l->round, text, plan, gt_clock_ms());
	free(text);
	json_decref(object);
}

static void log_messages(const struct gt_reload *l)
{
	size_t n = l->by_signal ? l->messages.n : 0;

	for (size_t i = 0; i < n && i < LOGGED_MAX; i++) {
		const struct gt_config_message *m = &l->messages.list[i];

		gt_log(&l->r->log, m->warning ? LOG_WARNING : LOG_ERR, "%s:%u: %s", l->file,
		       m->line, m->text);
	}
	if (n > LOGGED_MAX)
		gt_log(&l->r->log, LOG_ERR, "%zu more: gantry check %s tells all", n - LOGGED_MAX,
		       l->file);
}

/* ---- how it ends ---- */

static void finish(struct gt_reload *l)
{
	gt_node_end_draft(l->r->node, l->draft);
	l->draft = NULL;
	gt_config_free(l->config);
	l->config = NULL;
	gt_config_messages_free(&l->messages);
	free(l->file);
	l->file = NULL;
	l->stage = IDLE;
	if (l->r->ready)
		gt_notify("READY=1");
	if (l->again)
		wake(l);
}

/* Nothing has changed, for this reason. */
static void fail(struct gt_reload *l, int rc)
{
	const size_t n = l->messages.n_errors + l->messages.n_untold;
	bool restart = rc == -EXDEV, wrong = !restart && n > 0;
	char text[512];

	if (wrong)
		snprintf(text, sizeof(text), "%s is wrong: %zu error%s, and nothing changed",
			 l->file, n, n == 1 ? "" : "s");
	else if (restart)
		snprintf(text, sizeof(text),
			 "%s asks for what only a restart of gantry changes, and so nothing "
			 "changed",
			 l->file);
	else if (rc == -ENOSPC)
		snprintf(text, sizeof(text),
			 "%s changes more servers or ports at once than there are free numbers, "
			 "and so nothing changed: reload in two steps, or restart gantry",
			 l->file);
	else
		snprintf(text, sizeof(text), "reload: %s: nothing changed", strerror(-rc));
	log_messages(l);
	gt_log(&l->r->log, LOG_ERR, "%s", text);
	answer(l,
	       json_pack("{s:s, s:s, s:i, s:o}", "version", GT_VERSION, "error", text, "exit_code",
			 wrong ? GT_EXIT_USAGE : GT_EXIT_FAILED, "messages", messages_array(l)),
	       0);
	finish(l);
}

/* What gantryctl said stands above the file: whoever reloads is to know of it. */
static void count_overrides(const struct gt_reload *l, char *buf, size_t size)
{
	size_t n = gt_node_count_overrides(l->r->node);

	buf[0] = '\0';
	if (n > 0)
		snprintf(buf, size,
			 "; %zu server%s %s as gantryctl said, not as the file does (gantryctl "
			 "servers; revert)",
			 n, n == 1 ? "" : "s", n == 1 ? "is" : "are");
}

static void succeed(struct gt_reload *l)
{
	char changes[256], overrides[128], done[1024];

	gt_config_changes_text(gt_draft_changes(l->draft), changes, sizeof(changes));
	count_overrides(l, overrides, sizeof(overrides));
	snprintf(done, sizeof(done), "reloaded %s: %s%s", l->file, changes, overrides);
	log_messages(l);
	gt_event(&l->r->events,
		 (struct gt_event){
			 .level = LOG_NOTICE, .kind = "reload", .now = l->file, .reason = changes},
		 "%s", done);
	answer(l,
	       json_pack("{s:s, s:s, s:I, s:o}", "version", GT_VERSION, "done", done, "took_ms",
			 (json_int_t)(gt_clock_ms() - l->started_ms), "messages",
			 messages_array(l)),
	       l->r->plans + 1);
}

/*
 * The place where all that follows the configuration is told of a new one, which is in force: the
 * old one, `from`, is freed once the workers use the new plan.
 */
static void apply_configuration(struct gt_run *r, const struct gt_config *from)
{
	/* What fails there is told there, and tried again by the next reload. */
	gt_kernel_readdress(&r->kernel, from, r->node->config);
	if (r->ready)
		gt_prober_configure(r->prober, r->node, gt_clock_ms());
	memcpy(r->name, r->node->config->name, sizeof(r->name));
	/* New VIPs are announced, and new servers asked for, at once. */
	if (r->ready)
		gt_node_tick(r->node, gt_clock_ms());
}

/* ---- its stages ---- */

static void begin(struct gt_reload *l)
{
	struct timespec t;
	char state[64];
	int rc;

	l->round++;
	l->by_signal = l->again_by_signal;
	l->again = l->again_by_signal = false;
	l->started_ms = gt_clock_ms();
	clock_gettime(CLOCK_MONOTONIC, &t);
	snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
		 (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000);
	if (l->r->ready)
		gt_notify(state);
	l->messages = (struct gt_config_messages){0};
	l->file = strdup(l->r->node->config->file);
	rc = l->file != NULL ? start_thread(l, READING) : -ENOMEM;
	if (rc != 0)
		fail(l, rc);
}

void gt_reload_request(struct gt_reload *l, struct gt_reply *reply)
{
	l->again = true;
	l->again_by_signal |= reply == NULL;
	if (reply != NULL) {
		reply->later = l->round + 1;
	} else {
		gt_log(&l->r->log, LOG_NOTICE, "SIGHUP: reload");
	}
	wake(l);
}

static void draft(struct gt_reload *l)
{
	int rc = gt_node_draft(l->r->node, l->config, &l->messages, &l->draft);

	if (rc == 0)
		rc = start_thread(l, BUILDING);
	if (rc != 0)
		fail(l, rc);
}

void gt_reload_event(struct gt_reload *l)
{
	eventfd_t n;

	if (eventfd_read(l->event_fd, &n) != 0)
		return;
	if (l->stage == IDLE && l->again)
		begin(l);
	if (!l->running || !__atomic_load_n(&l->done, __ATOMIC_ACQUIRE))
		return;
	join(l);
	if (l->result != 0)
		fail(l, l->result);
	else if (l->stage == READING)
		draft(l);
	else
		l->stage = READY;
}

bool gt_reload_adopt(struct gt_reload *l)
{
	const struct gt_config *from = l->r->node->config;
	int rc;

	if (l->stage != READY)
		return false;
	rc = gt_node_adopt(l->r->node, l->draft);
	if (rc != 0) {
		fail(l, rc);
		return false;
	}
	l->config = NULL; /* the node's now */
	apply_configuration(l->r, from);
	succeed(l);
	l->stage = SETTLING;
	/* Before older plans are reclaimed: it holds on to one. */
	gt_node_end_draft(l->r->node, l->draft);
	l->draft = NULL;
	return true;
}

void gt_reload_in_use(struct gt_reload *l)
{
	if (l->stage == SETTLING)
		finish(l);
}

/* ---- birth and end ---- */

int gt_reload_open(struct gt_run *r, struct gt_reload **out)
{
	struct gt_reload *l = calloc(1, sizeof(*l));

	*out = l;
	if (l == NULL)
		return -ENOMEM;
	l->r = r;
	l->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return l->event_fd < 0 ? -errno : 0;
}

int gt_reload_watch(struct gt_reload *l, int epoll_fd, uint64_t token)
{
	struct epoll_event e = {.events = EPOLLIN, .data.u64 = token};

	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, l->event_fd, &e) == 0 ? 0 : -errno;
}

void gt_reload_close(struct gt_reload *l)
{
	if (l == NULL)
		return;
	join(l);
	if (l->draft != NULL)
		gt_node_end_draft(l->r->node, l->draft);
	gt_config_free(l->config);
	gt_config_messages_free(&l->messages);
	free(l->file);
	if (l->event_fd >= 0)
		close(l->event_fd);
	free(l);
}
