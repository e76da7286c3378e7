/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The DICOM check against what dcmtk and Orthanc say (vectors_probe_dicom.h), and what a server may
 * say beside: recorded PDUs with bytes changed, or taken apart, as PS3.8 9.3 and PS3.7 9.3.5 lay
 * them out.
 */
#include "probe_talk.h"
#include "vectors_probe_dicom.h"

#define HEALTHY GT_PROBE_HEALTHY
#define SICK	GT_PROBE_SICK
#define RUNNING GT_PROBE_RUNNING

static const struct gt_probe_ask ask = {
	.kind = GT_PROBE_DICOM, .calling_aet = "GANTRY", .called_aet = "ANY-SCP"};
static const struct gt_probe_ask reject_is_healthy = {.kind = GT_PROBE_DICOM,
						      .calling_aet = "GANTRY",
						      .called_aet = "ANY-SCP",
						      .reject_is_healthy = true};

static const uint8_t release_rq[] = {5, 0, 0, 0, 0, 4, 0, 0, 0, 0};
static const uint8_t release_rp[] = {6, 0, 0, 0, 0, 4, 0, 0, 0, 0};

/* A script of a server, made of pieces. */
struct script {
	uint8_t bytes[16384];
	size_t len;
};

static void add(struct script *s, const void *data, size_t len)
{
	assert_true(s->len + len <= sizeof(s->bytes));
	memcpy(s->bytes + s->len, data, len);
	s->len += len;
}

/* The n-th PDU of storescp's answers: A-ASSOCIATE-AC, P-DATA-TF, A-RELEASE-RP. */
static const uint8_t *recorded(unsigned n, size_t *len)
{
	const uint8_t *b = v_storescp_echo;

	while (*len = 6 + (size_t)(b[4] << 8 | b[5]), n-- > 0)
		b += *len;
	return b;
}

static void add_recorded(struct script *s, unsigned n)
{
	size_t len;
	const uint8_t *b = recorded(n, &len);

	add(s, b, len);
}

/* Where `bytes` stand in the script, which must be once and is where a test changes it. */
static uint8_t *find(struct script *s, const void *bytes, size_t len)
{
	uint8_t *at = memmem(s->bytes, s->len, bytes, len);

	assert_non_null(at);
	return at;
}

static struct script associated(void)
{
	struct script s = {.len = 0};

	add_recorded(&s, 0);
	return s;
}

static struct script echoed(void)
{
	struct script s = associated();

	add_recorded(&s, 1);
	return s;
}

static void add_data_pdu(struct script *s, uint32_t len)
{
	add(s,
	    (uint8_t[]){4, 0, (uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8),
			(uint8_t)len},
	    6);
}

static void add_pdv(struct script *s, uint8_t context, uint8_t control, const void *data,
		    size_t len)
{
	add(s, (uint8_t[]){0, 0, (uint8_t)((len + 2) >> 8), (uint8_t)(len + 2), context, control},
	    6);
	add(s, data, len);
}

static void expect(const struct gt_probe_ask *a, const struct script *s, enum talk_end end,
		   enum gt_probe_verdict verdict, const char *reason)
{
	talk_all_splits(a, s->bytes, s->len, end, verdict, reason);
}

/* ---- what is asked ---- */

