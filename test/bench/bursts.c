/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The worst burst that a worker has while something happens to a million connections: they expire,
 * or a server goes down. Each story is told several times, the same burst for burst; of each burst
 * the shortest time counts, as what else the machine does hits another one each time, and of these
 * the longest is the worst. Prints a table, or JSON for docs/performance.md.
 *
 *   bursts CONFIG VIP [CONNECTIONS [json]]
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <rte_tcp.h>

#include "../../app/gantry/bench_traffic.h"

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
};

struct scene {
	const char *what;
	void (*play)(const struct story *s, struct gt_worker *w, struct gt_traffic *t, double *us,
		     unsigned *n);
	double us[BURSTS_MAX]; /* the shortest of all runs */
	unsigned n;
	uint64_t lost, moved, expired;
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

static void play_quiet(const struct story *s, struct gt_worker *w, struct gt_traffic *t, double *us,
		       unsigned *n)
{
	for (*n = 0; *n < QUIET; ++*n)
		us[*n] = burst(w, s->plans[0], t, GT_TRAFFIC_NOW_MS + 1 + *n,
			       (uint64_t)*n * GT_BURST_MAX * STEP, STEP, s->flows);
}

/* All but the first thousand rest until they expire; the sweep takes them away in 10 s, a
 * millisecond each burst. */
static void play_expiry(const struct story *s, struct gt_worker *w, struct gt_traffic *t,
			double *us, unsigned *n)
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
static void play_down(const struct story *s, struct gt_worker *w, struct gt_traffic *t, double *us,
		      unsigned *n)
{
	unsigned bursts = s->flows / GT_BURST_MAX;

	for (*n = 0; *n < bursts && *n < BURSTS_MAX; ++*n)
		us[*n] = burst(w, s->plans[1], t, GT_TRAFFIC_NOW_MS + 1 + *n / 100,
			       (uint64_t)*n * GT_BURST_MAX * STEP, STEP, s->flows);
}

/* ---- telling ---- */

static void stop(const char *why)
{
	fprintf(stderr, "bursts: %s\n", why);
	exit(1);
}

static void tell_once(const struct story *s, struct scene *scene, bool first)
{
	static double us[BURSTS_MAX];
	struct gt_worker_params params;
	struct gt_worker *w;
	struct gt_traffic t;
	char why[120];

	gt_worker_params_init(&params, s->config);
	params.connections = (uint32_t)(s->flows / 0.8);
	params.memory = (struct gt_memory){take, give_back, NULL};
	w = gt_worker_create(&params);
	if (w == NULL || gt_traffic_create(&t, s->config, s->vip, s->macs, s->flows) != 0)
		stop("not enough memory");
	if (!gt_traffic_establish(&t, w, s->plans[0], s->flows, why, sizeof(why)))
		stop(why);
	gt_worker_tick(w, s->plans[0], GT_TRAFFIC_NOW_MS);
	scene->play(s, w, &t, us, &scene->n);
	for (unsigned i = 0; i < scene->n; i++)
		if (first || us[i] < scene->us[i])
			scene->us[i] = us[i];
	scene->lost = w->counters.in - w->counters.forwarded;
	scene->moved = w->counters.moved;
	scene->expired = s->flows - w->flows.entries;
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
		      ", \"moved\": %" PRIu64 ", \"expired\": %" PRIu64 "}"
		    : "%-24s %7u %9.2f %9.2f %9.2f %9.2f %6" PRIu64 " %9" PRIu64 " %9" PRIu64,
	       scene->what, scene->n, v[scene->n / 2], v[scene->n * 999ULL / 1000], v[scene->n - 1],
	       first, scene->lost, scene->moved, scene->expired);
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
					{.what = "a server goes down", .play = play_down}};
	const unsigned n_scenes = sizeof(scenes) / sizeof(scenes[0]);
	struct gt_config_messages messages;
	struct gt_plan *plans[2];
	struct gt_config *config;
	struct story s = {0};
	bool json = argc > 4;

	if (argc < 3 || gt_config_load(argv[1], &config, &messages) != 0) {
		fputs("usage: bursts CONFIG VIP [CONNECTIONS [json]]\n", stderr);
		return 2;
	}
	s.config = config;
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
		printf("%-24s %7s %9s %9s %9s %9s %6s %9s %9s\n", "microseconds", "bursts",
		       "median", "99.9 %", "worst", "first", "lost", "moved", "expired");
	for (unsigned i = 0; i < n_scenes; i++) {
		for (unsigned run = 0; run < RUNS; run++)
			tell_once(&s, &scenes[i], run == 0);
		print(&scenes[i], json, i == n_scenes - 1);
	}
	if (json)
		puts("]");
	gt_plan_free(plans[0]);
	gt_plan_free(plans[1]);
	gt_config_free(config);
	gt_config_messages_free(&messages);
	return 0;
}
