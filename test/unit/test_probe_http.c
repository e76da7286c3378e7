/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The HTTP and TCP checks against what nginx, Orthanc and Python's http.server answer
 * (vectors_probe_http.h), and what a server may answer beside: by the rules and examples of
 * RFC 9112.
 */
#include <stdio.h>

#include "probe_talk.h"
#include "vectors_probe_http.h"

#define HEALTHY GT_PROBE_HEALTHY
#define SICK	GT_PROBE_SICK
#define RUNNING GT_PROBE_RUNNING

#define FOUND	  "HTTP status 200, the body holds the text expected"
#define NOT_FOUND "HTTP status 200, but the body does not hold the text expected"

static struct gt_probe_ask ask_for(const char *body)
{
	return (struct gt_probe_ask){.kind = GT_PROBE_HTTP,
				     .path = "/health",
				     .authority = "192.0.2.11:8042",
				     .status_first = 200,
				     .status_last = 399,
				     .body = body};
}

static void expect(const char *body, const char *answer, enum talk_end end,
		   enum gt_probe_verdict verdict, const char *reason)
{
	struct gt_probe_ask a = ask_for(body);

	talk_all_splits(&a, answer, strlen(answer), end, verdict, reason);
}

/* ---- what is asked ---- */

static void output_is_one_get(void **state)
{
	struct gt_probe_ask a = ask_for(NULL);
	static const char by_authority[] =
		"GET /health HTTP/1.1\r\nHost: 192.0.2.11:8042\r\nUser-Agent: gantry\r\n"
		"Accept: */*\r\nConnection: close\r\n\r\n";
	static const char by_host[] =
		"GET /health HTTP/1.1\r\nHost: pacs.example.org\r\nUser-Agent: gantry\r\n"
		"Accept: */*\r\nConnection: close\r\n\r\n";
	struct talk t;

	(void)state;
	talk_start(&t, &a);
	assert_int_equal(t.out_len, sizeof(by_authority) - 1);
	assert_memory_equal(t.out, by_authority, t.out_len);
	a.host = "pacs.example.org";
	talk_start(&t, &a);
	assert_int_equal(t.out_len, sizeof(by_host) - 1);
	assert_memory_equal(t.out, by_host, t.out_len);
}

