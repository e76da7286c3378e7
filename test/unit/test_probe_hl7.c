/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The HL7 check against what python3-hl7 answers (vectors_probe_hl7.h), and what an engine may
 * answer beside: the same bytes changed, and segments as HL7 v2.5 chapter 2 lays them out.
 */
#include <stdio.h>

#include "probe_talk.h"
#include "vectors_probe_hl7.h"

#define HEALTHY GT_PROBE_HEALTHY
#define SICK	GT_PROBE_SICK
#define RUNNING GT_PROBE_RUNNING
#define ID	"GNT0000000007"

#define ALL (GT_PROBE_AA | GT_PROBE_AE | GT_PROBE_AR | GT_PROBE_CA | GT_PROBE_CE | GT_PROBE_CR)

static const struct gt_probe_ask ask = {.kind = GT_PROBE_HL7,
					.accepted = GT_PROBE_AA | GT_PROBE_CA};

static struct gt_probe_ask ask_with(const char *message)
{
	return (struct gt_probe_ask){.kind = GT_PROBE_HL7,
				     .message = (const uint8_t *)message,
				     .message_len = strlen(message),
				     .accepted = GT_PROBE_AA};
}

static void expect(const struct gt_probe_ask *a, const char *answer, enum talk_end end,
		   enum gt_probe_verdict verdict, const char *reason)
{
	talk_all_splits(a, answer, strlen(answer), end, verdict, reason);
}

/* ---- what is sent ---- */

static void expect_output(const struct gt_probe_ask *a, const char *frame)
{
	struct talk t;

	talk_start(&t, a);
	assert_int_equal(t.out_len, strlen(frame));
	assert_memory_equal(t.out, frame, t.out_len);
}

/* The message that servers were seen to answer, with a control ID of its own. */
static void output_builtin_is_a_whole_frame(void **state)
{
	(void)state;
	expect_output(&ask, "\x0bMSH|^~\\&|GANTRY|LB|RIS|HOSP|20250101120000||NMD^N02|" ID
			    "|T|2.5\r\x1c\r");
}

static void output_file_has_its_control_id_replaced_alone(void **state)
{
	struct gt_probe_ask a = ask_with("MSH|^~\\&|A|B|C|D|E|F|ADT^A01|OLD|P|2.3\rEVN|OLD|x\r");

	(void)state;
	expect_output(&a, "\x0bMSH|^~\\&|A|B|C|D|E|F|ADT^A01|" ID "|P|2.3\rEVN|OLD|x\r\x1c\r");
	a = ask_with("MSH*%~\\&*******NMD%N02**T*2.5\rNTE*1**a|b");
	expect_output(&a, "\x0bMSH*%~\\&*******NMD%N02*" ID "*T*2.5\rNTE*1**a|b\r\x1c\r");
}

static void output_segments_end_in_one_cr(void **state)
{
	static const char *const files[] = {
		"MSH|^~\\&|A|B|C|D|E|F|N^N|1|P|2.3\rNTE|1\rNTE|2\r",
		"MSH|^~\\&|A|B|C|D|E|F|N^N|1|P|2.3\r\nNTE|1\r\nNTE|2\r\n",
		"MSH|^~\\&|A|B|C|D|E|F|N^N|1|P|2.3\nNTE|1\nNTE|2\n",
		"MSH|^~\\&|A|B|C|D|E|F|N^N|1|P|2.3\nNTE|1\r\n\r\nNTE|2",
		"MSH|^~\\&|A|B|C|D|E|F|N^N|1|P|2.3\nNTE|1\nNTE|2\n\n\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct gt_probe_ask a = ask_with(files[i]);

		expect_output(&a,
			      "\x0bMSH|^~\\&|A|B|C|D|E|F|N^N|" ID "|P|2.3\rNTE|1\rNTE|2\r\x1c\r");
	}
}

