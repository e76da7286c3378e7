/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * gantry replay: captures through the packet core. The captures' time is the only clock, the keys
 * of the tables are constants, and the node sends nothing unasked, so the same inputs give the same
 * bytes.
 *
 * Frames share a burst only where that changes nothing: plain TCP and UDP of one millisecond, with
 * no event between them. Whatever may act on more than itself (a fragment, ARP, ICMPv6, anything
 * odd) is a burst of its own; so the frames that it releases, the answer it gets and the plan that
 * changes by it come exactly behind it.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_ip.h>

#include "capture.h"
#include "capture_out.h"
#include "commands.h"
#include "load.h"
#include "new_file.h"
#include "packet/parse.h"
#include "replay_options.h"
#include "report/report.h"

#if defined(__SANITIZE_ADDRESS__)
#define REPLAY_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define REPLAY_ASAN 1
#endif
#endif
#ifdef REPLAY_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n)	  ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

#define NS_PER_MS 1000000LL

/* The latest time after the first frame: 146 years. */
#define LAST_NS (INT64_MAX / 2)

/* The core's clock at the first frame: 0 would look like "never". */
#define START_MS 1000

/* Bytes that frames of this length take in a buffer, headroom and alignment included. */
#define BUFFER_BYTES(len) (GT_HEADROOM + (((size_t)(len) + 63) & ~(size_t)63))
#define LONGEST_BYTES	  BUFFER_BYTES(GT_CAPTURE_FRAME_MAX)

/* The frames of a burst lie one behind the other: whole pages for each would meet in the same few
 * cache sets. A burst ends when the next frame does not fit. */
#define ARENA_BYTES (2 * LONGEST_BYTES)

/* Frames that may be held have buffers of their own: what each worker holds, and the one at work.
 */
#define KEPT_MAX(workers) (GT_FRAGMENT_HELD_MAX * (size_t)(workers) + 1)

struct replay {
	struct gt_replay_options options;
	struct gt_captures *in;
	struct gt_capture_out *out[GT_INTERFACES_MAX];
	struct gt_node *node;
	struct gt_worker *workers[GT_WORKERS_MAX];
	unsigned n_workers;
	/* Of several workers: they are one thread, and so may know of each other at once what
	 * `gantry run` tells them every 100 ms. The same frames as with one. */
	struct gt_loads *loads;
	struct gt_turns *turns;
	uint8_t *arena;
	size_t arena_used;
	uint8_t *kept;	/* KEPT_MAX buffers, of which only the touched ones cost memory */
	uint8_t **free; /* which of them are free */
	unsigned n_free;
	bool started;
	int64_t first_ns; /* time of the first frame */
	int64_t now_ns;	  /* time since then: never goes back */
	uint64_t read;	  /* frames */
	size_t next_event;
};

static volatile sig_atomic_t interrupted;

static void interrupt(int signal)
{
	(void)signal;
	interrupted = 1;
}

static uint64_t now_ms(const struct replay *r)
{
	return START_MS + (uint64_t)(r->now_ns / NS_PER_MS);
}

/* To the time of a frame: never back, and never so far that sums of times overflow. */
static void move_clock(struct replay *r, const struct gt_capture_record *c)
{
	int64_t since;

	if (__builtin_sub_overflow(c->ns, r->first_ns, &since))
		since = c->ns < r->first_ns ? 0 : LAST_NS;
	if (since > LAST_NS)
		since = LAST_NS;
	if (since > r->now_ns)
		r->now_ns = since;
}

/* A change of state, on stderr, with the captures' time. */
static void log_line(void *ctx, int level, const char *text)
{
	const struct replay *r = ctx;

	if (level > LOG_INFO)
		return;
	if (r->started)
		fprintf(stderr, "gantry: %" PRId64 ".%06" PRId64 " s: %s\n", r->now_ns / 1000000000,
			r->now_ns / 1000 % 1000000, text);
	else
		fprintf(stderr, "gantry: %s\n", text);
}