static void ask_valid_says_what_to_mend(void **state)
{
	char long_path[GT_PROBE_OUTPUT_MAX + 1], long_text[GT_PROBE_TEXT_MAX + 2];
	char why[GT_PROBE_REASON_MAX];
	struct gt_probe_ask a;

	(void)state;
	memset(long_path, '/', sizeof(long_path));
	long_path[GT_PROBE_OUTPUT_MAX] = '\0';
	memset(long_text, 'x', sizeof(long_text));
	long_text[GT_PROBE_TEXT_MAX + 1] = '\0';

	const struct {
		const char *path, *host, *body;
		uint16_t first, last;
		const char *why;
	} cases[] = {
		{NULL, NULL, NULL, 200, 399, "the path must begin"},
		{"health", NULL, NULL, 200, 399, "the path must begin"},
		{"/a b", NULL, NULL, 200, 399, "the path must begin"},
		{"/a\r\nX: y", NULL, NULL, 200, 399, "the path must begin"},
		{"/\xc3\xa4", NULL, NULL, 200, 399, "the path must begin"},
		{"/", "", NULL, 200, 399, "the host must be"},
		{"/", "a b", NULL, 200, 399, "the host must be"},
		{"/", "a\r\nX: y", NULL, 200, 399, "the host must be"},
		{long_path, NULL, NULL, 200, 399, "longer than"},
		{"/", NULL, "", 200, 399, "the text to find"},
		{"/", NULL, long_text, 200, 399, "the text to find"},
		{"/", NULL, NULL, 0, 399, "the statuses"},
		{"/", NULL, NULL, 200, 600, "the statuses"},
		{"/", NULL, NULL, 300, 200, "the statuses"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		a = ask_for(cases[i].body);
		a.path = cases[i].path;
		a.host = cases[i].host;
		a.status_first = cases[i].first;
		a.status_last = cases[i].last;
		if (gt_probe_ask_valid(&a, why) || strstr(why, cases[i].why) == NULL)
			fail_msg("case %zu: %s", i, why);
	}
	long_text[GT_PROBE_TEXT_MAX] = '\0';
	long_path[GT_PROBE_OUTPUT_MAX - 200] = '\0';
	a = ask_for(long_text);
	a.path = long_path;
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
		const char *body;
		enum talk_end end;
		enum gt_probe_verdict verdict;
		const char *reason;
	} cases[] = {
		RECORDED(nginx_length, "gantry: ready</p>", TALK_STAYS, HEALTHY, FOUND),
		RECORDED(nginx_length, "not there", TALK_STAYS, SICK, NOT_FOUND),
		RECORDED(nginx_length, NULL, TALK_STAYS, HEALTHY, "HTTP status 200"),
		/* nginx makes two chunks of it: the text goes over their border. */
		RECORDED(nginx_chunked, "gantry: ready</p>", TALK_STAYS, HEALTHY, FOUND),
		RECORDED(nginx_chunked, "not there", TALK_STAYS, SICK, NOT_FOUND),
		RECORDED(nginx_until_close, "gantry: ready</p>", TALK_STAYS, HEALTHY, FOUND),
		RECORDED(nginx_until_close, "not there", TALK_CLOSES, SICK, NOT_FOUND),
		RECORDED(nginx_until_close, "not there", TALK_STAYS, RUNNING,
			 "HTTP status 200, but the body did not come"),
		RECORDED(nginx_not_found, NULL, TALK_STAYS, SICK,
			 "HTTP status 404 Not Found, not within 200-399"),
		RECORDED(nginx_busy, NULL, TALK_STAYS, SICK,
			 "HTTP status 503 Service Temporarily Unavailable, not within 200-399"),
		RECORDED(nginx_bad_request, NULL, TALK_STAYS, SICK,
			 "HTTP status 400 Bad Request, not within 200-399"),
		RECORDED(python_ready, "gantry: ready</p>", TALK_STAYS, HEALTHY, FOUND),
		RECORDED(python_ready, "not there", TALK_STAYS, SICK, NOT_FOUND),
		RECORDED(python_hints, "ready", TALK_STAYS, HEALTHY, FOUND),
		RECORDED(python_hints, NULL, TALK_STAYS, HEALTHY, "HTTP status 200"),
		RECORDED(python_empty, NULL, TALK_STAYS, HEALTHY, "HTTP status 204"),
		RECORDED(python_empty, "x", TALK_STAYS, SICK,
			 "HTTP status 204, but the body does not hold the text expected"),
		RECORDED(orthanc_system, "\"ApiVersion\"", TALK_STAYS, HEALTHY, FOUND),
		RECORDED(orthanc_system, "not there", TALK_STAYS, SICK, NOT_FOUND),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct gt_probe_ask a = ask_for(cases[i].body);

		talk_all_splits(&a, cases[i].bytes, cases[i].len, cases[i].end, cases[i].verdict,
				cases[i].reason);
	}
}

/* Every text within what nginx sent in chunks is found, and none that is not. */
static void input_chunked_every_part_of_the_body_is_found(void **state)
{
	static const char page[] = "<p>gantry: ready</p>\n";

	(void)state;
	for (size_t from = 0; from < sizeof(page) - 1; from++)
		for (size_t to = from + 1; to < sizeof(page); to++) {
			char text[32] = "";
			struct talk t;

			memcpy(text, page + from, to - from);
			for (int wrong = 0; wrong < 2; wrong++) {
				struct gt_probe_ask a = ask_for(text);

				talk_start(&t, &a);
				talk_input(&t, v_nginx_chunked, sizeof(v_nginx_chunked));
				talk_expect(&t, wrong ? SICK : HEALTHY, true,
					    wrong ? NOT_FOUND : FOUND);
				text[to - from - 1] = 'Z';
			}
		}
}

static void input_each_bit_turned_is_survived(void **state)
{
	struct gt_probe_ask a = ask_for("ready</p>");

	(void)state;
	for (size_t bit = 0; bit < 8 * sizeof(v_nginx_chunked); bit++) {
		uint8_t bytes[sizeof(v_nginx_chunked)];
		struct talk t;

		memcpy(bytes, v_nginx_chunked, sizeof(bytes));
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		talk_start(&t, &a);
		talk_input(&t, bytes, sizeof(bytes));
		gt_probe_closed(&t.probe);
		assert_int_not_equal(gt_probe_verdict(&t.probe), RUNNING);
		assert_true(gt_probe_done(&t.probe));
	}
}

