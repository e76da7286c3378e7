/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * gantryctl: asks a running gantry on its control socket. One line out, one line of JSON back,
 * shown as a table or, with --json, as it is.
 */
#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "report/report.h"
#include "version.h"

#define EXIT_DONE   0
#define EXIT_FAILED 1
#define EXIT_USAGE  2

#define DEFAULT_SOCKET "/run/gantry/gantry.sock"
#define TIMEOUT_S      5
/* A reload of very many VIPs builds their tables first. */
#define RELOAD_TIMEOUT_S 120
#define ANSWER_BYTES_MAX (256U << 20)
#define REQUEST_MAX	 4096

static void show_message(FILE *out, const json_t *answer)
{
	const char *server = json_string_value(json_object_get(answer, "server"));
	const char *done = json_string_value(json_object_get(answer, "done"));

	fprintf(out, "%s: %s\n", server != NULL ? server : "gantry", done != NULL ? done : "done");
}

static const struct command {
	const char *name;
	const char *arguments;
	int least, most;
	void (*show)(FILE *out, const json_t *answer);
	const char *help;
} commands[] = {
	{"status", "", 0, 0, gt_table_status, "everything at a glance"},
	{"vips", "", 0, 0, gt_table_vips, "what each VIP forwarded"},
	{"servers", "", 0, 0, gt_table_servers, "state and share of each server"},
	{"connections", "[LIMIT]", 0, 1, gt_table_connections,
	 "who is connected to which server (1000, or LIMIT)"},
	{"interfaces", "", 0, 0, gt_table_interfaces, "links, MACs, addresses, frames"},
	{"drops", "", 0, 0, gt_table_drops, "what was dropped, and why"},
	{"neighbours", "", 0, 0, gt_table_neighbours, "the servers' MACs; address conflicts"},
	{"drain", "VIP/SERVER", 1, 1, show_message, "keep its connections, give it no new ones"},
	{"enable", "VIP/SERVER", 1, 1, show_message, "give it new connections again"},
	{"disable", "VIP/SERVER", 1, 1, show_message, "take it out, its connections move"},
	{"weight", "VIP/SERVER N", 2, 2, show_message, "its share of new connections, 0 to 65535"},
	{"revert", "VIP/SERVER|all", 1, 1, show_message, "weight and state as in the file again"},
	{"reload", "", 0, 0, show_message, "take the changed configuration file into force"},
};
#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void list_commands(FILE *out)
{
	fputs("commands:\n", out);
	for (size_t i = 0; i < N_COMMANDS; i++)
		fprintf(out, "  %-11s %-14s %s\n", commands[i].name, commands[i].arguments,
			commands[i].help);
}

static void usage(FILE *out)
{
	fputs("usage: gantryctl [-s SOCKET] [--json] COMMAND\n\n", out);
	list_commands(out);
	fputs("\n  -s, --socket SOCKET   of the gantry to ask (" DEFAULT_SOCKET ")\n"
	      "  --json                print the answer as JSON\n"
	      "  --help, --version\n\n"
	      "Exit codes: 0 done; 1 gantry cannot be reached or says no; 2 wrong use, or a\n"
	      "wrong configuration.\n",
	      out);
}

/* ---- the socket ---- */

