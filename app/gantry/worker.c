/* SPDX-License-Identifier: BSD-3-Clause */
/* A worker's life around its loop; see worker.h. */
#include "worker.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>

#include <numa.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_launch.h>
#include <rte_malloc.h>
#include <rte_memory.h>

#include "kernel.h"
#include "pipeline/burst.h"
#include "poll.h"

_Static_assert(GT_HEADROOM == RTE_PKTMBUF_HEADROOM, "the core may use all of an mbuf's headroom");

/* ---- memory of the tables ---- */

static void *eal_alloc(void *ctx, size_t bytes)
{
	return rte_zmalloc_socket("gantry", bytes, RTE_CACHE_LINE_SIZE, (int)(intptr_t)ctx);
}

/*
 * Without hugepages: not EAL's memory, which is shared memory then, in small pages that are taken
 * when they are first written to. The kernel may lend huge pages (transparent_hugepage = madvise or
 * always), and all of it is taken now, on the node: not in the middle of the work, where a process
 * that gets none is killed. What an old kernel cannot of that is left out.
 */
static void *ordinary_alloc(void *ctx, size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	if (numa_available() >= 0)
		numa_tonode_memory(p, bytes, (int)(intptr_t)ctx);
	madvise(p, bytes, MADV_HUGEPAGE);
	if (madvise(p, bytes, MADV_POPULATE_WRITE) == 0 || errno == EINVAL)
		return p;
	munmap(p, bytes);
	return NULL;
}

/* Left to the end of the process, which follows: EAL wipes what it gets back, and that is seconds
 * for a large table. */
static void leave(void *ctx, void *p)
{
	(void)ctx;
	(void)p;
}

struct gt_memory gt_lcore_memory(const struct gt_config *config, int node)
{
	return (struct gt_memory){config->hugepages ? eal_alloc : ordinary_alloc, leave,
				  (void *)(intptr_t)node};
}

/* ---- what main and the workers share ---- */

int gt_shared_create(unsigned workers, struct gt_shared **out)
{
	size_t size = rte_rcu_qsbr_get_memsize(workers);
	struct gt_shared *s = rte_zmalloc("gantry", sizeof(*s), RTE_CACHE_LINE_SIZE);

	*out = s;
	if (s == NULL)
		return -ENOMEM;
	s->qsbr = rte_zmalloc("gantry", size, RTE_CACHE_LINE_SIZE);
	if (s->qsbr == NULL || rte_rcu_qsbr_init(s->qsbr, workers) != 0)
		return -ENOMEM;
	if (workers > 1)
		s->loads = gt_loads_create(workers);
	return workers > 1 && s->loads == NULL ? -ENOMEM : 0;
}

void gt_shared_destroy(struct gt_shared *s)
{
	if (s == NULL)
		return;
	rte_free(s->qsbr);
	free(s->loads);
	rte_free(s);
}

/* ---- birth and end ---- */

/* Where the table lies, by what EAL says of its memory, not by what was asked for. */
static void say_tables(const struct gt_lcore *l, const struct gt_worker_params *params, int node,
		       uint64_t began, const struct gt_log *log)
{
	const struct gt_flow_table *t = &l->worker->flows;
	const struct rte_memseg *seg = rte_mem_virt2memseg(t->buckets, NULL);
	char snat[64] = "", pages[64] = "ordinary memory";

	if (params->snat != GT_CONFIG_SNAT_NONE)
		snprintf(snat, sizeof(snat), ", %" PRIu32 " snat sessions",
			 l->worker->snat.n_sessions);
	if (rte_eal_has_hugepages() && seg != NULL)
		snprintf(pages, sizeof(pages), "hugepages of %" PRIu64 " MB",
			 seg->hugepage_sz >> 20);
	gt_log(log, LOG_INFO,
	       "worker %u: room for %" PRIu32 " connections%s: %" PRIu64
	       " MB of %s on NUMA node %d, ready in %" PRIu64 " ms; packet core for %s",
	       l->index, params->connections, snat, gt_worker_bytes(params) >> 20, pages,
	       seg != NULL ? (int)seg->socket_id : node,
	       (rte_get_timer_cycles() - began) * 1000 / rte_get_timer_hz(),
	       gt_burst_name(l->worker->burst));
}

#define ONE_TO_ONE (RING_F_SP_ENQ | RING_F_SC_DEQ)

