/* SPDX-License-Identifier: BSD-3-Clause */
/* Files of replay that are to be whole or not there. */
#ifndef GT_APP_NEW_FILE_H
#define GT_APP_NEW_FILE_H

#include <stdio.h>

/*
 * A file that appears under its name only when it is whole: written to a temporary name beside it,
 * then renamed. What is there already and is no regular file (/dev/null, a pipe, a symbolic link)
 * is written to directly: a rename would replace it.
 */
struct gt_new_file {
	FILE *stream; /* NULL: not open */
	char *name, *temporary;
	int error; /* errno of a write that failed, 0: none did, or nobody noted it */
};

/* 0, or -1 with a message on stderr. */
int gt_new_file_open(struct gt_new_file *f, const char *name);
/* Closes it and gives it its name. 0, or -1 with a message on stderr, and nothing left behind. */
int gt_new_file_commit(struct gt_new_file *f);
/* Closes and removes it; does nothing if it is not open. */
void gt_new_file_discard(struct gt_new_file *f);

#endif
