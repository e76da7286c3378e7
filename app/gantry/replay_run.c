/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames and events in the order of time, for `gantry replay`; see replay.h. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "load.h"
#include "replay.h"

/* The latest time after the first frame: 146 years. */
#define LAST_NS (INT64_MAX / 2)

static volatile sig_atomic_t interrupted;

void gt_replay_interrupt(int signal)
{
	(void)signal;
	interrupted = 1;
}

void gt_replay_move_clock(struct gt_replay *r, const struct gt_capture_record *c)
{
	int64_t since;

	if (__builtin_sub_overflow(c->ns, r->first_ns, &since))
		since = c->ns < r->first_ns ? 0 : LAST_NS;
	if (since > LAST_NS)
		since = LAST_NS;
	if (since > r->now_ns)
		r->now_ns = since;
}

/* Puts the node's newest plan into force. 0, or -1: no memory. */
static int refresh(struct gt_replay *r)
{
	if (gt_node_refresh(r->node))
		gt_node_reclaim(r->node);
	if (!r->node->dirty && !r->node->guests_dirty)
		return 0;
	fputs("gantry: no memory for a new plan\n", stderr);
	return -1;
}

/* One event. 0, or -1 with a message. */
static int act(struct gt_replay *r, struct gt_replay_event *e)
{
	char error[512] = "";
	int rc;

	r->node->now_ms = GT_REPLAY_START_MS + (uint64_t)e->at_ns / GT_NS_PER_MS;
	if (e->reload != NULL) {
		struct gt_config_messages messages = {0};

		rc = gt_node_reload(r->node, e->config, &messages);
		gt_tell_messages(e->reload, &messages, false);
		gt_config_messages_free(&messages);
		if (rc == 0)
			e->config = NULL; /* it is the node's now */
	} else {
		rc = gt_node_act(r->node, e->action, e->server, e->weight, error, sizeof(error));
	}
	if (rc != 0) {
		fprintf(stderr, "gantry: event %s failed: %s\n", e->text,
			error[0] != '\0' ? error : strerror(-rc));
		return -1;
	}
	return refresh(r);
}

/* All events up to and including a time after the first frame. 0, -1. */
static int act_until(struct gt_replay *r, int64_t ns)
{
	while (r->next_event < r->options.n_events &&
	       r->options.events[r->next_event].at_ns <= ns) {
		if (act(r, &r->options.events[r->next_event]) != 0)
			return -1;
		r->next_event++;
	}
	return 0;
}

/* Moves the clock on to a frame's time; what waited too long goes before it is handled. 0, -1. */
static int advance(struct gt_replay *r, const struct gt_capture_record *c)
{
	uint64_t before = gt_replay_now_ms(r);

	if (!r->started) {
		r->started = true;
		r->first_ns = c->ns;
	}
	gt_replay_move_clock(r, c);
	for (unsigned i = 0; i < r->n_workers && gt_replay_now_ms(r) != before; i++) {
		gt_worker_tick(r->workers[i], r->node->plan, gt_replay_now_ms(r));
		gt_replay_released(r, r->workers[i], &c->ts);
	}
	gt_node_tick(r->node, gt_replay_now_ms(r));
	return refresh(r);
}

/* The time, as a capture tells it, at which frames no longer may join the burst. */
static int64_t burst_end(const struct gt_replay *r)
{
	int64_t end = (r->now_ns / GT_NS_PER_MS + 1) * GT_NS_PER_MS, ns;

	if (r->next_event < r->options.n_events && r->options.events[r->next_event].at_ns < end)
		end = r->options.events[r->next_event].at_ns;
	return __builtin_add_overflow(r->first_ns, end, &ns) ? INT64_MAX : ns;
}

/* What is held is dropped, what is over is swept. */
static void flush(struct gt_replay *r)
{
	for (unsigned i = 0; i < r->n_workers; i++) {
		gt_worker_flush(r->workers[i], r->node->plan, gt_replay_now_ms(r));
		gt_replay_released(r, r->workers[i], &(struct timeval){0});
	}
}

int gt_replay_run(struct gt_replay *r)
{
	const struct gt_capture_record *c;

	while (!interrupted && !gt_replay_outputs_failed(r) &&
	       (c = gt_captures_peek(r->in)) != NULL) {
		if (advance(r, c) != 0 || act_until(r, r->now_ns) != 0)
			return -1;
		if (r->n_workers == 1 && gt_replay_is_plain(c))
			gt_replay_burst(r, c, burst_end(r));
		else if (gt_replay_one(r, c) && refresh(r) != 0)
			return -1;
	}
	if (interrupted)
		fputs("gantry: interrupted, nothing is written\n", stderr);
	/* A failed output tells why when it is closed. */
	if (interrupted || gt_replay_outputs_failed(r) || act_until(r, INT64_MAX) != 0)
		return -1;
	flush(r);
	return 0;
}
