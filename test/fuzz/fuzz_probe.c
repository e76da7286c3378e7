/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Health checks against arbitrary servers, and arbitrary asks. An input is a byte of kind and
 * options, a byte of length and so much text of the ask (the HL7 message, or path and body text),
 * then pieces of the answer: each a byte of length and its bytes. Every piece is a heap block of
 * its exact size. Whatever comes: a verdict once given stands, the reason is printable, output is
 * bounded, and the same bytes in one piece lead to the same end.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "probe/probe.h"

#define CHECK(x)                                                                                   \
	do {                                                                                       \
		if (!(x))                                                                          \
			abort();                                                                   \
	} while (0)

/* Options in the first byte, above the kind. */
enum { CLOSES = 4, REJECT_IS_HEALTHY = 8, OWN_TEXT = 16, ANY_ACK = 32, SENDS_SLOWLY = 64 };

/* All output of a probe is bounded by what it was asked, not by what it is answered. */
#define OUTPUT_BOUND (GT_PROBE_OUTPUT_MAX + 256 + 64)

struct watch {
	struct gt_probe probe;
	bool slow, seen_done;
	enum gt_probe_verdict verdict;
	char reason[GT_PROBE_REASON_MAX];
	size_t sent;
	uint8_t out[OUTPUT_BOUND];
};

static void check(struct watch *w)
{
	const char *reason = gt_probe_reason(&w->probe);
	size_t n = strnlen(reason, GT_PROBE_REASON_MAX);

	CHECK(n > 0 && n < GT_PROBE_REASON_MAX);
	for (size_t i = 0; i < n; i++)
		CHECK(reason[i] >= ' ' && reason[i] <= '~');
	if (w->verdict != GT_PROBE_RUNNING) {
		CHECK(gt_probe_verdict(&w->probe) == w->verdict);
		CHECK(strcmp(reason, w->reason) == 0);
	}
	CHECK(!w->seen_done || gt_probe_done(&w->probe));
	w->verdict = gt_probe_verdict(&w->probe);
	w->seen_done = gt_probe_done(&w->probe);
	memcpy(w->reason, reason, n + 1);
	CHECK(!w->seen_done || w->verdict != GT_PROBE_RUNNING);
}

static void take_output(struct watch *w)
{
	const uint8_t *out;
	size_t len;

	while (out = gt_probe_output(&w->probe, &len), len > 0) {
		size_t n = w->slow ? 1 : len;

		CHECK(len <= GT_PROBE_OUTPUT_MAX && w->sent + n <= sizeof(w->out));
		memcpy(w->out + w->sent, out, n);
		w->sent += n;
		gt_probe_sent(&w->probe, n);
		if (w->slow)
			return;
	}
}

static void start(struct watch *w, const struct gt_probe_ask *ask, bool slow)
{
	memset(w, 0, sizeof(*w));
	w->slow = slow;
	gt_probe_start(&w->probe, ask, 7);
	check(w);
}

static void give(struct watch *w, const uint8_t *data, size_t len)
{
	uint8_t *copy = malloc(len > 0 ? len : 1);

	CHECK(copy != NULL);
	memcpy(copy, data, len);
	gt_probe_input(&w->probe, copy, len);
	free(copy);
	check(w);
	take_output(w);
	check(w);
}

/* A frame of MLLP, in segments without LF, whatever the file had. */
static void check_frame(const struct watch *w)
{
	CHECK(w->sent > 4 && w->out[0] == 0x0b);
	CHECK(memcmp(w->out + w->sent - 3, "\r\x1c\r", 3) == 0);
	CHECK(memchr(w->out, '\n', w->sent) == NULL);
	CHECK(memmem(w->out, w->sent, "\r\r", 2) == NULL);
	CHECK(memmem(w->out, w->sent, "GNT0000000007", 13) != NULL);
}

static bool make_ask(struct gt_probe_ask *ask, uint8_t options, const char *text, size_t len)
{
	char why[GT_PROBE_REASON_MAX];

	*ask = (struct gt_probe_ask){.kind = (enum gt_probe_kind)(options & 3),
				     .calling_aet = "GANTRY",
				     .called_aet = "ANY-SCP",
				     .reject_is_healthy = options & REJECT_IS_HEALTHY,
				     .accepted = options & ANY_ACK ? 63 : GT_PROBE_AA,
				     .path = "/",
				     .authority = "192.0.2.11:80",
				     .status_first = 200,
				     .status_last = 399,
				     .body = options & OWN_TEXT ? text : NULL};
	if (options & OWN_TEXT && ask->kind == GT_PROBE_HL7) {
		ask->message = (const uint8_t *)text;
		ask->message_len = len;
	}
	return gt_probe_ask_valid(ask, why);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct watch pieces, whole;
	struct gt_probe_ask ask;
	char text[256] = "";
	uint8_t *all;
	size_t n_all = 0;

	if (size < 2 || size - 2 < data[1])
		return 0;
	const uint8_t options = data[0], n_text = data[1];

	memcpy(text, data + 2, n_text);
	if (!make_ask(&ask, options, text, n_text))
		return 0;
	data += 2 + n_text;
	size -= 2 + (size_t)n_text;
	all = malloc(size + 1);
	CHECK(all != NULL);
	start(&pieces, &ask, options & SENDS_SLOWLY);
	take_output(&pieces);
	if (ask.kind == GT_PROBE_HL7 && !pieces.slow)
		check_frame(&pieces);
	while (size > 0) {
		size_t len = data[0] < size ? data[0] : size - 1;

		give(&pieces, data + 1, len);
		memcpy(all + n_all, data + 1, len);
		n_all += len;
		data += 1 + len;
		size -= 1 + len;
	}
	start(&whole, &ask, false);
	give(&whole, all, n_all);
	free(all);
	CHECK(strcmp(pieces.reason, whole.reason) == 0);
	CHECK(pieces.verdict == whole.verdict);
	if (options & CLOSES) {
		gt_probe_closed(&pieces.probe);
		check(&pieces);
		CHECK(gt_probe_done(&pieces.probe));
	}
	return 0;
}
