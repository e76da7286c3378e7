/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests, who may answer them, and the trace that orders leave in the log; see answers.h. */
#include "answers.h"

#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reload.h"
#include "requests.h"
#include "version.h"

/* ---- saying something ---- */

void gt_say(struct gt_reply *reply, json_t *object)
{
	json_t *answer = json_pack("{s:s}", "version", GT_VERSION);
	char *text = NULL;

	if (answer != NULL && object != NULL && json_object_update(answer, object) == 0)
		text = json_dumps(answer, JSON_COMPACT);
	if (text != NULL && gt_text_add(&reply->text, text, strlen(text)) &&
	    !gt_text_add(&reply->text, "\n", 1))
		gt_text_free(&reply->text);
	free(text);
	json_decref(answer);
	json_decref(object);
}

void gt_say_error(struct gt_reply *reply, int exit_code, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	json_t *s;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	reply->failed = true;
	s = json_string(text);
	/* What a client sent may be no UTF-8. */
	if (s == NULL)
		s = json_string("the request is no UTF-8 text");
	gt_say(reply, json_pack("{s:o, s:i}", "error", s, "exit_code", exit_code));
}

long gt_parse_number(const char *s)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(s, &end, 10);
	return *s >= '0' && *s <= '9' && *end == '\0' && errno == 0 ? n : -1;
}

/* ---- which command ---- */

static void answer_reload(struct gt_run *r, struct gt_reply *reply, const struct gt_request *q)
{
	(void)q;
	gt_reload_request(r->reload, reply);
}

static const struct command {
	const char *name;
	size_t least, most; /* arguments */
	bool orders;	    /* it changes something: who did it is noted */
	gt_answer_fn *answer;
	const char *usage;
} commands[] = {
	{"status", 0, 0, false, gt_show_status, "status"},
	{"vips", 0, 0, false, gt_show_vips, "vips"},
	{"servers", 0, 0, false, gt_show_vips, "servers"},
	{"interfaces", 0, 0, false, gt_show_interfaces, "interfaces"},
	{"drops", 0, 0, false, gt_show_drops, "drops"},
	{"neighbours", 0, 0, false, gt_show_neighbours, "neighbours"},
	{"connections", 0, GT_ARGUMENTS_MAX, false, gt_show_connections,
	 "connections [vip=VIP] [server=SERVER] [client=PREFIX] [state=STATE] "
	 "[sort=idle|recent|client] [limit=N]"},
	{"metrics", 0, 1, false, gt_show_metrics, "metrics [NEXT]"},
	{"watch", 0, 0, false, gt_show_watch, "watch"},
	{"remaining", 1, 1, false, gt_show_remaining, "remaining VIP/SERVER"},
	{"drain", 1, 1, true, gt_order_drain, "drain VIP/SERVER"},
	{"enable", 1, 1, true, gt_order_enable, "enable VIP/SERVER"},
	{"disable", 1, 1, true, gt_order_disable, "disable VIP/SERVER"},
	{"weight", 2, 2, true, gt_order_weight, "weight VIP/SERVER N"},
	{"revert", 1, 1, true, gt_order_revert, "revert VIP/SERVER|all"},
	{"reload", 0, 0, true, answer_reload, "reload"},
};

/* NULL, or what is wrong with it. */
static const char *parse_json(const char *line, struct gt_request *q)
{
	json_t *arguments, *a;
	json_error_t error;
	size_t i;

	q->json = json_loads(line, JSON_REJECT_DUPLICATES, &error);
	q->command = json_string_value(json_object_get(q->json, "command"));
	arguments = json_object_get(q->json, "arguments");
	if (q->command == NULL || (arguments != NULL && !json_is_array(arguments)))
		return "a request is words, or {\"command\": \"...\", \"arguments\": [\"...\"]}";
	if (json_array_size(arguments) > GT_ARGUMENTS_MAX)
		return "too many arguments";
	json_array_foreach(arguments, i, a)
	{
		if (!json_is_string(a))
			return "arguments are strings";
		q->arguments[q->n_arguments++] = json_string_value(a);
	}
	return NULL;
}

