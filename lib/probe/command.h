/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The words of a command line, split as a POSIX shell splits them (Shell Command Language 2.2
 * Quoting, 2.6.5): by blanks, with '...', "..." and \. There is no shell: what one would expand or
 * act on (variables, patterns, pipes) is refused, not taken by the letter, for whoever writes it
 * means it.
 */
#ifndef GT_PROBE_COMMAND_H
#define GT_PROBE_COMMAND_H

/*
 * 0: *argv has at least one word and ends with NULL; it is one block, the caller's to free.
 * -EINVAL: *why says what to do. -ENOMEM. Any caller.
 */
int gt_command_split(const char *command, char ***argv, const char **why);

#endif
