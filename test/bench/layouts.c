/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Layouts of a connection table beside the one that gantry has (lib/flow/flow.h): what a look-up
 * costs, and what an entry takes. All have the same exact keys of 8 bytes, the same hash, bursts of
 * 64 whose lines are prefetched before the first is read, a write of the time at each hit, and room
 * as at 80 % use. Nothing of it is shipped; it shows why the layout is what it is.
 *
 *   layouts [FLOWS...]      one JSON array on stdout; 1000 100000 1000000 10000000
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <rte_prefetch.h>

#include "base/frame.h"
#include "flow/flow.h"

#define SAMPLE (256 * 1024)
#define ROUNDS 9
/* Entries that a table is made for, and its slots, relative to those that are in it. */
#define ROOM  (1 / 0.8)
#define SLOTS (ROOM * 8 / 5)

/* ---- keys and memory ---- */

/* The client and port of connection i: splitmix64 (Steele 2014), of service 1. */
static inline uint64_t key_of(uint64_t i)
{
	i = (i + 1) * 0x9e3779b97f4a7c15ULL;
	i = (i ^ i >> 30) * 0xbf58476d1ce4e5b9ULL;
	i = (i ^ i >> 27) * 0x94d049bb133111ebULL;
	return ((i ^ i >> 31) & 0xffffffffffffULL) | 1ULL << 48;
}

static void *take(void *ctx, size_t bytes)
{
	size_t whole = (bytes + (2 << 20) - 1) & ~(size_t)((2 << 20) - 1);
	void *p = mmap(NULL, whole, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);

	(void)ctx;
	if (p == MAP_FAILED) {
		fputs("layouts: no hugepages\n", stderr);
		exit(77);
	}
	memset(p, 0, whole);
	return p;
}

/* Tables stay until the process ends. */
static void give_back(void *ctx, void *p)
{
	(void)ctx;
	(void)p;
}

static struct gt_flow_table ours;
static uint32_t now = 1;

static inline uint32_t place_of(uint64_t hash32, uint32_t n)
{
	return (uint32_t)((hash32 & 0xffffffff) * n >> 32);
}

static void hash_burst(const uint32_t flow[GT_BURST_MAX], uint64_t keys[GT_BURST_MAX],
		       uint64_t hashes[GT_BURST_MAX])
{
	for (unsigned i = 0; i < GT_BURST_MAX; i++) {
		keys[i] = key_of(flow[i]);
		hashes[i] = gt_flow_hash_narrow(&ours, keys[i]);
	}
}

/* ---- gantry's: four slots of 16 bytes a line ---- */

static const struct gt_memory memory = {take, give_back, NULL};

static uint64_t ours_create(uint32_t n)
{
	static const uint8_t random[16] = {1, 2, 3, 4};

	if (gt_flow_create(&ours, (uint32_t)(n * ROOM), false, random, &memory) != 0)
		exit(1);
	return gt_flow_bytes((uint32_t)(n * ROOM), false);
}

static void no_view(const void *ctx, uint16_t service, uint32_t value, struct gt_flow_view *v)
{
	(void)ctx;
	(void)service;
	(void)value;
	v->timeout = UINT32_MAX;
}

static bool ours_insert(uint64_t key, uint64_t hash)
{
	const struct gt_flow_judge judge = {.view = no_view};
	const struct gt_flow_key k = {.lo = key, .service = 1, .port = (rte_be16_t)(key >> 32)};

	return gt_flow_insert(&ours, &k, hash, 1, GT_FLOW_ESTABLISHED, now, &judge).slot != NULL;
}

