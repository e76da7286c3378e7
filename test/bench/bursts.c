/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The worst burst that a worker has while something happens to millions of connections: they
 * expire, a server goes down, or plans change a thousand times a minute. Each story is told several
 * times, the same burst for burst; of each burst the shortest time counts, as what else the machine
 * does hits another one each time, and of these the longest is the worst. Prints a table, or JSON
 * for docs/performance.md.
 *
 *   bursts CONFIG VIP [CONNECTIONS [json|table [changes]]]
 *
 * changes: that story alone.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <rte_tcp.h>

#include "../../app/gantry/bench_traffic.h"
#include "node/node.h"

#define RUNS	   5
#define BURSTS_MAX 40000
/* 64 frames of a quiet moment, to compare with. */
#define QUIET 2000

struct story {
	const struct gt_config *config;
	const struct gt_config_vip *vip;
	const struct gt_plan *plans[2]; /* as it is; without the VIP's first server */
	struct gt_mac macs[GT_INTERFACES_MAX];
	uint32_t flows;
	const char *file; /* the configuration's */
	/* Of changing plans: main's part; who has each connection; how many were seen to move. */
	struct gt_node *node;
	uint8_t *server_of;
	uint64_t seen_moved;
	unsigned changes;
};

struct scene {
	const char *what;
	void (*play)(struct story *s, struct gt_worker *w, struct gt_traffic *t, double *us,
		     unsigned *n);
	double us[BURSTS_MAX]; /* the shortest of all runs */
	unsigned n;
	uint64_t lost, moved, expired, bytes;
	unsigned changes;
};

/* Tables on huge pages, as `gantry run` has them, where there are any. */
struct block {
	size_t bytes;
	uint8_t pad[56];
};

static void *take(void *ctx, size_t bytes)
{
	size_t whole = (bytes + sizeof(struct block) + (2 << 20) - 1) & ~(size_t)((2 << 20) - 1);
	struct block *b;

	(void)ctx;
	b = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1,
		 0);
	if (b == MAP_FAILED)
		b = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (b == MAP_FAILED)
		return NULL;
	memset(b, 0, whole);
	b->bytes = whole;
	return b + 1;
}

static void give_back(void *ctx, void *p)
{
	(void)ctx;
	if (p != NULL)
		munmap((struct block *)p - 1, ((struct block *)p - 1)->bytes);
}

static void __attribute__((noreturn)) stop(const char *why)
{
	fprintf(stderr, "bursts: %s\n", why);
	exit(1);
}

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* A burst of established connections, and the tick behind it, as the worker's loop has both. */
static double burst(struct gt_worker *w, const struct gt_plan *plan, struct gt_traffic *t,
		    uint64_t now_ms, uint64_t first, uint32_t step, uint32_t flows)
{
	double begin;

	for (unsigned i = 0; i < GT_BURST_MAX; i++)
		gt_traffic_request(t, i, (uint32_t)((first + (uint64_t)i * step) % flows),
				   RTE_TCP_ACK_FLAG);
	begin = now_us();
	gt_worker_burst(w, plan, now_ms, t->frames, GT_BURST_MAX);
	gt_worker_tick(w, plan, now_ms);
	return now_us() - begin;
}

/* ---- scenes ---- */

/* A step that no prefetcher guesses, and prime to any number of flows in use here. */
#define STEP 7919

static void play_quiet(struct story *s, struct gt_worker *w, struct gt_traffic *t, double *us,
		       unsigned *n)
{
	for (*n = 0; *n < QUIET; ++*n)
		us[*n] = burst(w, s->plans[0], t, GT_TRAFFIC_NOW_MS + 1 + *n,
			       (uint64_t)*n * GT_BURST_MAX * STEP, STEP, s->flows);
}

/* All but the first thousand rest until they expire; the sweep takes them away in 10 s, a
 * millisecond each burst. */
