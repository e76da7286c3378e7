/* SPDX-License-Identifier: BSD-3-Clause */
/* EAL's arguments, start and words; see eal.h. */
#include "eal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>

#include "run.h"
#include "say.h"

#define ARGUMENTS_MAX  256
#define LINES_A_MINUTE 10

/* EAL is one of its kind in a process, and so is what belongs to it. */
static struct {
	char *argv[ARGUMENTS_MAX]; /* EAL keeps pointers to them */
	int argc;
	bool started;
	int said_fd; /* a file without a name that collects words; -1: none */
	FILE *said;
	int out, err; /* stdout and stderr, while said_fd is in their places; -1: it is not */
	const struct gt_log *log;
	FILE *live;
	uint64_t minute;
	unsigned lines;
} eal = {.said_fd = -1, .out = -1, .err = -1};

/* ---- arguments ---- */

static bool add(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static bool add(const char *fmt, ...)
{
	char *s;
	va_list ap;
	int n;

	if (eal.argc == ARGUMENTS_MAX - 1)
		return false;
	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n < 0)
		return false;
	eal.argv[eal.argc++] = s;
	return true;
}

/* Main and each worker on its CPU. The form 0@2,1@3 also lets several share one. */
static bool add_lcores(const struct gt_cpus *cpus)
{
	char list[GT_WORKERS_MAX * 16];
	size_t used = (size_t)snprintf(list, sizeof(list), "0@%d", cpus->main);

	for (unsigned i = 0; i < cpus->n_workers; i++)
		used += (size_t)snprintf(list + used, sizeof(list) - used, ",%u@%d", i + 1,
					 cpus->workers[i]);
	return add("--lcores=%s", list);
}

/*
 * No files are shared with other processes (--in-memory, --no-shconf): nothing is left behind by a
 * kill, and nodes live side by side. EAL refuses --in-memory without hugepages; the tables are not
 * of its memory then (worker.c).
 */
static bool add_memory(const struct gt_config *config, const struct gt_budget *budget)
{
	if (config->hugepages)
		return add("--in-memory");
	return add("--no-huge") && add("--no-shconf") && add("-m") &&
	       add("%" PRIu64, ((budget->total_bytes - budget->tables_bytes) >> 20) + 1);
}

static bool add_one(bool pci, const char *name, const char *arguments)
{
	return pci ? add("-a") && add("%s", name) : add("--vdev=%s", arguments);
}

/* A bond's slaves come before it. */
static bool add_device(const struct gt_device *d)
{
	bool good = true;

	for (unsigned i = 0; good && i < d->n_slaves; i++)
		good = add_one(d->slaves[i].pci, d->slaves[i].name, d->slaves[i].arguments);
	return good && add_one(d->pci && d->n_slaves == 0, d->name, d->arguments);
}

static bool add_devices(const struct gt_config *config, const struct gt_device devices[])
{
	bool pci = false, good = true;

	for (size_t i = 0; i < config->n_interfaces; i++)
		pci = pci || devices[i].pci;
	/* Without a NIC nothing needs physical addresses, which only root may know. */
	if (!pci)
		good = add("--no-pci") && add("--iova-mode=va");
	for (size_t i = 0; good && i < config->n_interfaces; i++)
		good = add_device(&devices[i]);
	return good;
}

/* A node's name as a part of a file name. */
static bool add_prefix(const char *name)
{
	char prefix[GT_NAME_MAX + 1];

	snprintf(prefix, sizeof(prefix), "%s", name);
	for (char *s = prefix; *s != '\0'; s++)
		if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_",
			   *s) == NULL)
			*s = '_';
	return add("--file-prefix=gantry-%s", prefix);
}

/* The words of `eal =`. */
static bool add_extra(const char *words)
{
	for (const char *s = words + strspn(words, " \t"); *s != '\0'; s += strspn(s, " \t")) {
		size_t n = strcspn(s, " \t");

		if (!add("%.*s", (int)n, s))
			return false;
		s += n;
	}
	return true;
}

