/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * gantryctl: asks a running gantry on its control socket. One line out, one line of JSON back,
 * shown as a table or, with --json, as it is.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "report/report.h"
#include "version.h"

#define DEFAULT_SOCKET "/run/gantry/gantry.sock"

/* Options of a command: `--NAME VALUE` becomes an argument NAME=VALUE of the request. */
static const char *const connection_keys[] = {"vip",  "server", "client", "state",
					      "sort", "limit",	NULL};

static const struct command {
	const char *name;
	const char *arguments;
	size_t least, most;
	void (*show)(FILE *out, const json_t *answer);
	int (*run)(const struct options *o); /* instead of one question */
	const char *const *keys;
	const char *help;
} commands[] = {
	{"status", "", 0, 0, gt_table_status, NULL, NULL, "everything at a glance"},
	{"top", "[--once]", 0, 0, NULL, ctl_top, NULL, "rates and shares, live: q ends it"},
	{"vips", "", 0, 0, gt_table_vips, NULL, NULL, "what each VIP forwarded"},
	{"servers", "", 0, 0, gt_table_servers, NULL, NULL, "state and share of each server"},
	{"connections", "[FILTER]... [LIMIT]", 0, 1, gt_table_connections, NULL, connection_keys,
	 "who is connected to which server"},
	{"interfaces", "", 0, 0, gt_table_interfaces, NULL, NULL, "links, MACs, addresses, frames"},
	{"drops", "", 0, 0, gt_table_drops, NULL, NULL, "what was dropped, and why"},
	{"neighbours", "", 0, 0, gt_table_neighbours, NULL, NULL,
	 "the servers' MACs; address conflicts"},
	{"metrics", "", 0, 0, NULL, ctl_metrics, NULL, "all numbers, as Prometheus reads them"},
	{"watch", "", 0, 0, NULL, ctl_watch, NULL, "each change of state, as a line of JSON"},
	{"drain", "SERVER [--wait]", 1, 1, ctl_show_done, NULL, NULL,
	 "keep its connections, give it no new ones"},
	{"remaining", "SERVER", 1, 1, ctl_show_done, NULL, NULL,
	 "how many connections it has left"},
	{"enable", "SERVER", 1, 1, ctl_show_done, NULL, NULL, "give it new connections again"},
	{"disable", "SERVER", 1, 1, ctl_show_done, NULL, NULL,
	 "take it out: its connections move, or are reset"},
	{"weight", "SERVER N", 2, 2, ctl_show_done, NULL, NULL,
	 "its share of new connections, 0 to 65535"},
	{"revert", "SERVER|all", 1, 1, ctl_show_done, NULL, NULL,
	 "weight and state as in the file again"},
	{"reload", "", 0, 0, ctl_show_done, NULL, NULL,
	 "take the changed configuration file into force"},
};
#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void usage(FILE *out)
{
	fputs("usage: gantryctl [-s SOCKET] [--json] COMMAND\n\ncommands:\n", out);
	for (size_t i = 0; i < N_COMMANDS; i++)
		fprintf(out, "  %-11s %-19s %s\n", commands[i].name, commands[i].arguments,
			commands[i].help);
	fputs("\n"
	      "SERVER is VIP/SERVER; */SERVER, VIP/* or an address mean all that fit: a machine\n"
	      "behind several VIPs is drained by its address.\n\n"
	      "  -s, --socket SOCKET   of the gantry to ask (" DEFAULT_SOCKET ")\n"
	      "  --json                print the answer as JSON\n"
	      "  --help, --version\n\n"
	      "drain --wait [--timeout 10m]: ends when the server is safe to stop; after the\n"
	      "timeout with exit code 1.\n\n"
	      "FILTERs of connections:\n"
	      "  --vip VIP, --server SERVER\n"
	      "  --client PREFIX       an address, or a prefix such as 10.0.0.0/8\n"
	      "  --state STATE         syn, established, fin, closed, udp, or open: syn,\n"
	      "                        established and udp\n"
	      "  --sort KEY            idle: longest idle first; recent; client\n"
	      "  --limit N             of those that are shown (1000); all are counted\n\n"
	      "Exit codes: 0 done; 1 gantry cannot be reached or says no; 2 wrong use, or a\n"
	      "wrong configuration.\n",
	      out);
}