static void play_expiry(struct story *s, struct gt_worker *w, struct gt_traffic *t, double *us,
			unsigned *n)
{
	uint64_t after = GT_TRAFFIC_NOW_MS;
	double unused;

	/* An hour passes, and again: the thousand stay alive. No tick, as nothing is swept yet. */
	for (unsigned hours = 0; hours < 3; hours++) {
		after += 3600000;
		for (unsigned i = 0; i < 1024; i += GT_BURST_MAX) {
			for (unsigned j = 0; j < GT_BURST_MAX; j++)
				gt_traffic_request(t, j, (i + j) % s->flows, RTE_TCP_ACK_FLAG);
			gt_worker_burst(w, s->plans[0], after, t->frames, GT_BURST_MAX);
		}
	}
	/* Between those hours it had swept, and found nothing. */
	w->swept_ms = after;
	w->sweep_credit = 0;
	for (unsigned i = 0; i < 100; i++)
		unused = burst(w, s->plans[0], t, after, i * GT_BURST_MAX, 1, 1024);
	(void)unused;
	for (*n = 0; *n < 10500; ++*n)
		us[*n] = burst(w, s->plans[0], t, after + 1 + *n, *n * GT_BURST_MAX, 1, 1024);
}

/* The first server goes down: all connections send one frame each. */
static void play_down(struct story *s, struct gt_worker *w, struct gt_traffic *t, double *us,
		      unsigned *n)
{
	unsigned bursts = s->flows / GT_BURST_MAX;

	for (*n = 0; *n < bursts && *n < BURSTS_MAX; ++*n)
		us[*n] = burst(w, s->plans[1], t, GT_TRAFFIC_NOW_MS + 1 + *n / 100,
			       (uint64_t)*n * GT_BURST_MAX * STEP, STEP, s->flows);
}

/* ---- plans that change ---- */

/* A burst each millisecond, and a change each 60 of them. */
#define CHANGE_MS      60
#define CHANGES_BURSTS 20000
/* The first server is down from one change to another. */
#define DOWN_AT 100
#define UP_AT	200

/* Main's node of the same configuration, whose numbers are the same, with all servers there. */
static struct gt_node *make_node(const struct story *s)
{
	struct gt_config_messages messages;
	struct gt_node_hooks hooks = {0};
	struct gt_config *config;
	struct gt_node *node;
	size_t k = 0;

	if (gt_config_load(s->file, &config, &messages) != 0 ||
	    gt_node_create(config, s->macs, &hooks, &node) != 0)
		stop("no node");
	gt_config_messages_free(&messages);
	for (size_t i = 0; i < config->n_vips; i++)
		for (unsigned j = 0; j < config->vips[i].n_servers; j++, k++) {
			node->states[k].resolved = true;
			node->states[k].mac = gt_traffic_server_mac(j);
		}
	node->dirty = true;
	node->stations_moved = false;
	if (!gt_node_refresh(node))
		stop("no plan");
	gt_node_reclaim(node);
	return node;
}

/* Another core wrote the plan: this one has none of it. */
static void forget(const void *p, size_t bytes)
{
#ifdef __SSE2__
	for (size_t i = 0; i < bytes; i += 64)
		_mm_clflush((const char *)p + i);
#else
	(void)p;
	(void)bytes;
#endif
}

static void forget_plan(const struct gt_plan *plan)
{
	forget(plan, sizeof(*plan));
	forget(plan->vips, plan->n_vips * sizeof(*plan->vips));
	forget(plan->servers, plan->n_servers * sizeof(*plan->servers));
	forget(plan->addresses, ((size_t)plan->addresses_mask + 1) * sizeof(*plan->addresses));
	for (uint32_t i = 1; i < plan->n_vips; i++)
		forget(plan->vips[i].slots, plan->vips[i].n_slots * sizeof(uint16_t));
}

/* Another weight, or the server that goes and comes back. The older plan is freed before the next
 * one is made, when it is in use no more. */
static void change(struct story *s, unsigned n)
{
	const struct gt_config_vip *vip = s->vip;
	char name[2 * GT_NAME_MAX + 2];
	unsigned server = n == DOWN_AT || n == UP_AT ? 0 : 1 + n % ((unsigned)vip->n_servers - 1);
	enum gt_node_action action = n == DOWN_AT ? GT_ACTION_DOWN
				     : n == UP_AT ? GT_ACTION_UP
						  : GT_ACTION_WEIGHT;

	snprintf(name, sizeof(name), "%s/%s", vip->name, vip->servers[server].name);
	gt_node_reclaim(s->node);
	if (gt_node_act(s->node, action, name, 50 + n % 97, NULL, 0) != 0 ||
	    !gt_node_refresh(s->node))
		stop("a change makes no plan");
	forget_plan(s->node->plan);
	s->changes++;
}

