/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of lib/probe share: a conversation with a server of which all bytes are known. */
#ifndef GT_TEST_PROBE_TALK_H
#define GT_TEST_PROBE_TALK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "probe/probe.h"

/* The id of every recorded probe. */
#define TALK_ID 7

struct talk {
	struct gt_probe probe;
	uint8_t out[8192]; /* all that was sent */
	size_t out_len;
};

static inline void talk_send(struct talk *t)
{
	size_t len;
	const uint8_t *out;

	while (out = gt_probe_output(&t->probe, &len), len > 0) {
		assert_true(t->out_len + len <= sizeof(t->out));
		memcpy(t->out + t->out_len, out, len);
		t->out_len += len;
		gt_probe_sent(&t->probe, len);
	}
}

static inline void talk_start(struct talk *t, const struct gt_probe_ask *ask)
{
	char why[GT_PROBE_REASON_MAX];

	assert_true(gt_probe_ask_valid(ask, why));
	t->out_len = 0;
	gt_probe_start(&t->probe, ask, TALK_ID);
	talk_send(t);
}

/* Bytes from the server as a heap block of their exact size, so that ASan sees a read beyond. */
static inline void talk_input(struct talk *t, const void *data, size_t len)
{
	uint8_t *copy = malloc(len > 0 ? len : 1);

	assert_non_null(copy);
	if (len > 0)
		memcpy(copy, data, len);
	gt_probe_input(&t->probe, copy, len);
	free(copy);
	talk_send(t);
}

static inline void talk_expect(const struct talk *t, enum gt_probe_verdict verdict, bool done,
			       const char *reason)
{
	assert_string_equal(gt_probe_reason(&t->probe), reason);
	assert_int_equal(gt_probe_verdict(&t->probe), verdict);
	assert_int_equal(gt_probe_done(&t->probe), done);
	assert_true(strlen(reason) < GT_PROBE_REASON_MAX - 1);
}

enum talk_end { TALK_STAYS, TALK_CLOSES };

static inline void talk_end(struct talk *t, enum talk_end end)
{
	if (end == TALK_CLOSES)
		gt_probe_closed(&t->probe);
}

/*
 * The server says this, and closes or stays: whole, in two pieces split at every byte, and byte by
 * byte, always to the same verdict in the same words.
 */
static inline void talk_all_splits(const struct gt_probe_ask *ask, const void *answer, size_t len,
				   enum talk_end end, enum gt_probe_verdict verdict,
				   const char *reason)
{
	const uint8_t *bytes = answer;
	bool done = end == TALK_CLOSES || verdict != GT_PROBE_RUNNING;
	struct talk t;

	for (size_t split = 0; split < len; split++) {
		talk_start(&t, ask);
		talk_input(&t, bytes, split);
		talk_input(&t, bytes + split, len - split);
		talk_end(&t, end);
		talk_expect(&t, verdict, done, reason);
	}
	talk_start(&t, ask);
	for (size_t i = 0; i < len; i++)
		talk_input(&t, bytes + i, 1);
	talk_end(&t, end);
	talk_expect(&t, verdict, done, reason);
	/* The verdict is final, whatever comes. */
	if (verdict != GT_PROBE_RUNNING) {
		talk_input(&t, bytes, len);
		gt_probe_closed(&t.probe);
		talk_expect(&t, verdict, true, reason);
	}
}

#endif