/* ---- what is wanted ---- */

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static int wrong(const char *what, const char *which)
{
	fprintf(stderr, "gantryctl: %s%s%s%s (see gantryctl --help)\n", what,
		which != NULL ? " '" : "", which != NULL ? which : "", which != NULL ? "'" : "");
	return EXIT_USAGE;
}

/* "500ms", "30s", "10m", "2h". False: none of these. */
static bool parse_duration(const char *s, uint64_t *ms)
{
	static const struct {
		const char *unit;
		uint64_t ms;
	} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
	char *end;

	errno = 0;
	*ms = strtoul(s, &end, 10);
	if (*s < '0' || *s > '9' || errno != 0 || *ms > 1000000)
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(end, units[i].unit) == 0) {
			*ms *= units[i].ms;
			return *ms > 0;
		}
	return false;
}

/* What is called NAME=VALUE in a request. */
static int add_key(struct options *o, const char *name, const char *value)
{
	char *text = o->texts[o->n_arguments % ARGUMENTS_MAX];

	if (o->n_arguments == ARGUMENTS_MAX)
		return wrong("too many options", NULL);
	if ((size_t)snprintf(text, sizeof(o->texts[0]), "%s=%s", name, value) >=
	    sizeof(o->texts[0]))
		return wrong("too long:", value);
	o->arguments[o->n_arguments++] = text;
	return -1;
}

/*
 * An option of the command: argv[*i], maybe with its value behind it. -1: taken, else an exit code.
 */
static int parse_command_option(struct options *o, int argc, char **argv, int *i)
{
	const char *name = argv[*i] + 2, *equals = strchr(name, '=');
	const char *value = equals != NULL ? equals + 1 : *i + 1 < argc ? argv[*i + 1] : NULL;
	size_t len = equals != NULL ? (size_t)(equals - name) : strlen(name);
	bool drains = strcmp(o->command->name, "drain") == 0;

	if (drains && strcmp(name, "wait") == 0) {
		o->wait = true;
		return -1;
	}
	if (o->command->run == ctl_top && strcmp(name, "once") == 0) {
		o->once = true;
		return -1;
	}
	for (const char *const *key = o->command->keys; key != NULL && *key != NULL; key++) {
		if (strlen(*key) != len || strncmp(*key, name, len) != 0 || value == NULL)
			continue;
		*i += equals == NULL;
		return add_key(o, *key, value);
	}
	if (drains && len == 7 && strncmp(name, "timeout", len) == 0 && value != NULL) {
		*i += equals == NULL;
		return parse_duration(value, &o->timeout_ms)
			       ? -1
			       : wrong("a timeout is a number with its unit, such as 30s or 10m, "
				       "and not",
				       value);
	}
	return wrong("no such option, or one without its value:", argv[*i]);
}

/* An option of gantryctl's own. -1: taken; -2: it is none; else an exit code. */
static int parse_option(struct options *o, int argc, char **argv, int *i)
{
	const char *a = argv[*i];

	if (strcmp(a, "--help") == 0 || strcmp(a, "-h") == 0) {
		usage(stdout);
		return EXIT_DONE;
	}
	if (strcmp(a, "--version") == 0) {
		puts("gantryctl " GT_VERSION);
		return EXIT_DONE;
	}
	if (strcmp(a, "--json") == 0) {
		o->json = true;
		return -1;
	}
	if ((strcmp(a, "-s") == 0 || strcmp(a, "--socket") == 0) && *i + 1 < argc) {
		o->socket = argv[++*i];
		return -1;
	}
	if (strncmp(a, "--socket=", 9) == 0) {
		o->socket = a + 9;
		return -1;
	}
	return -2;
}