/* ---- statuses and lengths ---- */

static void input_status_is_within_its_range(void **state)
{
	(void)state;
	expect(NULL, "HTTP/1.1 200 OK\r\n", TALK_STAYS, HEALTHY, "HTTP status 200");
	expect(NULL, "HTTP/1.0 399 \n", TALK_STAYS, HEALTHY, "HTTP status 399");
	expect(NULL, "HTTP/1.1 302\r\n", TALK_STAYS, HEALTHY, "HTTP status 302");
	expect(NULL, "HTTP/1.1 400\r\n", TALK_STAYS, SICK, "HTTP status 400, not within 200-399");
	expect(NULL, "HTTP/1.1 999 x\r\n", TALK_STAYS, SICK,
	       "HTTP status 999 x, not within 200-399");
	expect(NULL, "HTTP/1.1 000 x\r\n", TALK_STAYS, SICK, "HTTP status 0 x, not within 200-399");
	expect(NULL, "HTTP/1.1 101 Switching\r\n", TALK_STAYS, SICK,
	       "HTTP status 101 Switching, not within 200-399");
	expect(NULL, "HTTP/1.1 500 \x1b[2Jn\xc3\xb6 %s%n\r\n", TALK_STAYS, SICK,
	       "HTTP status 500 .[2Jn.. %s%n, not within 200-399");
	expect(NULL,
	       "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n"
	       "HTTP/1.1 200 OK\r\n",
	       TALK_STAYS, HEALTHY, "HTTP status 200");
	/* An interim answer's length is not the final one's. */
	expect("ok", "HTTP/1.1 102 P\r\nContent-Length: 1\r\n\r\nHTTP/1.1 200 OK\r\n\r\nok",
	       TALK_STAYS, HEALTHY, FOUND);
}

static void input_not_http_is_told(void **state)
{
	(void)state;
	expect(NULL, "\x03", TALK_STAYS, SICK, "not HTTP/1: the answer begins with 03 (hex)");
	expect(NULL, "HTTP/2", TALK_STAYS, SICK,
	       "not HTTP/1: the answer begins with 48 54 54 50 2f 32 (hex)");
	expect(NULL, "HTTP/1.1 2000 OK\r\n", TALK_STAYS, SICK,
	       "not HTTP/1: the answer begins with 48 54 54 50 2f 31 2e 31 (hex)");
	expect(NULL, "HTTP/1.1 20\r\n", TALK_STAYS, SICK,
	       "not HTTP/1: the answer begins with 48 54 54 50 2f 31 2e 31 (hex)");
	expect(NULL, "HTTP/1.\n", TALK_STAYS, SICK,
	       "not HTTP/1: the answer begins with 48 54 54 50 2f 31 2e (hex)");
	expect(NULL, "\n", TALK_STAYS, SICK, "not HTTP/1: the answer begins with an empty line");
	expect(NULL, "\r\n", TALK_STAYS, SICK, "not HTTP/1: the answer begins with 0d (hex)");
	/* RFC 8446 6: an alert, 5.1: its record */
	expect(NULL, "\x15\x03\x03", TALK_STAYS, SICK,
	       "not HTTP/1: the server expects TLS on this port");
}

static void input_body_ends_where_its_length_says(void **state)
{
	static const char *const heads[] = {
		"Content-Length: 4",
		"content-LENGTH:4",
		"Content-Length: \t4 ",
		"Content-Length: 4\r\nContent-Length: 4",
		"Content-Length: 0004\r\nX: Content-Length: 9",
	};
	char answer[256];

	(void)state;
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		snprintf(answer, sizeof(answer), "HTTP/1.1 200 OK\r\n%s\r\n\r\ntext", heads[i]);
		expect("text", answer, TALK_STAYS, HEALTHY, FOUND);
		snprintf(answer, sizeof(answer), "HTTP/1.1 200 OK\n%s\n\n---text", heads[i]);
		expect("text", answer, TALK_STAYS, SICK, NOT_FOUND);
	}
	expect("x", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", TALK_STAYS, SICK, NOT_FOUND);
	expect("x", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcd", TALK_CLOSES, SICK,
	       "HTTP status 200, but the server closed the connection within its answer");
	expect("x", "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551617\r\n\r\nabc",
	       TALK_STAYS, RUNNING, "HTTP status 200, but the body did not come");
	/* RFC 9112 6.3: Transfer-Encoding wins. */
	expect("xy",
	       "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
	       "1\r\nx\r\n1\r\ny\r\n0\r\n\r\n",
	       TALK_STAYS, HEALTHY, FOUND);
}

