/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `gantryctl top`: the rates of the last second, on a terminal until q. Escape sequences that every
 * terminal of the last decades knows (ECMA-48) do; a library for more would be a dependency for one
 * screen of text.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/poll.h> /* not app/gantry/poll.h */
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"
#include "rates.h"

#define PERIOD_MS 1000

#define CLEAR_TO_END_OF_LINE "\033[K"
#define CLEAR_BELOW	     "\033[J"
#define HOME		     "\033[H"
#define ENTER		     "\033[?1049h\033[?25l" /* the other screen, no cursor */
#define LEAVE		     "\033[?25h\033[?1049l"

struct top {
	const struct options *o;
	json_t *before, *now;
	double before_s, now_s; /* when they were asked for */
	enum rates_order order;
	size_t first; /* line of the servers that is shown first */
	bool end;
};

static struct termios cooked;
static volatile sig_atomic_t ended;

static double clock_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- numbers ---- */

/* 0, or an exit code after a message. */
static int update(struct top *t)
{
	double at = clock_s();
	json_t *answer;
	int rc;

	answer = ctl_ask(t->o->socket, "status", NULL, 0, &rc);
	if (answer == NULL)
		return rc;
	rc = ctl_error(answer);
	if (rc != 0) {
		json_decref(answer);
		return rc;
	}
	json_decref(t->before);
	t->before = t->now;
	t->before_s = t->now_s;
	t->now = answer;
	t->now_s = at;
	return 0;
}

/* Some text, as long as it is: to be freed. NULL: no memory. */
static char *write_text(const struct top *t, bool head)
{
	double seconds = t->now_s > t->before_s ? t->now_s - t->before_s : 1;
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (f == NULL)
		return NULL;
	if (head)
		rates_head(f, t->before, t->now, seconds);
	else
		rates_servers(f, t->before, t->now, seconds, t->order);
	if (fclose(f) == 0)
		return text;
	free(text);
	return NULL;
}

/* ---- one frame, for no terminal ---- */

static int show_once(struct top *t)
{
	char *head, *servers;
	int rc;

	usleep(PERIOD_MS * 1000);
	rc = update(t);
	if (rc != 0)
		return rc;
	if (t->o->json)
		return ctl_print(t->now);
	head = write_text(t, true);
	servers = write_text(t, false);
	if (head != NULL && servers != NULL)
		printf("%s\n%s", head, servers);
	free(head);
	free(servers);
	return ctl_flush();
}

/* ---- the terminal ---- */

static void on_signal(int number)
{
	ended = number != SIGWINCH;
}

/* So many lines of the text are passed over; at most `rows` are put out, cut at the right edge.
 * How many were. */
static size_t put_lines(const char *text, size_t skip, size_t rows, size_t columns)
{
	size_t put = 0;

	while (text != NULL && *text != '\0' && put < rows) {
		size_t n = strcspn(text, "\n");

		if (skip > 0) {
			skip--;
		} else {
			printf("%.*s" CLEAR_TO_END_OF_LINE "\r\n", (int)(n < columns ? n : columns),
			       text);
			put++;
		}
		text += n + (text[n] == '\n');
	}
	return put;
}

static size_t count_lines(const char *text)
{
	size_t n = 0;

	for (; text != NULL && *text != '\0'; text++)
		n += *text == '\n';
	return n;
}

static void draw(struct top *t)
{
	struct winsize w = {.ws_row = 24, .ws_col = 80};
	char *head = write_text(t, true), *servers = write_text(t, false);
	size_t rows, columns, used, n = count_lines(servers);

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) != 0 || w.ws_row == 0) {
		w.ws_row = 24;
		w.ws_col = 80;
	}
	/* The last line is for the keys. */
	rows = w.ws_row > 1 ? w.ws_row - 1U : 1;
	columns = w.ws_col > 0 ? w.ws_col : 80;
	fputs(HOME, stdout);
	used = put_lines(head, 0, rows, columns);
	if (used + 1 < rows)
		used += put_lines("\n", 0, 1, columns);
	/* The heading of the columns stays. */
	if (used < rows)
		used += put_lines(servers, 0, 1, columns);
	if (t->first + 1 >= n)
		t->first = n > 1 ? n - 2 : 0;
	if (used < rows)
		put_lines(servers, 1 + t->first, rows - used, columns);
	printf(CLEAR_BELOW "\033[%d;1H%.*s" CLEAR_TO_END_OF_LINE, w.ws_row, (int)columns,
	       "q ends   up, down: scroll   left, right: order by ");
	if (columns > 70)
		fputs(rates_order_name(t->order), stdout);
	fflush(stdout);
	free(head);
	free(servers);
}

/* Keys that came, arrows as three bytes. */
static void take_keys(struct top *t)
{
	char keys[32];
	ssize_t n = read(STDIN_FILENO, keys, sizeof(keys));

	if (n <= 0)
		t->end = n == 0 || errno != EINTR;
	for (ssize_t i = 0; i < n; i++) {
		char key = keys[i];

		if (key == '\033' && i + 2 < n && (keys[i + 1] == '[' || keys[i + 1] == 'O')) {
			key = keys[i + 2];
			i += 2;
			if (key == 'A' && t->first > 0)
				t->first--;
			else if (key == 'B')
				t->first++;
			else if (key == 'C')
				t->order = (t->order + 1) % RATES_ORDERS;
			else if (key == 'D')
				t->order = (t->order + RATES_ORDERS - 1) % RATES_ORDERS;
		} else if (key == 'q' || key == 'Q' || key == 3) {
			t->end = true;
		} else if (key == 's') {
			t->order = (t->order + 1) % RATES_ORDERS;
		}
	}
}

/* Until the next second, a key, or another size. */
static void wait_key(struct top *t, double until)
{
	struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
	double left = until - clock_s();

	if (left > 0 && poll(&p, 1, (int)(left * 1000) + 1) > 0)
		take_keys(t);
}

static bool enter_terminal(void)
{
	struct sigaction sa = {.sa_handler = on_signal};
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &cooked) != 0)
		return false;
	raw = cooked;
	raw.c_lflag &= (tcflag_t) ~(ICANON | ECHO);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	sigaction(SIGWINCH, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) != 0)
		return false;
	fputs(ENTER, stdout);
	return true;
}

static void leave_terminal(void)
{
	fputs(LEAVE, stdout);
	fflush(stdout);
	tcsetattr(STDIN_FILENO, TCSANOW, &cooked);
}

static int show_live(struct top *t)
{
	double next = clock_s();
	int rc = 0;

	if (!enter_terminal())
		return show_once(t);
	while (!t->end && !ended && rc == 0) {
		if (clock_s() >= next) {
			rc = update(t);
			next += (double)PERIOD_MS / 1000;
			if (next < clock_s())
				next = clock_s();
		}
		if (rc == 0) {
			draw(t);
			wait_key(t, next);
		}
	}
	leave_terminal();
	/* What was said of it went with the screen. */
	if (rc != 0)
		fprintf(stderr, "gantryctl: gantry at %s no longer answers\n", t->o->socket);
	return rc;
}

int ctl_top(const struct options *o)
{
	struct top t = {.o = o};
	int rc = update(&t);

	if (rc == 0 && !o->once && !o->json && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
		rc = show_live(&t);
	else if (rc == 0)
		rc = show_once(&t);
	json_decref(t.before);
	json_decref(t.now);
	return rc;
}
