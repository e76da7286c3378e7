/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Maglev against weighted rendezvous hashing: what moves without need when a server comes, goes or
 * changes its weight, how evenly they spread, and what building costs. Prints the tables of
 * docs/schedulers.md; not installed.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "balance/rendezvous.h"

#define SERVERS_MAX 600
#define SEEDS	    10

struct table {
	uint16_t *slots;
	uint32_t size;
};

static const struct gt_siphash_key unkeyed;

/* Server i of the list, as its own identity whatever the seed. */
static void make_servers(struct gt_maglev_server *s, size_t n)
{
	for (uint64_t i = 0; i < n; i++)
		s[i] = (struct gt_maglev_server){.identity = gt_siphash(&unkeyed, &i, sizeof(i)),
						 .weight = 100,
						 .value = (uint16_t)(i + 1)};
}

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void stop(void)
{
	fputs("no memory\n", stderr);
	exit(1);
}

static struct table build(bool rendezvous, const struct gt_siphash_key *key,
			  const struct gt_maglev_server *s, size_t n, double *ms)
{
	struct table t = {.size = gt_maglev_size(n)};
	double start = now_ms();
	int ret;

	t.slots = malloc(t.size * sizeof(*t.slots));
	if (t.slots == NULL)
		stop();
	ret = rendezvous ? gt_rendezvous_build(key, s, n, t.slots, t.size)
			 : gt_maglev_build(key, s, n, t.slots, t.size);
	if (ret != 0)
		stop();
	*ms += now_ms() - start;
	return t;
}

/* The fullest server's slots, relative to its share by weight. */
static double fullest(const struct table *t, const struct gt_maglev_server *s, size_t n)
{
	double sum = 0, worst = 0;
	uint32_t *count = calloc(SERVERS_MAX + 2, sizeof(*count));

	if (count == NULL)
		stop();
	for (uint32_t i = 0; i < t->size; i++)
		count[t->slots[i]]++;
	for (size_t i = 0; i < n; i++)
		sum += s[i].weight;
	for (size_t i = 0; i < n; i++) {
		double share = count[s[i].value] / ((double)t->size * s[i].weight / sum);

		worst = share > worst ? share : worst;
	}
	free(count);
	return worst;
}

/* Slots that changed though the server `changed` neither had nor got them, of all: percent. */
static double needless(const struct table *a, const struct table *b, uint16_t changed)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < a->size; i++)
		n += a->slots[i] != b->slots[i] && a->slots[i] != changed && b->slots[i] != changed;
	return 100.0 * n / a->size;
}

struct figures {
	double add, remove, halve, fullest, weighted, build_ms, update_ms;
};

static void add_change(bool rendezvous, const struct gt_siphash_key *key,
		       const struct gt_maglev_server *old, size_t n_old, const struct table *was,
		       const struct gt_maglev_server *s, size_t n, uint16_t changed,
		       double *percent, double *update_ms)
{
	double ms = 0;
	struct table t = build(rendezvous, key, s, n, &ms);

	*percent += needless(was, &t, changed) / SEEDS;
	if (rendezvous) {
		ms = -now_ms();
		if (gt_rendezvous_update(key, old, n_old, was->slots, s, n, t.slots, t.size) != 0)
			stop();
		ms += now_ms();
	}
	*update_ms += ms / 3 / SEEDS;
	free(t.slots);
}

/* Weights of 50 to 250, as machines of several generations have them. */
static double fullest_weighted(bool rendezvous, const struct gt_siphash_key *key,
			       struct gt_maglev_server *s, size_t n)
{
	double ms = 0, worst;
	struct table t;

	for (size_t i = 0; i < n; i++)
		s[i].weight = 50 + (uint32_t)(i % 5) * 50;
	t = build(rendezvous, key, s, n, &ms);
	worst = fullest(&t, s, n);
	free(t.slots);
	return worst;
}

static struct figures measure(bool rendezvous, size_t n)
{
	struct gt_maglev_server s[SERVERS_MAX + 1], changed[SERVERS_MAX + 1];
	struct figures f = {0};

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct gt_siphash_key key = gt_siphash_key_from_seed(seed);
		double ms = 0;
		struct table t;

		make_servers(s, n + 1);
		t = build(rendezvous, &key, s, n, &ms);
		f.build_ms += ms / SEEDS;
		f.fullest += fullest(&t, s, n) / SEEDS;
		add_change(rendezvous, &key, s, n, &t, s, n + 1, (uint16_t)(n + 1), &f.add,
			   &f.update_ms);
		add_change(rendezvous, &key, s, n, &t, s + 1, n - 1, 1, &f.remove, &f.update_ms);
		memcpy(changed, s, sizeof(s));
		changed[1].weight = 50;
		add_change(rendezvous, &key, s, n, &t, changed, n, 2, &f.halve, &f.update_ms);
		f.weighted += fullest_weighted(rendezvous, &key, s, n) / SEEDS;
		free(t.slots);
	}
	return f;
}

int main(void)
{
	static const size_t sizes[] = {2, 3, 8, 32, 128, 600};

	puts("| servers | scheduler | add | remove | halve a weight | fullest | fullest, weights "
	     "50-250 | build | change |");
	puts("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (int r = 0; r < 2; r++) {
			struct figures f = measure(r == 1, sizes[i]);

			printf("| %zu | %s | %.3f %% | %.3f %% | %.3f %% | %.4f | %.4f | %.1f ms | "
			       "%.1f ms |\n",
			       sizes[i], r == 1 ? "rendezvous" : "maglev", f.add, f.remove, f.halve,
			       f.fullest, f.weighted, f.build_ms, f.update_ms);
		}
	return 0;
}
