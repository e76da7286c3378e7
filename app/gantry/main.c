/* SPDX-License-Identifier: BSD-3-Clause */
/* gantry: which command, and help. */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "version.h"

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} commands[] = {
	{"check", gt_command_check, "read and validate a configuration, print what it says"},
	{"run", gt_command_run, "boot DPDK from the configuration and serve until SIGTERM"},
	{"replay", gt_command_replay, "run captures through the same packet core, offline"},
	{"bench", gt_command_bench, "measure the packet core on this machine"},
};

static void usage(FILE *out)
{
	fprintf(out, "usage: gantry COMMAND ...\n\n"
		     "A DPDK load balancer for DICOM and HL7: spreads connections to virtual\n"
		     "addresses (VIPs) over real servers.\n\n"
		     "commands:\n");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].help);
	fprintf(out, "\n  gantry COMMAND --help   tells of one command\n"
		     "  gantry --version        tells the version\n"
		     "\nA running gantry is asked with gantryctl.\n");
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		usage(stderr);
		return GT_EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    strcmp(argv[1], "help") == 0) {
		usage(stdout);
		return GT_EXIT_OK;
	}
	if (strcmp(argv[1], "--version") == 0) {
		puts("gantry " GT_VERSION);
		return GT_EXIT_OK;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	fprintf(stderr,
		"gantry: no command '%s'; there are: check, run, replay, bench (gantry --help)\n",
		argv[1]);
	return GT_EXIT_USAGE;
}
