/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What becomes of fetches that come one behind the other: a burst's lines are fetched from a table
 * too large for the caches, and how long it takes to read them all is measured when they had time
 * enough to come. Lines that are not there were not fetched. See gt_flow_fetch (flow/flow.h).
 *
 *     fetches [MEGABYTES]
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <rte_cycles.h>
#include <rte_prefetch.h>

#define LINES  64 /* of a burst */
#define ROUNDS 20000
#define REST   3000 /* TSC cycles, in which all come */

static void none(const void *line)
{
	(void)line;
}

static void into_first(const void *line)
{
	rte_prefetch0(line);
}

static void into_second(const void *line)
{
	rte_prefetch1(line);
}

static void by_reading(const void *line)
{
	(void)*(const volatile char *)line;
}

static const struct {
	const char *name;
	void (*fetch)(const void *line);
} ways[] = {
	{"not fetched", none},
	{"fetched into the first cache", into_first},
	{"fetched into the second cache", into_second},
	{"read before", by_reading},
};

static int by_size(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void rest(void)
{
	uint64_t since = rte_rdtsc();

	while (rte_rdtsc() - since < REST)
		;
}

/* TSC cycles that reading a burst's lines takes. */
static uint64_t one_round(const char *table, size_t size, void (*fetch)(const void *),
			  uint64_t *random)
{
	const char *lines[LINES];
	uint64_t since;

	for (unsigned i = 0; i < LINES; i++) {
		*random = *random * 6364136223846793005ULL + 1442695040888963407ULL;
		lines[i] = table + (*random >> 16) % (size / 64) * 64;
	}
	rte_mb();
	for (unsigned i = 0; i < LINES; i++)
		fetch(lines[i]);
	rest();
	rte_mb();
	since = rte_rdtsc();
	for (unsigned i = 0; i < LINES; i++)
		by_reading(lines[i]);
	rte_mb();
	return rte_rdtsc() - since;
}

int main(int argc, char **argv)
{
	static uint64_t took[ROUNDS];
	size_t size = (argc > 1 ? strtoul(argv[1], NULL, 10) : 32) << 20;
	uint64_t random = 1;
	char *table = size == 0 ? MAP_FAILED
				: mmap(NULL, size, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);

	if (table == MAP_FAILED) {
		fprintf(stderr, "fetches: no %zu MB of hugepages: see nr_hugepages\n", size >> 20);
		return 1;
	}
	memset(table, 1, size);
	printf("%d random lines of %zu MB, TSC cycles to read them (median)\n", LINES, size >> 20);
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		for (unsigned round = 0; round < ROUNDS; round++)
			took[round] = one_round(table, size, ways[i].fetch, &random);
		qsort(took, ROUNDS, sizeof(took[0]), by_size);
		printf("%-30s %6lu\n", ways[i].name, (unsigned long)took[ROUNDS / 2]);
	}
	return 0;
}
