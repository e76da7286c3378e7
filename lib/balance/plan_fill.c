/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The tables that a plan needs anew, filled together: those of VIPs that have the same servers only
 * once (the rest differs by the servers' numbers, and is copied with these), the others by a crew
 * of threads where the caller has one. At a start with 10,000 VIPs this is what takes time.
 */
#include "balance/plan_internal.h"

#include <errno.h>
#include <stdlib.h>

#include "balance/rendezvous.h"

struct gt_plan_job {
	struct gt_plan_table *table;
	const struct gt_plan_table *old;  /* NULL, or what a rendezvous table is made from */
	const struct gt_plan_table *like; /* NULL, or one of the same servers */
	int result;
};

int gt_plan_add_job(struct gt_plan_jobs *jobs, struct gt_plan_table *table,
		    const struct gt_plan_table *old)
{
	if (jobs->n == jobs->room) {
		size_t room = jobs->room * 2 + 16;
		struct gt_plan_job *more = realloc(jobs->list, room * sizeof(*more));

		if (more == NULL)
			return -ENOMEM;
		jobs->list = more;
		jobs->room = room;
	}
	jobs->list[jobs->n++] = (struct gt_plan_job){.table = table, .old = old};
	return 0;
}

/* ---- the same servers ---- */

/* Not their values, which are numbers. In the same order, too: that of their names. */
static bool is_alike(const struct gt_plan_table *a, const struct gt_plan_table *b)
{
	if (a->rendezvous != b->rendezvous || a->n_members != b->n_members)
		return false;
	for (size_t i = 0; i < a->n_members; i++)
		if (a->members[i].identity != b->members[i].identity ||
		    a->members[i].weight != b->members[i].weight)
			return false;
	return true;
}

static uint64_t hash_members(const struct gt_plan_table *t)
{
	uint64_t h = t->rendezvous;

	for (size_t i = 0; i < t->n_members; i++)
		h = (h ^ t->members[i].identity ^ t->members[i].weight) * 0x9e3779b97f4a7c15ULL;
	return h;
}

/* Notes whose table each one's can be copied from. How many can, or -ENOMEM. */
static int find_alike(struct gt_plan_jobs *jobs)
{
	uint32_t room = gt_plan_table_size(jobs->n), *places;
	int n_alike = 0;

	places = gt_plan_array(room, sizeof(*places)); /* index of a job + 1; 0: free */
	if (places == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < jobs->n; i++) {
		struct gt_plan_job *job = &jobs->list[i];
		uint32_t at = (uint32_t)(hash_members(job->table) >> 32) & (room - 1);

		while (places[at] != 0 && !is_alike(jobs->list[places[at] - 1].table, job->table))
			at = (at + 1) & (room - 1);
		if (places[at] == 0) {
			places[at] = (uint32_t)i + 1;
			continue;
		}
		job->like = jobs->list[places[at] - 1].table;
		n_alike++;
	}
	free(places);
	return n_alike;
}

/* ---- filling ---- */

static int fill(const struct gt_siphash_key *seed, struct gt_plan_table *t,
		const struct gt_plan_table *old)
{
	if (!t->rendezvous)
		return gt_maglev_build(seed, t->members, t->n_members, t->slots, t->size);
	if (old != NULL && old->rendezvous && old->size == t->size)
		return gt_rendezvous_update(seed, old->members, old->n_members, old->slots,
					    t->members, t->n_members, t->slots, t->size);
	return gt_rendezvous_build(seed, t->members, t->n_members, t->slots, t->size);
}

static int copy_like(struct gt_plan_table *t, const struct gt_plan_table *like)
{
	uint16_t *numbers = malloc(GT_SERVERS_MAX * sizeof(*numbers)); /* by the other's numbers */

	if (numbers == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < t->n_members; i++)
		numbers[like->members[i].value] = t->members[i].value;
	for (uint32_t i = 0; i < t->size; i++)
		t->slots[i] = numbers[like->slots[i]];
	free(numbers);
	return 0;
}

static void fill_own(void *arg, size_t i)
{
	struct gt_plan_jobs *jobs = arg;
	struct gt_plan_job *job = &jobs->list[i];

	if (job->like == NULL)
		job->result = fill(jobs->seed, job->table, job->old);
}

static void fill_alike(void *arg, size_t i)
{
	struct gt_plan_jobs *jobs = arg;
	struct gt_plan_job *job = &jobs->list[i];

	if (job->like != NULL)
		job->result = copy_like(job->table, job->like);
}

static int run(struct gt_plan_jobs *jobs, const struct gt_plan_crew *crew,
	       void (*job)(void *arg, size_t i))
{
	if (crew != NULL)
		crew->run(crew->ctx, job, jobs, jobs->n);
	for (size_t i = 0; i < jobs->n; i++) {
		if (crew == NULL)
			job(jobs, i);
		if (jobs->list[i].result != 0)
			return jobs->list[i].result;
	}
	return 0;
}

int gt_plan_do_jobs(struct gt_plan_jobs *jobs, const struct gt_plan_crew *crew)
{
	int n_alike = jobs->n > 1 ? find_alike(jobs) : 0;
	int ret = n_alike < 0 ? n_alike : run(jobs, crew, fill_own);

	/* What others are copied from is there. */
	if (ret == 0 && n_alike > 0)
		ret = run(jobs, crew, fill_alike);
	free(jobs->list);
	jobs->list = NULL;
	return ret;
}
