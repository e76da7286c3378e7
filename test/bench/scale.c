/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How plans grow: for several shapes of a configuration, what main takes in memory and time to
 * build the first plan, to build one again of which nothing changed, and to follow one server that
 * goes down and comes back. By the same calls as main's (gt_node_act, gt_node_refresh,
 * gt_node_reclaim). Prints the table of docs/scale.md; not installed.
 *
 * usage: scale [VIPS SERVERS SCHEDULER]
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "node/node.h"

#define ROUNDS 41

struct shape {
	unsigned vips, servers; /* servers of each VIP */
	const char *scheduler;
};

static double now_ms(void)
{
	struct timespec t;

	/* CPU time: there is one thread, and what else the machine does is not its work. */
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void __attribute__((noreturn)) stop(const char *why)
{
	fprintf(stderr, "scale: %s\n", why);
	exit(1);
}

/* Resident memory in MB. */
static double resident_mb(void)
{
	unsigned long size, pages;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f == NULL || fscanf(f, "%lu %lu", &size, &pages) != 2)
		stop("cannot read /proc/self/statm");
	fclose(f);
	return (double)pages * (double)sysconf(_SC_PAGESIZE) / (1 << 20);
}

/* VIPs 10.1.0.1 and up, servers 10.64.0.1 and up. */
static struct gt_config *make_config(const struct shape *s)
{
	struct gt_config_messages messages = {0};
	struct gt_config *config = NULL;
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (f == NULL)
		stop("no memory");
	fprintf(f, "[gantry]\nname = scale\n[interface lan]\ndevice = net_null0\n"
		   "mac = 02:00:00:00:00:02\naddress = 10.0.0.2/8\n");
	for (unsigned i = 0, k = 1; i < s->vips; i++) {
		unsigned a = i + 1;

		fprintf(f,
			"[vip v%05u]\ninterface = lan\naddress = 10.1.%u.%u\nport = 104\n"
			"check = none\nscheduler = %s\n",
			i, a >> 8, a & 255, s->scheduler);
		for (unsigned j = 0; j < s->servers; j++, k++)
			fprintf(f,
				"[server v%05u/s%04u]\naddress = 10.64.%u.%u\n"
				"mac = 02:64:00:00:%02x:%02x\n",
				i, j, k >> 8, k & 255, k >> 8, k & 255);
	}
	fclose(f);
	if (gt_config_parse("scale", text, len, &config, &messages) != 0)
		stop("the configuration is refused");
	gt_config_messages_free(&messages);
	free(text);
	return config;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* A server goes down, or comes back: ms until the new plan can be published. */
static double change(struct gt_node *node, enum gt_node_action action, const struct shape *s,
		     unsigned round)
{
	unsigned vip = round * 7919 % s->vips, server = round * 7919 % s->servers;
	char name[64];
	double start = now_ms(), took;

	snprintf(name, sizeof(name), "v%05u/s%04u", vip, server);
	if (gt_node_act(node, action, name, 0, NULL, 0) != 0 || !gt_node_refresh(node))
		stop("no new plan");
	took = now_ms() - start;
	return took;
}

static double reclaim(struct gt_node *node)
{
	double start = now_ms();

	gt_node_reclaim(node);
	return now_ms() - start;
}

static void measure(const struct shape *s)
{
	double first, down[ROUNDS], up[ROUNDS], freed[ROUNDS], none[ROUNDS], mb;
	struct gt_config *config = make_config(s);
	struct gt_mac mac = {{2, 0, 0, 0, 0, 2}};
	struct gt_node_hooks hooks = {0};
	struct gt_node *node = NULL;

	mb = resident_mb();
	first = now_ms();
	if (gt_node_create(config, &mac, &hooks, &node) != 0)
		stop("no node");
	first = now_ms() - first;
	mb = resident_mb() - mb;
	for (unsigned i = 0; i < ROUNDS; i++) {
		down[i] = change(node, GT_ACTION_DOWN, s, i);
		freed[i] = reclaim(node);
		up[i] = change(node, GT_ACTION_UP, s, i);
		reclaim(node);
		node->dirty = true;
		none[i] = now_ms();
		gt_node_refresh(node);
		none[i] = now_ms() - none[i];
		reclaim(node);
	}
	qsort(down, ROUNDS, sizeof(down[0]), by_value);
	qsort(up, ROUNDS, sizeof(up[0]), by_value);
	qsort(freed, ROUNDS, sizeof(freed[0]), by_value);
	qsort(none, ROUNDS, sizeof(none[0]), by_value);
	printf("| %6u | %5u | %-10s | %7.0f | %6.0f | %7.2f | %7.2f / %7.2f | %7.2f / %7.2f | "
	       "%6.2f |\n",
	       s->vips, s->servers, s->scheduler, mb, first, none[ROUNDS / 2], down[ROUNDS / 2],
	       down[ROUNDS - 1], up[ROUNDS / 2], up[ROUNDS - 1], freed[ROUNDS / 2]);
	fflush(stdout);
	gt_node_destroy(node);
}

int main(int argc, char **argv)
{
	static const struct shape shapes[] = {
		{1, 5, "maglev"},     {1, 1000, "maglev"},	{1, 1000, "rendezvous"},
		{100, 5, "maglev"},   {1000, 5, "maglev"},	{10000, 1, "maglev"},
		{10000, 5, "maglev"}, {10000, 5, "rendezvous"},
	};

	printf("| VIPs | servers each | scheduler | MB | first plan | nothing changed | "
	       "one down, median / worst | back up | freed |\n"
	       "| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n");
	/* As gantry run does. */
	mallopt(M_MMAP_THRESHOLD, 32 << 20);
	mallopt(M_TRIM_THRESHOLD, 64 << 20);
	if (argc == 4) {
		struct shape s = {(unsigned)atoi(argv[1]), (unsigned)atoi(argv[2]), argv[3]};

		measure(&s);
		return 0;
	}
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		measure(&shapes[i]);
	return 0;
}
