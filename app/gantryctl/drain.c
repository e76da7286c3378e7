/* SPDX-License-Identifier: BSD-3-Clause */
/* `gantryctl drain --wait`: until the server may be stopped. */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"

#define POLL_MS 500
/* Not on a terminal: a line now and then. */
#define SPEAK_MS 10000

static uint64_t clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void pause_ms(uint64_t ms)
{
	const struct timespec t = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};

	nanosleep(&t, NULL);
}

/* How it goes: one line that changes on a terminal. */
static void show_progress(const struct options *o, json_int_t n, uint64_t passed_ms,
			  uint64_t *spoken_ms)
{
	bool terminal = isatty(STDOUT_FILENO);

	if (o->json || (!terminal && passed_ms - *spoken_ms < SPEAK_MS && *spoken_ms != 0))
		return;
	*spoken_ms = passed_ms + 1;
	printf("%s%s: %" JSON_INTEGER_FORMAT " connection%s remain%s after %llu s%s",
	       terminal ? "\r\033[K" : "", o->arguments[0], n, n == 1 ? "" : "s", n == 1 ? "s" : "",
	       (unsigned long long)(passed_ms / 1000), terminal ? "" : "\n");
	fflush(stdout);
}

static void end_progress(const struct options *o)
{
	if (!o->json && isatty(STDOUT_FILENO))
		fputs("\r\033[K", stdout);
}

/* Does some of them take new connections again? Then it would never end. */
static bool is_taken_back(const json_t *answer)
{
	return json_integer_value(json_object_get(answer, "remaining")) == 0 &&
	       !json_is_true(json_object_get(answer, "safe_to_stop"));
}

/* -1: go on waiting, else the exit code. */
static int judge(const struct options *o, const json_t *answer, uint64_t passed_ms)
{
	json_int_t n = json_integer_value(json_object_get(answer, "remaining"));
	int rc = ctl_error(answer);

	if (rc != 0)
		return rc;
	if (json_is_true(json_object_get(answer, "safe_to_stop"))) {
		end_progress(o);
		if (o->json)
			return ctl_print(answer);
		printf("%s: safe to stop\n", o->arguments[0]);
		return ctl_flush();
	}
	if (is_taken_back(answer)) {
		end_progress(o);
		fflush(stdout);
		fprintf(stderr, "gantryctl: %s takes new connections again: not safe to stop\n",
			o->arguments[0]);
		return EXIT_FAILED;
	}
	if (o->timeout_ms == 0 || passed_ms < o->timeout_ms)
		return -1;
	end_progress(o);
	fflush(stdout);
	if (o->json)
		ctl_print(answer);
	fprintf(stderr,
		"gantryctl: %" JSON_INTEGER_FORMAT " connection%s still remain%s on %s after %llu "
		"s; it stays drained (gantryctl connections --state open shows them)\n",
		n, n == 1 ? "" : "s", n == 1 ? "s" : "", o->arguments[0],
		(unsigned long long)(passed_ms / 1000));
	return EXIT_FAILED;
}

int ctl_drain_wait(const struct options *o)
{
	uint64_t begun = clock_ms(), spoken = 0, passed;
	json_t *answer;
	int rc;

	answer = ctl_ask(o->socket, "drain", o->arguments, o->n_arguments, &rc);
	while (answer != NULL) {
		passed = clock_ms() - begun;
		rc = judge(o, answer, passed);
		if (rc < 0)
			show_progress(o, json_integer_value(json_object_get(answer, "remaining")),
				      passed, &spoken);
		json_decref(answer);
		if (rc >= 0)
			return rc;
		pause_ms(POLL_MS);
		answer = ctl_ask(o->socket, "remaining", o->arguments, o->n_arguments, &rc);
	}
	end_progress(o);
	return rc;
}
