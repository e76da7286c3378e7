/* SPDX-License-Identifier: BSD-3-Clause */
/* The memory that a node needs; see budget.h. */
#include "budget.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "kernel.h"
#include "pipeline/pipeline.h"
#include "transmit.h"

#define MB (1U << 20)
/* DPDK's own: next to nothing with virtual devices (measured), descriptor rings with a NIC. */
#define RESERVE_BYTES (16ULL * MB)

/*
 * Enough for the case that everything that can hold a buffer does: else a device stops receiving
 * while frames wait elsewhere.
 */
static uint32_t count_buffers(const struct gt_config *config, const struct gt_device devices[])
{
	uint32_t n = GT_TRANSMIT_RING + GT_ANSWERS_HELD;

	for (size_t i = 0; i < config->n_interfaces; i++)
		n += (2U * GT_DESCRIPTORS + GT_TX_BATCH) * config->workers +
		     devices[i].buffers_more;
	n += config->workers * (GT_PUNT_RING + GT_BURST_MAX + GT_RELEASED_MAX);
	if (gt_kernel_wanted(config))
		n += config->workers * GT_KERNEL_RING;
	if (config->workers > 1)
		n += config->workers * GT_HANDED_RING;
	n += (config->workers + 1U) * GT_BUFFERS_CACHED * 3 / 2;
	return n;
}

static unsigned count_nodes(const struct gt_config *config, const struct gt_device devices[])
{
	unsigned n = 0;

	for (size_t i = 0; i < config->n_interfaces; i++) {
		size_t j = 0;

		while (devices[j].node != devices[i].node)
			j++;
		n += j == i;
	}
	return n;
}

/*
 * A pool's memory. DPDK lets no buffer lie across the end of a hugepage; on ordinary memory they
 * stand side by side (ports.c).
 */
static uint64_t count_pool_bytes(const struct gt_config *config, uint64_t buffers)
{
	uint64_t page = 2ULL * MB;
	uint64_t size = rte_mempool_calc_obj_size(
		(uint32_t)sizeof(struct rte_mbuf) + config->buffer_size, 0, NULL);
	/* The ring of free ones: a power of two of pointers. */
	uint64_t ring = rte_align64pow2(buffers + 1) * sizeof(void *);

	return ring + (config->hugepages ? (buffers / (page / size) + 1) * page : buffers * size);
}

void gt_budget_plan(const struct gt_config *config, const struct gt_device devices[],
		    struct gt_budget *out)
{
	struct gt_worker_params params;
	uint32_t held = count_buffers(config, devices);

	gt_worker_params_init(&params, config);
	*out = (struct gt_budget){
		.buffers_held = held,
		.buffers = config->buffers != 0 ? config->buffers : held,
		.n_pools = count_nodes(config, devices),
		.tables_bytes = gt_worker_bytes(&params) * config->workers,
		.piece_bytes = gt_worker_piece_bytes(&params),
	};
	out->pools_bytes = out->n_pools * count_pool_bytes(config, out->buffers);
	out->total_bytes = out->tables_bytes + out->pools_bytes + RESERVE_BYTES;
}

/* ---- what there is ---- */

static uint64_t read_number(const char *path)
{
	FILE *f = fopen(path, "re");
	uint64_t n = 0;

	if (f == NULL)
		return 0;
	if (fscanf(f, "%" SCNu64, &n) != 1)
		n = 0;
	fclose(f);
	return n;
}

/* Where the hugepages of a node are told and set. */
static void hugepages_dir(int node, char *buf, size_t size)
{
	snprintf(buf, size, "/sys/devices/system/node/node%d/hugepages", node);
	if (access(buf, F_OK) != 0)
		snprintf(buf, size, "/sys/kernel/mm/hugepages");
}

/* Bytes of all free hugepages, of whatever size, in such a directory. */
static uint64_t free_hugepages(const char *dir_path)
{
	DIR *dir = opendir(dir_path);
	uint64_t sum = 0, size_kb;
	struct dirent *e;
	char path[512];

	while (dir != NULL && (e = readdir(dir)) != NULL) {
		if (sscanf(e->d_name, "hugepages-%" SCNu64 "kB", &size_kb) != 1)
			continue;
		snprintf(path, sizeof(path), "%s/%s/free_hugepages", dir_path, e->d_name);
		sum += read_number(path) * size_kb * 1024;
	}
	if (dir != NULL)
		closedir(dir);
	return sum;
}

static uint64_t mb(uint64_t bytes)
{
	return (bytes + MB - 1) / MB;
}

/* One line of /proc/meminfo in bytes, 0 if it is not there. */
static uint64_t meminfo(const char *key)
{
	FILE *f = fopen("/proc/meminfo", "re");
	char line[128];
	uint64_t kb = 0;

	if (f == NULL)
		return 0;
	while (fgets(line, sizeof(line), f) != NULL) {
		if (strncmp(line, key, strlen(key)) == 0 && line[strlen(key)] == ':') {
			sscanf(line + strlen(key) + 1, "%" SCNu64, &kb);
			break;
		}
	}
	fclose(f);
	return kb * 1024;
}