/* A name is used once in a process, which may have several nodes (bench_loop.c). */
static struct rte_ring *create_ring(const struct gt_lcore *l, const char *what, unsigned size,
				    int node, unsigned flags)
{
	char name[RTE_RING_NAMESIZE], number[16] = "";

	if (l->shared->number > 0)
		snprintf(number, sizeof(number), "%u-", l->shared->number);
	snprintf(name, sizeof(name), "gantry-%s%s-%u", number, what, l->index);
	return rte_ring_create(name, size, node, flags);
}

int gt_lcore_create(unsigned index, const struct gt_config *config, const struct gt_ports *ports,
		    const struct gt_cpus *cpus, struct gt_shared *shared,
		    const struct gt_memory *memory, const struct gt_log *log, struct gt_lcore **out)
{
	struct gt_worker_params params;
	struct gt_lcore *l =
		rte_zmalloc_socket("gantry", sizeof(*l), RTE_CACHE_LINE_SIZE, cpus->node);
	uint64_t began;

	*out = l;
	gt_worker_params_init(&params, config);
	params.loads = shared->loads;
	params.steer.worker = (uint16_t)index;
	for (unsigned i = 0; i < ports->n; i++)
		params.steer.exact[i] = ports->list[i].rss_known;
	params.memory = *memory;
	if (l == NULL)
		goto no_memory;
	l->index = index;
	l->id = index + 1;
	l->cpu = cpus->workers[index];
	l->shared = shared;
	if (getrandom(params.random, sizeof(params.random), 0) != sizeof(params.random)) {
		gt_log(log, LOG_ERR, "the kernel gives no random numbers");
		return -EIO;
	}
	l->wait_tsc = rte_get_tsc_hz() / 1000000 * GT_TX_WAIT_US;
	l->n_ports = ports->n;
	for (unsigned i = 0; i < ports->n; i++)
		l->ports[i] = ports->list[i].id;
	for (unsigned i = 0; i < ports->n; i++) {
		l->lacp[i] = ports->list[i].bond_mode == GT_BOND_LACP;
		l->checks_ipv4[i] = ports->list[i].checks_ipv4;
	}
	l->punt = create_ring(l, "punt", GT_PUNT_RING, cpus->node, ONE_TO_ONE);
	l->transmit = create_ring(l, "transmit", GT_TRANSMIT_RING, cpus->node, ONE_TO_ONE);
	if (gt_kernel_wanted(config)) {
		l->kernel = create_ring(l, "kernel", GT_KERNEL_RING, cpus->node, ONE_TO_ONE);
		if (l->kernel == NULL)
			goto no_memory;
	}
	/* All other workers put frames in. */
	shared->handed[index] = create_ring(l, "handed", GT_HANDED_RING, cpus->node, RING_F_SC_DEQ);
	gt_idle_init(l, gt_idle_sleeps(config, cpus), ports, log);
	began = rte_get_timer_cycles();
	l->worker = gt_worker_create(&params);
	if (l->worker != NULL)
		say_tables(l, &params, cpus->node, began, log);
	if (l->punt != NULL && l->transmit != NULL && shared->handed[index] != NULL &&
	    l->worker != NULL)
		return 0;
no_memory:
	gt_log(log, LOG_ERR,
	       "no memory on NUMA node %d for worker %u with %" PRIu32 " connections (%" PRIu64
	       " MB): lower `connections`, or add hugepages",
	       cpus->node, index, config->connections, gt_worker_bytes(&params) >> 20);
	return -ENOMEM;
}

static void free_ring(struct rte_ring *ring)
{
	void *m;

	while (ring != NULL && rte_ring_dequeue(ring, &m) == 0)
		rte_pktmbuf_free(m);
	rte_ring_free(ring);
}

void gt_lcore_destroy(struct gt_lcore *l)
{
	if (l == NULL)
		return;
	gt_idle_close(l);
	free_ring(l->punt);
	free_ring(l->transmit);
	free_ring(l->kernel);
	free_ring(l->shared->handed[l->index]);
	gt_worker_destroy(l->worker);
	rte_free(l);
}

int gt_lcore_launch(struct gt_lcore *l)
{
	int rc = rte_rcu_qsbr_thread_register(l->shared->qsbr, l->index);

	return rc != 0 ? -EINVAL : rte_eal_remote_launch(gt_poll, l, l->id);
}
