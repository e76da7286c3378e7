/* SPDX-License-Identifier: BSD-3-Clause */
/* Asking over the control socket; see client.h. */
#include "client.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define TIMEOUT_S 5
/* Reading a table of millions for what matches takes its time; so do the tables of a reload of very
 * many VIPs. */
#define LONG_TIMEOUT_S	 120
#define ANSWER_BYTES_MAX (256U << 20)
#define REQUEST_MAX	 4096

int ctl_connect(const char *path, int timeout_s)
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

/* The request as JSON: an argument may hold anything. */
static char *write_request(const char *command, const char *const *arguments, size_t n, size_t *len)
{
	json_t *list = json_array(), *request = NULL;
	bool good = list != NULL;
	char *text;

	for (size_t i = 0; good && i < n; i++)
		good = json_array_append_new(list, json_string(arguments[i])) == 0;
	if (good)
		request = json_pack("{s:s, s:O}", "command", command, "arguments", list);
	text = json_dumps(request, JSON_COMPACT);
	json_decref(request);
	json_decref(list);
	if (text == NULL)
		return NULL;
	*len = strlen(text);
	text[(*len)++] = '\n'; /* in the place of its end */
	return text;
}

int ctl_send(int fd, const char *path, const char *command, const char *const *arguments, size_t n)
{
	size_t len = 0;
	char *request = write_request(command, arguments, n, &len);
	int rc;

	if (request == NULL || len > REQUEST_MAX) {
		fputs("gantryctl: an argument is too long or no UTF-8 text\n", stderr);
		free(request);
		return EXIT_USAGE;
	}
	rc = send_all(fd, request, len);
	free(request);
	/* Who is refused has its answer waiting. */
	if (rc == 0 || rc == -EPIPE)
		return 0;
	fprintf(stderr, "gantryctl: cannot ask gantry at %s: %s\n", path, strerror(-rc));
	return EXIT_FAILED;
}

/* The answer's line as an object, or NULL after a message. */
static json_t *receive(int fd, const char *path, int timeout_s)
{
	json_error_t error;
	json_t *answer;
	char *line = NULL;
	int rc = receive_line(fd, &line);

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
	if (json_is_object(answer))
		return answer;
	fprintf(stderr, "gantryctl: the answer of %s is no JSON object: %s\n", path, error.text);
	json_decref(answer);
	return NULL;
}

json_t *ctl_ask(const char *path, const char *command, const char *const *arguments, size_t n,
		int *rc)
{
	int timeout_s = strcmp(command, "connections") == 0 || strcmp(command, "reload") == 0
				? LONG_TIMEOUT_S
				: TIMEOUT_S;
	int fd = ctl_connect(path, timeout_s);
	json_t *answer = NULL;

	*rc = fd < 0 ? EXIT_FAILED : ctl_send(fd, path, command, arguments, n);
	if (*rc == 0) {
		answer = receive(fd, path, timeout_s);
		*rc = answer != NULL ? 0 : EXIT_FAILED;
	}
	if (fd >= 0)
		close(fd);
	return answer;
}

/* Errors and warnings about a file, each in the form FILE:LINE: message. */
static void show_file_messages(const json_t *answer)
{
	const json_t *list = json_object_get(answer, "messages");

	for (size_t i = 0; i < json_array_size(list); i++)
		fprintf(stderr, "%s\n", json_string_value(json_array_get(list, i)));
}

int ctl_error(const json_t *answer)
{
	const char *error = json_string_value(json_object_get(answer, "error"));

	show_file_messages(answer);
	if (error == NULL)
		return 0;
	fprintf(stderr, "gantryctl: %s\n", error);
	return json_integer_value(json_object_get(answer, "exit_code")) == EXIT_USAGE ? EXIT_USAGE
										      : EXIT_FAILED;
}
