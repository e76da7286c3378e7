/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Checks by programs of the operator's. Each is a process group of its own that is killed as a
 * whole at the timeout, and when its leader has ended: what must live on makes itself a session.
 * Its end is told by a pidfd, and it is reaped always; one that does not die at once (it waits for
 * a disk) goes on a list, so that no check waits for it.
 */
#include "prober_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/poll.h>
#include <sys/wait.h>
#include <unistd.h>

#define READ_MAX   16384
#define STDERR_MAX (256 * 1024)
/* How long the end of gantry waits for a killed program. */
#define KILLED_WAIT_MS 200

struct program {
	pid_t pid;
	int pidfd, errors; /* errors: what it writes to stderr; -1: closed */
	size_t received;
	char line[GT_PROBE_REASON_MAX],
		last[GT_PROBE_REASON_MAX]; /* of stderr: the present one,
					    * the last that says something */
	size_t line_len;
};

/* ---- birth ---- */

enum { ENV_VIP, ENV_SERVER, ENV_ADDRESS, ENV_PORT, ENV_PATH, ENV_N };

struct environment {
	char text[ENV_N][160];
	char *list[ENV_N + 1];
};
_Static_assert(sizeof("GANTRY_SERVER=") + GT_NAME_MAX < 160 && sizeof(GT_ASK_PATH) < 120, "fits");

static void fill_environment(const struct gt_target *t, struct environment *e)
{
	char a[GT_ADDR_STRLEN], port[8] = "";

	if (t->port != 0)
		snprintf(port, sizeof(port), "%u", t->port);
	snprintf(e->text[ENV_VIP], sizeof(e->text[0]), "GANTRY_VIP=%s", t->vip_name);
	snprintf(e->text[ENV_SERVER], sizeof(e->text[0]), "GANTRY_SERVER=%s", t->server_name);
	snprintf(e->text[ENV_ADDRESS], sizeof(e->text[0]), "GANTRY_ADDRESS=%s",
		 gt_addr_format(&t->address, a));
	snprintf(e->text[ENV_PORT], sizeof(e->text[0]), "GANTRY_PORT=%s", port);
	snprintf(e->text[ENV_PATH], sizeof(e->text[0]), "PATH=%s", GT_ASK_PATH);
	for (unsigned i = 0; i < ENV_N; i++)
		e->list[i] = e->text[i];
	e->list[ENV_N] = NULL;
}

/* Nothing of gantry's: no descriptor, no blocked or ignored signal, its own process group. */
static int prepare(posix_spawn_file_actions_t *files, posix_spawnattr_t *attributes, int errors)
{
	sigset_t none, all;
	int rc;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_setsigmask(attributes, &none);
	posix_spawnattr_setsigdefault(attributes, &all);
	posix_spawnattr_setpgroup(attributes, 0);
	posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
						     POSIX_SPAWN_SETPGROUP);
	rc = posix_spawn_file_actions_adddup2(files, errors, 2);
	if (rc == 0)
		rc = posix_spawn_file_actions_addopen(files, 0, "/dev/null", O_RDONLY, 0);
	if (rc == 0)
		rc = posix_spawn_file_actions_addopen(files, 1, "/dev/null", O_WRONLY, 0);
	if (rc == 0)
		rc = posix_spawn_file_actions_addclosefrom_np(files, 3);
	return rc;
}

/*
 * A child begins on the CPUs of who made it, and main has one alone. So main widens its own for
 * the moment; it may not be moved by that, for its own CPU is one of these.
 */
static int spawn_on(const cpu_set_t *cpus, const struct gt_target *t, struct program *g,
		    const posix_spawn_file_actions_t *files, const posix_spawnattr_t *attributes)
{
	struct environment e;
	cpu_set_t own;
	bool moved = sched_getaffinity(0, sizeof(own), &own) == 0 &&
		     sched_setaffinity(0, sizeof(*cpus), cpus) == 0;
	int rc;

	fill_environment(t, &e);
	rc = posix_spawn(&g->pid, t->ask->program, files, attributes, t->ask->argv, e.list);
	if (moved)
		sched_setaffinity(0, sizeof(own), &own);
	return rc;
}

