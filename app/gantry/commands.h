/* SPDX-License-Identifier: BSD-3-Clause */
/* The commands of `gantry`: each gets its own argc and argv (argv[0] is the command) and returns
 * the exit code: 0 done, 1 failed while running, 2 wrong use or a wrong configuration. */
#ifndef GT_APP_COMMANDS_H
#define GT_APP_COMMANDS_H

#define GT_EXIT_OK     0
#define GT_EXIT_FAILED 1
#define GT_EXIT_USAGE  2

int gt_command_check(int argc, char **argv);
int gt_command_run(int argc, char **argv);
int gt_command_replay(int argc, char **argv);
int gt_command_bench(int argc, char **argv);

#endif