static int build_arguments(const struct gt_config *config, const struct gt_device devices[],
			   const struct gt_cpus *cpus, const struct gt_budget *budget)
{
	if (add("gantry") && add_lcores(cpus) && add("--main-lcore=0") &&
	    add_prefix(config->name) && add("--log-level=notice") && add_memory(config, budget) &&
	    add_devices(config, devices) && add_extra(config->eal))
		return 0;
	return -ENOMEM;
}

/* ---- what EAL says ---- */

/* Puts stdout and stderr back into their places. */
static void restore_output(void)
{
	if (eal.out < 0)
		return;
	fflush(stdout);
	gt_say_to(STDERR_FILENO);
	dup2(eal.out, STDOUT_FILENO);
	dup2(eal.err, STDERR_FILENO);
	close(eal.out);
	close(eal.err);
	eal.out = eal.err = -1;
}

/* EAL, and libraries below its drivers such as libxdp, also print directly. The log goes on. */
static void collect_output(void)
{
	fflush(stdout);
	eal.out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	eal.err = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	if (eal.out < 0 || eal.err < 0) {
		eal.out = -1;
		return;
	}
	gt_say_to(eal.err);
	dup2(eal.said_fd, STDOUT_FILENO);
	dup2(eal.said_fd, STDERR_FILENO);
}

static void collect(void)
{
	int copy;

	eal.said_fd = memfd_create("gantry-eal-said", MFD_CLOEXEC);
	copy = eal.said_fd >= 0 ? fcntl(eal.said_fd, F_DUPFD_CLOEXEC, 3) : -1;
	if (copy < 0)
		return; /* then it speaks for itself on stderr */
	eal.said = fdopen(copy, "w");
	if (eal.said == NULL) {
		close(copy);
		return;
	}
	rte_openlog_stream(eal.said);
	collect_output();
}

void gt_eal_forget(void)
{
	if (eal.said == NULL)
		return;
	fflush(eal.said);
	if (ftruncate(eal.said_fd, 0) == 0)
		lseek(eal.said_fd, 0, SEEK_SET);
}

/* Appends a line without its blanks and control characters; " | " between lines. */
static size_t append_line(char *buf, size_t size, size_t used, const char *line, size_t len)
{
	if (used > 0)
		used += (size_t)snprintf(buf + used, size - used, " | ");
	for (size_t i = 0; i < len && used + 1 < size; i++)
		buf[used++] = line[i] < ' ' ? ' ' : line[i];
	if (used >= size)
		used = size - 1;
	buf[used] = '\0';
	return used;
}

/* EAL prints its whole help where an argument is wrong: indented lines, under headings. */
static bool is_help(const char *line, size_t len)
{
	return len == 0 || line[0] == ' ' || line[0] == '\t' || line[len - 1] == ':' ||
	       strncmp(line, "Usage", 5) == 0;
}

/* Puts the last three lines of a text into buf: the cause comes first, what failed by it follows.
 */
static void append_last(const char *text, char *buf, size_t size)
{
	const char *lines[3];
	size_t used = 0, n = 0;

	for (const char *s = text; *s != '\0'; s += strcspn(s, "\n"), s += *s == '\n') {
		if (is_help(s, strcspn(s, "\n")))
			continue;
		if (n == 3) {
			lines[0] = lines[1];
			lines[1] = lines[2];
			n = 2;
		}
		lines[n++] = s;
	}
	for (size_t i = 0; i < n; i++)
		used = append_line(buf, size, used, lines[i], strcspn(lines[i], "\n"));
}

char *gt_eal_said(char *buf, size_t size)
{
	char text[16384];
	off_t end;
	ssize_t len;

	buf[0] = '\0';
	if (eal.said == NULL)
		return buf;
	fflush(eal.said);
	end = lseek(eal.said_fd, 0, SEEK_END);
	len = pread(eal.said_fd, text, sizeof(text) - 1,
		    end > (off_t)sizeof(text) - 1 ? end - (off_t)sizeof(text) + 1 : 0);
	if (len <= 0)
		return buf;
	text[len] = '\0';
	append_last(text, buf, size);
	return buf;
}