static void output_long_message_goes_out_in_pieces(void **state)
{
	static const char head[] = "MSH|^~\\&|A|B|C|D|E|F|N^N|1|P|2.3\r\nOBX|";
	char message[6000];
	struct gt_probe p;
	size_t len, sent = 0;

	(void)state;
	for (size_t size = sizeof(head); size < 6000; size += 199) {
		memset(message, 'x', size);
		memcpy(message, head, sizeof(head) - 1);

		struct gt_probe_ask a = ask_with("");

		a.message = (const uint8_t *)message;
		a.message_len = size;
		gt_probe_start(&p, &a, TALK_ID);
		for (sent = 0; (void)gt_probe_output(&p, &len), len > 0; sent += len)
			gt_probe_sent(&p, len);
		/* 0B, the ID instead of "1", CR LF as CR, and CR 1C CR at the end */
		assert_int_equal(sent, 1 + size + 12 - 1 + 3);
	}
}

static void output_ids_differ(void **state)
{
	static const uint32_t ids[] = {0, 1, 0xffffffff};
	static const char *const texts[] = {"|GNT0000000000|", "|GNT0000000001|",
					    "|GNT4294967295|"};
	struct gt_probe p;
	size_t len;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		gt_probe_start(&p, &ask, ids[i]);

		const uint8_t *out = gt_probe_output(&p, &len);

		assert_non_null(memmem(out, len, texts[i], strlen(texts[i])));
	}
}

static void ask_valid_says_what_to_mend(void **state)
{
	static const struct {
		const char *message, *why;
	} cases[] = {
		{"", "must begin with a segment"},
		{"MSH", "must begin with a segment"},
		{"PID|1|2\r", "must begin with a segment"},
		{"\xef\xbb\xbfMSH|^~\\&|A|B|C|D|E|F|N|1|P|2.3\r", "must begin with a segment"},
		{"MSHA^~\\&AAABACADAEAFANA1APA2.3\r", "must begin with a segment"},
		{"\x0bMSH|^~\\&|A|B|C|D|E|F|N|1|P|2.3\r\x1c\r", "must begin with a segment"},
		{"MSH|^~\\&|A|B|C|D|E|F|N|1|P|2.3\r\x1c\r", "MLLP frame"},
		{"MSH|^~\\&|A|B|C|D|E|F||1|P|2.3\r", "MSH-9 "},
		{"MSH|^~\\&|A|B|C|D|E|F|N|1||2.3\r", "MSH-11 "},
		{"MSH|^~\\&|A|B|C|D|E|F|N|1|P|\r", "MSH-12 "},
		{"MSH|^~\\&|A|B|C|D|E|F|N|1\rPID|P|2.3|x|x|x|x|x|x|x|x|x\r", "MSH-11 "},
		{"MSH|^~\\&|A|B\r", "MSH-9 "},
	};
	char why[GT_PROBE_REASON_MAX] = "";

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct gt_probe_ask a = ask_with(cases[i].message);

		if (gt_probe_ask_valid(&a, why) || strstr(why, cases[i].why) == NULL)
			fail_msg("case %zu: %s", i, why);
	}
	struct gt_probe_ask a = ask;

	a.accepted = 0;
	assert_false(gt_probe_ask_valid(&a, why));
}

/* ---- what python3-hl7 answers ---- */

#define RECORDED(name, ...)                                                                        \
	{                                                                                          \
		v_##name, sizeof(v_##name), __VA_ARGS__                                            \
	}

