/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The choice of CPUs; see cpus.h. Without a word of the configuration main takes the first CPU and
 * the workers the next ones: the kernel's own work (interrupts, housekeeping) tends to gather on
 * the first CPUs, and a worker should not meet it.
 */
#include "cpus.h"

#include <errno.h>
#include <numa.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "say.h"

/* The C library's macros want a size_t. */
static bool is_in(int cpu, const cpu_set_t *set)
{
	return CPU_ISSET((size_t)cpu, set);
}

static void put(int cpu, cpu_set_t *set)
{
	CPU_SET((size_t)cpu, set);
}

/* The CPUs that may be chosen, those of the NIC's node first. */
struct candidates {
	int cpus[CPU_SETSIZE];
	unsigned n;
	unsigned n_near; /* so many of them are on the NIC's node */
};

static bool on_node(int cpu, int node)
{
	return node < 0 || numa_available() < 0 || numa_node_of_cpu(cpu) == node;
}

static void list_candidates(const cpu_set_t *allowed, int node, struct candidates *c)
{
	memset(c, 0, sizeof(*c));
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (is_in(cpu, allowed) && on_node(cpu, node))
			c->cpus[c->n++] = cpu;
	c->n_near = c->n;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (is_in(cpu, allowed) && !on_node(cpu, node))
			c->cpus[c->n++] = cpu;
}

/* "0, 2, 3" of a set, cut to fit. */
static void format_set(const cpu_set_t *set, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (int cpu = 0; cpu < CPU_SETSIZE && used < size; cpu++)
		if (is_in(cpu, set))
			used += (size_t)snprintf(buf + used, size - used, "%s%d",
						 used > 0 ? ", " : "", cpu);
}

static int refuse(const struct gt_config *config, const char *key, int cpu,
		  const cpu_set_t *allowed, const struct gt_log *log)
{
	char where[GT_WHERE_MAX], set[128];

	gt_say_where(config, "gantry", &config->lines, key, where, sizeof(where));
	format_set(allowed, set, sizeof(set));
	gt_log(log, LOG_ERR, "%score %d is not available: this process may use %s", where, cpu,
	       set);
	return -EINVAL;
}

static int check_configured(const struct gt_config *config, const cpu_set_t *allowed,
			    const struct gt_log *log)
{
	if (config->main_core >= 0 && !is_in(config->main_core, allowed))
		return refuse(config, "main_core", config->main_core, allowed, log);
	for (size_t i = 0; i < config->n_worker_cores; i++)
		if (!is_in(config->worker_cores[i], allowed))
			return refuse(config, "worker_cores", config->worker_cores[i], allowed,
				      log);
	return 0;
}

/* Takes the next candidate that nobody has; if all are taken, the last one is shared. */
static int take(const struct candidates *c, cpu_set_t *taken)
{
	for (unsigned i = 0; i < c->n; i++) {
		if (!is_in(c->cpus[i], taken)) {
			put(c->cpus[i], taken);
			return c->cpus[i];
		}
	}
	return c->cpus[c->n - 1];
}

static void choose_all(const struct gt_config *config, const struct candidates *c,
		       struct gt_cpus *out)
{
	cpu_set_t taken;

	CPU_ZERO(&taken);
	if (config->main_core >= 0)
		put(config->main_core, &taken);
	for (size_t i = 0; i < config->n_worker_cores; i++)
		put(config->worker_cores[i], &taken);
	out->main = config->main_core >= 0 ? config->main_core : take(c, &taken);
	for (unsigned i = 0; i < out->n_workers; i++)
		out->workers[i] =
			config->n_worker_cores > 0 ? config->worker_cores[i] : take(c, &taken);
}

static bool is_shared(const struct gt_cpus *cpus)
{
	for (unsigned i = 0; i < cpus->n_workers; i++) {
		if (cpus->workers[i] == cpus->main)
			return true;
		for (unsigned j = 0; j < i; j++)
			if (cpus->workers[i] == cpus->workers[j])
				return true;
	}
	return false;
}

static void list_others(const cpu_set_t *allowed, struct gt_cpus *cpus)
{
	cpus->others = *allowed;
	for (unsigned i = 0; i < cpus->n_workers; i++)
		CPU_CLR((size_t)cpus->workers[i], &cpus->others);
	if (CPU_COUNT(&cpus->others) == 0)
		put(cpus->main, &cpus->others);
}

static void tell(const struct gt_cpus *cpus, int nic_node, const struct candidates *c,
		 const struct gt_log *log)
{
	if (cpus->shared)
		gt_log(log, LOG_WARNING,
		       "%u CPU%s may be used: main and %u worker%s share, which costs speed", c->n,
		       c->n == 1 ? "" : "s", cpus->n_workers, cpus->n_workers == 1 ? "" : "s");
	for (unsigned i = 0; i < cpus->n_workers; i++)
		if (!on_node(cpus->workers[i], nic_node))
			gt_log(log, LOG_WARNING,
			       "worker %u runs on CPU %d, not on NUMA node %d where the NIC is, "
			       "which costs speed",
			       i, cpus->workers[i], nic_node);
}

int gt_cpus_choose(const struct gt_config *config, int nic_node, const struct gt_log *log,
		   struct gt_cpus *out)
{
	struct candidates c;
	cpu_set_t allowed;
	int node, rc;

	memset(out, 0, sizeof(*out));
	out->n_workers = config->workers;
	if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) {
		gt_log(log, LOG_ERR, "cannot learn which CPUs may be used: %s", strerror(errno));
		return -EINVAL;
	}
	rc = check_configured(config, &allowed, log);
	if (rc != 0)
		return rc;
	list_candidates(&allowed, nic_node, &c);
	choose_all(config, &c, out);
	node = numa_available() < 0 ? 0 : numa_node_of_cpu(out->workers[0]);
	out->node = node < 0 ? 0 : node;
	out->shared = is_shared(out);
	list_others(&allowed, out);
	tell(out, nic_node, &c, log);
	return 0;
}