/* 0, an errno. */
static int spawn(const struct gt_target *t, struct program *g, int errors)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	int rc = posix_spawn_file_actions_init(&files);

	if (rc != 0)
		return rc;
	rc = posix_spawnattr_init(&attributes);
	if (rc == 0) {
		rc = prepare(&files, &attributes, errors);
		if (rc == 0)
			rc = spawn_on(&t->prober->cpus, t, g, &files, &attributes);
		posix_spawnattr_destroy(&attributes);
	}
	posix_spawn_file_actions_destroy(&files);
	return rc;
}

/* Starts it with a pipe for its stderr. 0, an errno. */
static int run(struct gt_target *t, struct program *g)
{
	int pipe_fds[2], rc;

	if (pipe2(pipe_fds, O_CLOEXEC) != 0)
		return errno;
	g->errors = pipe_fds[0];
	fcntl(g->errors, F_SETFL, O_NONBLOCK);
	rc = spawn(t, g, pipe_fds[1]);
	close(pipe_fds[1]);
	if (rc != 0)
		return rc;
	g->pidfd = pidfd_open(g->pid, 0);
	if (g->pidfd < 0)
		return errno;
	rc = gt_target_watch(t, g->pidfd, EPOLLIN, false);
	if (rc == 0)
		rc = gt_target_watch(t, g->errors, EPOLLIN, false);
	return -rc;
}

static void start(struct gt_target *t)
{
	struct program *g = calloc(1, sizeof(*g));
	int rc;

	t->prober->programs.n_running++;
	t->state = g;
	if (g == NULL) {
		gt_target_cannot(t, "memory", ENOMEM);
		return;
	}
	g->pid = 0;
	g->pidfd = g->errors = -1;
	rc = run(t, g);
	if (rc == EMFILE || rc == ENFILE)
		gt_target_cannot(t, "program", rc);
	else if (rc != 0)
		gt_target_done(t, GT_HEALTH_UNCHECKED, "%.60s: cannot be run: %s", t->ask->program,
			       strerror(rc));
}

static bool has_room(struct gt_prober *p)
{
	struct gt_programs *all = &p->programs;
	bool room = all->n_running + all->n_killed < GT_PROGRAMS_MAX;

	if (!room && !all->told)
		gt_log(&p->log, LOG_WARNING,
		       "%u programs of checks run at once, and no more may: others are late; raise "
		       "interval, or lower timeout",
		       GT_PROGRAMS_MAX);
	all->told = all->told || !room;
	return room;
}

/* ---- what it says ---- */

static void take_byte(struct program *g, char c)
{
	if (c != '\n') {
		if (g->line_len < sizeof(g->line) - 1)
			g->line[g->line_len++] = c >= ' ' && c <= '~' ? c : '.';
		return;
	}
	g->line[g->line_len] = '\0';
	if (g->line_len > 0)
		strcpy(g->last, g->line);
	g->line_len = 0;
}

/* Reads once. False: there is no more now. */
static bool read_errors(struct program *g)
{
	char buffer[READ_MAX];
	ssize_t n = g->errors >= 0 ? read(g->errors, buffer, sizeof(buffer)) : -1;

	for (ssize_t i = 0; i < n; i++)
		take_byte(g, buffer[i]);
	g->received += n > 0 ? (size_t)n : 0;
	if (n == 0) {
		close(g->errors);
		g->errors = -1;
	}
	return n > 0;
}

/* Its last line, whether ended or not, behind ": "; empty if it said nothing. */
static const char *last_words(struct program *g, char buf[GT_PROBE_REASON_MAX])
{
	take_byte(g, '\n');
	snprintf(buf, GT_PROBE_REASON_MAX, "%s%.100s", g->last[0] != '\0' ? ": " : "", g->last);
	return buf;
}

/* ---- its end ---- */

