/* SPDX-License-Identifier: BSD-3-Clause */
/* Threads that help main while it starts; see crew.h. */
#include "crew.h"

#include <pthread.h>
#include <stdbool.h>

/* Jobs that are worth a thread: it takes 0.1 ms to begin and end, a job half a millisecond. */
#define JOBS_WORTH 8

struct work {
	void (*job)(void *arg, size_t i);
	void *arg;
	size_t n;
	size_t next; /* atomic: the first one that nobody has taken */
};

static void *take_part(void *arg)
{
	struct work *w = arg;
	size_t i;

	while ((i = __atomic_fetch_add(&w->next, 1, __ATOMIC_RELAXED)) < w->n)
		w->job(w->arg, i);
	return NULL;
}

/* EAL binds main to its CPU, and threads would inherit that. */
static bool start(pthread_t *thread, int cpu, struct work *work)
{
	pthread_attr_t attr;
	cpu_set_t set;
	bool started;

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	if (pthread_attr_init(&attr) != 0)
		return false;
	started = pthread_attr_setaffinity_np(&attr, sizeof(set), &set) == 0 &&
		  pthread_create(thread, &attr, take_part, work) == 0;
	pthread_attr_destroy(&attr);
	return started;
}

void gt_crew_run(void *cpus, void (*job)(void *arg, size_t i), void *arg, size_t n)
{
	const struct gt_cpus *c = cpus;
	struct work work = {job, arg, n, 0};
	pthread_t threads[GT_CREW_MAX - 1];
	unsigned n_threads = 0;

	/* One on each worker's CPU that is not main's; without a thread main does its part, too. */
	for (unsigned i = 0; i < c->n_workers && n_threads < GT_CREW_MAX - 1; i++)
		if (c->workers[i] != c->main && n / JOBS_WORTH > n_threads &&
		    start(&threads[n_threads], c->workers[i], &work))
			n_threads++;
	take_part(&work);
	for (unsigned i = 0; i < n_threads; i++)
		pthread_join(threads[i], NULL);
}