/* What could be lowered: whatever takes more. */
static const char *advice(const struct gt_budget *b)
{
	return b->tables_bytes > b->pools_bytes ? "`connections`" : "`buffers`";
}

/* EAL keeps pages of one size in lists, and no piece of memory lies in two of them. */
static uint64_t piece_max(uint64_t page)
{
	uint64_t pages = (uint64_t)RTE_MAX_MEMSEG_PER_LIST * page;
	uint64_t bytes = (uint64_t)RTE_MAX_MEM_MB_PER_LIST * MB;

	return pages < bytes ? pages : bytes;
}

/* Is there a page size with which the largest table can be had? */
static int check_piece(const struct gt_budget *b, uint64_t page, const struct gt_log *log)
{
	uint64_t large = 1ULL << 30;
	bool has_large = access("/sys/kernel/mm/hugepages/hugepages-1048576kB", F_OK) == 0 &&
			 read_number("/sys/kernel/mm/hugepages/hugepages-1048576kB/"
				     "free_hugepages") > 0;
	uint64_t most = piece_max(has_large && page < large ? large : page);

	if (b->piece_bytes <= most)
		return 0;
	gt_log(log, LOG_ERR,
	       "one table takes %" PRIu64 " MB in one piece, and DPDK gives %" PRIu64
	       " MB at most of hugepages of %" PRIu64
	       " MB: lower `connections` and have more workers, which have a table each%s",
	       mb(b->piece_bytes), mb(most), (has_large ? large : page) / MB,
	       has_large || b->piece_bytes > piece_max(large)
		       ? ""
		       : ", or boot with hugepages of 1 GB (hugepagesz=1G hugepages=N on the "
			 "kernel's command line)");
	return -ENOMEM;
}

static int check_hugepages(const struct gt_budget *b, int node, const struct gt_log *log)
{
	uint64_t page = meminfo("Hugepagesize"), available, more;
	char dir[128], set[256];

	if (page != 0 && check_piece(b, page, log) != 0)
		return -ENOMEM;
	hugepages_dir(node, dir, sizeof(dir));
	available = free_hugepages(dir);
	if (available >= b->total_bytes)
		return 0;
	if (page == 0) {
		gt_log(log, LOG_ERR, "this kernel has no hugepages: write hugepages = no");
		return -ENOMEM;
	}
	more = (b->total_bytes - available + page - 1) / page;
	if (access("/sys/devices/system/node/node1", F_OK) == 0)
		snprintf(set, sizeof(set), "%s/hugepages-%" PRIu64 "kB/nr_hugepages", dir,
			 page / 1024);
	else
		snprintf(set, sizeof(set), "/proc/sys/vm/nr_hugepages");
	gt_log(log, LOG_ERR,
	       "%s hugepages: %" PRIu64 " MB are needed and %" PRIu64
	       " MB are free on NUMA node %d: echo %" PRIu64
	       " > %s, or lower %s, or write hugepages = no",
	       available == 0 ? "no" : "too few", mb(b->total_bytes), mb(available), node,
	       read_number(set) + more, set, advice(b));
	return -ENOMEM;
}

uint64_t gt_budget_available(const struct gt_config *config, const struct gt_cpus *cpus)
{
	char dir[128];

	if (!config->hugepages)
		return meminfo("MemAvailable");
	hugepages_dir(cpus->node, dir, sizeof(dir));
	return free_hugepages(dir);
}

int gt_budget_check(const struct gt_config *config, const struct gt_budget *b,
		    const struct gt_cpus *cpus, const struct gt_log *log)
{
	uint64_t available;

	gt_log(log, LOG_INFO,
	       "memory: %" PRIu64 " MB of %s: tables for %u connections %" PRIu64
	       " MB, %u packet buffers %" PRIu64 " MB",
	       mb(b->total_bytes), config->hugepages ? "hugepages" : "ordinary memory",
	       config->connections, mb(b->tables_bytes), b->buffers * b->n_pools,
	       mb(b->pools_bytes));
	if (b->buffers < b->buffers_held)
		gt_log(log, LOG_WARNING,
		       "buffers = %u is less than queues and rings can hold (%u): frames may be "
		       "missed",
		       b->buffers, b->buffers_held);
	if (config->hugepages)
		return check_hugepages(b, cpus->node, log);
	available = meminfo("MemAvailable");
	if (available == 0 || available >= b->total_bytes)
		return 0;
	gt_log(log, LOG_ERR,
	       "too little memory: %" PRIu64 " MB are needed and %" PRIu64 " MB are free: lower %s",
	       mb(b->total_bytes), mb(available), advice(b));
	return -ENOMEM;
}