static void input_malformed_header_is_told(void **state)
{
	static const char *const lengths[] = {
		"Content-Length: -1",	"Content-Length: 0x10",
		"Content-Length:",	"Content-Length: +4",
		"Content-Length: 4, 5", "Content-Length: 4\r\nContent-Length: 5",
	};
	char answer[256];

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		snprintf(answer, sizeof(answer), "HTTP/1.1 200 OK\r\n%s\r\n", lengths[i]);
		expect("x", answer, TALK_STAYS, SICK,
		       "malformed HTTP answer: Content-Length is not one number");
	}
	expect("x", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n", TALK_STAYS, SICK,
	       "malformed HTTP answer: a Transfer-Encoding that was not asked for");
	struct gt_probe_ask a = ask_for("x");

	talk_all_splits(&a, "HTTP/1.1 200 OK\r\nX: \0\r\n", 23, TALK_STAYS, SICK,
			"malformed HTTP answer: a NUL in its header");
}

static void input_chunks_are_put_together(void **state)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n";
	static const struct {
		const char *chunks;
		enum gt_probe_verdict verdict;
		const char *reason;
	} cases[] = {
		{"2\r\nte\r\n2;a=\"b\"\r\nxt\r\n0\r\n\r\n", HEALTHY, FOUND},
		{"002\nte\n000A \nxt12345678\n", HEALTHY, FOUND},
		{"a\r\n0123456789\r\n4\r\ntext", HEALTHY, FOUND},
		{"4\r\ntetE\r\n0\r\nText: text\r\n\r\n", SICK, NOT_FOUND},
		{"\r\n", SICK, "malformed HTTP answer: no size before a chunk"},
		{"zz\r\n", SICK, "malformed HTTP answer: no size before a chunk"},
		{"-1\r\n", SICK, "malformed HTTP answer: no size before a chunk"},
		{";x\r\n", SICK, "malformed HTTP answer: no size before a chunk"},
		{"2\r\nteXX\r\n", SICK, "malformed HTTP answer: no end of line behind a chunk"},
		{"ffffffffffffffffff\r\nte", RUNNING, "HTTP status 200, but the body did not come"},
	};
	char answer[256];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(answer, sizeof(answer), "%s%s", head, cases[i].chunks);
		expect("text", answer, TALK_STAYS, cases[i].verdict, cases[i].reason);
	}
}

/* A text whose beginning repeats in it is found after a partial match, as strstr finds it. */
static void input_text_that_repeats_itself_is_found(void **state)
{
	static const char *const texts[] = {"aab", "abab", "ababc", "aaaa", "b", "aabaaab"};
	char answer[128], body[16];

	(void)state;
	for (unsigned bits = 0; bits < 1 << 12; bits++) {
		for (size_t i = 0; i < 12; i++)
			body[i] = bits >> i & 1 ? 'a' : 'b';
		body[12] = 'c';
		body[13] = '\0';
		snprintf(answer, sizeof(answer), "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n%s",
			 body);
		for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
			struct gt_probe_ask a = ask_for(texts[i]);
			bool there = strstr(body, texts[i]) != NULL;
			struct talk t;

			talk_start(&t, &a);
			talk_input(&t, answer, strlen(answer));
			talk_expect(&t, there ? HEALTHY : SICK, true, there ? FOUND : NOT_FOUND);
		}
	}
}

static void closed_early_is_sick(void **state)
{
	(void)state;
	expect(NULL, "H", TALK_CLOSES, SICK, "server closed the connection without an answer");
	expect("x", "HTTP/1.1 200 OK\r\nA: b\r\n", TALK_CLOSES, SICK,
	       "HTTP status 200, but the server closed the connection within its answer");
	expect("x", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", TALK_CLOSES,
	       SICK, "HTTP status 200, but the server closed the connection within its answer");
}

static void running_says_what_it_waits_for(void **state)
{
	struct gt_probe_ask a = ask_for("x");
	struct talk t;

	(void)state;
	talk_start(&t, &a);
	talk_expect(&t, RUNNING, false, "no answer to GET");
	talk_input(&t, "HTTP/1.1 200", 12);
	talk_expect(&t, RUNNING, false, "answer to GET incomplete");
	talk_input(&t, " OK\r\n", 5);
	talk_expect(&t, RUNNING, false, "HTTP status 200, but the body did not come");
}