static unsigned ours_look_up(const uint32_t flow[GT_BURST_MAX])
{
	struct gt_flow_bucket *buckets[GT_BURST_MAX];
	struct gt_flow_slot *found_in[GT_BURST_MAX];
	uint64_t keys[GT_BURST_MAX], hashes[GT_BURST_MAX];
	unsigned found = 0;

	hash_burst(flow, keys, hashes);
	for (unsigned i = 0; i < GT_BURST_MAX; i++)
		buckets[i] = gt_flow_prefetch(&ours, hashes[i]);
	for (unsigned i = 0; i < GT_BURST_MAX; i++) {
		found_in[i] = gt_flow_find_narrow(buckets[i], keys[i]);
		if (found_in[i] == NULL)
			gt_flow_prefetch_second(&ours, &(struct gt_flow_key){.lo = keys[i]},
						hashes[i]);
	}
	for (unsigned i = 0; i < GT_BURST_MAX; i++) {
		struct gt_flow_ref ref = {found_in[i]};

		if (ref.slot == NULL)
			ref = gt_flow_search(&ours, &(struct gt_flow_key){.lo = keys[i]},
					     hashes[i]);
		if (ref.slot == NULL)
			continue;
		gt_flow_touch(ref, GT_FLOW_ESTABLISHED, now);
		found++;
	}
	return found;
}

struct slot {
	uint64_t key;
	uint32_t value, time;
};

/* ---- eight tags of 16 bits a line, and where each entry is: as rte_hash and cuckoo tables ---- */

static struct tags {
	uint16_t tag[8]; /* 0: free */
	uint32_t index[8];
	uint8_t pad[16];
} * tags;
static struct slot *entries;
static uint32_t n_tags, n_entries;

static uint64_t tags_create(uint32_t n)
{
	n_tags = (uint32_t)(n * SLOTS / 8) + 2;
	n_entries = 0;
	tags = take(NULL, n_tags * sizeof(*tags));
	entries = take(NULL, (size_t)(n * ROOM) * sizeof(*entries));
	return n_tags * sizeof(*tags) + (size_t)(n * ROOM) * sizeof(*entries);
}

static inline uint16_t tag_of(uint64_t hash)
{
	return (uint16_t)(hash >> 32 | 1); /* bits that choose no bucket */
}

static bool tags_insert(uint64_t key, uint64_t hash)
{
	for (unsigned second = 0; second < 2; second++) {
		struct tags *b = &tags[place_of(hash >> (second * 32), n_tags)];

		for (unsigned i = 0; i < 8; i++) {
			if (b->tag[i] != 0)
				continue;
			b->tag[i] = tag_of(hash);
			b->index[i] = n_entries;
			entries[n_entries++] = (struct slot){key, 1, now};
			return true;
		}
	}
	return false;
}

/* A bit pair for each tag that is equal. */
static inline unsigned match_tags(const struct tags *b, uint16_t tag)
{
	unsigned hits = 0;

	for (unsigned i = 0; i < 8; i++)
		hits |= (unsigned)(b->tag[i] == tag) << i;
	return hits;
}

static inline struct slot *tags_search(const struct tags *b, uint16_t tag, uint64_t key)
{
	for (unsigned hits = match_tags(b, tag); hits != 0; hits &= hits - 1) {
		struct slot *e = &entries[b->index[__builtin_ctz(hits)]];

		if (e->key == key)
			return e;
	}
	return NULL;
}

static unsigned tags_look_up(const uint32_t flow[GT_BURST_MAX])
{
	uint64_t keys[GT_BURST_MAX], hashes[GT_BURST_MAX];
	unsigned found = 0;

	hash_burst(flow, keys, hashes);
	for (unsigned i = 0; i < GT_BURST_MAX; i++)
		rte_prefetch0(&tags[place_of(hashes[i], n_tags)]);
	for (unsigned i = 0; i < GT_BURST_MAX; i++) {
		const struct tags *b = &tags[place_of(hashes[i], n_tags)];
		unsigned hits = match_tags(b, tag_of(hashes[i]));

		if (hits != 0)
			rte_prefetch0(&entries[b->index[__builtin_ctz(hits)]]);
		else
			rte_prefetch0(&tags[place_of(hashes[i] >> 32, n_tags)]);
	}
	for (unsigned i = 0; i < GT_BURST_MAX; i++) {
		struct slot *e =
			tags_search(&tags[place_of(hashes[i], n_tags)], tag_of(hashes[i]), keys[i]);

		if (e == NULL)
			e = tags_search(&tags[place_of(hashes[i] >> 32, n_tags)], tag_of(hashes[i]),
					keys[i]);
		if (e == NULL)
			continue;
		e->time = now;
		found++;
	}
	return found;
}

/* ---- three entries of 20 bytes a line: both addresses and ports, as without a service ---- */