static int parse_word(struct options *o, const char *word)
{
	if (o->command == NULL) {
		o->command = find_command(word);
		return o->command != NULL ? -1 : wrong("no command", word);
	}
	if (o->n_arguments == ARGUMENTS_MAX)
		return wrong("too many arguments", NULL);
	o->arguments[o->n_arguments++] = word;
	return -1;
}

/* -1: go on, else exit with it. Options of a command stand behind it. */
static int parse(int argc, char **argv, struct options *o)
{
	size_t words = 0;
	int rc;

	for (int i = 1; i < argc; i++) {
		rc = parse_option(o, argc, argv, &i);
		if (rc == -2 && argv[i][0] == '-' && argv[i][1] == '-' && o->command != NULL) {
			rc = parse_command_option(o, argc, argv, &i);
		} else if (rc == -2 && argv[i][0] == '-' &&
			   (argv[i][1] < '0' || argv[i][1] > '9')) {
			rc = wrong("no such option, or one without its value:", argv[i]);
		} else if (rc == -2) {
			words += o->command != NULL;
			rc = parse_word(o, argv[i]);
		}
		if (rc >= 0)
			return rc;
	}
	if (o->command == NULL)
		return wrong("which command?", NULL);
	if (words < o->command->least || words > o->command->most) {
		fprintf(stderr, "gantryctl: it is: gantryctl %s %s (see gantryctl --help)\n",
			o->command->name, o->command->arguments);
		return EXIT_USAGE;
	}
	if (o->timeout_ms > 0 && !o->wait)
		return wrong("--timeout goes with --wait", NULL);
	return -1;
}

/* ---- showing ---- */

void ctl_show_done(FILE *out, const json_t *answer)
{
	const char *server = json_string_value(json_object_get(answer, "server"));
	const char *done = json_string_value(json_object_get(answer, "done"));
	const json_t *remaining = json_object_get(answer, "remaining");
	json_int_t n = json_integer_value(remaining);
	size_t servers = json_array_size(json_object_get(answer, "servers"));

	fprintf(out, "%s: ", server != NULL ? server : "gantry");
	if (done != NULL || remaining == NULL)
		fprintf(out, "%s%s", done != NULL ? done : "done", remaining != NULL ? "; " : "");
	if (remaining != NULL && n > 0)
		fprintf(out, "%" JSON_INTEGER_FORMAT " connection%s remain%s", n, n == 1 ? "" : "s",
			n == 1 ? "s" : "");
	else if (remaining != NULL)
		fputs(json_is_true(json_object_get(answer, "safe_to_stop"))
			      ? "no connection remains: safe to stop"
			      : "no connection remains",
		      out);
	if (servers > 1)
		fprintf(out, " (%zu servers)", servers);
	fputc('\n', out);
}

int ctl_flush(void)
{
	if (fflush(stdout) == 0)
		return EXIT_DONE;
	fprintf(stderr, "gantryctl: cannot write: %s\n", strerror(errno));
	return EXIT_FAILED;
}

int ctl_print(const json_t *answer)
{
	json_dumpf(answer, stdout, JSON_INDENT(2));
	putchar('\n');
	return ctl_flush();
}

static int ask(const struct options *o)
{
	json_t *answer;
	int rc;

	answer = ctl_ask(o->socket, o->command->name, o->arguments, o->n_arguments, &rc);
	if (answer == NULL)
		return rc;
	rc = ctl_error(answer);
	if (o->json) { /* a refusal, too: its reasons are fields for a program */
		int printed = ctl_print(answer);

		rc = rc != 0 ? rc : printed;
	} else if (rc == 0) {
		o->command->show(stdout, answer);
		rc = ctl_flush();
	}
	json_decref(answer);
	return rc;
}

int main(int argc, char **argv)
{
	struct options o = {.socket = DEFAULT_SOCKET};
	int rc = parse(argc, argv, &o);

	if (rc >= 0)
		return rc;
	if (o.wait)
		return ctl_drain_wait(&o);
	return o.command->run != NULL ? o.command->run(&o) : ask(&o);
}