/* ---- hostile servers ---- */

static void feed_until_over(const char *body, const char *begin, const char *again, size_t most,
			    const char *reason)
{
	struct gt_probe_ask a = ask_for(body);
	size_t fed = strlen(begin);
	struct talk t;

	talk_start(&t, &a);
	talk_input(&t, begin, fed);
	for (; fed <= most && !gt_probe_done(&t.probe); fed += strlen(again))
		talk_input(&t, again, strlen(again));
	assert_true(fed <= most + strlen(again));
	talk_expect(&t, SICK, true, reason);
}

static void input_endless_is_refused(void **state)
{
	static const char header[] = "malformed HTTP answer: its header is longer than 32 KiB";
	static const char body[] =
		"HTTP status 200, but the first 64 KiB do not hold the text expected";
	static const char all[] = "endless answer: more than 256 KiB";

	(void)state;
	feed_until_over("x", "HTTP/1.1 200 OK\r\n", "A: b\r\n", 32768, header);
	feed_until_over("x", "HTTP/1.1 200 OK\r\nA: ", "b", 32768, header);
	feed_until_over("x", "HTTP/1.1 200 ", "b", 32768, header);
	feed_until_over("x", "", "HTTP/1.1 100 C\r\n\r\n", 32768, header);
	feed_until_over("x", "HTTP/1.1 200 OK\r\n\r\n", "b", 19 + 65536, body);
	feed_until_over("x", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", "b",
			48 + 65536, body);
	feed_until_over("x", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nb\r\n",
			65 + 6 * 65536, all);
	feed_until_over("x", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", "b",
			65 + 262144, all);
	feed_until_over("x", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
			"3\r\nbbb\r\n", 262144, body);
}

/* What stands behind the first 64 KiB is not found; what ends with them is. */
static void input_text_at_the_64_kib_border(void **state)
{
	static const char head[] = "HTTP/1.1 200 OK\r\n\r\n";
	static char answer[sizeof(head) + GT_PROBE_BODY_MAX + 16];
	struct gt_probe_ask a = ask_for("text");
	struct talk t;

	(void)state;
	for (size_t late = 0; late < 2; late++) {
		memset(answer, '-', sizeof(answer));
		memcpy(answer, head, sizeof(head) - 1);
		memcpy(answer + sizeof(head) - 1 + GT_PROBE_BODY_MAX - 4 + late, "text", 4);
		talk_start(&t, &a);
		talk_input(&t, answer, sizeof(answer));
		talk_expect(&t, late ? SICK : HEALTHY, true,
			    late ? "HTTP status 200, but the first 64 KiB do not hold the text "
				   "expected"
				 : FOUND);
	}
}

static void start_tcp_is_healthy_at_once(void **state)
{
	struct gt_probe_ask a = {.kind = GT_PROBE_TCP};
	struct talk t;

	(void)state;
	talk_start(&t, &a);
	assert_int_equal(t.out_len, 0);
	talk_expect(&t, HEALTHY, true, "connected");
	talk_input(&t, "220 hello\r\n", 11);
	gt_probe_closed(&t.probe);
	talk_expect(&t, HEALTHY, true, "connected");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(output_is_one_get),
		cmocka_unit_test(ask_valid_says_what_to_mend),
		cmocka_unit_test(input_recorded_answers_get_their_verdict),
		cmocka_unit_test(input_chunked_every_part_of_the_body_is_found),
		cmocka_unit_test(input_each_bit_turned_is_survived),
		cmocka_unit_test(input_status_is_within_its_range),
		cmocka_unit_test(input_not_http_is_told),
		cmocka_unit_test(input_body_ends_where_its_length_says),
		cmocka_unit_test(input_malformed_header_is_told),
		cmocka_unit_test(input_chunks_are_put_together),
		cmocka_unit_test(input_text_that_repeats_itself_is_found),
		cmocka_unit_test(closed_early_is_sick),
		cmocka_unit_test(running_says_what_it_waits_for),
		cmocka_unit_test(input_endless_is_refused),
		cmocka_unit_test(input_text_at_the_64_kib_border),
		cmocka_unit_test(start_tcp_is_healthy_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