static unsigned server_in(const struct gt_frame *f)
{
	return (unsigned)(f->data[4] << 8 | f->data[5]);
}

/* Connections may leave a server that is down, and no other. */
static void look_who_moved(struct story *s, const struct gt_traffic *t, const uint32_t *flows,
			   bool down)
{
	for (unsigned i = 0; i < GT_BURST_MAX; i++) {
		unsigned server = server_in(&t->frames[i]);

		if (t->frames[i].verdict != GT_SEND)
			stop("a frame was dropped");
		if (server == s->server_of[flows[i]])
			continue;
		if (!down || s->server_of[flows[i]] != 0)
			stop("a connection moved whose server is there");
		s->server_of[flows[i]] = (uint8_t)server;
		s->seen_moved++;
	}
}

static double burst_of(struct gt_worker *w, const struct gt_plan *plan, struct gt_traffic *t,
		       uint64_t now_ms, const uint32_t *flows)
{
	double begin;

	for (unsigned i = 0; i < GT_BURST_MAX; i++)
		gt_traffic_request(t, i, flows[i], RTE_TCP_ACK_FLAG);
	begin = now_us();
	gt_worker_burst(w, plan, now_ms, t->frames, GT_BURST_MAX);
	gt_worker_tick(w, plan, now_ms);
	return now_us() - begin;
}

static void learn_servers(struct story *s, struct gt_worker *w, struct gt_traffic *t)
{
	uint32_t flows[GT_BURST_MAX];

	for (uint32_t f = 0; f < s->flows; f += GT_BURST_MAX) {
		for (unsigned i = 0; i < GT_BURST_MAX; i++)
			flows[i] = (f + i) % s->flows;
		burst_of(w, s->node->plan, t, GT_TRAFFIC_NOW_MS, flows);
		for (unsigned i = 0; i < GT_BURST_MAX; i++)
			s->server_of[flows[i]] = (uint8_t)server_in(&t->frames[i]);
	}
}

static void play_changes(struct story *s, struct gt_worker *w, struct gt_traffic *t, double *us,
			 unsigned *n)
{
	uint32_t flows[GT_BURST_MAX];
	uint64_t random = 1;

	s->node = make_node(s);
	s->server_of = malloc(s->flows);
	s->seen_moved = s->changes = 0;
	if (s->server_of == NULL)
		stop("not enough memory");
	learn_servers(s, w, t);
	for (*n = 0; *n < CHANGES_BURSTS; ++*n) {
		if (*n % CHANGE_MS == 0)
			change(s, *n / CHANGE_MS);
		for (unsigned i = 0; i < GT_BURST_MAX; i++) {
			random = random * 6364136223846793005ULL + 1442695040888963407ULL;
			flows[i] = (uint32_t)((random >> 32) * s->flows >> 32);
		}
		us[*n] = burst_of(w, s->node->plan, t, GT_TRAFFIC_NOW_MS + 1 + *n, flows);
		look_who_moved(s, t, flows, s->changes > DOWN_AT && s->changes <= UP_AT);
	}
	if (s->seen_moved != w->counters.moved)
		stop("more or fewer connections moved than were seen to");
	free(s->server_of);
	gt_node_destroy(s->node);
}

/* ---- telling ---- */