/* Byte for byte what dcmtk's echoscu sends, but for a reserved byte and who we are. */
static void output_is_echoscus(void **state)
{
	static const uint8_t user_information[] = {0x50, 0, 0}, context[] = {0x20, 0, 0, 0x2e, 1};
	struct gt_probe p;
	uint8_t theirs[sizeof(v_echoscu_associate)];
	size_t len;

	(void)state;
	memcpy(theirs, v_echoscu_associate, sizeof(theirs));
	gt_probe_start(&p, &ask, 0);

	const uint8_t *ours = gt_probe_output(&p, &len);
	uint8_t *reserved = memmem(theirs, sizeof(theirs), context, sizeof(context));
	uint8_t *user = memmem(theirs, sizeof(theirs), user_information, sizeof(user_information));

	assert_non_null(reserved);
	assert_non_null(user);
	assert_int_equal(reserved[6], 0xff);
	reserved[6] = 0; /* PS3.8 Table 9-13 wants 00H there */

	size_t same = (size_t)(user - theirs) + 3;

	assert_int_equal(len, 6 + (size_t)(ours[4] << 8 | ours[5]));
	assert_int_equal(ours[0], 1);
	assert_memory_equal(ours + 6, theirs + 6, same - 6);
	/* The length of the item runs to the end; its first part, the longest PDU, is the same. */
	assert_int_equal(ours[same], len - same - 1);
	assert_memory_equal(ours + same + 1, theirs + same + 1, 8);
	/* The UID that follows is one of PS3.5 9.1: digits and dots, at most 64. */
	assert_int_equal(ours[same + 9], 0x52);
	assert_int_equal(ours[same + 11], 0);
	assert_in_range(ours[same + 12], 7, 64);
	assert_memory_equal(ours + same + 13, "2.25.", 5);
	for (size_t i = 0; i < ours[same + 12]; i++)
		assert_non_null(strchr("0123456789.", ours[same + 13 + i]));

	gt_probe_sent(&p, len);
	for (unsigned i = 0; i < 2; i++) {
		const uint8_t *answer = recorded(i, &len);
		struct script s = {.len = 0};

		add(&s, answer, len);
		if (i == 1) /* the probe was recorded with another message ID than echoscu's 1 */
			find(&s, (uint8_t[]){0x20, 1, 2, 0, 0, 0, 8}, 7)[6] = 1;
		gt_probe_input(&p, s.bytes, s.len);
		ours = gt_probe_output(&p, &len);
		assert_int_equal(len, i == 0 ? sizeof(v_echoscu_echo) : sizeof(v_echoscu_release));
		assert_memory_equal(ours, i == 0 ? v_echoscu_echo : v_echoscu_release, len);
		gt_probe_sent(&p, len);
	}
	assert_int_equal(gt_probe_verdict(&p), HEALTHY);
}

static void output_in_small_pieces_is_the_same(void **state)
{
	struct gt_probe p;
	struct talk t;
	size_t len, sent = 0;

	(void)state;
	talk_start(&t, &ask);
	gt_probe_start(&p, &ask, TALK_ID);
	for (const uint8_t *out; out = gt_probe_output(&p, &len), len > 0; sent++) {
		assert_int_equal(*out, t.out[sent]);
		gt_probe_sent(&p, 1);
	}
	assert_int_equal(sent, t.out_len);
}

static void ask_valid_refuses_what_no_ae_title_may_be(void **state)
{
	static const char *const bad[] = {"", "   ", "A\\B", "A\nB", "\xc3\xa4"};
	char why[GT_PROBE_REASON_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct gt_probe_ask a = ask;

		strcpy(a.called_aet, bad[i]);
		assert_false(gt_probe_ask_valid(&a, why));
		assert_non_null(strstr(why, "called AE title"));
		a = ask;
		strcpy(a.calling_aet, bad[i]);
		assert_false(gt_probe_ask_valid(&a, why));
		assert_non_null(strstr(why, "calling AE title"));
	}
	struct gt_probe_ask a = ask;

	strcpy(a.called_aet, "SIXTEEN LETTERS.");
	assert_true(gt_probe_ask_valid(&a, why));
}

/* ---- what real servers answer ---- */

#define RECORDED(name, ...)                                                                        \
	{                                                                                          \
		v_##name, sizeof(v_##name), __VA_ARGS__                                            \
	}

