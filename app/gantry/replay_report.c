/* SPDX-License-Identifier: BSD-3-Clause */
/* What became of the frames, for `gantry replay`; see replay.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "new_file.h"
#include "replay.h"
#include "report/report.h"

bool gt_replay_adds_up(const struct gt_replay *r)
{
	struct gt_counters sum = {0};
	uint64_t fates;

	gt_counters_add(&sum, &r->node->counters);
	for (unsigned i = 0; i < r->n_workers; i++)
		gt_counters_add(&sum, &r->workers[i]->counters);
	fates = sum.forwarded + sum.answered + sum.kernel + gt_counters_dropped(&sum);
	if (sum.in == r->read && fates == sum.in)
		return true;
	fprintf(stderr,
		"gantry: counters do not add up, which is a bug in gantry: %" PRIu64
		" frames read, %" PRIu64 " counted in, but %" PRIu64 " forwarded, %" PRIu64
		" answered, %" PRIu64 " to the kernel, %" PRIu64 " dropped\n",
		r->read, sum.in, sum.forwarded, sum.answered, sum.kernel,
		gt_counters_dropped(&sum));
	return false;
}

/* The usual mistake with a first capture. */
static void hint(const struct gt_replay *r)
{
	struct gt_counters sum = {0};

	for (unsigned i = 0; i < r->n_workers; i++)
		gt_counters_add(&sum, &r->workers[i]->counters);
	if (sum.forwarded > 0)
		return;
	if (sum.drops[GT_DROP_OTHER_MAC] > 0)
		fputs("gantry: nothing was forwarded: frames are for other MACs than the "
		      "interface's; say --mac IF=MAC, the one that they are for\n",
		      stderr);
	if (sum.drops[GT_DROP_NO_NEIGHBOUR] > 0)
		fputs("gantry: nothing was forwarded: the capture does not tell the servers' MACs; "
		      "write `mac =` into [server]\n",
		      stderr);
}

int gt_replay_report(const struct gt_replay *r)
{
	json_t *status = gt_report_status(r->node, r->workers, r->n_workers);
	struct gt_new_file f;
	int rc = 0;

	if (status == NULL) {
		fputs("gantry: no memory for the report\n", stderr);
		return -1;
	}
	gt_table_status(stdout, status);
	hint(r);
	if (r->options.report != NULL) {
		rc = gt_new_file_open(&f, r->options.report);
		if (rc == 0) {
			json_dumpf(status, f.stream, JSON_INDENT(2));
			fputc('\n', f.stream);
			rc = gt_new_file_commit(&f);
		}
	}
	json_decref(status);
	if (fflush(stdout) != 0) {
		fprintf(stderr, "gantry: cannot write to stdout: %s\n", strerror(errno));
		rc = -1;
	}
	return rc;
}
