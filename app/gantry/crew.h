/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threads that help main while it starts: on its own CPU and on the workers', which forward nothing
 * yet. They are gone when the work is done.
 */
#ifndef GT_APP_CREW_H
#define GT_APP_CREW_H

#include <stddef.h>

#include "cpus.h"

/* Threads at most, main among them. */
#define GT_CREW_MAX 8

/*
 * For struct gt_plan_crew: calls job(arg, i) for each i below n, by several threads where n is
 * worth it, and returns when all are done. cpus: a struct gt_cpus. Main, before workers run.
 */
void gt_crew_run(void *cpus, void (*job)(void *arg, size_t i), void *arg, size_t n);

#endif