static const char *parse_words(char *line, struct gt_request *q)
{
	char *rest = NULL, *word = strtok_r(line, " \t\r", &rest);

	if (word == NULL)
		return "an empty request; ask for status";
	q->command = word;
	while ((word = strtok_r(NULL, " \t\r", &rest)) != NULL) {
		if (q->n_arguments == GT_ARGUMENTS_MAX)
			return "too many arguments";
		q->arguments[q->n_arguments++] = word;
	}
	return NULL;
}

static void list_commands(char *buf, size_t size)
{
	size_t used = 0;

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]) && used < size; i++)
		used += (size_t)snprintf(buf + used, size - used, "%s%s", i > 0 ? ", " : "",
					 commands[i].name);
}

/* The user's name as /etc/passwd has it: a directory service might make main wait. */
static void find_user(uid_t uid, char *buf, size_t size)
{
	FILE *f = fopen("/etc/passwd", "re");
	const struct passwd *p;

	buf[0] = '\0';
	while (f != NULL && (p = fgetpwent(f)) != NULL)
		if (p->pw_uid == uid) {
			snprintf(buf, size, " (%s)", p->pw_name);
			break;
		}
	if (f != NULL)
		fclose(f);
}

/* Nothing that a client says breaks a line of the log, or is no text. Names are ASCII. */
static void make_printable(char *s)
{
	for (; *s != '\0'; s++)
		if (*s < ' ' || *s > '~')
			*s = '?';
}

/* One line for each order: what, by whom, and whether it was done. Of what takes longer, a reload,
 * other lines tell how it ended. */
static void audit(const struct gt_run *r, const struct gt_reply *reply, const struct gt_request *q)
{
	const struct gt_peer *p = &reply->peer;
	const char *outcome = reply->failed ? "refused" : reply->later != 0 ? "begun" : "accepted";
	char line[400], user[64];
	size_t used = (size_t)snprintf(line, sizeof(line), "control: %.32s", q->command);

	for (size_t i = 0; i < q->n_arguments && used < sizeof(line); i++)
		used += (size_t)snprintf(line + used, sizeof(line) - used, " %.140s",
					 q->arguments[i]);
	find_user(p->uid, user, sizeof(user));
	if (used < sizeof(line))
		snprintf(line + used, sizeof(line) - used, ": by uid %ld%s, pid %ld%s%s%s: %s",
			 (long)p->uid, user, (long)p->pid, p->comm[0] != '\0' ? " (" : "", p->comm,
			 p->comm[0] != '\0' ? ")" : "", outcome);
	make_printable(line);
	gt_log(&r->log, reply->failed ? LOG_WARNING : LOG_NOTICE, "%s", line);
}

static void dispatch(struct gt_run *r, struct gt_reply *reply, const struct gt_request *q)
{
	char names[256];

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].name, q->command) != 0)
			continue;
		if (q->n_arguments < commands[i].least || q->n_arguments > commands[i].most)
			gt_say_error(reply, 2, "it is: %s", commands[i].usage);
		else
			commands[i].answer(r, reply, q);
		if (commands[i].orders)
			audit(r, reply, q);
		return;
	}
	list_commands(names, sizeof(names));
	gt_say_error(reply, 2, "no command '%.64s'; there are: %s", q->command, names);
}

void gt_answer(void *ctx, char *line, struct gt_reply *reply)
{
	struct gt_request q = {0};
	const char *wrong =
		line[strspn(line, " \t")] == '{' ? parse_json(line, &q) : parse_words(line, &q);

	reply->failed = false;
	if (wrong != NULL)
		gt_say_error(reply, 2, "%s", wrong);
	else
		dispatch(ctx, reply, &q);
	json_decref(q.json);
}