/* Is it TCP or UDP over IPv4 or IPv6, no fragment, without IPv6 extension headers? */
static bool is_plain(const struct gt_capture_record *c)
{
	const uint8_t *d = c->data;
	uint32_t l3 = RTE_ETHER_HDR_LEN;
	uint16_t type;

	if (c->len < l3 + RTE_VLAN_HLEN + 20)
		return false;
	type = (uint16_t)(d[12] << 8 | d[13]);
	if (type == RTE_ETHER_TYPE_VLAN) {
		type = (uint16_t)(d[16] << 8 | d[17]);
		l3 += RTE_VLAN_HLEN;
	}
	d += l3;
	if (type == RTE_ETHER_TYPE_IPV4)
		return (d[6] & 0x3f) == 0 && d[7] == 0 &&
		       (d[9] == GT_PROTO_TCP || d[9] == GT_PROTO_UDP);
	return type == RTE_ETHER_TYPE_IPV6 && (d[6] == GT_PROTO_TCP || d[6] == GT_PROTO_UDP);
}

/* Copies a capture's frame behind the headroom of a buffer. */
static void take(struct replay *r, struct gt_frame *f, const struct gt_capture_record *c,
		 uint8_t *buffer, void *owner)
{
	ASAN_UNPOISON_MEMORY_REGION(buffer, GT_HEADROOM + c->len);
	memcpy(buffer + GT_HEADROOM, c->data, c->len);
	*f = (struct gt_frame){
		.data = buffer + GT_HEADROOM,
		.len = c->len,
		.wire_len = c->wire_len,
		.in_if = c->interface,
		.owner = owner,
	};
	r->read++;
}

/* Does what its final verdict says; `cause` is the time of the frame that brought it. */
static void finish(struct replay *r, const struct gt_frame *f, const struct timeval *cause)
{
	if ((f->verdict == GT_SEND || f->verdict == GT_ANSWER) && r->out[f->out_if] != NULL)
		gt_capture_out_write(r->out[f->out_if], cause, f->data, f->len, f->wire_len);
	if (f->owner != NULL && f->verdict != GT_HELD) {
		ASAN_POISON_MEMORY_REGION(f->owner, LONGEST_BYTES);
		r->free[r->n_free++] = f->owner;
	}
}

static void finish_released(struct replay *r, struct gt_worker *w, const struct timeval *cause);

/* Passes a frame on to the worker that owns it, through at most one other, and finishes it. */
static void finish_or_hand(struct replay *r, struct gt_frame *f, const struct timeval *cause)
{
	struct gt_worker *w;

	if (f->verdict != GT_HAND) {
		finish(r, f, cause);
		return;
	}
	w = r->workers[f->to_worker];
	gt_worker_burst(w, r->node->plan, now_ms(r), f, 1);
	finish_or_hand(r, f, cause);
	finish_released(r, w, cause);
}

static void finish_released(struct replay *r, struct gt_worker *w, const struct timeval *cause)
{
	for (unsigned i = 0; i < w->n_released; i++)
		finish_or_hand(r, &w->released[i], cause);
	w->n_released = 0;
}

/*
 * Which worker's queue a frame comes to: a device with receive-side scaling looks at whole TCP and
 * UDP packets, and brings the others to the first. Not every device sees ports behind IPv6
 * extension headers; this one does not.
 */
static struct gt_worker *receiver(const struct replay *r, const struct gt_frame *f)
{
	const struct gt_steer *s = &r->workers[0]->steer;
	struct gt_packet p;

	if (r->n_workers == 1 || gt_parse_link(f, &p) != GT_PARSE_OK || p.kind == GT_PACKET_ARP ||
	    gt_parse_network(f, &p) != GT_PARSE_OK || p.fragment != GT_FRAGMENT_NONE ||
	    (p.kind == GT_PACKET_IPV6 && p.l4_off - p.l3_off != sizeof(struct rte_ipv6_hdr)) ||
	    (p.protocol != GT_PROTO_TCP && p.protocol != GT_PROTO_UDP))
		return r->workers[0];
	return r->workers[gt_steer_connection(s, &p.src, p.src_port, &p.dst, p.dst_port)];
}

/* Puts the node's newest plan into force. 0, or -1: no memory. */
static int refresh(struct replay *r)
{
	if (gt_node_refresh(r->node))
		gt_node_reclaim(r->node);
	if (!r->node->dirty && !r->node->guests_dirty)
		return 0;
	fputs("gantry: no memory for a new plan\n", stderr);
	return -1;
}