static void tell_once(struct story *s, struct scene *scene, bool first)
{
	static double us[BURSTS_MAX];
	struct gt_worker_params params;
	struct gt_worker *w;
	struct gt_traffic t;
	char why[120];

	gt_worker_params_init(&params, s->config);
	params.connections = (uint32_t)(s->flows / 0.8);
	params.snat = params.snat && s->vip->mode == GT_MODE_SNAT; /* others need no sessions */
	params.memory = (struct gt_memory){take, give_back, NULL};
	w = gt_worker_create(&params);
	if (w == NULL || gt_traffic_create(&t, s->config, s->vip, s->macs, s->flows) != 0)
		stop("not enough memory");
	if (!gt_traffic_establish(&t, w, s->plans[0], GT_TRAFFIC_NOW_MS, s->flows, why,
				  sizeof(why)))
		stop(why);
	gt_worker_tick(w, s->plans[0], GT_TRAFFIC_NOW_MS);
	scene->play(s, w, &t, us, &scene->n);
	for (unsigned i = 0; i < scene->n; i++)
		if (first || us[i] < scene->us[i])
			scene->us[i] = us[i];
	scene->lost = w->counters.in - w->counters.forwarded;
	scene->moved = w->counters.moved;
	scene->expired = s->flows - w->flows.entries;
	scene->changes = s->changes;
	scene->bytes = gt_worker_bytes(&params);
	gt_traffic_destroy(&t);
	gt_worker_destroy(w);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void print(struct scene *scene, bool json, bool last)
{
	double first = scene->us[0], *v = scene->us;

	qsort(v, scene->n, sizeof(*v), by_value);
	printf(json ? " {\"what\": \"%s\", \"bursts\": %u, \"median_us\": %.2f, \"p999_us\": %.2f, "
		      "\"worst_us\": %.2f, \"first_us\": %.2f, \"lost\": %" PRIu64
		      ", \"moved\": %" PRIu64 ", \"expired\": %" PRIu64
		      ", \"changes\": %u, \"mb\": %" PRIu64 "}"
		    : "%-24s %7u %9.2f %9.2f %9.2f %9.2f %6" PRIu64 " %9" PRIu64 " %9" PRIu64
		      " %7u %6" PRIu64,
	       scene->what, scene->n, v[scene->n / 2], v[scene->n * 999ULL / 1000], v[scene->n - 1],
	       first, scene->lost, scene->moved, scene->expired, scene->changes,
	       scene->bytes >> 20);
	puts(json && !last ? "," : "");
}

static const struct gt_config_vip *find_vip(const struct gt_config *c, const char *name)
{
	for (size_t i = 0; i < c->n_vips; i++)
		if (strcmp(c->vips[i].name, name) == 0)
			return &c->vips[i];
	stop("no such VIP");
	return NULL;
}

int main(int argc, char **argv)
{
	static struct scene scenes[] = {{.what = "quiet", .play = play_quiet},
					{.what = "connections expire", .play = play_expiry},
					{.what = "a server goes down", .play = play_down},
					{.what = "plans change", .play = play_changes}};
	struct gt_config_messages messages;
	struct gt_plan *plans[2];
	struct gt_config *config;
	struct story s = {0};
	bool json = argc > 4 && strcmp(argv[4], "json") == 0;
	bool changes = argc > 5 && strcmp(argv[5], "changes") == 0;
	/* That of changes is told apart. */
	const unsigned first = changes ? 3 : 0, last = changes ? 3 : 2;

	if (argc < 3 || gt_config_load(argv[1], &config, &messages) != 0) {
		fputs("usage: bursts CONFIG VIP [CONNECTIONS [json|table [changes]]]\n", stderr);
		return 2;
	}
	s.config = config;
	s.file = argv[1];
	s.vip = find_vip(config, argv[2]);
	s.flows = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 1000000;
	if (s.flows < 2048 || s.flows > 10000000)
		stop("CONNECTIONS: 2048 to 10000000");
	if (gt_traffic_plan(config, s.macs, &plans[0]) != 0)
		stop("no plan");
	find_vip(config, argv[2])->servers[0].state = GT_ADMIN_DISABLED;
	if (gt_traffic_plan(config, s.macs, &plans[1]) != 0)
		stop("no plan");
	s.plans[0] = plans[0];
	s.plans[1] = plans[1];
	if (json)
		puts("[");
	else
		printf("%-24s %7s %9s %9s %9s %9s %6s %9s %9s %7s %6s\n", "microseconds", "bursts",
		       "median", "99.9 %", "worst", "first", "lost", "moved", "expired", "changes",
		       "MB");
	for (unsigned i = first; i <= last; i++) {
		for (unsigned run = 0; run < RUNS; run++)
			tell_once(&s, &scenes[i], run == 0);
		print(&scenes[i], json, i == last);
	}
	if (json)
		puts("]");
	gt_plan_free(plans[0]);
	gt_plan_free(plans[1]);
	gt_config_free(config);
	gt_config_messages_free(&messages);
	return 0;
}