struct wide_slot {
	uint32_t key[3]; /* client, VIP, ports */
	uint32_t value, time;
};

static struct triple {
	struct wide_slot slots[3];
	uint32_t spilled;
} * triples;
static uint32_t n_triples;
_Static_assert(sizeof(struct triple) == 64, "a line");

static uint64_t triples_create(uint32_t n)
{
	n_triples = (uint32_t)(n * SLOTS / 3) + 2;
	triples = take(NULL, n_triples * sizeof(*triples));
	return n_triples * sizeof(*triples);
}

static inline struct wide_slot *triples_search(struct triple *b, uint64_t key)
{
	uint32_t client = (uint32_t)key, ports = (uint32_t)(key >> 32 & 0xffff) | 104U << 16;

	for (unsigned i = 0; i < 3; i++) {
		const uint32_t *k = b->slots[i].key;

		if (((k[0] ^ client) | (k[1] ^ 0xc0000264) | (k[2] ^ ports)) == 0)
			return &b->slots[i];
	}
	return NULL;
}

static bool triples_insert(uint64_t key, uint64_t hash)
{
	struct triple *first = &triples[place_of(hash, n_triples)];

	for (unsigned second = 0; second < 2; second++) {
		struct triple *b = &triples[place_of(hash >> (second * 32), n_triples)];

		for (unsigned i = 0; i < 3; i++) {
			if (b->slots[i].value != 0)
				continue;
			b->slots[i] =
				(struct wide_slot){{(uint32_t)key, 0xc0000264,
						    (uint32_t)(key >> 32 & 0xffff) | 104U << 16},
						   1,
						   now};
			first->spilled |= second;
			return true;
		}
	}
	return false;
}

static unsigned triples_look_up(const uint32_t flow[GT_BURST_MAX])
{
	uint64_t keys[GT_BURST_MAX], hashes[GT_BURST_MAX];
	unsigned found = 0;

	hash_burst(flow, keys, hashes);
	for (unsigned i = 0; i < GT_BURST_MAX; i++)
		rte_prefetch0(&triples[place_of(hashes[i], n_triples)]);
	for (unsigned i = 0; i < GT_BURST_MAX; i++) {
		struct triple *b = &triples[place_of(hashes[i], n_triples)];
		struct wide_slot *s = triples_search(b, keys[i]);

		if (s == NULL && b->spilled)
			s = triples_search(&triples[place_of(hashes[i] >> 32, n_triples)], keys[i]);
		if (s == NULL)
			continue;
		s->time = now;
		found++;
	}
	return found;
}

/* ---- slots of 16 bytes, linear probing ---- */

static struct slot *line;
static uint32_t n_line;

static uint64_t line_create(uint32_t n)
{
	n_line = (uint32_t)(n * SLOTS) + 2;
	line = take(NULL, n_line * sizeof(*line));
	return n_line * sizeof(*line);
}

static bool line_insert(uint64_t key, uint64_t hash)
{
	uint32_t i = place_of(hash, n_line);

	while (line[i].value != 0)
		i = i + 1 < n_line ? i + 1 : 0;
	line[i] = (struct slot){key, 1, now};
	return true;
}

static unsigned line_look_up(const uint32_t flow[GT_BURST_MAX])
{
	uint64_t keys[GT_BURST_MAX], hashes[GT_BURST_MAX];
	unsigned found = 0;

	hash_burst(flow, keys, hashes);
	for (unsigned i = 0; i < GT_BURST_MAX; i++)
		rte_prefetch0(&line[place_of(hashes[i], n_line)]);
	for (unsigned i = 0; i < GT_BURST_MAX; i++) {
		uint32_t at = place_of(hashes[i], n_line);

		while (line[at].key != keys[i] && line[at].value != 0)
			at = at + 1 < n_line ? at + 1 : 0;
		if (line[at].value == 0)
			continue;
		line[at].time = now;
		found++;
	}
	return found;
}

/* ---- keys and hashes alone ---- */

static uint64_t nothing_create(uint32_t n)
{
	(void)n;
	return 0;
}

static bool nothing_insert(uint64_t key, uint64_t hash)
{
	(void)key;
	(void)hash;
	return true;
}