static void input_recorded_answers_get_their_verdict(void **state)
{
	static const struct {
		const uint8_t *bytes;
		size_t len;
		enum gt_probe_verdict verdict, with_reject;
		const char *reason;
	} cases[] = {
		RECORDED(storescp_echo, HEALTHY, HEALTHY, "C-ECHO succeeded"),
		RECORDED(dcmqrscp_echo, HEALTHY, HEALTHY, "C-ECHO succeeded"),
		RECORDED(orthanc_echo, HEALTHY, HEALTHY, "C-ECHO succeeded"),
		RECORDED(storescp_refuse, SICK, HEALTHY,
			 "rejected permanently: no reason given (service-user)"),
		RECORDED(dcmqrscp_wrong_called, SICK, HEALTHY,
			 "rejected permanently: called AE title not recognized (service-user)"),
		RECORDED(dcmqrscp_full, SICK, HEALTHY,
			 "rejected transiently: local limit exceeded "
			 "(service-provider, presentation)"),
		RECORDED(orthanc_wrong_called, SICK, HEALTHY,
			 "rejected permanently: called AE title not recognized (service-user)"),
		RECORDED(orthanc_wrong_calling, SICK, HEALTHY,
			 "rejected permanently: calling AE title not recognized (service-user)"),
		RECORDED(orthanc_wrong_host, SICK, HEALTHY,
			 "rejected permanently: calling AE title not recognized (service-user)"),
		RECORDED(orthanc_no_echo, SICK, SICK, "aborted: by the service-user"),
		RECORDED(http_server, SICK, SICK,
			 "not DICOM: the answer begins with 48 54 54 50 2f 31 (hex)"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (enum talk_end end = TALK_STAYS; end <= TALK_CLOSES; end++) {
			talk_all_splits(&ask, cases[i].bytes, cases[i].len, end, cases[i].verdict,
					cases[i].reason);
			talk_all_splits(&reject_is_healthy, cases[i].bytes, cases[i].len, end,
					cases[i].with_reject, cases[i].reason);
		}
}

static void input_recorded_echo_is_released(void **state)
{
	struct talk t;

	(void)state;
	talk_start(&t, &ask);
	talk_input(&t, v_storescp_echo, sizeof(v_storescp_echo) - sizeof(release_rp));
	talk_expect(&t, HEALTHY, false, "C-ECHO succeeded");
	assert_memory_equal(t.out + t.out_len - 10, release_rq, 10);
	talk_input(&t, release_rp, sizeof(release_rp));
	talk_expect(&t, HEALTHY, true, "C-ECHO succeeded");
}

/* ---- rejections, aborts and contexts in the words of the standard ---- */

static void input_rejections_have_the_words_of_table_9_21(void **state)
{
	static const struct {
		uint8_t result, source, reason;
		const char *words;
	} cases[] = {
		{1, 1, 1, "rejected permanently: no reason given (service-user)"},
		{1, 1, 2,
		 "rejected permanently: application context name not supported (service-user)"},
		{2, 1, 3, "rejected transiently: calling AE title not recognized (service-user)"},
		{1, 2, 1, "rejected permanently: no reason given (service-provider, ACSE)"},
		{1, 2, 2,
		 "rejected permanently: protocol version not supported (service-provider, ACSE)"},
		{2, 3, 1,
		 "rejected transiently: temporary congestion (service-provider, presentation)"},
		{1, 3, 2,
		 "rejected permanently: local limit exceeded (service-provider, presentation)"},
		{1, 1, 4, "rejected: result 1, source 1, reason 4"},
		{0, 1, 1, "rejected: result 0, source 1, reason 1"},
		{255, 255, 255, "rejected: result 255, source 255, reason 255"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t pdu[] = {
			3, 0, 0, 0, 0, 4, 0, cases[i].result, cases[i].source, cases[i].reason};

		talk_all_splits(&ask, pdu, sizeof(pdu), TALK_STAYS, SICK, cases[i].words);
	}
}

static void input_aborts_have_the_words_of_table_9_26(void **state)
{
	static const struct {
		uint8_t source, reason;
		const char *words;
	} cases[] = {
		{0, 0, "aborted: by the service-user"},
		{0, 6, "aborted: by the service-user"},
		{2, 0, "aborted: reason not specified (service-provider)"},
		{2, 1, "aborted: unrecognized PDU (service-provider)"},
		{2, 2, "aborted: unexpected PDU (service-provider)"},
		{2, 4, "aborted: unrecognized PDU parameter (service-provider)"},
		{2, 5, "aborted: unexpected PDU parameter (service-provider)"},
		{2, 6, "aborted: invalid PDU parameter value (service-provider)"},
		{2, 3, "aborted: source 2, reason 3"},
		{9, 9, "aborted: source 9, reason 9"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t pdu[] = {7, 0, 0, 0, 0, 4, 0, 0, cases[i].source, cases[i].reason};
		struct script s = associated();

		talk_all_splits(&ask, pdu, sizeof(pdu), TALK_STAYS, SICK, cases[i].words);
		add(&s, pdu, sizeof(pdu));
		expect(&ask, &s, TALK_CLOSES, SICK, cases[i].words);
	}
}

static void input_context_not_accepted_is_named_and_released(void **state)
{
	static const char *const words[] = {
		[1] = "Verification not accepted: user rejection",
		[2] = "Verification not accepted: no reason",
		[3] = "Verification not accepted: abstract syntax not supported",
		[4] = "Verification not accepted: transfer syntaxes not supported",
		[5] = "Verification not accepted: result 5",
	};
	struct talk t;

	(void)state;
	for (uint8_t result = 1; result <= 5; result++) {
		struct script s = associated();

		find(&s, (uint8_t[]){0x21, 0, 0, 0x19, 1, 0, 0}, 7)[6] = result;
		talk_start(&t, &ask);
		talk_input(&t, s.bytes, s.len);
		talk_expect(&t, SICK, false, words[result]);
		assert_memory_equal(t.out + t.out_len - 10, release_rq, 10);
		add_recorded(&s, 2);
		expect(&ask, &s, TALK_STAYS, SICK, words[result]);
	}
}

static void input_accept_that_answers_nothing_proposed_is_sick(void **state)
{
	struct script s = associated();

	(void)state;
	find(&s, (uint8_t[]){0x21, 0, 0, 0x19, 1}, 5)[4] = 3; /* another context's ID */
	expect(&ask, &s, TALK_STAYS, SICK,
	       "malformed A-ASSOCIATE-AC: nothing about the proposed presentation context");

	s = associated();
	find(&s, "1.2.840.10008.1.2\x50", 18)[16] = '4';
	expect(&ask, &s, TALK_STAYS, SICK,
	       "A-ASSOCIATE-AC: a transfer syntax that was not proposed: 1.2.840.10008.1.4");

	s = associated();
	find(&s, (uint8_t[]){0x40, 0, 0, 0x11}, 4)[0] = 0x41;
	expect(&ask, &s, TALK_STAYS, SICK,
	       "malformed A-ASSOCIATE-AC: no transfer syntax in its presentation context");
}

/* Some servers pad a UID to even length, though PS3.8 does not. */
static void input_padded_transfer_syntax_is_accepted(void **state)
{
	for (int with_nul = 0; with_nul < 2; with_nul++) {
		struct script s = associated(), padded = {.len = 0};
		uint8_t *context = find(&s, (uint8_t[]){0x21, 0, 0, 0x19, 1}, 5);
		size_t before = (size_t)(context - s.bytes) + 4 + 0x19;

		(void)state;
		s.bytes[5]++;
		context[3]++;
		context[11]++;
		add(&padded, s.bytes, before);
		add(&padded, with_nul ? "\0" : " ", 1);
		add(&padded, s.bytes + before, s.len - before);
		add_recorded(&padded, 1);
		add_recorded(&padded, 2);
		expect(&ask, &padded, TALK_STAYS, HEALTHY, "C-ECHO succeeded");
	}
}

/* ---- C-ECHO-RSP ---- */

static void input_status_not_success_is_sick(void **state)
{
	static const struct {
		uint8_t high, low;
		const char *words;
	} cases[] = {
		{0x01, 0x22, "C-ECHO status 0122h, refused: SOP class not supported"},
		{0x01, 0x10, "C-ECHO status 0110h, processing failure"},
		{0x02, 0x11, "C-ECHO status 0211h, unrecognized operation"},
		{0xff, 0x00, "C-ECHO status FF00h"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct script s = echoed();
		uint8_t *status = find(&s, (uint8_t[]){0, 9, 2, 0, 0, 0}, 6) + 6;

		status[0] = cases[i].low;
		status[1] = cases[i].high;
		add_recorded(&s, 2);
		expect(&ask, &s, TALK_STAYS, SICK, cases[i].words);
	}
}

static void input_response_to_another_message_is_sick(void **state)
{
	struct script s = echoed();
	static const uint8_t message_id[] = {0x20, 1, 2, 0, 0, 0, TALK_ID + 1, 0};

	(void)state;
	find(&s, message_id, sizeof(message_id))[7] = 1;
	expect(&ask, &s, TALK_STAYS, SICK, "C-ECHO-RSP to message 264, not to 8");
}

static void input_other_command_is_sick(void **state)
{
	struct script s = echoed();

	(void)state;
	find(&s, (uint8_t[]){0x30, 0x80}, 2)[0] = 1; /* C-STORE-RSP */
	expect(&ask, &s, TALK_STAYS, SICK, "command 8001h instead of C-ECHO-RSP");
}

static void input_response_without_status_is_sick(void **state)
{
	struct script s = echoed();

	(void)state;
	find(&s, (uint8_t[]){0, 9, 2, 0, 0, 0}, 6)[0] = 1;
	expect(&ask, &s, TALK_STAYS, SICK, "malformed C-ECHO-RSP: no message ID or no status");
}

/* The recorded command, without its P-DATA-TF and PDV headers. */
static const uint8_t *command(size_t *len)
{
	const uint8_t *b = recorded(1, len);

	*len -= 12;
	return b + 12;
}

static void input_command_in_fragments_is_put_together(void **state)
{
	size_t len;
	const uint8_t *c = command(&len);

	(void)state;
	for (size_t cut = 0; cut <= len; cut++) {
		struct script one = associated(), two = associated();

		/* Two PDVs in one PDU, then each in a PDU of its own (PS3.8 Annex E). */
		add_data_pdu(&one, (uint32_t)(12 + len));
		add_pdv(&one, 1, 1, c, cut);
		add_pdv(&one, 1, 3, c + cut, len - cut);
		add_data_pdu(&two, (uint32_t)(6 + cut));
		add_pdv(&two, 1, 1, c, cut);
		add_data_pdu(&two, (uint32_t)(6 + len - cut));
		add_pdv(&two, 1, 3, c + cut, len - cut);
		add_recorded(&one, 2);
		add_recorded(&two, 2);
		expect(&ask, &one, TALK_STAYS, HEALTHY, "C-ECHO succeeded");
		expect(&ask, &two, TALK_STAYS, HEALTHY, "C-ECHO succeeded");
	}
}

static void input_data_set_or_other_context_is_sick(void **state)
{
	size_t len;
	const uint8_t *c = command(&len);
	static const uint8_t bad[][2] = {{3, 3}, {1, 2}, {1, 0}};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct script s = associated();

		add_data_pdu(&s, (uint32_t)(6 + len));
		add_pdv(&s, bad[i][0], bad[i][1], c, len);
		expect(&ask, &s, TALK_STAYS, SICK,
		       "malformed P-DATA-TF: not a command in the accepted context");
	}
}

/* ---- the end of it ---- */

static void input_release_collision_is_answered(void **state)
{
	struct script s = echoed();
	struct talk t;

	(void)state;
	add(&s, release_rq, sizeof(release_rq));
	talk_start(&t, &ask);
	talk_input(&t, s.bytes, s.len);
	talk_expect(&t, HEALTHY, false, "C-ECHO succeeded");
	assert_memory_equal(t.out + t.out_len - 10, release_rp, 10);
	add(&s, release_rp, sizeof(release_rp));
	expect(&ask, &s, TALK_STAYS, HEALTHY, "C-ECHO succeeded");
}

static void input_release_before_the_answer_is_answered_and_sick(void **state)
{
	struct script s = associated();
	struct talk t;

	(void)state;
	add(&s, release_rq, sizeof(release_rq));
	talk_start(&t, &ask);
	talk_input(&t, s.bytes, s.len);
	assert_memory_equal(t.out + t.out_len - 10, release_rp, 10);
	expect(&ask, &s, TALK_STAYS, SICK,
	       "server asks for the release instead of answering C-ECHO-RQ");
}

/* Once the echo succeeded the server is healthy, however its side ends. */
static void input_after_success_changes_nothing(void **state)
{
	static const uint8_t abort_pdu[] = {7, 0, 0, 0, 0, 4, 0, 0, 2, 0};
	static const uint8_t reject[] = {3, 0, 0, 0, 0, 4, 0, 1, 1, 1};
	static const uint8_t huge[] = {6, 0, 0xff, 0xff, 0xff, 0xff};
	struct {
		const uint8_t *bytes;
		size_t len;
	} ends[] = {{abort_pdu, 10}, {reject, 10}, {huge, 6}, {(const uint8_t *)"garbage", 7}};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct script s = echoed();

		add(&s, ends[i].bytes, ends[i].len);
		expect(&ask, &s, TALK_STAYS, HEALTHY, "C-ECHO succeeded");
	}
	struct script s = echoed();

	expect(&ask, &s, TALK_CLOSES, HEALTHY, "C-ECHO succeeded");
}

static void closed_early_says_what_did_not_come(void **state)
{
	struct script s = associated();
	struct talk t;

	(void)state;
	talk_start(&t, &ask);
	talk_expect(&t, RUNNING, false, "no answer to A-ASSOCIATE-RQ");
	gt_probe_closed(&t.probe);
	talk_expect(&t, SICK, true, "no answer to A-ASSOCIATE-RQ: server closed the connection");
	talk_start(&t, &ask);
	talk_input(&t, s.bytes, 20);
	talk_expect(&t, RUNNING, false, "incomplete answer to A-ASSOCIATE-RQ");
	gt_probe_closed(&t.probe);
	talk_expect(&t, SICK, true,
		    "incomplete answer to A-ASSOCIATE-RQ: server closed the connection");
	talk_start(&t, &ask);
	talk_input(&t, s.bytes, s.len);
	talk_expect(&t, RUNNING, false, "no answer to C-ECHO-RQ");
	expect(&ask, &s, TALK_CLOSES, SICK, "no answer to C-ECHO-RQ: server closed the connection");
}

static void input_pdu_out_of_place_is_aborted(void **state)
{
	struct script s = {.len = 0};
	struct talk t;

	(void)state;
	add_recorded(&s, 1);
	expect(&ask, &s, TALK_STAYS, SICK, "P-DATA-TF instead of the answer to A-ASSOCIATE-RQ");
	s = associated();
	add_recorded(&s, 0);
	expect(&ask, &s, TALK_STAYS, SICK, "A-ASSOCIATE-AC instead of the answer to C-ECHO-RQ");
	talk_start(&t, &ask);
	talk_input(&t, release_rp, sizeof(release_rp));
	talk_expect(&t, SICK, true, "A-RELEASE-RP instead of the answer to A-ASSOCIATE-RQ");
	/* A-ABORT: service-provider, unexpected PDU */
	assert_memory_equal(t.out + t.out_len - 10, "\x07\0\0\0\0\x04\0\0\x02\x02", 10);
	s.len = 0;
	add(&s, release_rq, sizeof(release_rq));
	expect(&ask, &s, TALK_STAYS, SICK, "A-RELEASE-RQ instead of the answer to A-ASSOCIATE-RQ");
	s.len = 0;
	add(&s, v_echoscu_associate, sizeof(v_echoscu_associate)); /* who echoes what it gets */
	expect(&ask, &s, TALK_STAYS, SICK,
	       "A-ASSOCIATE-RQ instead of the answer to A-ASSOCIATE-RQ");
}

/* ---- hostile servers ---- */

static void input_wrong_pdu_length_is_refused_by_its_header(void **state)
{
	static const struct {
		uint8_t header[6];
		const char *reason;
	} cases[] = {
		{{2, 0, 0xff, 0xff, 0xff, 0xff},
		 "malformed A-ASSOCIATE-AC: its length is 4294967295"},
		{{2, 0, 0, 0, 0x10, 1}, "malformed A-ASSOCIATE-AC: its length is 4097"},
		{{2, 0, 0, 0, 0, 67}, "malformed A-ASSOCIATE-AC: its length is 67"},
		{{2, 0, 0, 0, 0, 0}, "malformed A-ASSOCIATE-AC: its length is 0"},
		{{3, 0, 0, 0, 0, 5}, "malformed A-ASSOCIATE-RJ: its length is 5"},
		{{3, 0, 0, 0, 0, 0}, "malformed A-ASSOCIATE-RJ: its length is 0"},
		{{4, 0, 0x80, 0, 0, 0}, "malformed P-DATA-TF: its length is 2147483648"},
		{{4, 0, 0, 0, 0, 5}, "malformed P-DATA-TF: its length is 5"},
		{{6, 0, 4, 0, 0, 0}, "malformed A-RELEASE-RP: its length is 67108864"},
		{{7, 0, 0, 0, 0, 3}, "malformed A-ABORT: its length is 3"},
		{{0x15, 3, 3, 0, 2, 2}, "not DICOM: the server expects TLS on this port"},
		{{0, 0, 0, 0, 0, 0}, "not DICOM: the answer begins with 00 00 00 00 00 00 (hex)"},
		{{8, 0, 0, 0, 0, 4}, "not DICOM: the answer begins with 08 00 00 00 00 04 (hex)"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		talk_all_splits(&ask, cases[i].header, 6, TALK_STAYS, SICK, cases[i].reason);
}

static void input_wrong_inner_length_is_refused(void **state)
{
	struct script s = associated();

	(void)state;
	find(&s, (uint8_t[]){0x21, 0, 0, 0x19}, 4)[2] = 0xff;
	expect(&ask, &s, TALK_STAYS, SICK, "malformed A-ASSOCIATE-AC: an item ends outside of it");
	s = associated();
	find(&s, (uint8_t[]){0x40, 0, 0, 0x11}, 4)[3] = 0x12;
	expect(&ask, &s, TALK_STAYS, SICK,
	       "malformed A-ASSOCIATE-AC: no transfer syntax in its presentation context");

	static const uint8_t pdv_lengths[][4] = {{0xff, 0xff, 0xff, 0xff},
						 {0, 0, 0, 0x51},
						 {0, 0, 0, 1},
						 {0, 0, 0, 0},
						 {0xff, 0xff, 0xff, 0xfc}};

	for (size_t i = 0; i < 5; i++) {
		s = echoed();
		memcpy(find(&s, (uint8_t[]){0, 0, 0, 0x50, 1, 3}, 6), pdv_lengths[i], 4);
		expect(&ask, &s, TALK_STAYS, SICK, "malformed P-DATA-TF: a PDV ends outside of it");
	}

	static const uint8_t element_lengths[][4] = {{0xff, 0xff, 0xff, 0xff},
						     {0, 0, 0, 0x80},
						     {0xf8, 0xff, 0xff, 0xff},
						     {0x43, 0, 0, 0}};

	for (size_t i = 0; i < 4; i++) {
		s = echoed();
		memcpy(find(&s, (uint8_t[]){2, 0, 0x12, 0, 0, 0}, 6) + 2, element_lengths[i], 4);
		expect(&ask, &s, TALK_STAYS, SICK,
		       "malformed command: an element ends outside of it");
	}
}

/* Every bit of every byte of a good conversation turned: a verdict or none, but no harm. */
static void input_each_bit_turned_is_survived(void **state)
{
	(void)state;
	for (size_t bit = 0; bit < 8 * sizeof(v_storescp_echo); bit++) {
		uint8_t bytes[sizeof(v_storescp_echo)];
		struct talk t;

		memcpy(bytes, v_storescp_echo, sizeof(bytes));
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		talk_start(&t, &ask);
		talk_input(&t, bytes, sizeof(bytes));
		gt_probe_closed(&t.probe);
		assert_int_not_equal(gt_probe_verdict(&t.probe), RUNNING);
		assert_true(gt_probe_done(&t.probe));
	}
}

static void input_endless_command_is_refused(void **state)
{
	struct script s = associated();
	struct talk t;
	uint8_t zeros[600] = {0};

	(void)state;
	add_data_pdu(&s, 606);
	add_pdv(&s, 1, 1, zeros, 600);
	add_data_pdu(&s, 606);
	add_pdv(&s, 1, 1, zeros, 600);
	talk_start(&t, &ask);
	talk_input(&t, s.bytes, s.len);
	talk_expect(&t, SICK, true, "malformed C-ECHO-RSP: longer than 1 KiB");

	/* Fragments of nothing, for ever. */
	struct script empty = {.len = 0};

	s = associated();
	add_data_pdu(&empty, 6);
	add_pdv(&empty, 1, 1, zeros, 0);
	talk_start(&t, &ask);
	talk_input(&t, s.bytes, s.len);
	for (size_t i = 0; i < GT_PROBE_INPUT_MAX / 12 + 1; i++)
		talk_input(&t, empty.bytes, empty.len);
	talk_expect(&t, SICK, true, "endless answer: more than 256 KiB");
}

/* A healthy server that then sends data without end, or asks for the release again and again. */
static void input_endless_after_success_is_over(void **state)
{
	struct script s = echoed();
	struct talk t;

	(void)state;
	talk_start(&t, &ask);
	talk_input(&t, s.bytes, s.len);
	for (size_t i = 0; i < GT_PROBE_INPUT_MAX / 80; i++) {
		size_t len;
		const uint8_t *data = recorded(1, &len);

		talk_input(&t, data, len);
	}
	talk_expect(&t, HEALTHY, true, "C-ECHO succeeded");

	talk_start(&t, &ask);
	talk_input(&t, s.bytes, s.len);
	talk_input(&t, release_rq, sizeof(release_rq));
	talk_expect(&t, HEALTHY, false, "C-ECHO succeeded");
	talk_input(&t, release_rq, sizeof(release_rq));
	talk_expect(&t, HEALTHY, true, "C-ECHO succeeded");
}

/* A server that reads nothing: what waits to be sent stays bounded, and nothing is done early. */
static void input_without_sending_is_bounded(void **state)
{
	struct script s = echoed();
	struct gt_probe p;
	size_t len;

	(void)state;
	add(&s, release_rq, sizeof(release_rq));
	add(&s, release_rq, sizeof(release_rq));
	gt_probe_start(&p, &ask, TALK_ID);
	gt_probe_output(&p, &len);
	gt_probe_input(&p, s.bytes, s.len);

	size_t first = len;

	gt_probe_output(&p, &len);
	/* C-ECHO-RQ, A-RELEASE-RQ, A-RELEASE-RP, A-ABORT */
	assert_int_equal(len, first + 80 + 10 + 10 + 10);
	assert_false(gt_probe_done(&p));
	gt_probe_sent(&p, len);
	assert_true(gt_probe_done(&p));
}

/* The reason of a transfer syntax is the server's own text. */
static void reason_is_printable_whatever_comes(void **state)
{
	struct script s = associated();
	struct talk t;

	(void)state;
	memcpy(find(&s, "1.2.840.10008.1.2\x50", 18), "\x1b[31m\n\r%s%n\xff\xfe\x01\x7f", 15);
	talk_start(&t, &ask);
	talk_input(&t, s.bytes, s.len);
	talk_expect(&t, SICK, true,
		    "A-ASSOCIATE-AC: a transfer syntax that was not proposed: .[31m..%s%n.....2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(output_is_echoscus),
		cmocka_unit_test(output_in_small_pieces_is_the_same),
		cmocka_unit_test(ask_valid_refuses_what_no_ae_title_may_be),
		cmocka_unit_test(input_recorded_answers_get_their_verdict),
		cmocka_unit_test(input_recorded_echo_is_released),
		cmocka_unit_test(input_rejections_have_the_words_of_table_9_21),
		cmocka_unit_test(input_aborts_have_the_words_of_table_9_26),
		cmocka_unit_test(input_context_not_accepted_is_named_and_released),
		cmocka_unit_test(input_accept_that_answers_nothing_proposed_is_sick),
		cmocka_unit_test(input_padded_transfer_syntax_is_accepted),
		cmocka_unit_test(input_status_not_success_is_sick),
		cmocka_unit_test(input_response_to_another_message_is_sick),
		cmocka_unit_test(input_other_command_is_sick),
		cmocka_unit_test(input_response_without_status_is_sick),
		cmocka_unit_test(input_command_in_fragments_is_put_together),
		cmocka_unit_test(input_data_set_or_other_context_is_sick),
		cmocka_unit_test(input_release_collision_is_answered),
		cmocka_unit_test(input_release_before_the_answer_is_answered_and_sick),
		cmocka_unit_test(input_after_success_changes_nothing),
		cmocka_unit_test(closed_early_says_what_did_not_come),
		cmocka_unit_test(input_pdu_out_of_place_is_aborted),
		cmocka_unit_test(input_wrong_pdu_length_is_refused_by_its_header),
		cmocka_unit_test(input_wrong_inner_length_is_refused),
		cmocka_unit_test(input_each_bit_turned_is_survived),
		cmocka_unit_test(input_endless_command_is_refused),
		cmocka_unit_test(input_endless_after_success_is_over),
		cmocka_unit_test(input_without_sending_is_bounded),
		cmocka_unit_test(reason_is_printable_whatever_comes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