/* What a driver or EAL says while gantry runs. Any thread: stdio has the lock of the stream. */
static ssize_t live_write(void *ctx, const char *text, size_t len)
{
	uint64_t minute = gt_clock_ms() / 60000;
	size_t n = len;

	(void)ctx;
	if (minute != eal.minute) {
		eal.minute = minute;
		eal.lines = 0;
	}
	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' '))
		n--;
	if (n > 0 && eal.lines < LINES_A_MINUTE)
		gt_log(eal.log, LOG_WARNING, "DPDK: %.*s%s", (int)n, text,
		       eal.lines == LINES_A_MINUTE - 1 ? " (no more of this kind for a minute)"
						       : "");
	eal.lines++;
	return (ssize_t)len;
}

void gt_eal_listen(const struct gt_log *log)
{
	cookie_io_functions_t functions = {.write = live_write};

	if (eal.said == NULL)
		return; /* the user wants to see it all on stderr */
	restore_output();
	eal.log = log;
	eal.live = fopencookie(NULL, "w", functions);
	if (eal.live == NULL)
		return;
	setvbuf(eal.live, NULL, _IOLBF, 0);
	rte_openlog_stream(eal.live);
}

/* ---- start and end ---- */

/* EAL moves its arguments about, and writes one of them twice: it gets a list of its own. */
static int init(void)
{
	static char *argv[ARGUMENTS_MAX];

	memcpy(argv, eal.argv, sizeof(argv));
	return rte_eal_init(eal.argc, argv);
}

int gt_eal_start(const struct gt_config *config, const struct gt_device devices[],
		 const struct gt_cpus *cpus, const struct gt_budget *budget,
		 const struct gt_log *log)
{
	char said[GT_EAL_SAID_MAX];

	if (build_arguments(config, devices, cpus, budget) != 0) {
		gt_log(log, LOG_ERR, "too many arguments for DPDK, or no memory for them");
		return -ENOMEM;
	}
	/* Who asks for EAL's log gets it as EAL writes it. */
	if (strstr(config->eal, "--log-level") == NULL)
		collect();
	if (init() < 0) {
		gt_eal_said(said, sizeof(said));
		if (rte_errno == ENOMEM)
			gt_log(log, LOG_ERR,
			       "too little memory for %" PRIu64
			       " MB: lower `connections` or `buffers`, or raise the limit of this "
			       "process (ulimit -v, MemoryMax=): DPDK says: %s",
			       budget->total_bytes >> 20, said);
		else
			gt_log(log, LOG_ERR, "DPDK does not start: %s (%s)", said,
			       rte_strerror(rte_errno));
		return -EIO;
	}
	eal.started = true;
	return 0;
}

static void remove_directory(const char *dir)
{
	char socket[PATH_MAX + 32];

	snprintf(socket, sizeof(socket), "%s/dpdk_telemetry.v2", dir);
	unlink(socket);
	rmdir(dir);
}

void gt_eal_stop(void)
{
	char dir[PATH_MAX];

	/* EAL leaves its directory behind, and in it the socket of its telemetry. */
	snprintf(dir, sizeof(dir), "%s", rte_eal_get_runtime_dir());
	if (eal.started)
		rte_eal_cleanup();
	if (dir[0] != '\0')
		remove_directory(dir);
	eal.started = false;
	restore_output();
	rte_openlog_stream(NULL);
	if (eal.live != NULL)
		fclose(eal.live);
	if (eal.said != NULL)
		fclose(eal.said);
	if (eal.said_fd >= 0)
		close(eal.said_fd);
	while (eal.argc > 0)
		free(eal.argv[--eal.argc]);
	eal.live = eal.said = NULL;
	eal.said_fd = -1;
}