/* The frame at hand alone. 0, -1. */
static int run_one(struct replay *r, const struct gt_capture_record *c)
{
	struct timeval cause = c->ts;
	uint8_t *buffer = r->free[--r->n_free];
	struct gt_worker *w;
	struct gt_frame f;
	bool punted;

	take(r, &f, c, buffer, buffer);
	gt_captures_next(r->in);
	w = receiver(r, &f);
	if (r->loads != NULL)
		gt_loads_gather(r->loads, r->node->plan, r->workers);
	gt_worker_burst(w, r->node->plan, now_ms(r), &f, 1);
	punted = f.verdict == GT_PUNT;
	if (punted)
		gt_node_frame(r->node, &f, now_ms(r));
	finish_or_hand(r, &f, &cause);
	finish_released(r, w, &cause);
	return punted ? refresh(r) : 0;
}

/* The frame at hand and the plain ones behind it that come before `end_ns`. */
static void run_burst(struct replay *r, const struct gt_capture_record *c, int64_t end_ns)
{
	struct gt_frame frames[GT_BURST_MAX];
	struct timeval causes[GT_BURST_MAX];
	unsigned n = 0;

	ASAN_POISON_MEMORY_REGION(r->arena, ARENA_BYTES);
	r->arena_used = 0;
	do {
		move_clock(r, c);
		take(r, &frames[n], c, r->arena + r->arena_used, NULL);
		r->arena_used += BUFFER_BYTES(c->len);
		causes[n++] = c->ts;
		gt_captures_next(r->in);
		c = gt_captures_peek(r->in);
	} while (n < GT_BURST_MAX && c != NULL && c->ns < end_ns && is_plain(c) &&
		 r->arena_used + BUFFER_BYTES(c->len) <= ARENA_BYTES);

	gt_worker_burst(r->workers[0], r->node->plan, now_ms(r), frames, n);
	for (unsigned i = 0; i < n; i++)
		finish(r, &frames[i], &causes[i]);
	/* Only what the passing of time alone drops: nothing plain releases a fragment. */
	finish_released(r, r->workers[0], &causes[n - 1]);
}

