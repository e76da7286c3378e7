/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Is a frame that left what the configuration allows for the frame that came? Judged from both
 * frames' bytes, the configuration and what left before; every checksum is summed up anew. Of the
 * plan only the names of numbers and the states it was built from are read.
 */
#ifndef GT_TEST_SUPPORT_CHECK_H
#define GT_TEST_SUPPORT_CHECK_H

#include "balance/plan.h"
#include "base/frame.h"
#include "support_talk.h"

struct support_check {
	const struct gt_config *config;
	const struct gt_plan *plan;
	const struct gt_plan_known *known; /* stations that are no servers */
	size_t n_known;
	struct support_talks *talks;
	uint64_t now_ms;
};

struct support_came {
	const uint8_t *bytes;
	uint32_t len, wire_len;
	uint8_t in_if;
};

/* Stop the test unless it is. For frames with verdict SEND and ANSWER. */
void support_check_sent(const struct support_check *c, const struct support_came *came,
			const struct gt_frame *f);
/* Is the answer a TCP reset? */
bool support_check_answer(const struct support_check *c, const struct support_came *came,
			  const struct gt_frame *f);
/* Notes a frame that did not leave as it shall. */
void support_check_stayed(const struct support_check *c, const struct support_came *came);

#endif