static int open_socket(const char *path, int timeout_s)
{
	struct timeval timeout = {.tv_sec = timeout_s};
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd, error;

	if (strlen(path) >= sizeof(a.sun_path)) {
		fprintf(stderr, "gantryctl: %s: longer than a socket's path may be (%zu bytes)\n",
			path, sizeof(a.sun_path) - 1);
		return -1;
	}
	strcpy(a.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) == 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) == 0 &&
	    connect(fd, (const struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	error = errno;
	if (fd >= 0)
		close(fd);
	if (error == ENOENT || error == ECONNREFUSED)
		fprintf(stderr,
			"gantryctl: no gantry listens at %s: is it running? (-s SOCKET names "
			"another)\n",
			path);
	else if (error == EACCES || error == EPERM)
		fprintf(stderr,
			"gantryctl: no permission to use %s: run gantryctl as root, or as a "
			"member of the socket's group\n",
			path);
	else
		fprintf(stderr, "gantryctl: cannot reach gantry at %s: %s\n", path,
			strerror(error));
	return -1;
}

static int send_all(int fd, const char *s, size_t n)
{
	while (n > 0) {
		ssize_t sent = send(fd, s, n, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return -errno;
		s += sent;
		n -= (size_t)sent;
	}
	return 0;
}

/* Reads to the end of the line. *line is to be freed. 0 or -errno. */
static int receive_line(int fd, char **line)
{
	size_t n = 0, capacity = 0;
	char *text = NULL;

	for (;;) {
		ssize_t got;

		if (capacity - n < 65536) {
			char *more = capacity < ANSWER_BYTES_MAX
					     ? realloc(text, capacity * 2 + 131072)
					     : NULL;

			if (more == NULL)
				break;
			text = more;
			capacity = capacity * 2 + 131072;
		}
		got = recv(fd, text + n, capacity - n - 1, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			free(text);
			return got == 0 ? -ECONNRESET : -errno;
		}
		n += (size_t)got;
		if (text[n - 1] == '\n') {
			text[n] = '\0';
			*line = text;
			return 0;
		}
	}
	free(text);
	return -ENOMEM;
}

/* The answer to a request, or NULL after a message. */
static json_t *ask(const char *path, int timeout_s, const char *request, size_t len)
{
	json_error_t error;
	json_t *answer;
	char *line = NULL;
	int fd = open_socket(path, timeout_s), rc;

	if (fd < 0)
		return NULL;
	rc = send_all(fd, request, len);
	if (rc == 0)
		rc = receive_line(fd, &line);
	close(fd);
	if (rc == -EAGAIN) {
		fprintf(stderr, "gantryctl: gantry at %s did not answer within %d s\n", path,
			timeout_s);
		return NULL;
	}
	if (rc != 0) {
		fprintf(stderr, "gantryctl: gantry at %s ended the connection: %s\n", path,
			strerror(-rc));
		return NULL;
	}
	answer = json_loads(line, 0, &error);
	free(line);
	if (!json_is_object(answer)) {
		fprintf(stderr, "gantryctl: the answer of %s is no JSON object: %s\n", path,
			error.text);
		json_decref(answer);
		return NULL;
	}
	return answer;
}

/* ---- what is wanted ---- */

struct options {
	const char *socket;
	bool json;
	const struct command *command;
	int n_arguments;
	char **arguments;
};

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

/* -1: go on, else exit with it. */
static int parse_command(int argc, char **argv, struct options *o)
{
	if (argc == 0) {
		usage(stderr);
		return EXIT_USAGE;
	}
	o->command = find_command(argv[0]);
	if (o->command == NULL) {
		fprintf(stderr, "gantryctl: no command '%s'\n", argv[0]);
		list_commands(stderr);
		return EXIT_USAGE;
	}
	o->n_arguments = argc - 1;
	o->arguments = argv + 1;
	if (o->n_arguments >= o->command->least && o->n_arguments <= o->command->most)
		return -1;
	fprintf(stderr, "gantryctl: it is: gantryctl %s %s\n", o->command->name,
		o->command->arguments);
	return EXIT_USAGE;
}

/* Options stand before the command, or after it. */
static int parse_options(int argc, char **argv, struct options *o)
{
	int n = 0;

	for (int i = 1; i < argc; i++) {
		const char *a = argv[i];

		if (strcmp(a, "--help") == 0 || strcmp(a, "-h") == 0) {
			usage(stdout);
			return EXIT_DONE;
		} else if (strcmp(a, "--version") == 0) {
			puts("gantryctl " GT_VERSION);
			return EXIT_DONE;
		} else if (strcmp(a, "--json") == 0) {
			o->json = true;
		} else if ((strcmp(a, "-s") == 0 || strcmp(a, "--socket") == 0) && i + 1 < argc) {
			o->socket = argv[++i];
		} else if (strncmp(a, "--socket=", 9) == 0) {
			o->socket = a + 9;
		} else if (a[0] == '-') {
			fprintf(stderr,
				"gantryctl: unknown option '%s', or one without its value "
				"(gantryctl --help)\n",
				a);
			return EXIT_USAGE;
		} else {
			argv[n++] = argv[i];
		}
	}
	return parse_command(n, argv, o);
}

/* The request as JSON: an argument may hold anything. */
static char *write_request(const struct options *o, size_t *len)
{
	json_t *list = json_array(), *request = NULL;
	bool good = list != NULL;
	char *text;

	for (int i = 0; good && i < o->n_arguments; i++)
		good = json_array_append_new(list, json_string(o->arguments[i])) == 0;
	if (good)
		request = json_pack("{s:s, s:O}", "command", o->command->name, "arguments", list);
	text = json_dumps(request, JSON_COMPACT);
	json_decref(request);
	json_decref(list);
	if (text == NULL)
		return NULL;
	*len = strlen(text);
	text[(*len)++] = '\n'; /* in the place of its end */
	return text;
}

/* Errors and warnings about a file, each in the form FILE:LINE: message. */
static void show_file_messages(const json_t *answer)
{
	const json_t *list = json_object_get(answer, "messages");

	for (size_t i = 0; i < json_array_size(list); i++)
		fprintf(stderr, "%s\n", json_string_value(json_array_get(list, i)));
}

static int show(const struct options *o, const json_t *answer)
{
	const char *error = json_string_value(json_object_get(answer, "error"));
	json_int_t code = json_integer_value(json_object_get(answer, "exit_code"));

	show_file_messages(answer);
	if (error != NULL) {
		fprintf(stderr, "gantryctl: %s\n", error);
		return code == EXIT_USAGE ? EXIT_USAGE : EXIT_FAILED;
	}
	if (o->json) {
		json_dumpf(answer, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		o->command->show(stdout, answer);
	}
	if (fflush(stdout) == 0)
		return EXIT_DONE;
	fprintf(stderr, "gantryctl: cannot write: %s\n", strerror(errno));
	return EXIT_FAILED;
}

int main(int argc, char **argv)
{
	struct options o = {.socket = DEFAULT_SOCKET};
	int rc = parse_options(argc, argv, &o);
	char *request;
	json_t *answer;
	size_t len;

	if (rc >= 0)
		return rc;
	request = write_request(&o, &len);
	if (request == NULL || len > REQUEST_MAX) {
		fputs("gantryctl: an argument is too long or no UTF-8 text\n", stderr);
		free(request);
		return EXIT_USAGE;
	}
	answer =
		ask(o.socket, strcmp(o.command->name, "reload") == 0 ? RELOAD_TIMEOUT_S : TIMEOUT_S,
		    request, len);
	free(request);
	if (answer == NULL)
		return EXIT_FAILED;
	rc = show(&o, answer);
	json_decref(answer);
	return rc;
}