/* One event. 0, or -1 with a message. */
static int act(struct replay *r, struct gt_replay_event *e)
{
	char error[512] = "";
	int rc;

	r->node->now_ms = START_MS + (uint64_t)e->at_ns / NS_PER_MS;
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
static int act_until(struct replay *r, int64_t ns)
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
static int advance(struct replay *r, const struct gt_capture_record *c)
{
	uint64_t before = now_ms(r);

	if (!r->started) {
		r->started = true;
		r->first_ns = c->ns;
	}
	move_clock(r, c);
	for (unsigned i = 0; i < r->n_workers && now_ms(r) != before; i++) {
		gt_worker_tick(r->workers[i], r->node->plan, now_ms(r));
		finish_released(r, r->workers[i], &c->ts);
	}
	gt_node_tick(r->node, now_ms(r));
	return refresh(r);
}

/* The time, as a capture tells it, at which frames no longer may join the burst. */
static int64_t burst_end(const struct replay *r)
{
	int64_t end = (r->now_ns / NS_PER_MS + 1) * NS_PER_MS, ns;

	if (r->next_event < r->options.n_events && r->options.events[r->next_event].at_ns < end)
		end = r->options.events[r->next_event].at_ns;
	return __builtin_add_overflow(r->first_ns, end, &ns) ? INT64_MAX : ns;
}

static bool outputs_failed(const struct replay *r)
{
	for (size_t i = 0; i < GT_INTERFACES_MAX; i++)
		if (r->out[i] != NULL && gt_capture_out_failed(r->out[i]))
			return true;
	return false;
}

/* What is held is dropped, what is over is swept. */
static void flush(struct replay *r)
{
	for (unsigned i = 0; i < r->n_workers; i++) {
		gt_worker_flush(r->workers[i], r->node->plan, now_ms(r));
		finish_released(r, r->workers[i], &(struct timeval){0});
	}
}

/* All frames and events. 0, or -1 with a message. */
static int run(struct replay *r)
{
	const struct gt_capture_record *c;

	while (!interrupted && !outputs_failed(r) && (c = gt_captures_peek(r->in)) != NULL) {
		if (advance(r, c) != 0 || act_until(r, r->now_ns) != 0)
			return -1;
		if (r->n_workers == 1 && is_plain(c))
			run_burst(r, c, burst_end(r));
		else if (run_one(r, c) != 0)
			return -1;
	}
	if (interrupted)
		fputs("gantry: interrupted, nothing is written\n", stderr);
	/* A failed output tells why when it is closed. */
	if (interrupted || outputs_failed(r) || act_until(r, INT64_MAX) != 0)
		return -1;
	flush(r);
	return 0;
}

/* Does every frame that was read have its one fate? Else a message. */
static bool identity_holds(const struct replay *r)
{
	struct gt_counters sum = {0};
	uint64_t fates;

	gt_counters_add(&sum, &r->node->counters);
	for (unsigned i = 0; i < r->n_workers; i++)
		gt_counters_add(&sum, &r->workers[i]->counters);
	fates = sum.forwarded + sum.answered + sum.kernel + gt_counters_dropped(&sum);
	if (sum.in == r->read && fates == sum.in)
		return true;
	fprintf(stderr,
		"gantry: counters do not add up, which is a bug in gantry: %" PRIu64
		" frames read, %" PRIu64 " counted in, but %" PRIu64 " forwarded, %" PRIu64
		" answered, %" PRIu64 " to the kernel, %" PRIu64 " dropped\n",
		r->read, sum.in, sum.forwarded, sum.answered, sum.kernel,
		gt_counters_dropped(&sum));
	return false;
}

/* The usual mistake with a first capture. */
static void hint(const struct replay *r)
{
	struct gt_counters sum = {0};

	for (unsigned i = 0; i < r->n_workers; i++)
		gt_counters_add(&sum, &r->workers[i]->counters);
	if (sum.forwarded > 0)
		return;
	if (sum.drops[GT_DROP_OTHER_MAC] > 0)
		fputs("gantry: nothing was forwarded: frames are for other MACs than the "
		      "interface's; write `mac =` as in the capture into [interface]\n",
		      stderr);
	if (sum.drops[GT_DROP_NO_NEIGHBOUR] > 0)
		fputs("gantry: nothing was forwarded: the capture does not tell the servers' MACs; "
		      "write `mac =` into [server]\n",
		      stderr);
}

/* The table on stdout, and the report's file. 0, or -1 with a message. */
static int report(const struct replay *r)
{
	json_t *status = gt_report_status(r->node, r->workers, r->n_workers);
	struct gt_new_file f;
	int rc = 0;

	if (status == NULL) {
		fputs("gantry: no memory for the report\n", stderr);
		return -1;
	}
	gt_table_status(stdout, status);
	hint(r);
	if (r->options.report != NULL) {
		rc = gt_new_file_open(&f, r->options.report);
		if (rc == 0) {
			json_dumpf(status, f.stream, JSON_INDENT(2));
			fputc('\n', f.stream);
			rc = gt_new_file_commit(&f);
		}
	}
	json_decref(status);
	if (fflush(stdout) != 0) {
		fprintf(stderr, "gantry: cannot write to stdout: %s\n", strerror(errno));
		rc = -1;
	}
	return rc;
}

/* Gives the outputs their names, or removes them. 0, or -1 with messages. */
static int close_outputs(struct replay *r, bool good)
{
	bool failed = outputs_failed(r);
	int rc = 0;

	for (size_t i = 0; i < GT_INTERFACES_MAX; i++) {
		if (r->out[i] == NULL)
			continue;
		/* One that failed tells why; the others then go too. */
		if (good || gt_capture_out_failed(r->out[i])) {
			if (gt_capture_out_commit(r->out[i]) != 0)
				rc = -1;
		} else {
			gt_capture_out_discard(r->out[i]);
		}
		r->out[i] = NULL;
	}
	return failed ? -1 : rc;
}

/* Would this file that is to be written overwrite an input? Then with a message. */
static bool is_input(const struct replay *r, const char *file)
{
	if (!gt_captures_has(r->in, file))
		return false;
	fprintf(stderr, "gantry: %s is an input; write to another file\n", file);
	return true;
}

static int open_captures(struct replay *r)
{
	const struct gt_replay_options *o = &r->options;

	r->in = gt_captures_create();
	if (r->in == NULL) {
		fputs("gantry: no memory\n", stderr);
		return -1;
	}
	for (size_t i = 0; i < o->n_inputs; i++)
		if (gt_captures_add(r->in, o->inputs[i].interface, o->inputs[i].file) != 0)
			return -1;
	if (o->report != NULL && is_input(r, o->report))
		return -1;
	for (size_t i = 0; i < GT_INTERFACES_MAX; i++) {
		if (o->outputs[i] == NULL)
			continue;
		if (is_input(r, o->outputs[i]))
			return -1;
		r->out[i] = gt_capture_out_open(o->outputs[i]);
		if (r->out[i] == NULL)
			return -1;
	}
	return 0;
}

/* All workers have one device with receive-side scaling on every interface. */
static int create_workers(struct replay *r, struct gt_worker_params *params)
{
	unsigned n = params->steer.n_workers;

	if (n > 1) {
		r->loads = gt_loads_create(n);
		r->turns = calloc(1, sizeof(*r->turns));
		if (r->loads == NULL || r->turns == NULL)
			return -1;
	}
	params->loads = r->loads;
	params->turns = r->turns;
	for (unsigned i = 0; i < GT_INTERFACES_MAX; i++)
		params->steer.exact[i] = true;
	for (r->n_workers = 0; r->n_workers < n; r->n_workers++) {
		params->steer.worker = (uint16_t)r->n_workers;
		r->workers[r->n_workers] = gt_worker_create(params);
		if (r->workers[r->n_workers] == NULL)
			return -1;
	}
	return 0;
}

/* The node and its workers, as they are before the first frame. 0, -1. */
static int create_core(struct replay *r)
{
	struct gt_config *config = r->options.config;
	struct gt_node_hooks hooks = {.log = {.line = log_line, .ctx = r}};
	struct gt_mac macs[GT_INTERFACES_MAX];
	struct gt_worker_params params, later;

	gt_worker_params_init(&params, config);
	params.memory = gt_memory_heap;
	/* No attacker aims at a replay, and another key would be another order of eviction. */
	memcpy(params.random, "gantry's replay", sizeof(params.random));
	for (size_t i = 0; i < r->options.n_events; i++) {
		if (r->options.events[i].reload == NULL)
			continue;
		gt_worker_params_init(&later, r->options.events[i].config);
		params.wide |= later.wide;
		params.snat |= later.snat;
	}
	for (size_t i = 0; i < config->n_interfaces; i++)
		macs[i] = config->interfaces[i].has_mac ? config->interfaces[i].mac
							: (struct gt_mac){{0x02, 0, 0, 0, 0, 0x01}};
	if (gt_node_create(config, macs, &hooks, &r->node) != 0 && r->node == NULL)
		goto no_memory;
	r->options.config = NULL; /* the node's from here on */
	r->node->snat |= params.snat;
	if (create_workers(r, &params) == 0)
		return 0;

no_memory:
	fprintf(stderr,
		"gantry: no memory for %" PRIu32
		" connections; fewer `connections` in the configuration need less\n",
		params.connections);
	return -1;
}

static int create_buffers(struct replay *r)
{
	size_t n = KEPT_MAX(r->options.config->workers);

	r->arena = malloc(ARENA_BYTES);
	r->kept = malloc(n * LONGEST_BYTES);
	r->free = malloc(n * sizeof(*r->free));
	if (r->arena == NULL || r->kept == NULL || r->free == NULL) {
		fputs("gantry: no memory for buffers\n", stderr);
		return -1;
	}
	ASAN_POISON_MEMORY_REGION(r->kept, n * LONGEST_BYTES);
	/* The first one lies on top, and mostly it is the only one that is ever used. */
	for (r->n_free = 0; r->n_free < n; r->n_free++)
		r->free[r->n_free] = r->kept + (n - 1 - r->n_free) * LONGEST_BYTES;
	return 0;
}

static void destroy(struct replay *r)
{
	for (unsigned i = 0; i < r->n_workers; i++)
		gt_worker_destroy(r->workers[i]);
	if (r->node != NULL)
		gt_node_destroy(r->node);
	gt_captures_destroy(r->in);
	free(r->loads);
	free(r->turns);
	free(r->arena);
	free(r->kept);
	free(r->free);
	gt_replay_options_free(&r->options);
}

int gt_command_replay(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = interrupt};
	struct replay r = {0};
	bool good = false;
	int rc = gt_replay_options_read(&r.options, argc, argv);

	if (rc < 0) {
		sigaction(SIGINT, &action, NULL);
		sigaction(SIGTERM, &action, NULL);
		good = open_captures(&r) == 0 && create_buffers(&r) == 0 && create_core(&r) == 0 &&
		       run(&r) == 0 && identity_holds(&r);
		/* What precedes the damage of a capture is whole, but the exit code tells of it. */
		good = close_outputs(&r, good) == 0 && good && report(&r) == 0 &&
		       !gt_captures_damaged(r.in);
		rc = good ? GT_EXIT_OK : GT_EXIT_FAILED;
	}
	destroy(&r);
	return rc;
}