static void input_recorded_answers_get_their_verdict(void **state)
{
	static const struct {
		const uint8_t *bytes;
		size_t len;
		unsigned accepted;
		enum gt_probe_verdict verdict;
		const char *reason;
	} cases[] = {
		RECORDED(ack_aa, GT_PROBE_AA | GT_PROBE_CA, HEALTHY, "acknowledged AA"),
		RECORDED(ack_ae, GT_PROBE_AA | GT_PROBE_CA, SICK, "acknowledged AE"),
		RECORDED(ack_ar, GT_PROBE_AA | GT_PROBE_CA, SICK, "acknowledged AR"),
		RECORDED(ack_ca, GT_PROBE_AA | GT_PROBE_CA, HEALTHY, "acknowledged CA"),
		RECORDED(ack_ce, GT_PROBE_AA | GT_PROBE_CA, SICK, "acknowledged CE"),
		RECORDED(ack_cr, GT_PROBE_AA | GT_PROBE_CA, SICK, "acknowledged CR"),
		RECORDED(ack_ae, ALL, HEALTHY, "acknowledged AE"),
		RECORDED(ack_ar, ALL, HEALTHY, "acknowledged AR"),
		RECORDED(ack_ce, ALL, HEALTHY, "acknowledged CE"),
		RECORDED(ack_cr, ALL, HEALTHY, "acknowledged CR"),
		RECORDED(ack_aa, GT_PROBE_CA, SICK, "acknowledged AA"),
		RECORDED(ack_ca, GT_PROBE_CE, SICK, "acknowledged CA"),
		RECORDED(ack_ca_aa, GT_PROBE_AA, HEALTHY, "acknowledged AA"),
		RECORDED(ack_other_separators, GT_PROBE_AA, HEALTHY, "acknowledged AA"),
		RECORDED(http_server, ALL, SICK, "not MLLP: the answer begins with 48 (hex)"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (enum talk_end end = TALK_STAYS; end <= TALK_CLOSES; end++) {
			struct gt_probe_ask a = ask;

			a.accepted = cases[i].accepted;
			talk_all_splits(&a, cases[i].bytes, cases[i].len, end, cases[i].verdict,
					cases[i].reason);
		}
}

/* A commit acknowledgment where the application's own is asked for: it is awaited. */
static void input_commit_alone_is_not_enough_for_aa(void **state)
{
	struct gt_probe_ask a = ask;

	(void)state;
	a.accepted = GT_PROBE_AA;
	talk_all_splits(&a, v_ack_ca, sizeof(v_ack_ca), TALK_STAYS, RUNNING,
			"committed (CA), but no application acknowledgment");
	talk_all_splits(&a, v_ack_ca, sizeof(v_ack_ca), TALK_CLOSES, SICK,
			"server closed the connection without an acknowledgment");
}

/* Every bit of an acknowledgment turned: a verdict or none, but no harm. */
static void input_each_bit_turned_is_survived(void **state)
{
	(void)state;
	for (size_t bit = 0; bit < 8 * sizeof(v_ack_aa); bit++) {
		uint8_t bytes[sizeof(v_ack_aa)];
		struct talk t;

		memcpy(bytes, v_ack_aa, sizeof(bytes));
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		talk_start(&t, &ask);
		talk_input(&t, bytes, sizeof(bytes));
		gt_probe_closed(&t.probe);
		assert_int_not_equal(gt_probe_verdict(&t.probe), RUNNING);
		assert_true(gt_probe_done(&t.probe));
	}
}

/* ---- what engines answer beside ---- */

#define MSH "MSH|^~\\&|RIS|HOSP|GANTRY|LB|20250101120000||ACK^N02^ACK|42|T|2.5\r"

static void input_segments_before_msa_are_passed(void **state)
{
	(void)state;
	expect(&ask, "\x0b" MSH "SFT|Vendor|1.0|Engine|B1\rUAC|MSAAE|x\rMSA|AA|" ID "\r\x1c\r",
	       TALK_STAYS, HEALTHY, "acknowledged AA");
	/* Ends of segments that are wrong, and yet seen. */
	expect(&ask,
	       "\r\n\x0b"
	       "MSH|^~\\&|R\r\nSFT|V\r\nMSA|AA|" ID "\r\n\x1c\r",
	       TALK_STAYS, HEALTHY, "acknowledged AA");
	expect(&ask,
	       "\x0b"
	       "MSH|^~\\&|R\nMSA|AA|" ID "\x1c\r",
	       TALK_STAYS, HEALTHY, "acknowledged AA");
}

static void input_error_text_is_in_the_reason(void **state)
{
	static const struct {
		const char *answer, *reason;
	} cases[] = {
		/* MSA-3, v2.1 to v2.3 */
		{MSH "MSA|AE|" ID "|Unknown sending facility\r",
		 "acknowledged AE: Unknown sending facility"},
		/* ERR-1, v2.3: segment^sequence^field^code&text */
		{MSH "MSA|AR|" ID "\rERR|MSH^1^9^200&Unsupported message type\r",
		 "acknowledged AR: MSH^1^9^200&Unsupported message type"},
		/* ERR-3, then 7 and 8 of v2.5 */
		{MSH "MSA|AE|" ID "\rERR||MSH^1^9|200^Unsupported message type^HL70357|E\r",
		 "acknowledged AE: Unsupported message type"},
		{MSH "MSA|AE|" ID "\rERR||MSH^1^9|200|E\r", "acknowledged AE: 200"},
		{MSH "MSA|AE|" ID "\rERR||MSH^1^9|200|E|||queue full\r",
		 "acknowledged AE: queue full"},
		{MSH "MSA|AE|" ID "|old\rERR||MSH^1^9|200|E|||queue full|Try later\rERR||||||||"
		     "second\r",
		 "acknowledged AE: Try later"},
		{MSH "ERR||MSH^1^9|200|E|||queue full|Try later\rMSA|AE|" ID "\r",
		 "acknowledged AE: Try later"},
		{MSH "MSA|CR|" ID "\rERR\r", "acknowledged CR"},
		/* other separators, and other words than ASCII */
		{"MSH*%~\\&*R\rMSA*AE*" ID "\rERR***207%gro\xc3\x9f%HL70357\r",
		 "acknowledged AE: gro.."},
		{MSH "MSA|AE|" ID "|\x1b[2J\x01%s%n\r", "acknowledged AE: .[2J.%s%n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char frame[512];

		snprintf(frame, sizeof(frame), "\x0b%s\x1c\r", cases[i].answer);
		expect(&ask, frame, TALK_STAYS, SICK, cases[i].reason);
	}
}

static void input_long_error_text_is_cut(void **state)
{
	char answer[70000], text[80];
	struct talk t;

	(void)state;
	int n = snprintf(answer, sizeof(answer), "\x0b" MSH "MSA|AE|" ID "|");

	memset(answer + n, 'x', sizeof(answer) - (size_t)n);
	memcpy(answer + sizeof(answer) - 3, "\r\x1c\r", 3);
	talk_start(&t, &ask);
	talk_input(&t, answer, sizeof(answer));
	memset(text, 'x', 79);
	text[79] = '\0';

	char reason[GT_PROBE_REASON_MAX];

	snprintf(reason, sizeof(reason), "acknowledged AE: %s", text);
	talk_expect(&t, SICK, true, reason);
}

static void input_not_our_acknowledgment_is_sick(void **state)
{
	static const struct {
		const char *answer, *reason;
	} cases[] = {
		{"\x0b" MSH "MSA|AA|GNT0000000008\r\x1c\r",
		 "acknowledged AA, but not our message: MSA-2 is not " ID},
		{"\x0b" MSH "MSA|AA|\r\x1c\r",
		 "acknowledged AA, but not our message: MSA-2 is not " ID},
		{"\x0b" MSH "MSA|AA|" ID "0\r\x1c\r",
		 "acknowledged AA, but not our message: MSA-2 is not " ID},
		{"\x0b" MSH "MSA|AA\r\x1c\r",
		 "acknowledged AA, but not our message: MSA-2 is not " ID},
		{"\x0b" MSH "MSA|XX|" ID "\r\x1c\r", "MSA-1 XX is no acknowledgment code"},
		{"\x0b" MSH "MSA||" ID "\r\x1c\r", "MSA-1 ? is no acknowledgment code"},
		{"\x0b" MSH "MSA|AAA|" ID "\r\x1c\r", "MSA-1 ?A is no acknowledgment code"},
		{"\x0b" MSH "PID|1\r\x1c\r", "the answer has no MSA segment"},
		{"\x0b" MSH "MSA*AA*" ID "\r\x1c\r", "the answer has no MSA segment"},
		{"\x0bMSA|AA|" ID "\r\x1c\r", "the answer does not begin with MSH"},
		{"\x0bMSH|\r\x1c\r", "the answer does not begin with MSH"},
		{"\x0bMSH|^~\\&\x0b", "malformed answer: a frame begins within a frame"},
		{"\x15", "NAK: the server could not store the message"},
		{"\x0b\x15\x1c\r", "NAK: the server could not store the message"},
		{"\x0b\x15\r", "NAK: the server could not store the message"},
		{"MSH|^~\\&|R\rMSA|AA|" ID "\r", "not MLLP: the answer begins with 4d (hex)"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect(&ask, cases[i].answer, TALK_STAYS, SICK, cases[i].reason);
}

/* What came back is what was sent. */
static void input_own_message_back_is_sick(void **state)
{
	struct talk t;

	(void)state;
	talk_start(&t, &ask);

	uint8_t echo[256];
	size_t len = t.out_len;

	memcpy(echo, t.out, len);
	talk_all_splits(&ask, echo, len, TALK_STAYS, SICK, "the answer has no MSA segment");
}

/* MLLP Release 2: the commit byte comes first. */
static void input_commit_byte_then_acknowledgment(void **state)
{
	(void)state;
	expect(&ask, "\x0b\x06\x1c\r", TALK_STAYS, RUNNING, "acknowledgment incomplete");
	expect(&ask, "\x0b\x06\x1c\r\x0b" MSH "MSA|AA|" ID "\r\x1c\r", TALK_STAYS, HEALTHY,
	       "acknowledged AA");
	expect(&ask, "\x0b\x06\x1cx", TALK_STAYS, SICK, "malformed answer: no CR behind its frame");
}

/* The verdict stands with the end of block; the connection with the CR behind it. */
static void input_end_of_block_is_the_verdict(void **state)
{
	static const char answer[] = "\x0b" MSH "MSA|AA|" ID "\r\x1c\r";
	struct talk t;

	(void)state;
	talk_start(&t, &ask);
	talk_expect(&t, RUNNING, false, "no acknowledgment");
	talk_input(&t, answer, sizeof(answer) - 3);
	talk_expect(&t, RUNNING, false, "acknowledgment incomplete");
	talk_input(&t, answer + sizeof(answer) - 3, 1);
	talk_expect(&t, HEALTHY, false, "acknowledged AA");
	talk_input(&t, answer + sizeof(answer) - 2, 1);
	talk_expect(&t, HEALTHY, true, "acknowledged AA");
}

static void closed_early_is_sick(void **state)
{
	(void)state;
	expect(&ask, "\r", TALK_CLOSES, SICK,
	       "server closed the connection without an acknowledgment");
	expect(&ask, "\x0b" MSH "MSA|AA|" ID "\r", TALK_CLOSES, SICK,
	       "server closed the connection within its acknowledgment");
}

/* ---- hostile servers ---- */

static void input_endless_is_refused(void **state)
{
	static const char *const endless[] = {"x", "\r", "NTE|1\r", "MSA", "|"};
	struct talk t;

	(void)state;
	for (size_t i = 0; i < sizeof(endless) / sizeof(endless[0]); i++) {
		talk_start(&t, &ask);
		talk_input(&t, "\x0b" MSH, 1 + strlen(MSH));
		for (size_t n = 0; n <= GT_PROBE_INPUT_MAX; n += strlen(endless[i]))
			talk_input(&t, endless[i], strlen(endless[i]));
		talk_expect(&t, SICK, true, "endless answer: more than 256 KiB");
	}
	/* Line ends before any frame; commit bytes without end. */
	talk_start(&t, &ask);
	for (size_t n = 0; n <= GT_PROBE_INPUT_MAX; n++)
		talk_input(&t, "\n", 1);
	talk_expect(&t, SICK, true, "endless answer: more than 256 KiB");
	talk_start(&t, &ask);
	for (size_t n = 0; n <= GT_PROBE_INPUT_MAX; n += 4)
		talk_input(&t, "\x0b\x06\x1c\r", 4);
	talk_expect(&t, SICK, true, "endless answer: more than 256 KiB");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(output_builtin_is_a_whole_frame),
		cmocka_unit_test(output_file_has_its_control_id_replaced_alone),
		cmocka_unit_test(output_segments_end_in_one_cr),
		cmocka_unit_test(output_long_message_goes_out_in_pieces),
		cmocka_unit_test(output_ids_differ),
		cmocka_unit_test(ask_valid_says_what_to_mend),
		cmocka_unit_test(input_recorded_answers_get_their_verdict),
		cmocka_unit_test(input_commit_alone_is_not_enough_for_aa),
		cmocka_unit_test(input_each_bit_turned_is_survived),
		cmocka_unit_test(input_segments_before_msa_are_passed),
		cmocka_unit_test(input_error_text_is_in_the_reason),
		cmocka_unit_test(input_long_error_text_is_cut),
		cmocka_unit_test(input_not_our_acknowledgment_is_sick),
		cmocka_unit_test(input_own_message_back_is_sick),
		cmocka_unit_test(input_commit_byte_then_acknowledgment),
		cmocka_unit_test(input_end_of_block_is_the_verdict),
		cmocka_unit_test(closed_early_is_sick),
		cmocka_unit_test(input_endless_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