static unsigned nothing_look_up(const uint32_t flow[GT_BURST_MAX])
{
	uint64_t keys[GT_BURST_MAX], hashes[GT_BURST_MAX];

	hash_burst(flow, keys, hashes);
	__asm__ volatile("" : : "r"(keys), "r"(hashes) : "memory");
	return GT_BURST_MAX;
}

/* ---- the run ---- */

static struct layout {
	const char *what;
	uint64_t (*create)(uint32_t n);
	bool (*insert)(uint64_t key, uint64_t hash);
	unsigned (*look_up)(const uint32_t flow[GT_BURST_MAX]);
	uint64_t bytes;
	uint32_t placed;
	double ns[ROUNDS];
} layouts[] = {
	{"4 x 16 bytes a line (gantry)", ours_create, ours_insert, ours_look_up, 0, 0, {0}},
	{"8 x 16-bit tags a line, entries apart",
	 tags_create,
	 tags_insert,
	 tags_look_up,
	 0,
	 0,
	 {0}},
	{"3 x 20 bytes a line, whole tuples",
	 triples_create,
	 triples_insert,
	 triples_look_up,
	 0,
	 0,
	 {0}},
	{"16-byte slots, linear probing", line_create, line_insert, line_look_up, 0, 0, {0}},
	{"keys and hashes alone", nothing_create, nothing_insert, nothing_look_up, 0, 0, {0}},
};
#define N_LAYOUTS (sizeof(layouts) / sizeof(layouts[0]))

static double clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double sample(const struct layout *l, uint32_t n, uint64_t *state)
{
	double begin = clock_ns();
	unsigned found = 0;

	for (unsigned i = 0; i < SAMPLE; i += GT_BURST_MAX) {
		uint32_t flow[GT_BURST_MAX];

		for (unsigned j = 0; j < GT_BURST_MAX; j++) {
			*state ^= *state << 13;
			*state ^= *state >> 7;
			*state ^= *state << 17;
			flow[j] = (uint32_t)((*state >> 32) * n >> 32);
		}
		found += l->look_up(flow);
	}
	/* All but the few that found no place, and a table that finds less is none. */
	if (found < SAMPLE * 0.95) {
		fprintf(stderr, "layouts: %s finds %u of %u\n", l->what, found, SAMPLE);
		exit(1);
	}
	return (clock_ns() - begin) / SAMPLE;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void measure(uint32_t n, bool first)
{
	uint64_t state = 0x2545f4914f6cdd1d;

	for (unsigned k = 0; k < N_LAYOUTS; k++) {
		layouts[k].bytes = layouts[k].create(n);
		for (uint32_t i = 0; i < n; i++) {
			uint64_t key = key_of(i);

			layouts[k].placed +=
				layouts[k].insert(key, gt_flow_hash_narrow(&ours, key));
		}
	}
	for (unsigned round = 0; round < ROUNDS; round++, now++)
		for (unsigned k = 0; k < N_LAYOUTS; k++) {
			sample(&layouts[k], n, &state); /* gives it its cache back */
			layouts[k].ns[round] = sample(&layouts[k], n, &state);
		}
	for (unsigned k = 0; k < N_LAYOUTS; k++) {
		struct layout *l = &layouts[k];

		qsort(l->ns, ROUNDS, sizeof(double), by_value);
		printf("%s {\"what\": \"%s\", \"flows\": %u, \"ns\": %.2f, \"least_ns\": %.2f, "
		       "\"bytes\": %.1f, \"no_place\": %u}",
		       first && k == 0 ? "" : ",\n", l->what, n, l->ns[ROUNDS / 2], l->ns[0],
		       (double)l->bytes / n, n - l->placed);
	}
}

int main(int argc, char **argv)
{
	static const char *const standard[] = {"1000", "100000", "1000000", "10000000"};
	const char *const *list = argc > 1 ? (const char *const *)argv + 1 : standard;
	int n = argc > 1 ? argc - 1 : 4;

	puts("[");
	for (int i = 0; i < n; i++) {
		fflush(stdout);
		measure((uint32_t)strtoul(list[i], NULL, 10), i == 0);
		for (unsigned k = 0; k < N_LAYOUTS; k++)
			layouts[k].placed = 0;
	}
	puts("\n]");
	return 0;
}