/* Has it ended? Then *info says how; it is reaped later. */
static bool has_ended(const struct program *g, siginfo_t *info)
{
	info->si_pid = 0;
	return waitid(P_PIDFD, (id_t)g->pidfd, info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info->si_pid != 0;
}

static void conclude(struct gt_target *t, const siginfo_t *info)
{
	struct program *g = t->state;
	char words[GT_PROBE_REASON_MAX];

	while (g->received < STDERR_MAX && read_errors(g))
		;
	last_words(g, words);
	if (info->si_code == CLD_EXITED)
		gt_target_done(t, info->si_status == 0 ? GT_HEALTH_HEALTHY : GT_HEALTH_SICK,
			       "exit code %d%s", info->si_status, words);
	else
		gt_target_done(t, GT_HEALTH_SICK, "ended by signal %s%s",
			       sigabbrev_np(info->si_status) != NULL ? sigabbrev_np(info->si_status)
								     : "?",
			       words);
}

static void event(struct gt_target *t, uint32_t events)
{
	struct program *g = t->state;
	siginfo_t info;

	(void)events;
	if (has_ended(g, &info)) {
		conclude(t, &info);
		return;
	}
	read_errors(g);
	if (g->received >= STDERR_MAX)
		gt_target_done(t, GT_HEALTH_SICK, "killed: it wrote more than %d KiB to stderr",
			       STDERR_MAX / 1024);
}

/* If main comes late, it may have ended in time. */
static void timeout(struct gt_target *t)
{
	struct program *g = t->state;
	char words[GT_PROBE_REASON_MAX];
	siginfo_t info;

	if (has_ended(g, &info)) {
		conclude(t, &info);
		return;
	}
	while (g->received < STDERR_MAX && read_errors(g))
		;
	gt_target_done(t, GT_HEALTH_SICK, "killed: no end within %u ms%s", t->ask->timeout_ms,
		       last_words(g, words));
}

/* True: there is nothing left of it. */
static bool reap(int pidfd)
{
	siginfo_t info = {.si_pid = 0};
	int rc = waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG);

	if (rc == 0 && info.si_pid == 0)
		return false;
	close(pidfd);
	return true;
}

/* What was killed ends soon, but not at once. */
static void bury(struct gt_prober *p, struct program *g)
{
	struct gt_programs *all = &p->programs;

	/* Not reaped yet, its number is nobody else's: the group is its own. */
	kill(-g->pid, SIGKILL);
	if (g->pidfd < 0)
		waitpid(g->pid, NULL, 0); /* without a pidfd there is no other way */
	else if (!reap(g->pidfd)) {
		all->killed[all->n_killed++] = g->pidfd;
		if (gt_prober_watch_shared(p, g->pidfd, GT_SHARED_PROGRAMS, true) != 0)
			gt_prober_watch_shared(p, g->pidfd, GT_SHARED_PROGRAMS, false);
	}
}

static void stop(struct gt_target *t)
{
	struct program *g = t->state;
	struct gt_programs *all = &t->prober->programs;

	all->n_running--;
	if (g != NULL && g->errors >= 0)
		close(g->errors);
	if (g != NULL && g->pid > 0)
		bury(t->prober, g);
	free(g);
	t->state = NULL;
	all->told = all->told && all->n_running > 0;
}

void gt_programs_event(struct gt_prober *p)
{
	struct gt_programs *all = &p->programs;
	unsigned n = 0;

	for (unsigned i = 0; i < all->n_killed; i++)
		if (!reap(all->killed[i]))
			all->killed[n++] = all->killed[i];
	all->n_killed = n;
}

void gt_programs_destroy(struct gt_prober *p)
{
	struct gt_programs *all = &p->programs;

	for (unsigned i = 0; i < all->n_killed; i++) {
		struct pollfd f = {.fd = all->killed[i], .events = POLLIN};

		poll(&f, 1, KILLED_WAIT_MS);
		if (!reap(all->killed[i]))
			close(all->killed[i]);
	}
	all->n_killed = 0;
}

const struct gt_transport gt_transport_exec = {start, event, timeout, stop, has_room};
